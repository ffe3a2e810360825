#include "client/src/ring.hpp"

#include "client/src/futex.hpp"
#include "client/src/shared.hpp"

namespace xase::client {
namespace {

constexpr std::int64_t kPlaceCheckIntervalNs = 1'000'000'000;

}  // namespace

Ring::Ring(Shared& shared) noexcept
    : frame_flags_(shared.settings().wants_all_results() ? proto::kRingFlagWantsResult
                                                         : std::uint16_t{0}),
      needs_fence_(shared.needs_fence()),
      shared_(shared) {}

void Ring::adopt(std::shared_ptr<RingFile> file) noexcept {
  file_ = std::move(file);
  producer_ = &file_->producer();
  daemon_ = &file_->daemon();
  writer_ = proto::RingWriter(file_->data(), file_->data_bytes(), &producer_->committed,
                              &daemon_->released);
  look_at_ = file_->data_bytes() / 4;
  looked_wall_ns_ = 0;
  looked_position_ = 0;
  sequence_.store(0, std::memory_order_relaxed);
  refused_.store(producer_->refused.load(std::memory_order_relaxed), std::memory_order_relaxed);
  if (frame_flags_ != 0) producer_->wants_results.store(1, std::memory_order_relaxed);
  full_sequence_ = 0;
  next_place_check_ns_ = 0;
  gate_.store(kGateOpen, std::memory_order_release);
}

void Ring::look() noexcept {
  writer_.refresh_released();
  const std::uint64_t quarter = writer_.capacity_bytes() / 4;
  const std::uint64_t used = writer_.used_bytes();
  if (used < quarter) {
    look_at_ = writer_.position() - used + quarter;
    return;
  }
  look_at_ = writer_.position() + quarter;
  shared_.ring_bell();
  look_for_name();
}

// What lies in the ring since the last look is a sign that nobody reads it, and the one reason for
// that which waiting does not mend is a file without a name.
void Ring::look_behind(std::int64_t now) noexcept {
  looked_wall_ns_ = now;
  writer_.refresh_released();
  const bool is_behind = writer_.position() - writer_.used_bytes() < looked_position_;
  looked_position_ = writer_.position();
  if (is_behind) look_for_name();
}

void Ring::look_for_name() noexcept {
  if (file_->is_in_place()) return;
  // Nothing else than close() stores here meanwhile, and that must stay.
  std::uint32_t open = kGateOpen;
  gate_.compare_exchange_strong(open, kGateStale, std::memory_order_acq_rel);
}

std::byte* Ring::make_room(std::size_t bytes, ErrorCode& code) noexcept {
  if (full_sequence_ != next_sequence()) {
    full_sequence_ = next_sequence();
    shared_.ring_bell();
  }
  std::byte* to = nullptr;
  if (replace_if_gone()) to = writer_.reserve(bytes);
  if (to == nullptr && shared_.settings().on_full == XASE_FULL_BLOCK) to = wait_for_room(bytes);
  if (to != nullptr) return to;
  count_refusal();
  code = fail(ErrorCode::kQueueFull,
              "the ring is full: xased is not running, stopped by a full disk, or behind; see "
              "`xasectl status`");
  return nullptr;
}

std::byte* Ring::wait_for_room(std::size_t bytes) noexcept {
  const Deadline deadline(shared_.settings().block_timeout);
  WaitSlices slices;
  std::byte* to = nullptr;
  producer_->waiters.fetch_add(1);
  while (true) {
    const std::uint32_t seen = daemon_->notify.load(std::memory_order_acquire);
    to = writer_.reserve(bytes);
    if (to != nullptr || deadline.passed() || shared_.closed()) break;
    shared_.ring_bell();
    futex_wait(daemon_->notify, seen, slices.next(deadline.left()));
  }
  producer_->waiters.fetch_sub(1);
  return to;
}

bool Ring::replace_if_gone() noexcept {
  const std::int64_t now = monotonic_ns();
  if (now < next_place_check_ns_) return false;
  next_place_check_ns_ = now + kPlaceCheckIntervalNs;
  return !file_->is_in_place() && shared_.replace(*this) == ErrorCode::kOk;
}

ErrorCode Ring::refuse_too_large() noexcept {
  return fail(ErrorCode::kRecordTooLarge,
              "the record is larger than a quarter of its ring; open the client with larger rings "
              "(ring_bytes)");
}

void Ring::count_refusal() noexcept {
  const std::uint64_t refused = refused_.load(std::memory_order_relaxed) + 1;
  refused_.store(refused, std::memory_order_relaxed);
  producer_->refused.store(refused, std::memory_order_relaxed);
}

}  // namespace xase::client
