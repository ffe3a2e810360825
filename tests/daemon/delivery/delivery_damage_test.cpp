// What delivery does at entries of the journal that can no longer be read.
#include <gtest/gtest.h>

#include "tests/daemon/delivery/delivery_world.hpp"

namespace xased::test {
namespace {

using std::chrono::seconds;

class DeliveryDamage : public DeliveryWorld {};

TEST_F(DeliveryDamage, IsHandedBackOnceAndWhatIsBehindIsDelivered) {
  const std::uint64_t before = record();
  const std::uint64_t broken = record();
  journal_.damage_last();
  const std::uint64_t behind = record();
  start();
  dispatch_->script = [](const Job&) { return created(); };
  run_for(seconds(5));
  EXPECT_TRUE(has_receipt(before));
  EXPECT_TRUE(has_receipt(behind));
  ASSERT_EQ(damages_.size(), 1U);
  EXPECT_EQ(damages_[0].first, broken);
  EXPECT_EQ(damages_[0].last, broken);
  for (int life = 0; life < 3; ++life) {
    if (life == 1) stop();
    start();
    run_for(seconds(5));
  }
  EXPECT_EQ(damages_.size(), 1U) << "told again after a restart";
}

TEST_F(DeliveryDamage, OfWhichTheStartHasToldIsNotHandedBack) {
  record();
  const std::uint64_t broken = record();
  journal_.damage_last();
  const std::uint64_t behind = record();
  known_damage_ = {{broken, broken}};
  start();
  dispatch_->script = [](const Job&) { return created(); };
  run_for(seconds(5));
  EXPECT_TRUE(has_receipt(behind));
  EXPECT_TRUE(damages_.empty());
}

}  // namespace
}  // namespace xased::test
