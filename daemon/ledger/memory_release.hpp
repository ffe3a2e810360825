// Gives the memory back that a burst of records took.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "daemon/ledger/positions.hpp"
#include "daemon/ledger/upkeep_stage.hpp"
#include "daemon/platform/clock.hpp"

namespace xased {

// What is written and not synced is held in memory, up to a bound. The allocator keeps what is
// freed, for ever, unless it is told: once nothing was recorded for a second, after much was, it
// is.
//
// The upkeep stage's thread.
class MemoryRelease final : public UpkeepWork {
 public:
  // `release` returns free memory to the system; it and the rest outlive this.
  MemoryRelease(const Clock& clock, const Positions& positions, std::function<void()> release)
      : clock_(clock), positions_(positions), release_(std::move(release)) {}

  std::chrono::nanoseconds step() override {
    const std::int64_t now = clock_.boot_ns();
    const std::uint64_t written = positions_.journaled.load(std::memory_order_relaxed);
    if (written != written_) {
      written_ = written;
      moved_boot_ns_ = now;
    } else if (written - released_at_ >= kMuch && now - moved_boot_ns_ >= kQuiet.count()) {
      released_at_ = written;
      release_();
    }
    return kQuiet;
  }

 private:
  static constexpr std::uint64_t kMuch = 1000;  // entries
  static constexpr std::chrono::nanoseconds kQuiet = std::chrono::seconds(1);

  const Clock& clock_;
  const Positions& positions_;
  const std::function<void()> release_;
  std::uint64_t written_ = 0;  // entries, at the last look
  std::int64_t moved_boot_ns_ = 0;
  std::uint64_t released_at_ = 0;
};

}  // namespace xased
