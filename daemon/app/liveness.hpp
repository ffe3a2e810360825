// Whether the stages' loops make progress.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>

namespace xased {

// Remembers when each stage's step counter last moved. Any thread.
class Liveness {
 public:
  static constexpr std::size_t kStages = 3;
  // A step may wait for one sync, and a disk may take long for that.
  static constexpr std::int64_t kStallNs = 60'000'000'000;

  // True where each counter moved within kStallNs. Called at least that often to be of use.
  bool check(const std::array<std::uint64_t, kStages>& steps, std::int64_t boot_ns) {
    const std::scoped_lock lock(mutex_);
    bool live = true;
    for (std::size_t i = 0; i < kStages; ++i) {
      if (!started_ || steps.at(i) != steps_.at(i)) {
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
  std::array<std::uint64_t, kStages> steps_{};
  std::array<std::int64_t, kStages> moved_boot_ns_{};
};

}  // namespace xased
