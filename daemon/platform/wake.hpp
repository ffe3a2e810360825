// The one wake-up that stages share.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace xased {

// A stage's alarm clock: others ring(), the owner waits. A ring that comes before the wait ends it
// at once, so none is lost.
//
//   const std::uint32_t seen = wake.ticket();
//   ... look for work, find none ...
//   wake.wait(seen, 50ms);
class Wake {
 public:
  Wake() = default;
  Wake(const Wake&) = delete;
  Wake& operator=(const Wake&) = delete;

  // Any thread.
  void ring();
  // Owner: what to hand to wait(). Taken before looking for work.
  std::uint32_t ticket() const { return count()->load(std::memory_order_acquire); }
  // Owner: returns when someone rang since `ticket`, or after `timeout`.
  void wait(std::uint32_t ticket, std::chrono::nanoseconds timeout);

  // Owner: from now on uses these two words, which may lie in memory that other processes write:
  // then they too can ring. They must stay mapped as long as this object lives. What others write
  // there can end a wait early or let it run to its timeout, and nothing else.
  void use_words(std::atomic<std::uint32_t>* count, std::atomic<std::uint32_t>* sleepers);

 private:
  std::atomic<std::uint32_t>* count() const { return count_at_.load(std::memory_order_acquire); }
  std::atomic<std::uint32_t>* sleepers() const {
    return sleepers_at_.load(std::memory_order_acquire);
  }

  std::atomic<std::uint32_t> own_count_{0};
  // Without a sleeper, ring() makes no system call. Pairs with the load in ring(): both sides use
  // sequential consistency, so that one of them sees the other.
  std::atomic<std::uint32_t> own_sleepers_{0};
  std::atomic<std::atomic<std::uint32_t>*> count_at_{&own_count_};
  std::atomic<std::atomic<std::uint32_t>*> sleepers_at_{&own_sleepers_};
};

// Waits on a 32-bit word while it equals `expected`; for words in shared memory. A word that is no
// longer mapped makes it return at once.
void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::chrono::nanoseconds timeout);
// Wakes everyone who waits on `word`, in any process.
void futex_wake_all(const std::atomic<std::uint32_t>& word);

}  // namespace xased
