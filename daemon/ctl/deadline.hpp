// Waiting in a command: until when, and how often to look.
#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

namespace xased::ctl {

class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds timeout)
      : at_(std::chrono::steady_clock::now() + timeout) {}
  std::chrono::milliseconds left() const {
    return std::max(std::chrono::milliseconds(0), std::chrono::ceil<std::chrono::milliseconds>(
                                                      at_ - std::chrono::steady_clock::now()));
  }
  bool passed() const { return left().count() == 0; }

 private:
  std::chrono::steady_clock::time_point at_;
};

// Looks often at first, and less the longer it takes.
class Pace {
 public:
  void pause(const Deadline& deadline) {
    std::this_thread::sleep_for(std::min(pause_, deadline.left()));
    pause_ = std::min(pause_ * 2, kPauseMax);
  }

 private:
  static constexpr std::chrono::milliseconds kPauseMax{200};
  std::chrono::milliseconds pause_{10};
};

}  // namespace xased::ctl
