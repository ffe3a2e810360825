#include "daemon/app/liveness.hpp"

#include <gtest/gtest.h>

namespace xased {
namespace {

using Steps = std::array<std::uint64_t, Liveness::kStages>;
constexpr std::int64_t kStart = 1'000'000'000'000;

TEST(Liveness, BelievesInStagesThatHaveJustStarted) {
  Liveness liveness;
  EXPECT_TRUE(liveness.check(Steps{0, 0, 0, 0}, kStart));
  EXPECT_TRUE(liveness.check(Steps{0, 0, 0, 0}, kStart + Liveness::kStallNs - 1));
}

TEST(Liveness, IsOverWhenOneStageAloneStands) {
  for (std::size_t standing = 0; standing < Liveness::kStages; ++standing) {
    Liveness liveness;
    Steps steps{5, 5, 5, 5};
    ASSERT_TRUE(liveness.check(steps, kStart));
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (i != standing) ++steps.at(i);
    }
    EXPECT_FALSE(liveness.check(steps, kStart + Liveness::kStallNs)) << standing;
    // And comes back with its next step.
    ++steps.at(standing);
    EXPECT_TRUE(liveness.check(steps, kStart + Liveness::kStallNs + 1)) << standing;
  }
}

TEST(Liveness, CountsFromTheLastStepThatWasSeen) {
  Liveness liveness;
  std::int64_t now = kStart;
  for (std::uint64_t step = 1; step < 10; ++step) {
    ASSERT_TRUE(liveness.check(Steps{step, step, step, step}, now)) << step;
    now += Liveness::kStallNs / 2;
    ASSERT_TRUE(liveness.check(Steps{step, step, step, step}, now)) << step;
    now += Liveness::kStallNs / 3;
  }
}

TEST(Liveness, AMachineThatSleptIsNotAStall) {
  constexpr std::int64_t kSleptNs = 8LL * 3600 * 1'000'000'000;
  Liveness liveness;
  ASSERT_TRUE(liveness.check(Steps{7, 7, 7, 7}, kStart));
  EXPECT_TRUE(liveness.check(Steps{7, 7, 7, 7}, kStart + kSleptNs));
  EXPECT_TRUE(liveness.check(Steps{7, 8, 8, 8}, kStart + kSleptNs + Liveness::kStallNs - 1));
  EXPECT_FALSE(liveness.check(Steps{7, 9, 9, 9}, kStart + kSleptNs + Liveness::kStallNs));
}

}  // namespace
}  // namespace xased
