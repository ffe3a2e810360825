#include "daemon/devapi/faults.hpp"

#include <gtest/gtest.h>

#include <string>

namespace xased::devapi {
namespace {

std::string drawn(FaultPlan& plan, int count) {
  std::string names;
  for (int i = 0; i < count; ++i) {
    const auto decision = plan.draw(FaultRoute::kPostRecord);
    names += decision.fault ? fault_name(decision.fault->kind) : "-";
    names += ' ';
  }
  return names;
}

std::string refusal(std::string_view json) {
  FaultPlan plan;
  const Status status = plan.set(json);
  return status.ok() ? "" : status.message();
}

TEST(Faults, NothingIsWrongByDefault) {
  FaultPlan plan;
  EXPECT_EQ(drawn(plan, 3), "- - - ");
  EXPECT_EQ(plan.draw(FaultRoute::kPostRecord).latency_ms, 0);
}

TEST(Faults, CountStrikesTheNextRequestsAndThenNoMore) {
  FaultPlan plan;
  ASSERT_TRUE(plan.set(R"({"hang":{"count":2}})").ok());
  EXPECT_EQ(drawn(plan, 4), "hang hang - - ");
}

TEST(Faults, FirstInTheDocumentedOrderWins) {
  FaultPlan plan;
  ASSERT_TRUE(plan.set(R"({"huge":{"count":1},"slow_loris":{"count":1},"truncated":{"count":1},
                           "not_json":{"count":1},"hang":{"count":1},"commit_then_hang":{"count":1},
                           "status":{"status":500,"count":1},"reset":{"count":1},
                           "down":{"count":1}})")
                  .ok());
  EXPECT_EQ(drawn(plan, 10),
            "down reset status commit_then_hang hang not_json truncated slow_loris huge - ");
}

TEST(Faults, SeveralStatusesKeepTheirOrder) {
  FaultPlan plan;
  ASSERT_TRUE(
      plan.set(R"({"status":[{"status":503,"count":1},{"status":429,"count":1,"retry_after":2}]})")
          .ok());
  EXPECT_EQ(plan.draw(FaultRoute::kPostRecord).fault->status, 503);
  const auto second = plan.draw(FaultRoute::kPostRecord);
  EXPECT_EQ(second.fault->status, 429);
  EXPECT_EQ(second.fault->retry_after_s, 2);
}

TEST(Faults, OnlyDownStrikesOtherRoutes) {
  FaultPlan plan;
  ASSERT_TRUE(plan.set(R"({"hang":true})").ok());
  EXPECT_FALSE(plan.draw(FaultRoute::kOther).fault.has_value());
  ASSERT_TRUE(plan.set(R"({"down":true})").ok());
  EXPECT_EQ(plan.draw(FaultRoute::kOther).fault->kind, FaultKind::kDown);
}

TEST(Faults, WhatIsWrongWithTheChainStrikesWhereItIsSeen) {
  FaultPlan plan;
  ASSERT_TRUE(plan.set(R"({"tamper":true,"fork":true})").ok());
  EXPECT_FALSE(plan.draw(FaultRoute::kOther).fault.has_value());
  EXPECT_EQ(plan.draw(FaultRoute::kVerify).fault->kind, FaultKind::kTamper);
  EXPECT_EQ(plan.draw(FaultRoute::kPostRecord).fault->kind, FaultKind::kFork);
  ASSERT_TRUE(plan.set(R"({"rewrite":true,"forget":{"count":1}})").ok());
  EXPECT_EQ(plan.draw(FaultRoute::kVerify).fault->kind, FaultKind::kForget);
  EXPECT_EQ(plan.draw(FaultRoute::kVerify).fault->kind, FaultKind::kRewrite);
}

TEST(Faults, SameSeedSameFaults) {
  const char* spec = R"({"seed":7,"reset":{"rate":0.3},"hang":{"rate":0.3}})";
  FaultPlan a;
  FaultPlan b;
  ASSERT_TRUE(a.set(spec).ok());
  ASSERT_TRUE(b.set(spec).ok());
  const std::string first = drawn(a, 200);
  EXPECT_EQ(first, drawn(b, 200));
  ASSERT_TRUE(b.set(R"({"seed":8,"reset":{"rate":0.3},"hang":{"rate":0.3}})").ok());
  EXPECT_NE(first, drawn(b, 200));
}

TEST(Faults, RateIsTheShareOfTheRequests) {
  FaultPlan plan;
  ASSERT_TRUE(plan.set(R"({"reset":{"rate":0.25}})").ok());
  int struck = 0;
  for (int i = 0; i < 20'000; ++i) struck += plan.draw(FaultRoute::kPostRecord).fault ? 1 : 0;
  EXPECT_NEAR(struck, 5'000, 300);  // five standard deviations
  ASSERT_TRUE(plan.set(R"({"reset":{"rate":0}})").ok());
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(plan.draw(FaultRoute::kPostRecord).fault.has_value());
}

TEST(Faults, JitterStaysWithinItsBounds) {
  FaultPlan plan;
  ASSERT_TRUE(plan.set(R"({"latency_ms":50,"latency_jitter_ms":20})").ok());
  std::int64_t least = 1000;
  std::int64_t most = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::int64_t latency = plan.draw(FaultRoute::kOther).latency_ms;
    least = std::min(least, latency);
    most = std::max(most, latency);
  }
  EXPECT_EQ(least, 50);
  EXPECT_EQ(most, 70);
}

TEST(Faults, WhatIsUnknownOrOutOfRangeIsRefusedByName) {
  EXPECT_NE(refusal(R"({"resets":true})").find("resets"), std::string::npos);
  EXPECT_NE(refusal(R"({"reset":{"probability":1}})").find("reset.probability"), std::string::npos);
  EXPECT_NE(refusal(R"({"reset":{"rate":1.5}})").find("reset.rate"), std::string::npos);
  EXPECT_NE(refusal(R"({"reset":{"count":1.5}})").find("reset.count"), std::string::npos);
  EXPECT_NE(refusal(R"({"reset":{"count":-1}})").find("reset.count"), std::string::npos);
  EXPECT_NE(refusal(R"({"status":{}})").find("status.status"), std::string::npos);
  EXPECT_NE(refusal(R"({"status":{"status":99}})").find("status.status"), std::string::npos);
  EXPECT_NE(refusal(R"({"status":{"status":302,"location":"a\r\nb"}})").find("location"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"status":{"status":500,"body":"xml"}})").find("body"), std::string::npos);
  EXPECT_NE(refusal(R"({"hang":5})").find("hang"), std::string::npos);
  EXPECT_NE(refusal(R"({"latency_ms":"5"})").find("latency_ms"), std::string::npos);
  EXPECT_NE(refusal("[]"), "");
  EXPECT_NE(refusal("{"), "");
}

TEST(Faults, RefusedPlanLeavesTheOldOne) {
  FaultPlan plan;
  ASSERT_TRUE(plan.set(R"({"reset":true})").ok());
  EXPECT_FALSE(plan.set(R"({"hang":{"nope":1}})").ok());
  EXPECT_EQ(drawn(plan, 1), "reset ");
  plan.clear();
  EXPECT_EQ(drawn(plan, 1), "- ");
}

TEST(Faults, DescribeTellsWhatStruck) {
  FaultPlan plan;
  ASSERT_TRUE(plan.set(R"({"reset":{"count":3},"down":false})").ok());
  drawn(plan, 2);
  EXPECT_EQ(stringify(plan.describe()), R"({"spec":{"reset":{"count":3},"down":false},)"
                                        R"("rules":[{"fault":"reset","struck":2,"left":1}]})");
}

}  // namespace
}  // namespace xased::devapi
