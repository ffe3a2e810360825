#include "daemon/platform/wake.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>

namespace xased {

void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::chrono::nanoseconds timeout) {
  if (timeout <= std::chrono::nanoseconds::zero()) return;
  timespec span{};
  span.tv_sec = timeout.count() / 1'000'000'000;
  span.tv_nsec = timeout.count() % 1'000'000'000;
  syscall(SYS_futex, &word, FUTEX_WAIT, expected, &span, nullptr, 0);
}

void futex_wake_all(const std::atomic<std::uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void Wake::ring() {
  count_.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) != 0) futex_wake_all(count_);
}

void Wake::wait(std::uint32_t ticket, std::chrono::nanoseconds timeout) {
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  if (count_.load(std::memory_order_seq_cst) == ticket) futex_wait(count_, ticket, timeout);
  sleepers_.fetch_sub(1, std::memory_order_seq_cst);
}

}  // namespace xased
