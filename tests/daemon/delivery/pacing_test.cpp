#include "daemon/delivery/pacing.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>

#include "daemon/delivery/destination.hpp"
#include "tests/support/seeded_random.hpp"

namespace xased::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST(Backoff, StaysBetweenNothingAndTheDoublingLimit) {
  SeededRandom random;
  nanoseconds most_of_all{0};
  for (std::uint32_t failures = 1; failures < 80; ++failures) {
    const nanoseconds limit =
        failures > 10
            ? nanoseconds(seconds(60))
            : std::min<nanoseconds>(seconds(60), milliseconds(200) * (1 << (failures - 1)));
    nanoseconds most{0};
    nanoseconds least{seconds(100)};
    for (int i = 0; i < 200; ++i) {
      const nanoseconds drawn = backoff(failures, milliseconds(200), seconds(60), random);
      ASSERT_GE(drawn, nanoseconds(0));
      ASSERT_LE(drawn, limit);
      most = std::max(most, drawn);
      least = std::min(least, drawn);
    }
    EXPECT_GT(most, limit * 8 / 10) << "full jitter reaches the limit";
    EXPECT_LT(least, limit * 2 / 10) << "full jitter starts at nothing";
    most_of_all = std::max(most_of_all, most);
  }
  EXPECT_LE(most_of_all, seconds(60));
}

TEST(Backoff, IsNothingWithoutAFailure) {
  SeededRandom random;
  EXPECT_EQ(backoff(0, seconds(1), seconds(60), random), nanoseconds(0));
}

TEST(FlightLimit, DoublesEachRoundUntilTheFirstCongestion) {
  FlightLimit limit(64);
  EXPECT_EQ(limit.allowed(), 4U);
  for (int i = 0; i < 4; ++i) limit.on_success(milliseconds(50));
  EXPECT_EQ(limit.allowed(), 8U);
  for (int i = 0; i < 8; ++i) limit.on_success(milliseconds(50));
  EXPECT_EQ(limit.allowed(), 16U);
  limit.on_congestion();
  EXPECT_EQ(limit.allowed(), 8U);
  for (int i = 0; i < 9; ++i) limit.on_success(milliseconds(50));
  EXPECT_EQ(limit.allowed(), 9U) << "one more a round from then on";
}

TEST(FlightLimit, HalvesOnlyOnceARound) {
  FlightLimit limit(64);
  for (int i = 0; i < 60; ++i) limit.on_success(milliseconds(50));
  ASSERT_EQ(limit.allowed(), 64U);
  for (int i = 0; i < 10; ++i) limit.on_congestion();
  EXPECT_EQ(limit.allowed(), 32U);
  for (int i = 0; i < 200; ++i) limit.on_congestion();
  EXPECT_EQ(limit.allowed(), 4U) << "never below what it starts with";
  limit.set_max(2);
  for (int i = 0; i < 20; ++i) limit.on_congestion();
  EXPECT_EQ(limit.allowed(), 2U);
}

TEST(FlightLimit, NeverPassesItsMaximum) {
  FlightLimit limit(5);
  for (int i = 0; i < 1000; ++i) limit.on_success(milliseconds(1));
  EXPECT_EQ(limit.allowed(), 5U);
  limit.set_max(2);
  EXPECT_EQ(limit.allowed(), 2U);
}

TEST(FlightLimit, HoldsWhereMoreAtOnceOnlyQueues) {
  // A service that does one at a time, a millisecond each.
  FlightLimit limit(256);
  for (int i = 0; i < 5000; ++i) limit.on_success(milliseconds(limit.allowed()));
  // Long is 14 ms here, and the smoothed round trip lags behind the growth by 8 answers.
  EXPECT_LE(limit.allowed(), 24U);
}

TEST(FlightLimit, FillsALongWay) {
  FlightLimit limit(64);
  for (int i = 0; i < 1000; ++i) limit.on_success(milliseconds(50));
  EXPECT_EQ(limit.allowed(), 64U);
}

// A service that admits `rate` a second by a bucket, and delivery that sends as it is allowed.
struct RateOutcome {
  std::uint64_t admitted = 0;
  std::uint64_t limited = 0;
};

RateOutcome run_against_limit(RatePacer& pacer, std::int64_t& now, double rate, double bucket,
                              std::chrono::seconds time, seconds retry_after) {
  RateOutcome outcome;
  double tokens = bucket;
  const std::int64_t end = now + nanoseconds(time).count();
  constexpr std::int64_t kTick = 1'000'000;
  for (; now < end; now += kTick) {
    tokens = std::min(bucket, tokens + rate * static_cast<double>(kTick) / 1e9);
    while (pacer.may_send(now, 0)) {
      pacer.on_sent(now);
      Verdict verdict;
      if (tokens >= 1) {
        tokens -= 1;
        ++outcome.admitted;
        pacer.on_admitted(verdict, now);
      } else {
        ++outcome.limited;
        pacer.on_limited(now, retry_after);
      }
    }
  }
  return outcome;
}

TEST(RatePacer, LearnsToUseWhatIsAdmittedWithHardlyARefusal) {
  RatePacer pacer;
  std::int64_t now = 1'000'000'000;
  (void)run_against_limit(pacer, now, 100, 100, seconds(60), seconds(1));
  const RateOutcome outcome = run_against_limit(pacer, now, 100, 100, seconds(600), seconds(1));
  EXPECT_GE(outcome.admitted, 57000U) << "0.95 of 100 a second";
  EXPECT_LE(outcome.limited * 50, outcome.admitted) << "2 %";
}

TEST(RatePacer, FollowsALimitThatIsRaisedAndOneThatIsLowered) {
  RatePacer pacer;
  std::int64_t now = 1'000'000'000;
  (void)run_against_limit(pacer, now, 100, 100, seconds(120), seconds(1));
  (void)run_against_limit(pacer, now, 1000, 100, seconds(900), seconds(1));
  RateOutcome raised = run_against_limit(pacer, now, 1000, 100, seconds(100), seconds(1));
  EXPECT_GE(raised.admitted, 60000U);
  (void)run_against_limit(pacer, now, 50, 50, seconds(120), seconds(1));
  RateOutcome lowered = run_against_limit(pacer, now, 50, 50, seconds(600), seconds(1));
  EXPECT_LE(lowered.limited * 50, lowered.admitted);
  EXPECT_GE(lowered.admitted, 27000U);
}

TEST(RatePacer, WaitsAsLongAsItWasTold) {
  RatePacer pacer;
  pacer.on_sent(0);
  pacer.on_limited(1000, seconds(30));
  EXPECT_FALSE(pacer.may_send(nanoseconds(seconds(29)).count(), 0));
  EXPECT_TRUE(pacer.waiting(nanoseconds(seconds(29)).count()));
  EXPECT_TRUE(pacer.may_send(nanoseconds(seconds(31)).count(), 0));
}

TEST(RatePacer, SendsNoMoreThanTheServiceSaysIsLeft) {
  RatePacer pacer;
  Verdict verdict;
  verdict.rate_remaining = 2;
  pacer.on_admitted(verdict, 0);
  EXPECT_TRUE(pacer.may_send(1, 0));
  EXPECT_TRUE(pacer.may_send(1, 1));
  EXPECT_FALSE(pacer.may_send(1, 2));
  verdict.rate_remaining = 0;
  pacer.on_admitted(verdict, 0);
  EXPECT_TRUE(pacer.may_send(1, 0)) << "only an answer tells when there is more";
  EXPECT_FALSE(pacer.may_send(1, 1));
}

TEST(RatePacer, AQuietHourDoesNotEndInAFlood) {
  RatePacer pacer;
  pacer.on_sent(1);
  for (int i = 0; i < 100; ++i) pacer.on_admitted(Verdict{}, 1);
  pacer.on_limited(1'000'000'000, seconds(1));
  const std::int64_t later = nanoseconds(std::chrono::hours(1)).count();
  int sent = 0;
  while (pacer.may_send(later, 0) && sent < 100) {
    pacer.on_sent(later);
    ++sent;
  }
  EXPECT_LE(sent, 6);
  EXPECT_GE(sent, 1);
}

TEST(Destination, OneConnectionRefusedIsNoAbsenceAndTwoAre) {
  SeededRandom random;
  DeliveryOptions options;
  Destination destination(options, random);
  Verdict failed;
  failed.outcome = Outcome::kRetry;
  failed.overload = true;
  destination.on_answer(failed, 0, milliseconds(1), 1000);
  EXPECT_FALSE(destination.away());
  destination.on_answer(failed, 0, milliseconds(1), 1000);
  EXPECT_TRUE(destination.away());
  EXPECT_EQ(destination.in_flight_max(), 1U);
  Verdict good;
  good.outcome = Outcome::kDelivered;
  destination.on_answer(good, 201, milliseconds(1), 2000);
  EXPECT_FALSE(destination.away());
  EXPECT_GE(destination.in_flight_max(), 4U) << "back at speed at once";
}

TEST(Destination, EightAttemptsWithoutAnAnswerAreAnAbsence) {
  SeededRandom random;
  DeliveryOptions options;
  Destination destination(options, random);
  Verdict failed;
  failed.outcome = Outcome::kRetry;
  failed.may_have_reached = true;
  for (int i = 0; i < 7; ++i) destination.on_answer(failed, 500, milliseconds(1), 1000);
  EXPECT_FALSE(destination.away());
  destination.on_answer(failed, 500, milliseconds(1), 1000);
  EXPECT_TRUE(destination.away());
}

TEST(Destination, AnotherAddressStartsAfresh) {
  SeededRandom random;
  DeliveryOptions options;
  Destination destination(options, random);
  Verdict paused;
  paused.outcome = Outcome::kPause;
  paused.reason = PauseReason::kNotFound;
  destination.on_answer(paused, 404, milliseconds(1), 1000);
  ASSERT_FALSE(destination.may_send(1001, 0));
  destination.forget();
  EXPECT_TRUE(destination.may_send(1001, 0));
  EXPECT_EQ(destination.reason(), PauseReason::kNone);
}

}  // namespace
}  // namespace xased::test
