#include "client/src/client.hpp"

#include <new>
#include <utility>

#include "client/src/fork_guard.hpp"
#include "client/src/validate.hpp"

namespace xase::client {
namespace {

constinit std::atomic<std::uint64_t> next_id{1};

// A result frame normally comes before the word that says "settled"; one that has not come by then
// was lost on the way, after this.
constexpr std::chrono::milliseconds kResultGrace{1000};

}  // namespace

Client::Client(std::shared_ptr<const Settings> settings, std::atomic<std::uint64_t>& generation)
    : id_(next_id.fetch_add(1, std::memory_order_relaxed)),
      generation_(generation),
      settings_(std::move(settings)),
      shared_(new Shared(settings_, current_generation(generation))) {}

Client::~Client() {
  close();
  Shared* shared = shared_.load(std::memory_order_acquire);
  if (shared->generation() == current_generation(generation_)) {
    shared->release();
  } else {
    shared->abandon();
  }
}

ErrorCode Client::record(const xase_record_fields& record) noexcept {
  ErrorCode code = validate(record);
  if (code != ErrorCode::kOk) [[unlikely]]
    return code;
  Ring* ring = enter(code);
  if (ring == nullptr) [[unlikely]]
    return code;
  const std::size_t bytes = encoded_bytes(record);
  std::byte* to = ring->reserve(bytes, code);
  if (to != nullptr) [[likely]] {
    encode(record, to);
    ring->commit(bytes, 0);
  }
  ring->leave();
  return code;
}

inline Ring* Client::enter(ErrorCode& code) noexcept {
  const ThreadCache& cache = thread_cache;
  Ring* ring = cache.ring;
  if (cache.client_id != id_ || cache.generation != generation_.load(std::memory_order_relaxed))
      [[unlikely]] {
    ring = find_ring(code);
    if (ring == nullptr) return nullptr;
  }
  const Ring::Entry entry = ring->enter();
  if (entry != Ring::Entry::kOpen) [[unlikely]]
    return enter_slowly(ring, entry, code);
  return ring;
}

Ring* Client::enter_slowly(Ring* ring, Ring::Entry entry, ErrorCode& code) noexcept {
  switch (entry) {
    case Ring::Entry::kOpen:
      return ring;
    case Ring::Entry::kClosed:
      code = fail(ErrorCode::kQueueClosed, "the client is closed");
      return nullptr;
    case Ring::Entry::kReentered:
      code = fail(ErrorCode::kInvalidArgument,
                  "record() was called by a signal handler that interrupted record()");
      return nullptr;
    case Ring::Entry::kReplace:
      break;
  }
  code = ring->shared().replace(*ring);
  if (code == ErrorCode::kOk) return ring;
  ring->leave();
  return nullptr;
}

Ring* Client::find_ring(ErrorCode& code) noexcept {
  const std::uint64_t generation = current_generation(generation_);
  prune_slots(generation);
  if (closed_.load(std::memory_order_acquire)) {
    code = fail(ErrorCode::kQueueClosed, "the client is closed");
    return nullptr;
  }
  ThreadCache& cache = thread_cache;
  ThreadSlot* slot = cache.slots;
  while (slot != nullptr && slot->client_id != id_) slot = slot->next;
  if (slot == nullptr) {
    Shared* mine = shared();
    std::unique_ptr<ThreadSlot> made(new (std::nothrow) ThreadSlot{});
    if (mine == nullptr || made == nullptr) {
      code = fail(ErrorCode::kOutOfMemory, "out of memory");
      return nullptr;
    }
    Ring* ring = mine->acquire(code);
    if (ring == nullptr) return nullptr;
    mine->retain();
    *made = {cache.slots, id_, generation, mine, ring};
    slot = cache.slots = made.release();
    clean_up_at_thread_end();
  }
  cache.client_id = id_;
  cache.generation = generation;
  cache.ring = slot->ring;
  return slot->ring;
}

Shared* Client::shared() noexcept {
  const std::uint64_t generation = current_generation(generation_);
  Shared* shared = shared_.load(std::memory_order_acquire);
  if (shared->generation() == generation) return shared;
  Shared* fresh = nullptr;
  try {
    fresh = new Shared(settings_, generation);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
  if (shared_.compare_exchange_strong(shared, fresh, std::memory_order_acq_rel)) {
    shared->abandon();
    return fresh;
  }
  fresh->release();
  return shared;
}

ErrorCode Client::record_sync(const xase_record_fields& record, xase_until until,
                              std::chrono::milliseconds timeout, ResultItem& item) {
  const Deadline deadline(timeout);
  ErrorCode code = validate(record);
  if (code != ErrorCode::kOk) return item.code = code;
  Ring* ring = enter(code);
  if (ring == nullptr) return item.code = code;
  const std::size_t bytes = encoded_bytes(record);
  std::byte* to = ring->reserve(bytes, code);
  if (to == nullptr) {
    ring->leave();
    return item.code = code;
  }
  Shared& shared = ring->shared();
  const std::shared_ptr<RingFile> file = ring->file();
  Results::Waiter waiter{file.get(), ring->next_sequence(), std::nullopt};
  item.sequence = waiter.sequence;
  const bool waits = until != XASE_COMMITTED;
  if (waits) {
    shared.results().add(waiter);  // before the commit: another thread may take the result out
    file->producer().wants_results.store(1, std::memory_order_relaxed);
  }
  encode(record, to);
  ring->commit(bytes, waits ? proto::kRingFlagWantsResult : std::uint16_t{0});
  ring->leave();
  try {
    item.producer_id = file->id();
    if (waits) code = wait_for_result(shared, *file, waiter, until, deadline);
  } catch (...) {
    shared.results().remove(waiter);
    throw;
  }
  if (waits) shared.results().remove(waiter);
  if (waiter.item) item = std::move(*waiter.item);
  return item.code = code;
}

ErrorCode Client::wait_for_result(Shared& shared, RingFile& file, Results::Waiter& waiter,
                                  xase_until until, const Deadline& deadline) {
  const std::uint64_t dropped = file.daemon().results_dropped.load(std::memory_order_relaxed);
  std::int64_t settled_at_ns = 0;
  const auto done = [&](RingFile& ring) {
    const bool reached = sequence_reached(ring.daemon(), until) >= waiter.sequence;
    // After the word: a result that came before it is then seen.
    if (shared.results().drain(ring, &waiter)) return true;
    if (!reached || until != XASE_DELIVERED) return reached;
    if (settled_at_ns == 0) settled_at_ns = monotonic_ns();
    return ring.daemon().results_dropped.load(std::memory_order_relaxed) != dropped ||
           monotonic_ns() - settled_at_ns > std::chrono::nanoseconds(kResultGrace).count();
  };
  switch (shared.wait(file, deadline, done)) {
    case ErrorCode::kOk:
      break;
    case ErrorCode::kTimeout:
      return fail(ErrorCode::kTimeout,
                  "the record is committed and goes on by itself; what was waited for did not come "
                  "in time");
    case ErrorCode::kQueueClosed:
      return fail(ErrorCode::kTimeout,
                  "the client was closed while waiting; the record is committed and goes on by "
                  "itself");
    default:
      return fail(ErrorCode::kUnknownError,
                  "xased has given this ring up; its ledger says whether it has the record");
  }
  if (waiter.item) {
    if (waiter.item->code == ErrorCode::kOk) return ErrorCode::kOk;
    return fail_copy(waiter.item->code, waiter.item->payload);
  }
  if (until != XASE_DELIVERED) return ErrorCode::kOk;
  return fail(ErrorCode::kUnknownError,
              "the record is settled, but its result found no room on the way back; the ledger has "
              "it");
}

ErrorCode Client::flush(xase_until until, std::chrono::milliseconds timeout) {
  const Deadline deadline(timeout);
  if (closed_.load(std::memory_order_acquire)) {
    return fail(ErrorCode::kQueueClosed, "the client is closed");
  }
  Shared* mine = shared();
  if (mine == nullptr) return fail(ErrorCode::kOutOfMemory, "out of memory");
  return mine->flush(until, deadline);
}

std::size_t Client::poll(std::size_t max) {
  Shared* mine = closed_.load(std::memory_order_acquire) ? nullptr : shared();
  return mine != nullptr ? mine->deliver(max) : 0;
}

xase_counts Client::counts() {
  Shared* mine = shared();
  if (mine == nullptr) throw std::bad_alloc();
  xase_counts counts = mine->counts();
  counts.closed = closed_.load(std::memory_order_acquire) ? 1 : 0;
  return counts;
}

void Client::close() noexcept {
  closed_.store(true, std::memory_order_release);
  Shared* shared = shared_.load(std::memory_order_acquire);
  // A parent's part was never ours.
  if (shared->generation() == current_generation(generation_)) shared->close();
}

}  // namespace xase::client
