#include "client/src/client.hpp"

#include <algorithm>
#include <cstring>
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

void commit_tracked(Ring& ring, std::size_t bytes, xase_ticket& ticket) noexcept {
  ticket.sequence = ring.next_sequence();
  const std::string& id = ring.file()->id();
  const std::size_t length = std::min(id.size(), sizeof ticket.producer_id - 1);
  std::memcpy(ticket.producer_id, id.data(), length);
  ticket.producer_id[length] = '\0';
  ring.want_results();
  ring.commit(bytes, proto::kRingFlagWantsResult);
}

// Whether the texts that xase_reserve() is for lie one after the other, behind the header.
bool is_in_place(const xase_record_fields& record, const std::byte* to) noexcept {
  const char* at = reinterpret_cast<const char*>(to + proto::kRecordHeaderBytes);
  for (std::size_t i = 0; i < kSpansInPlace; ++i) {
    const xase_text& text = record.*kTexts[i];
    if (text.size != 0 && text.data != at) return false;
    at += text.size;
  }
  return true;
}

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

ErrorCode Client::record_tracked(const xase_record_fields& record, xase_ticket& ticket) noexcept {
  ErrorCode code = validate(record);
  if (code != ErrorCode::kOk) return code;
  Ring* ring = enter(code);
  if (ring == nullptr) return code;
  const std::size_t bytes = encoded_bytes(record);
  std::byte* to = ring->reserve(bytes, code);
  if (to != nullptr) {
    encode(record, to);
    commit_tracked(*ring, bytes, ticket);
  }
  ring->leave();
  return code;
}

Ring* Client::ring_at_hand() noexcept {
  const ThreadCache& cache = thread_cache;
  const std::uint64_t generation = generation_.load(std::memory_order_relaxed);
  if (cache.client_id == id_ && cache.generation == generation) [[likely]]
    return cache.ring;
  ThreadSlot* slot = cache.slots;
  while (slot != nullptr && (slot->client_id != id_ || slot->generation != generation)) {
    slot = slot->next;
  }
  return slot != nullptr ? slot->ring : nullptr;
}

ErrorCode Client::reserve(std::size_t bytes, char*& room) noexcept {
  Ring* ring = ring_at_hand();
  if (ring == nullptr) return fail(ErrorCode::kRunDirUnavailable, "this thread has no ring yet");
  const Ring::Entry entry = ring->enter();
  if (entry != Ring::Entry::kOpen) [[unlikely]] {
    if (entry == Ring::Entry::kReplace) {
      ring->leave();
      return fail(ErrorCode::kRunDirUnavailable, "this thread's ring is to be replaced");
    }
    ErrorCode code = ErrorCode::kOk;
    enter_slowly(ring, entry, code);
    return code;
  }
  std::byte* to = nullptr;
  const ErrorCode code = ring->try_reserve(bytes, to);
  if (code != ErrorCode::kOk) [[unlikely]] {
    ring->leave_in_place();
    return code == ErrorCode::kQueueFull ? fail(code, "the ring has no such room now") : code;
  }
  room = reinterpret_cast<char*>(to + proto::kRecordHeaderBytes);
  return ErrorCode::kOk;
}

Ring* Client::reserved_ring() noexcept {
  Ring* ring = ring_at_hand();
  return ring != nullptr && ring->in_place() != nullptr ? ring : nullptr;
}

ErrorCode Client::commit(const xase_record_fields& record, xase_ticket* ticket) noexcept {
  Ring* ring = reserved_ring();
  if (ring == nullptr) {
    return fail(ErrorCode::kInvalidArgument, "this thread has reserved nothing");
  }
  ErrorCode code = validate(record);
  std::byte* to = ring->in_place();
  const std::size_t bytes = code == ErrorCode::kOk ? encoded_bytes(record) : 0;
  if (code != ErrorCode::kOk) {
  } else if (bytes > ring->in_place_bytes() || !is_in_place(record, to)) {
    code = fail(ErrorCode::kInvalidArgument,
                "the record is larger than what was reserved, or its texts lie elsewhere");
  } else {
    encode<kSpansInPlace>(record, to);
    ring->shrink(bytes);
    if (ticket != nullptr) {
      commit_tracked(*ring, bytes, *ticket);
    } else {
      ring->commit(bytes, 0);
    }
  }
  ring->leave_in_place();
  return code;
}

void Client::cancel() noexcept {
  if (Ring* ring = reserved_ring()) ring->leave_in_place();
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
    ring->want_results();
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
