#include "daemon/delivery/writer_watch.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

namespace xased {
namespace {

using xase::proto::Hash;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kMinute = 60 * kSecond;

// The service's chain, and us on both sides of it.
class Writers : public ::testing::Test {
 protected:
  static ServiceHashes hashes_of(std::uint64_t n) {
    ServiceHashes hashes;
    hashes.input[0] = static_cast<std::byte>(n);
    hashes.input[1] = static_cast<std::byte>(n >> 8U);
    return hashes;
  }
  // The service takes record `n` behind what it read as its latest.
  Hash insert(std::uint64_t n, const std::optional<Hash>& read) {
    head_ = hasher_.record_hash(read, hashes_of(n));
    return *head_;
  }
  Hash insert(std::uint64_t n) { return insert(n, head_); }
  void someone_else() { (void)insert(60'000 + ++others_); }

  // True: alarmed.
  bool answer(std::uint64_t ticket, std::uint64_t n, const Hash& hash) {
    WriterWatch::Receipt receipt;
    receipt.subject.sequence = n;
    receipt.hashes = hashes_of(n);
    receipt.record_hash = hash;
    const auto alarm = watch_.on_receipt(ticket, std::move(receipt), now_);
    if (alarm) alarmed_ = alarm->sequence;
    return alarm.has_value();
  }
  bool post(std::uint64_t n) {
    const std::uint64_t ticket = watch_.on_sent();
    return answer(ticket, n, insert(n));
  }

  WriterWatch watch_;
  ServiceHasher hasher_;
  std::optional<Hash> head_;
  std::int64_t now_ = kMinute;
  std::uint64_t others_ = 0;
  std::uint64_t alarmed_ = 0;
};

TEST_F(Writers, OneAtATimeEachIsPredictedFromTheOneBefore) {
  someone_else();  // in an earlier life
  for (std::uint64_t n = 1; n <= 50; ++n) EXPECT_FALSE(post(n)) << n;
}

TEST_F(Writers, AnotherWriterIsAlarmedWithTheRecordThatShowsIt) {
  post(1);
  post(2);
  someone_else();
  EXPECT_TRUE(post(3));
  EXPECT_EQ(alarmed_, 3U);
  EXPECT_FALSE(post(4)) << "known again";
}

TEST_F(Writers, OneAtATimeAForkToAnOlderRecordOfOursIsAlarmed) {
  post(1);
  const std::optional<Hash> old = head_;
  post(2);
  const std::uint64_t ticket = watch_.on_sent();
  EXPECT_TRUE(answer(ticket, 3, insert(3, old)));
}

TEST_F(Writers, SeveralAtOnceMayForkAndBeAnsweredInAnyOrder) {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < 200; ++round) {
    WriterWatch fresh;
    watch_ = std::move(fresh);
    struct Flight {
      std::uint64_t n, ticket;
      std::optional<Hash> read;
      std::optional<Hash> made;
    };
    std::vector<Flight> flights;
    std::uint64_t n = 0;
    for (int step = 0; step < 300; ++step) {
      const unsigned what = random() % 4;
      if (what == 0 && flights.size() < 8) {
        flights.push_back({++n, watch_.on_sent(), {}, {}});
      } else if (!flights.empty()) {
        Flight& flight = flights[random() % flights.size()];
        // The service reads its latest record, later inserts, later answers.
        if (!flight.read && !flight.made) {
          flight.read = head_;
          if (!head_) flight.made = insert(flight.n);
        } else if (!flight.made) {
          flight.made = insert(flight.n, flight.read);
        } else {
          ASSERT_FALSE(answer(flight.ticket, flight.n, *flight.made)) << "record " << flight.n;
          flight = flights.back();
          flights.pop_back();
        }
      }
    }
  }
}

TEST_F(Writers, AnotherWriterIsSeenAmongSeveralOnceAllBesideItAreAnswered) {
  post(1);
  const std::uint64_t a = watch_.on_sent();
  const std::uint64_t b = watch_.on_sent();
  const Hash made_a = insert(2);
  someone_else();
  const Hash made_b = insert(3);
  EXPECT_FALSE(answer(b, 3, made_b)) << "it may go on from a, which has no answer yet";
  EXPECT_TRUE(answer(a, 2, made_a));
  EXPECT_EQ(alarmed_, 3U);
}

TEST_F(Writers, ARefusalBesideItEndsTheWait) {
  post(1);
  const std::uint64_t a = watch_.on_sent();
  const std::uint64_t b = watch_.on_sent();
  someone_else();
  EXPECT_FALSE(answer(b, 3, insert(3)));
  EXPECT_TRUE(watch_.on_no_record(a, now_).has_value());
}

TEST_F(Writers, NothingIsSaidWhileAnAttemptIsInDoubt) {
  post(1);
  watch_.on_doubt(watch_.on_sent(), now_);
  (void)insert(2);  // it came in all the same
  EXPECT_FALSE(post(3));
  now_ += kMinute;
  (void)insert(4);  // and so may others
  EXPECT_FALSE(post(5));
  now_ += 5 * kMinute;
  EXPECT_FALSE(post(6)) << "the first one after it";
  EXPECT_FALSE(post(7));
  someone_else();
  EXPECT_TRUE(post(8));
}

TEST_F(Writers, WhatWasPostedBeforeTheFirstReceiptSaysNothing) {
  const std::uint64_t a = watch_.on_sent();
  const std::uint64_t b = watch_.on_sent();
  someone_else();
  const Hash made_b = insert(2);
  EXPECT_FALSE(answer(a, 1, insert(1)));
  EXPECT_FALSE(answer(b, 2, made_b));
}

TEST_F(Writers, OneThatGoesOnIsOneAlarmAMinute) {
  post(1);
  int alarms = 0;
  for (std::uint64_t n = 2; n < 122; ++n, now_ += kSecond) {
    someone_else();
    alarms += post(n) ? 1 : 0;
  }
  EXPECT_EQ(alarms, 2);
}

}  // namespace
}  // namespace xased
