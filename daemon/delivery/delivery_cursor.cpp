// The part of delivery that keeps its place through a crash.
#include <algorithm>

#include "daemon/delivery/delivery_core.hpp"

namespace xased {

using std::chrono::nanoseconds;

namespace {

// Records ahead that one write of the cursor allows to be sent: enough to make its sync cheap, few
// enough that what a crash makes doubtful stays small.
constexpr std::uint64_t kWindowSequences = 1024;
constexpr std::int64_t kRefreshNs = 2'000'000'000;
// Where the journal has no room, and what is delivered may be removed.
constexpr std::int64_t kRefreshHurriedNs = 100'000'000;

}  // namespace

// That a record is about to be sent is durable before it is sent.
bool DeliveryCore::declare_intent(std::uint64_t sequence) {
  if (sequence <= window_end_) return true;
  const std::uint64_t before = window_end_;
  window_end_ = std::max(sequence, read_through()) + kWindowSequences;
  intents_.push_back({window_end_, moment()});
  if (store_cursor_now()) return true;
  window_end_ = before;
  intents_.pop_back();
  return false;
}

bool DeliveryCore::store_cursor_now() {
  const std::uint64_t settled = settled_through();
  while (intents_.size() > 1 && intents_.front().through <= settled) intents_.pop_front();
  Cursor cursor;
  cursor.log_id = log_id_;
  cursor.settled_through = settled;
  cursor.read_through = std::max(read_through(), settled);
  cursor.window_end = window_end_;
  // Entries of handbacks that are not durable yet lie behind the floor of the first of them.
  cursor.scanned_through = outstanding_.empty() ? positions_.durable.load(std::memory_order_acquire)
                                                : outstanding_.front().floor;
  if (!intents_.empty() && intents_.front().through > settled) {
    cursor.first_intent = intents_.front().moment;
  }
  for (const auto& [sequence, shipment] : shipments_) cursor.open.push_back(sequence);
  if (resume_ != nullptr) {
    cursor.scanned_through = std::min(cursor.scanned_through, resume_->scanned_through());
    for (const std::uint64_t sequence : resume_->open()) {
      if (sequence > cursor.read_through) cursor.open.push_back(sequence);
    }
    cursor.read_through = std::max(cursor.read_through, resume_->read_through());
  }
  cursor.retries = pending_retries_;
  for (const auto& [sequence, shipment] : retries_) {
    cursor.retries.push_back({sequence, shipment.maybe_since->wall_ns});
  }
  cursor.damages = damages_;
  cursor_stored_boot_ns_ = now();
  // The index first: a retry that the cursor forgets must be known there.
  Status status = dead_letters_.sync();
  if (status.ok()) status = cursor_store_.store(cursor);
  if (!status.ok()) {
    log_.log(LogLevel::kError, "cursor", "cannot write the delivery cursor",
             {{"error", status.message()}}, nanoseconds(now()));
    return false;
  }
  cursor_is_stale_ = false;
  cursor_scanned_ = cursor.scanned_through;
  note_stored(cursor);
  return true;
}

// A slot that power loss tears leaves the other: only what neither needs may go.
void DeliveryCore::note_stored(const Cursor& cursor) {
  std::uint64_t needs_from = std::min(cursor.settled_through, cursor.scanned_through);
  for (const PendingRetry& retry : cursor.retries) {
    needs_from = std::min(needs_from, retry.sequence - 1);
  }
  counters_.removable_through.store(std::min(needs_from, cursor_needs_from_),
                                    std::memory_order_release);
  cursor_needs_from_ = needs_from;
}

// Now and then, also while nothing is sent: so that the next start has little to read.
void DeliveryCore::refresh_cursor() {
  const std::int64_t interval_ns =
      positions_.wants_room.load(std::memory_order_relaxed) ? kRefreshHurriedNs : kRefreshNs;
  if (!resumed_ || log_id_ == xase::proto::Hash{} || now() - cursor_stored_boot_ns_ < interval_ns) {
    return;
  }
  const bool journal_grew =
      positions_.durable.load(std::memory_order_acquire) > cursor_scanned_ + kWindowSequences;
  // Once more where nothing changes any longer, so that both slots know.
  const bool slots_differ =
      counters_.removable_through.load(std::memory_order_relaxed) < cursor_needs_from_;
  if (cursor_is_stale_ || journal_grew || slots_differ) (void)store_cursor_now();
}

void DeliveryCore::store_cursor() {
  if (resumed_ && log_id_ != xase::proto::Hash{}) (void)store_cursor_now();
}

}  // namespace xased
