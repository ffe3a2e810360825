// The two clocks of the library.
#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>

namespace xase::client {

inline std::int64_t clock_ns(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// For deadlines. Never goes back.
inline std::int64_t monotonic_ns() noexcept { return clock_ns(CLOCK_MONOTONIC); }

// For stamps: as of the last timer tick (some milliseconds), read without leaving the process.
inline std::int64_t coarse_wall_ns() noexcept { return clock_ns(CLOCK_REALTIME_COARSE); }

// A point on the monotonic clock to wait for.
class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds timeout) noexcept
      : at_ns_(monotonic_ns() + std::chrono::nanoseconds(timeout).count()) {}
  // What is left; not positive once it has passed.
  std::chrono::nanoseconds left() const noexcept {
    return std::chrono::nanoseconds(at_ns_ - monotonic_ns());
  }
  bool passed() const noexcept { return left().count() <= 0; }

 private:
  std::int64_t at_ns_;
};

}  // namespace xase::client
