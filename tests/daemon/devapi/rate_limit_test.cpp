#include "daemon/devapi/rate_limit.hpp"

#include <gtest/gtest.h>

namespace xased::devapi {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

TEST(RateLimit, TakesTheLimitAndRefusesTheNext) {
  RateLimit limit(3);
  for (std::uint64_t left = 3; left-- > 0;) {
    const auto verdict = limit.take("t", 1000);
    EXPECT_TRUE(verdict.allowed);
    EXPECT_EQ(verdict.remaining, left);
  }
  const auto verdict = limit.take("t", 2500);
  EXPECT_FALSE(verdict.allowed);
  EXPECT_EQ(verdict.remaining, 0U);
  EXPECT_EQ(verdict.reset_unix_ms, 1000 + kHourMs);
  EXPECT_EQ(verdict.retry_after_s, 3599);  // 3598.5, rounded up
}

TEST(RateLimit, WindowOpensAgainAfterAnHour) {
  RateLimit limit(1);
  EXPECT_TRUE(limit.take("t", 0).allowed);
  const auto last_ms = limit.take("t", kHourMs - 1);
  EXPECT_FALSE(last_ms.allowed);
  EXPECT_EQ(last_ms.retry_after_s, 1);
  EXPECT_TRUE(limit.take("t", kHourMs).allowed);
  EXPECT_FALSE(limit.take("t", kHourMs + 1).allowed);
}

TEST(RateLimit, KeysDoNotShareAWindow) {
  RateLimit limit(1);
  EXPECT_TRUE(limit.take("a", 0).allowed);
  EXPECT_TRUE(limit.take("b", 0).allowed);
  EXPECT_FALSE(limit.take("a", 0).allowed);
}

TEST(RateLimit, WhatMadeNoRecordIsGivenBack) {
  RateLimit limit(1);
  EXPECT_TRUE(limit.take("t", 0).allowed);
  limit.give_back("t");
  EXPECT_TRUE(limit.take("t", 0).allowed);
  EXPECT_FALSE(limit.take("t", 0).allowed);
  limit.give_back("nobody");
}

TEST(RateLimit, ZeroIsNoLimit) {
  RateLimit limit(0);
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(limit.take("t", 0).allowed);
}

TEST(RateLimit, ClockSetBackDoesNotLockOut) {
  RateLimit limit(1);
  EXPECT_TRUE(limit.take("t", 100 * kHourMs).allowed);
  EXPECT_TRUE(limit.take("t", 0).allowed);
}

TEST(RateLimit, CallersThatComeInAnotherOrderThanTheirClocksTakeNoMoreThanTheLimit) {
  RateLimit limit(2);
  EXPECT_TRUE(limit.take("t", 1001).allowed);
  EXPECT_TRUE(limit.take("t", 1000).allowed);
  const RateLimit::Verdict third = limit.take("t", 1002);
  EXPECT_FALSE(third.allowed);
  EXPECT_EQ(third.remaining, 0U);
  EXPECT_EQ(third.reset_unix_ms, 1000 + kHourMs);
}

TEST(RateLimit, ForgetsKeysWhoseWindowIsOver) {
  RateLimit limit(1);
  for (std::size_t i = 0; i < RateLimit::kKeysMax; ++i) {
    ASSERT_TRUE(limit.take(std::to_string(i), 0).allowed);
  }
  EXPECT_FALSE(limit.take("one more", 1).allowed);
  EXPECT_TRUE(limit.take("one more", kHourMs).allowed);
}

}  // namespace
}  // namespace xased::devapi
