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
  count()->fetch_add(1, std::memory_order_seq_cst);
  if (sleepers()->load(std::memory_order_seq_cst) != 0) futex_wake_all(*count());
}

void Wake::wait(std::uint32_t ticket, std::chrono::nanoseconds timeout) {
  std::atomic<std::uint32_t>& count = *this->count();
  std::atomic<std::uint32_t>& sleepers = *this->sleepers();
  sleepers.store(1, std::memory_order_seq_cst);
  if (count.load(std::memory_order_seq_cst) == ticket) futex_wait(count, ticket, timeout);
  sleepers.store(0, std::memory_order_seq_cst);
}

void Wake::use_words(std::atomic<std::uint32_t>* count, std::atomic<std::uint32_t>* sleepers) {
  sleepers->store(0, std::memory_order_seq_cst);
  sleepers_at_.store(sleepers, std::memory_order_release);
  count_at_.store(count, std::memory_order_release);
}

}  // namespace xased
