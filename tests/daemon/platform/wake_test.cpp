#include "daemon/platform/wake.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "daemon/platform/seq_locked.hpp"

namespace xased {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

TEST(Wake, ReturnsAtOnceWhereSomeoneRangSinceTheTicket) {
  Wake wake;
  const std::uint32_t ticket = wake.ticket();
  wake.ring();
  wake.wait(ticket, hours(1));
}

TEST(Wake, ReturnsAfterItsTimeout) {
  Wake wake;
  wake.wait(wake.ticket(), milliseconds(1));
  wake.wait(wake.ticket(), nanoseconds(0));
}

TEST(Wake, LosesNoRing) {
  // Each round waits for ever: a lost ring hangs the test.
  Wake there;
  Wake back;
  constexpr int kRounds = 20'000;
  std::atomic<int> sent{0};
  std::atomic<int> answered{0};
  std::thread other([&] {
    for (int i = 1; i <= kRounds; ++i) {
      for (;;) {
        const std::uint32_t ticket = there.ticket();
        if (sent.load() >= i) break;
        there.wait(ticket, hours(1));
      }
      answered.store(i);
      back.ring();
    }
  });
  for (int i = 1; i <= kRounds; ++i) {
    sent.store(i);
    there.ring();
    for (;;) {
      const std::uint32_t ticket = back.ticket();
      if (answered.load() >= i) break;
      back.wait(ticket, hours(1));
    }
  }
  other.join();
}

TEST(Wake, UsesTheWordsItIsGiven) {
  std::atomic<std::uint32_t> count{41};
  std::atomic<std::uint32_t> sleepers{7};
  Wake wake;
  const std::uint32_t before = wake.ticket();
  wake.use_words(&count, &sleepers);
  EXPECT_EQ(sleepers.load(), 0U);
  EXPECT_EQ(wake.ticket(), 41U);
  wake.ring();
  EXPECT_EQ(count.load(), 42U);
  wake.wait(before, hours(1));  // a ticket of the other words is no longer good
  wake.wait(41, hours(1));
}

struct Value {
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  std::array<std::uint64_t, 30> more{};
  std::uint32_t c = 0;
};

TEST(SeqLocked, GivesWhatWasWritten) {
  SeqLocked<Value> locked;
  EXPECT_EQ(locked.read().a, 0U);
  Value value;
  value.a = 1;
  value.more[29] = 5;
  value.c = 9;
  locked.write(value);
  EXPECT_EQ(locked.read().a, 1U);
  EXPECT_EQ(locked.read().more[29], 5U);
  EXPECT_EQ(locked.read().c, 9U);
}

TEST(SeqLocked, IsAlwaysReadWhole) {
  SeqLocked<Value> locked;
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      std::uint64_t last = 0;
      while (!done.load(std::memory_order_relaxed)) {
        const Value value = locked.read();
        ASSERT_EQ(value.b, value.a * 3);
        for (const std::uint64_t word : value.more) ASSERT_EQ(word, value.a);
        ASSERT_EQ(value.c, static_cast<std::uint32_t>(value.a));
        ASSERT_GE(value.a, last);
        last = value.a;
      }
    });
  }
  for (std::uint64_t n = 1; n <= 100'000; ++n) {
    Value value;
    value.a = n;
    value.b = n * 3;
    value.more.fill(n);
    value.c = static_cast<std::uint32_t>(n);
    locked.write(value);
  }
  done.store(true);
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace xased
