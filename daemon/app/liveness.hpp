// Whether the stages' loops make progress.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>

namespace xased {

// Remembers when each stage's step counter last moved. Any thread.
class Liveness {
 public:
  static constexpr std::size_t kStages = 4;
  // A step may wait for one sync, and a disk may take long for that.
  static constexpr std::int64_t kStallNs = 60'000'000'000;

  // True where each counter moved within kStallNs. Called at least that often to be of use: where
  // it was not, the machine slept, and so did the stages.
  bool check(const std::array<std::uint64_t, kStages>& steps, std::int64_t boot_ns) {
    const std::scoped_lock lock(mutex_);
    const bool slept = started_ && boot_ns - checked_boot_ns_ > kStallNs;
    checked_boot_ns_ = boot_ns;
    bool live = true;
    for (std::size_t i = 0; i < kStages; ++i) {
      if (!started_ || slept || steps.at(i) != steps_.at(i)) {
        steps_.at(i) = steps.at(i);
        moved_boot_ns_.at(i) = boot_ns;
      }
      live = live && boot_ns - moved_boot_ns_.at(i) < kStallNs;
    }
    started_ = true;
    return live;
  }

 private:
  std::mutex mutex_;
  bool started_ = false;
  std::int64_t checked_boot_ns_ = 0;
  std::array<std::uint64_t, kStages> steps_{};
  std::array<std::int64_t, kStages> moved_boot_ns_{};
};

}  // namespace xased
