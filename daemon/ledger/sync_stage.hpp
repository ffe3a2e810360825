// The sync stage: makes durable what intake has written.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "daemon/ledger/positions.hpp"
#include "daemon/ledger/segment_preparer.hpp"
#include "daemon/platform/clock.hpp"
#include "daemon/platform/file_system.hpp"
#include "daemon/platform/spsc_queue.hpp"
#include "daemon/platform/wake.hpp"

namespace xased {

struct SyncCounters {
  std::atomic<std::uint64_t> syncs{0};
  std::atomic<std::uint64_t> sync_ns{0};
  std::atomic<std::uint64_t> steps{0};  // for the watchdog
};

// Owned by its thread, which calls step(); what intake may call is said at each method.
class SyncStage {
 public:
  SyncStage(const Clock& clock, Positions& positions, SegmentPreparer& preparer, Wake& own_wake,
            Wake& intake_wake, std::chrono::nanoseconds interval);
  SyncStage(const SyncStage&) = delete;
  SyncStage& operator=(const SyncStage&) = delete;

  // Before the thread starts. Rung too whenever more is durable; outlives this.
  void also_wake(Wake& wake) { also_woken_ = &wake; }

  // Intake. Entries up to `sequence` are written to `file`. False: the queue is full, try again.
  bool submit(std::shared_ptr<File> file, std::uint64_t sequence);
  // Intake. Someone waits for durability: do not let the interval pass first.
  void hurry();
  // Any thread. The preparer has something to do.
  void nudge() { own_wake_.ring(); }
  // Intake. A sync failed: nothing more is synced until resume(). The failed file must not be
  // synced again.
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  // Intake, only while failed().
  const Status& failure() const { return failure_; }
  // Intake, only while failed(): everything up to `sequence` has been made durable elsewhere.
  void resume(std::uint64_t sequence);
  // Any thread.
  void set_interval(std::chrono::nanoseconds interval) {
    interval_ns_.store(interval.count(), std::memory_order_relaxed);
  }
  const SyncCounters& counters() const { return counters_; }

  // Owner. Syncs what is due, else prepares a piece of the next segment. Returns how long to wait
  // before the next step where nobody rings.
  std::chrono::nanoseconds step();

 private:
  struct Request {
    std::shared_ptr<File> file;
    std::uint64_t sequence = 0;
  };
  void take_requests();
  Status sync_pending();
  // Makes a piece of the next segment; false where there is nothing to make.
  bool prepare();

  static constexpr std::size_t kRequestsMax = 1024;
  static constexpr std::chrono::nanoseconds kIdle = std::chrono::seconds(5);

  const Clock& clock_;
  Positions& positions_;
  SegmentPreparer& preparer_;
  Wake& own_wake_;
  Wake& intake_wake_;
  Wake* also_woken_ = nullptr;
  std::atomic<std::int64_t> interval_ns_;
  SpscQueue<Request, kRequestsMax> requests_;
  std::atomic<bool> hurry_{false};
  // Release store after failure_ is set; resume() stores false after the queue may be used again.
  std::atomic<bool> failed_{false};
  std::atomic<std::uint64_t> resumed_through_{0};
  Status failure_;
  // Files with unsynced entries, oldest first: one, or two across a rotation.
  std::vector<Request> pending_;
  std::int64_t last_sync_boot_ns_ = 0;
  SyncCounters counters_;
};

}  // namespace xased
