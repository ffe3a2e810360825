// A clock moved by hand.
#pragma once

#include <atomic>
#include <chrono>

#include "daemon/platform/clock.hpp"

namespace xased::test {

// Any thread. Both clocks stand still until moved.
class ManualClock final : public Clock {
 public:
  std::int64_t wall_ns() const override { return wall_ns_.load(std::memory_order_relaxed); }
  std::int64_t boot_ns() const override { return boot_ns_.load(std::memory_order_relaxed); }
  xase::proto::Id boot_id() const override { return boot_id_; }

  // Moves both clocks, as time does.
  void advance(std::chrono::nanoseconds by) {
    wall_ns_.fetch_add(by.count(), std::memory_order_relaxed);
    boot_ns_.fetch_add(by.count(), std::memory_order_relaxed);
  }
  // Moves the wall clock alone, as an operator or NTP does.
  void set_wall(std::int64_t ns) { wall_ns_.store(ns, std::memory_order_relaxed); }
  void set_boot_id(const xase::proto::Id& id) { boot_id_ = id; }

 private:
  std::atomic<std::int64_t> wall_ns_{1'700'000'000'000'000'000};
  std::atomic<std::int64_t> boot_ns_{60'000'000'000};
  xase::proto::Id boot_id_{std::byte{0xb0}, std::byte{0x07}};
};

}  // namespace xased::test
