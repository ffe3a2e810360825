#include "daemon/ledger/sync_stage.hpp"

#include <algorithm>

namespace xased {

SyncStage::SyncStage(const Clock& clock, Positions& positions, SegmentPreparer& preparer,
                     Wake& own_wake, Wake& intake_wake, std::chrono::nanoseconds interval)
    : clock_(clock),
      positions_(positions),
      preparer_(preparer),
      own_wake_(own_wake),
      intake_wake_(intake_wake),
      interval_ns_(interval.count()) {}

bool SyncStage::submit(std::shared_ptr<File> file, std::uint64_t sequence) {
  if (!requests_.push(Request{std::move(file), sequence})) return false;
  own_wake_.ring();
  return true;
}

void SyncStage::hurry() {
  hurry_.store(true, std::memory_order_release);
  own_wake_.ring();
}

void SyncStage::resume(std::uint64_t sequence) {
  resumed_through_.store(sequence, std::memory_order_release);
  failed_.store(false, std::memory_order_release);
  own_wake_.ring();
}

void SyncStage::take_requests() {
  Request request;
  while (requests_.pop(request)) {
    if (!pending_.empty() && pending_.back().file == request.file) {
      pending_.back().sequence = request.sequence;
    } else {
      pending_.push_back(std::move(request));
    }
  }
}

Status SyncStage::sync_pending() {
  for (const Request& request : pending_) {
    const std::int64_t start = clock_.boot_ns();
    if (Status status = request.file->sync_data(); !status.ok()) return status;
    const std::int64_t end = clock_.boot_ns();
    counters_.syncs.fetch_add(1, std::memory_order_relaxed);
    counters_.sync_ns.fetch_add(static_cast<std::uint64_t>(std::max<std::int64_t>(end - start, 0)),
                                std::memory_order_relaxed);
    positions_.durable.store(request.sequence, std::memory_order_release);
  }
  pending_.clear();
  return {};
}

std::chrono::nanoseconds SyncStage::step() {
  counters_.steps.fetch_add(1, std::memory_order_relaxed);
  if (failed()) return kIdle;
  if (const std::uint64_t through = resumed_through_.exchange(0, std::memory_order_acquire);
      through != 0) {
    // The rewritten entries are durable by intake's own sync; requests that meant the failed file
    // mean nothing any more.
    take_requests();
    std::erase_if(pending_, [&](const Request& request) { return request.sequence <= through; });
    positions_.durable.store(through, std::memory_order_release);
    intake_wake_.ring();
    if (also_woken_ != nullptr) also_woken_->ring();
  }
  take_requests();
  if (pending_.empty()) return prepare() ? std::chrono::nanoseconds(0) : kIdle;

  // The first sync after a quiet time is due at once: it has nobody to wait for.
  const std::int64_t now = clock_.boot_ns();
  const std::int64_t due = last_sync_boot_ns_ + interval_ns_.load(std::memory_order_relaxed);
  const bool hurried = hurry_.exchange(false, std::memory_order_acq_rel);
  if (!hurried && now < due) {
    return prepare() ? std::chrono::nanoseconds(0) : std::chrono::nanoseconds(due - now);
  }
  last_sync_boot_ns_ = now;
  Status status = sync_pending();
  const bool is_synced = status.ok();
  if (!is_synced) {
    pending_.clear();
    Request dropped;
    while (requests_.pop(dropped)) {
    }
    failure_ = std::move(status);
    failed_.store(true, std::memory_order_release);
  }
  intake_wake_.ring();
  if (also_woken_ != nullptr) also_woken_->ring();
  // Where a sync takes longer than the interval the next one is due at once, and there is no other
  // time for it.
  if (is_synced) (void)prepare();
  return std::chrono::nanoseconds(0);
}

bool SyncStage::prepare() {
  if (!preparer_.step()) return false;
  if (preparer_.ready()) intake_wake_.ring();  // it may hold records up for want of room
  return true;
}

}  // namespace xased
