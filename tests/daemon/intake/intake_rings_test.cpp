// Rings that come and go: whose owner is gone, whose file lost its name, which there is no room
// for.
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/daemon/intake/intake_rig.hpp"

namespace xased {
namespace {

using test::FsCall;
using test::IntakeRig;
using test::numbered_record;
using test::numbers;
using test::RingProducer;

class IntakeRings : public testing::Test {
 protected:
  IntakeRig rig_;
};

TEST_F(IntakeRings, DrainsTheRingOfAnOwnerThatIsGoneAndThenRemovesIt) {
  RingProducer producer(rig_.run.path(), 1);
  for (std::uint64_t n = 1; n <= 8; ++n) ASSERT_TRUE(producer.record(numbered_record(n)));
  producer.refuse(2);
  producer.die();
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(producer), numbers(1, 8));
  ASSERT_EQ(rig_.gaps().size(), 1U);
  EXPECT_EQ(rig_.gaps()[0].count, 2U);
  EXPECT_TRUE(rig_.files().empty());
  EXPECT_EQ(rig_.view().producers, 0U);
}

TEST_F(IntakeRings, GoesOnWithARingWhoseFileLostItsNameAndHasItsOwnerMakeAnother) {
  RingProducer producer(rig_.run.path(), 1);
  ASSERT_TRUE(producer.record(numbered_record(1)));
  rig_.run_intake();
  EXPECT_EQ(producer.daemon().condemned.load(), 0U);
  std::filesystem::remove_all(rig_.run / "rings");
  rig_.run_intake();
  EXPECT_EQ(producer.daemon().condemned.load(), 0U) << "there is nowhere to make another";
  ASSERT_TRUE(producer.record(numbered_record(2)));
  std::filesystem::create_directory(rig_.run / "rings");
  rig_.run_intake();
  EXPECT_EQ(producer.daemon().condemned.load(), xase::proto::kRingMoved);
  ASSERT_TRUE(producer.record(numbered_record(3)));
  producer.refuse(2);
  producer.die();
  RingProducer next(rig_.run.path(), 2);
  ASSERT_TRUE(next.record(numbered_record(1)));
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(producer), numbers(1, 3));
  EXPECT_EQ(rig_.records_of(next), numbers(1, 1));
  ASSERT_EQ(rig_.gaps().size(), 1U);
  EXPECT_EQ(rig_.gaps()[0].count, 2U);
  EXPECT_EQ(rig_.view().producers, 1U);
}

TEST_F(IntakeRings, RingsBeyondTheMostWaitAreCountedAndTakenOnceOthersAreGone) {
  rig_.start_intake(2);
  std::vector<std::unique_ptr<RingProducer>> producers;
  for (std::uint8_t id = 1; id <= 5; ++id) {
    producers.push_back(std::make_unique<RingProducer>(rig_.run.path(), id));
    ASSERT_TRUE(producers.back()->record(numbered_record(1)));
  }
  rig_.run_intake();
  EXPECT_EQ(rig_.view().producers, 2U);
  EXPECT_EQ(rig_.intake->counters().rings_waiting.load(), 3U);
  for (const auto& producer : producers) producer->die();
  rig_.run_intake(20);
  EXPECT_EQ(rig_.intake->counters().rings_waiting.load(), 0U);
  for (const auto& producer : producers) EXPECT_EQ(rig_.records_of(*producer), numbers(1, 1));
  EXPECT_TRUE(rig_.files().empty());
}

TEST_F(IntakeRings, LooksForNoRingsInAFolderThatIsAnotherDaemons) {
  RingProducer mine(rig_.run.path(), 1);
  rig_.run_intake();
  rig_.intake->use_folder(false);
  RingProducer other(rig_.run.path(), 2);
  ASSERT_TRUE(mine.record(numbered_record(1)));
  ASSERT_TRUE(other.record(numbered_record(1)));
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(mine), numbers(1, 1));
  EXPECT_TRUE(rig_.records_of(other).empty());
  rig_.intake->use_folder(true);
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(other), numbers(1, 1));
}

TEST_F(IntakeRings, KeepsTheFileOfAGoneOwnerUntilWhatItRefusedIsWritten) {
  RingProducer producer(rig_.run.path(), 1);
  ASSERT_TRUE(producer.record(numbered_record(1)));
  rig_.run_intake(2);
  producer.refuse(2);
  producer.die();
  rig_.fs.fail(FsCall::kWrite, EIO, 1, true, ".seg");
  rig_.run_intake();
  EXPECT_EQ(rig_.files(), std::vector<std::string>{producer.name()});
  rig_.kill_and_start_all();
  rig_.run_intake();
  ASSERT_EQ(rig_.gaps().size(), 1U);
  EXPECT_EQ(rig_.gaps()[0].count, 2U);
  EXPECT_TRUE(rig_.files().empty());
}

TEST_F(IntakeRings, KeepsTheRingOfAnOwnerThatLives) {
  RingProducer producer(rig_.run.path(), 1);
  ASSERT_TRUE(producer.record(numbered_record(1)));
  rig_.run_intake(20);
  EXPECT_EQ(rig_.files(), std::vector<std::string>{producer.name()});
}

TEST_F(IntakeRings, TakesTheLastRecordOfAnOwnerThatDiesRightAfterIt) {
  for (int steps = 0; steps < 6; ++steps) {
    IntakeRig rig;
    RingProducer producer(rig.run.path(), 1);
    ASSERT_TRUE(producer.record(numbered_record(1)));
    for (int i = 0; i < steps; ++i) rig.run_intake(1);
    ASSERT_TRUE(producer.record(numbered_record(2)));
    producer.die();
    rig.run_intake();
    ASSERT_EQ(rig.records_of(producer), numbers(1, 2)) << steps;
    ASSERT_TRUE(rig.files().empty());
  }
}

}  // namespace
}  // namespace xased
