// Waiting on a word that another process changes.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>
#include <ctime>

namespace xase::client {

// Returns when `word` is woken, is not `expected`, the time is over, or for no reason: the caller
// looks again.
inline void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                       std::chrono::nanoseconds at_most) noexcept {
  if (at_most.count() <= 0) return;
  timespec timeout{};
  timeout.tv_sec = static_cast<time_t>(at_most.count() / 1'000'000'000);
  timeout.tv_nsec = static_cast<long>(at_most.count() % 1'000'000'000);
  syscall(SYS_futex, &word, FUTEX_WAIT, expected, &timeout, nullptr, 0);
}

inline void futex_wake_all(const std::atomic<std::uint32_t>& word) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

// Adds one to `word` and wakes who waits on it, both by the kernel: where another process has cut
// off the file behind it, the call fails, and a store of our own would end this process.
inline void futex_add_and_wake(std::atomic<std::uint32_t>& word) noexcept {
  constexpr int kAddOne = FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0);
  syscall(SYS_futex, &word, FUTEX_WAKE_OP, INT_MAX, nullptr, &word, kAddOne);
}

// How long one wait lasts: from 1 ms, doubling, to 50 ms, so that neither a missed wake-up nor a
// daemon that died hangs anyone.
class WaitSlices {
 public:
  std::chrono::nanoseconds next(std::chrono::nanoseconds left) noexcept {
    const auto slice = std::min(slice_, left);
    slice_ = std::min(slice_ * 2, kLongest);
    return slice;
  }

 private:
  static constexpr std::chrono::nanoseconds kLongest = std::chrono::milliseconds(50);
  std::chrono::nanoseconds slice_ = std::chrono::milliseconds(1);
};

}  // namespace xase::client
