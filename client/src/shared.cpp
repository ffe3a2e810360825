#include "client/src/shared.hpp"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "client/src/futex.hpp"
#include "client/src/runtime_context.hpp"

namespace xase::client {
namespace {

constexpr std::int64_t kBackoffFirstNs = 10'000'000;
constexpr std::int64_t kBackoffMaxNs = 1'000'000'000;
constexpr std::chrono::seconds kCloseWait{2};
// A ring that nobody reads any more is never settled: these cost memory.
constexpr std::size_t kMovedMax = 16;
constexpr std::chrono::milliseconds kResultsBusyInterval{2};
constexpr std::chrono::milliseconds kResultsIdleInterval{50};

constinit std::atomic<Shared*> abandoned_list{nullptr};

// What the daemon is not known to have read of a ring whose file lost its name. Nothing where it
// has all.
LeftBehind left_in(const RingFile& file, std::uint64_t sequence, std::uint64_t refused) noexcept {
  const proto::RingDaemonWords& words = file.daemon();
  const std::uint64_t journaled =
      std::min(sequence, words.journaled_sequence.load(std::memory_order_relaxed));
  // Whoever took of it has told what it says of those before it.
  const bool has_told = words.released.load(std::memory_order_relaxed) != 0;
  const proto::RingBefore& before = file.before();
  const std::uint64_t earlier =
      has_told ? 0 : before.earlier + (before.committed - before.journaled);
  LeftBehind left;
  // One that has it attached tells of its refusals, too.
  const bool is_attached = words.condemned.load(std::memory_order_relaxed) != 0;
  if (!has_told && !is_attached) left.refused = refused;
  if (sequence != journaled || earlier != 0) {
    left.before = {proto::ring_id_of(file.id()), sequence, journaled, earlier};
  }
  return left;
}

int membarrier(int command) noexcept {
  return static_cast<int>(syscall(SYS_membarrier, command, 0, 0));
}

bool register_membarrier() noexcept {
  return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

}  // namespace

std::uint64_t sequence_reached(const proto::RingDaemonWords& words, xase_until until) noexcept {
  switch (until) {
    case XASE_COMMITTED:
      return UINT64_MAX;
    case XASE_JOURNALED:
      return words.journaled_sequence.load(std::memory_order_acquire);
    case XASE_DURABLE:
      return words.durable_sequence.load(std::memory_order_acquire);
    case XASE_DELIVERED:
      break;
  }
  return words.settled_sequence.load(std::memory_order_acquire);
}

Shared::Shared(std::shared_ptr<const Settings> settings, std::uint64_t generation)
    : settings_(std::move(settings)),
      generation_(generation),
      needs_fence_(!register_membarrier()),
      results_(settings_->wants_results()) {}

Shared::~Shared() {
  while (rings_ != nullptr) {
    const std::unique_ptr<Ring> ring(rings_);
    rings_ = ring->next_;
  }
}

void Shared::release() noexcept {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

void Shared::abandon() noexcept {
  if (abandoned_.exchange(true)) return;
  next_abandoned_ = abandoned_list.load();
  while (!abandoned_list.compare_exchange_weak(next_abandoned_, this)) {
  }
}

Ring* Shared::acquire(ErrorCode& code) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    if (closed()) {
      code = fail(ErrorCode::kQueueClosed, "the client is closed");
      return nullptr;
    }
    if (free_ != nullptr) return std::exchange(free_, free_->next_free_);
    auto ring = std::make_unique<Ring>(*this);
    std::shared_ptr<RingFile> file;
    const Failure failure = make_file({}, file);
    if (failure.ok()) {
      if (settings_->result_thread) start_result_thread();
      ring->adopt(std::move(file));
      ring->next_ = rings_;
      rings_ = ring.release();
      return rings_;
    }
    code = fail(failure);
  } catch (const std::bad_alloc&) {
    code = fail(ErrorCode::kOutOfMemory, "out of memory");
  } catch (const std::exception& error) {
    code = fail_copy(ErrorCode::kSystemError, error.what());
  }
  refused_without_ring_.fetch_add(1, std::memory_order_relaxed);
  return nullptr;
}

void Shared::give_back(Ring* ring) noexcept {
  const std::lock_guard lock(mutex_);
  if (closed()) return;
  ring->next_free_ = free_;
  free_ = ring;
}

ErrorCode Shared::replace(Ring& ring) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    if (closed()) return fail(ErrorCode::kQueueClosed, "the client is closed");
    const std::uint64_t sequence = ring.sequence_.load(std::memory_order_relaxed);
    const std::uint64_t refused = ring.refused_.load(std::memory_order_relaxed);
    const std::uint32_t condemned = ring.daemon_->condemned.load(std::memory_order_relaxed);
    const bool is_given_up = condemned != 0 && condemned != proto::kRingMoved;
    moved_.reserve(moved_.size() + 1);  // nothing may fail once the file is there
    const LeftBehind left = is_given_up ? LeftBehind{} : left_in(*ring.file_, sequence, refused);
    std::shared_ptr<RingFile> file;
    const Failure failure = make_file(left, file);
    if (failure.ok()) {
      if (is_given_up) {
        bank(*ring.file_, sequence, refused);
      } else {
        keep_moved(ring.file_, sequence, refused - left.refused);
      }
      ++banked_.rings_replaced;
      ring.adopt(std::move(file));
      return ErrorCode::kOk;
    }
    refused_without_ring_.fetch_add(1, std::memory_order_relaxed);
    return fail(failure);
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kOutOfMemory, "out of memory");
  } catch (const std::exception& error) {
    return fail_copy(ErrorCode::kSystemError, error.what());
  }
}

// At a bounded rate: an app that records a million times a second must not turn a missing directory
// into a million attempts.
Failure Shared::make_file(const LeftBehind& left, std::shared_ptr<RingFile>& made) {
  const std::int64_t now = monotonic_ns();
  if (now < next_attempt_ns_) return last_failure_;
  last_failure_ = try_make_file(file_options(left), made);
  if (last_failure_.ok()) {
    backoff_ns_ = 0;
  } else {
    backoff_ns_ = std::clamp(backoff_ns_ * 2, kBackoffFirstNs, kBackoffMaxNs);
    next_attempt_ns_ = now + backoff_ns_;
  }
  return last_failure_;
}

RingFileOptions Shared::file_options(const LeftBehind& left) const {
  RingFileOptions options;
  options.run_dir = settings_->run_dir;
  options.ring_bytes = settings_->ring_bytes;
  options.results_bytes = settings_->results_bytes;
  options.context = runtime_context(settings_->runtime, settings_->env);
  options.refused_before = refused_without_ring_.load(std::memory_order_relaxed);
  options.left = left;
  return options;
}

Failure Shared::try_make_file(const RingFileOptions& options, std::shared_ptr<RingFile>& made) {
  Fd root;
  Fd rings;
  Failure failure = open_run_dir(settings_->run_dir, root, rings);
  if (failure.ok()) failure = RingFile::create(options, root, rings, made);
  if (!failure.ok()) return failure;
  // Whoever was refused meanwhile is left for the next ring.
  refused_without_ring_.fetch_sub(options.refused_before, std::memory_order_relaxed);
  refresh_doorbell(root);
  return {};
}

void Shared::leave_word(const Ring& ring) noexcept {
  const LeftBehind left = left_in(*ring.file_, ring.sequence_.load(std::memory_order_acquire),
                                  ring.refused_.load(std::memory_order_relaxed));
  const std::uint32_t condemned = ring.daemon_->condemned.load(std::memory_order_relaxed);
  const bool is_given_up = condemned != 0 && condemned != proto::kRingMoved;
  const bool has_all = left.before.ring_id == proto::Id{} && left.refused == 0;
  if (has_all || is_given_up || ring.file_->is_in_place()) return;
  try {
    // As small as it can be: the file that lost its name still takes its room.
    RingFileOptions options = file_options(left);
    options.ring_bytes = proto::kRingDataBytesMin;
    options.results_bytes = proto::kRingResultsBytesMin;
    std::shared_ptr<RingFile> file;
    if (try_make_file(options, file).ok()) banked_.refused += options.refused_before;
  } catch (const std::exception&) {
    // There is nobody left to tell.
  }
}

void Shared::refresh_doorbell(const Fd& root) {
  auto page = open_doorbell(root);
  if (page == nullptr) return;
  if (!doorbells_.empty() && doorbells_.back()->inode == page->inode) return;
  doorbells_.push_back(std::move(page));
  // Pairs with ring_bell(). Earlier pages stay mapped: another thread may be about to use one.
  doorbell_.store(&doorbells_.back()->words(), std::memory_order_release);
}

void Shared::ring_bell() noexcept {
  proto::Doorbell* doorbell = doorbell_.load(std::memory_order_acquire);
  if (doorbell == nullptr) return;
  futex_add_and_wake(doorbell->bell);
}

void Shared::bank(const RingFile& file, std::uint64_t sequence, std::uint64_t refused) noexcept {
  const proto::RingDaemonWords& words = file.daemon();
  const auto up_to = [sequence](const std::atomic<std::uint64_t>& word) {
    return std::min(sequence, word.load(std::memory_order_relaxed));
  };
  banked_.committed += sequence;
  banked_.refused += refused;
  banked_.journaled += up_to(words.journaled_sequence);
  banked_.durable += up_to(words.durable_sequence);
  banked_.delivered += up_to(words.delivered);
  banked_.failed += up_to(words.failed);
  banked_.results_dropped += words.results_dropped.load(std::memory_order_relaxed);
}

void Shared::keep_moved(std::shared_ptr<RingFile> file, std::uint64_t sequence,
                        std::uint64_t refused) {
  moved_.push_back({std::move(file), sequence, refused});
  std::size_t over = moved_.size() > kMovedMax ? moved_.size() - kMovedMax : 0;
  std::erase_if(moved_, [&](const Moved& moved) {
    const bool settled = sequence_reached(moved.file->daemon(), XASE_DELIVERED) >= moved.sequence;
    if (!settled && over == 0) return false;
    if (!settled) --over;
    bank(*moved.file, moved.sequence, moved.refused);
    return true;
  });
}

xase_counts Shared::counts() {
  const std::lock_guard lock(mutex_);
  const xase_counts banked = banked_;
  for (const Moved& moved : moved_) bank(*moved.file, moved.sequence, moved.refused);
  for (Ring* ring = rings_; ring != nullptr; ring = ring->next_) {
    if (final_counts_) break;
    bank(*ring->file_, ring->sequence_.load(std::memory_order_acquire),
         ring->refused_.load(std::memory_order_relaxed));
    ++banked_.rings;
  }
  xase_counts counts = std::exchange(banked_, banked);
  counts.size = sizeof counts;
  counts.refused += refused_without_ring_.load(std::memory_order_relaxed);
  counts.results_dropped += results_.dropped();
  counts.pending = counts.committed - std::min(counts.committed, counts.delivered + counts.failed);
  counts.closed = closed() ? 1 : 0;
  return counts;
}

std::vector<Shared::View> Shared::views() {
  const std::lock_guard lock(mutex_);
  std::vector<View> views;
  for (const Moved& moved : moved_) views.push_back({moved.file, moved.sequence});
  for (Ring* ring = rings_; ring != nullptr; ring = ring->next_) {
    if (ring->file_ == nullptr) continue;
    views.push_back({ring->file_, ring->sequence_.load(std::memory_order_acquire)});
  }
  return views;
}

ErrorCode Shared::flush(xase_until until, const Deadline& deadline) {
  if (closed()) return fail(ErrorCode::kQueueClosed, "the client is closed");
  if (until == XASE_COMMITTED) return ErrorCode::kOk;
  for (const View& view : views()) {
    const auto reached = [&](RingFile& file) {
      return sequence_reached(file.daemon(), until) >= view.sequence;
    };
    if (reached(*view.file)) continue;
    switch (wait(*view.file, deadline, reached)) {
      case ErrorCode::kOk:
        break;
      case ErrorCode::kTimeout:
        return fail(ErrorCode::kFlushTimeout,
                    "not all records came as far in time; they are committed and go on by "
                    "themselves; see `xasectl status`");
      case ErrorCode::kQueueClosed:
        return fail(ErrorCode::kQueueClosed, "the client was closed meanwhile");
      default:
        return fail_copy(ErrorCode::kUnknownError,
                         "xased has given up the ring " + view.file->id() +
                             ", whose bytes made no sense to it; its ledger says which records it "
                             "has");
    }
  }
  return ErrorCode::kOk;
}

std::size_t Shared::deliver(std::size_t max) {
  if (closed()) return 0;
  for (const View& view : views()) results_.drain(*view.file, nullptr);
  std::size_t delivered = 0;
  while ((max == 0 || delivered < max) && !closed()) {
    auto item = results_.take();
    if (!item) break;
    ++delivered;
    const auto callback =
        item->code == ErrorCode::kOk ? settings_->on_success : settings_->on_error;
    if (callback == nullptr) continue;
    xase_receipt receipt = XASE_RECEIPT_INIT;
    fill_receipt(std::move(*item), receipt);
    callback(&receipt, settings_->user);
    free_receipt(receipt);
  }
  return delivered;
}

void Shared::start_result_thread() {
  if (result_thread_.joinable()) return;
  // The app's signals are the app's threads' business; faults are the thread's own.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  for (const int fault : {SIGBUS, SIGSEGV, SIGFPE, SIGILL}) sigdelset(&all, fault);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  retain();
  try {
    result_thread_ = std::thread([this] { run_result_thread(); });
  } catch (...) {
    release();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Shared::run_result_thread() {
  pthread_setname_np(pthread_self(), "xase-results");
  std::size_t delivered = 0;
  while (!closed()) {
    try {
      delivered = deliver(0);
    } catch (const std::bad_alloc&) {
      delivered = 0;  // what was taken out is lost to the callback; the ledger has it
    }
    std::unique_lock lock(mutex_);
    stop_.wait_for(lock, delivered != 0 ? kResultsBusyInterval : kResultsIdleInterval,
                   [this] { return closed(); });
  }
  release();
}

void Shared::close() noexcept {
  std::thread result_thread;
  {
    const std::lock_guard lock(mutex_);
    if (closed()) return;
    closed_.store(true, std::memory_order_release);
    for (Ring* ring = rings_; ring != nullptr; ring = ring->next_) {
      ring->gate_.store(Ring::kGateClosed, std::memory_order_seq_cst);
      futex_wake_all(ring->daemon_->notify);
    }
    result_thread = std::move(result_thread_);
    stop_.notify_all();
  }
  if (result_thread.joinable()) {
    if (result_thread.get_id() == std::this_thread::get_id()) {
      result_thread.detach();
    } else {
      result_thread.join();
    }
  }
  // After this, a producer either sees its gate closed or is seen as busy: see Ring::enter().
  if (!needs_fence_) membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  // No ring is added once closed, so the list stays as it is. Who is seen as busy once a ring was
  // left is at the gate, and touches nothing.
  const Deadline deadline(kCloseWait);
  for (Ring* ring = rings_; ring != nullptr; ring = ring->next_) {
    for (;;) {
      ring->is_left_ = ring->busy_.load(std::memory_order_seq_cst) == 0;
      if (ring->is_left_ || deadline.passed()) break;
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
  const std::lock_guard lock(mutex_);
  free_ = nullptr;
  final_counts_ = true;
  for (const Moved& moved : moved_) bank(*moved.file, moved.sequence, moved.refused);
  moved_.clear();
  for (Ring* ring = rings_; ring != nullptr; ring = ring->next_) {
    bank(*ring->file_, ring->sequence_.load(std::memory_order_acquire),
         ring->refused_.load(std::memory_order_relaxed));
    ++banked_.rings;
    leave_word(*ring);
    // A thread that never came back (it jumped out of a signal handler) keeps its mapping: that
    // costs memory, and touching what is unmapped would cost the process.
    if (ring->is_left_) ring->file_.reset();
  }
}

}  // namespace xase::client
