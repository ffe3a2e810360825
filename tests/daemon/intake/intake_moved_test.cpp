// Rings that take the place of others, whose files lost their names.
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/daemon/intake/intake_rig.hpp"

namespace xased {
namespace {

using test::IntakeRig;
using test::numbered_record;
using test::numbers;
using test::RingProducer;
using xase::proto::GapReason;

class IntakeMoved : public testing::Test {
 protected:
  // A ring of `records` records, made and told of as the client library does.
  std::unique_ptr<RingProducer> make(std::uint8_t id, std::uint64_t records,
                                     const xase::proto::RingBefore& before = {}) {
    RingProducer::Options options = RingProducer::with_id(id);
    options.before = before;
    auto producer = std::make_unique<RingProducer>(rig_.run.path(), options);
    for (std::uint64_t n = 1; n <= records; ++n) {
      EXPECT_TRUE(producer->record(numbered_record(n)));
    }
    return producer;
  }
  static xase::proto::RingBefore left_in(RingProducer& producer, std::uint64_t earlier = 0) {
    return {producer.id(), producer.sequence(), producer.daemon().journaled_sequence.load(),
            earlier};
  }
  static xase::proto::Id id_of(std::uint8_t number) {
    xase::proto::Id id{};
    id.fill(static_cast<std::byte>(number));
    return id;
  }
  void remove_folder() {
    std::filesystem::remove_all(rig_.run / "rings");
    std::filesystem::create_directory(rig_.run / "rings");
  }

  IntakeRig rig_;
};

TEST_F(IntakeMoved, WhatNoDaemonReadIsAGapBeforeTheNextRingsFirstRecord) {
  rig_.stop_all();
  const auto lost = make(1, 5);
  remove_folder();
  const auto next = make(2, 3, left_in(*lost));
  rig_.start_all();
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(*lost), numbers(1, 0));
  EXPECT_EQ(rig_.records_of(*next), numbers(1, 3));
  const auto gaps = rig_.gaps();
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_EQ(gaps[0].reason, GapReason::kRingDisappeared);
  EXPECT_EQ(gaps[0].count, 5U);
  EXPECT_EQ(gaps[0].text,
            "ring " + xase::proto::to_hex(lost->id()) + " lost its file with its records 1 to 5");
  const auto entry = rig_.entries(xase::proto::EntryType::kGap).at(0);
  EXPECT_EQ(entry.leaf.ring_id, next->id()) << "who says so";
  EXPECT_LT(entry.leaf.sequence, rig_.entries(xase::proto::EntryType::kRecord).at(0).leaf.sequence);
  EXPECT_EQ(rig_.view().totals.missing, 5U);
  rig_.kill_and_start_all();
  rig_.run_intake();
  EXPECT_EQ(rig_.gaps().size(), 1U) << "told once";
}

TEST_F(IntakeMoved, WhatTheDaemonHadAttachedIsReadFirstAndNothingIsMissing) {
  const auto first = make(1, 2);
  rig_.run_intake();
  const auto before = left_in(*first);
  EXPECT_EQ(before.journaled, 2U);
  for (std::uint64_t n = 3; n <= 4; ++n) ASSERT_TRUE(first->record(numbered_record(n)));
  const auto told = left_in(*first);
  remove_folder();
  const auto next = make(2, 2, told);
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(*first), numbers(1, 4));
  EXPECT_EQ(rig_.records_of(*next), numbers(1, 2));
  EXPECT_TRUE(rig_.gaps().empty());
  const auto records = rig_.entries(xase::proto::EntryType::kRecord);
  ASSERT_EQ(records.size(), 6U);
  EXPECT_EQ(records[3].leaf.ring_id, first->id()) << "in the order in which they were made";
  EXPECT_EQ(records[4].leaf.ring_id, next->id());
}

TEST_F(IntakeMoved, ARingThatWasReadAndIsGoneWhenItsSuccessorIsFoundIsNotMissing) {
  const auto first = make(1, 3);
  rig_.run_intake();
  const auto told = left_in(*first);
  ASSERT_TRUE(first->record(numbered_record(4)));
  remove_folder();
  rig_.run_intake(1);
  first->die();
  rig_.run_intake();
  EXPECT_EQ(rig_.view().producers, 0U);
  const auto next = make(2, 1, {told.ring_id, 4, told.journaled, 0});
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(*first), numbers(1, 4));
  EXPECT_EQ(rig_.records_of(*next), numbers(1, 1));
  EXPECT_TRUE(rig_.gaps().empty());
}

TEST_F(IntakeMoved, ADaemonThatDiesWithTheRingLeavesWhatItHadNotRead) {
  const auto first = make(1, 3);
  rig_.run_intake();
  remove_folder();
  const auto told = left_in(*first);
  for (std::uint64_t n = 4; n <= 9; ++n) ASSERT_TRUE(first->record(numbered_record(n)));
  const auto next = make(2, 1, {told.ring_id, first->sequence(), 0, 0});
  rig_.kill_and_start_all();
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(*first), numbers(1, 3));
  EXPECT_EQ(rig_.records_of(*next), numbers(1, 1));
  const auto gaps = rig_.gaps();
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_EQ(gaps[0].count, 6U) << "the ledger knows better than its producer what it has";
  EXPECT_NE(gaps[0].text.find("records 4 to 9"), std::string::npos) << gaps[0].text;
}

// What a ring that was never read was to tell, the next one tells: once, whichever is found.
TEST_F(IntakeMoved, WhatIsHandedOnIsToldOnceWhereBothAreThere) {
  rig_.stop_all();
  const auto lost = make(1, 4);
  remove_folder();
  const auto second = make(2, 1, left_in(*lost));
  const auto third = make(3, 1, {second->id(), 1, 0, 4});
  rig_.start_all();
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(*second), numbers(1, 1));
  EXPECT_EQ(rig_.records_of(*third), numbers(1, 1));
  const auto gaps = rig_.gaps();
  std::uint64_t missing = 0;
  for (const auto& gap : gaps) missing += gap.count;
  EXPECT_EQ(missing, 4U);
  // The same where nothing but the ledger knows the one in the middle.
  std::filesystem::remove(second->path());
  const auto fourth = make(4, 1, {second->id(), 1, 0, 4});
  rig_.kill_and_start_all();
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(*fourth), numbers(1, 1));
  EXPECT_EQ(rig_.gaps().size(), gaps.size());
}

TEST_F(IntakeMoved, IsToldOnceThoughASegmentBeginsBeforeTheFirstRecord) {
  rig_.stop_all();
  const auto lost = make(1, 4);
  remove_folder();
  const auto silent = make(2, 0, left_in(*lost));
  rig_.start_all();
  rig_.run_intake();
  ASSERT_EQ(rig_.gaps().size(), 1U);
  const auto busy = make(3, 0);
  const auto segments = rig_.segments().size();
  for (std::uint64_t n = 1; rig_.segments().size() < segments + 2; ++n) {
    ASSERT_LT(n, 2000U);
    ASSERT_TRUE(busy->record(numbered_record(n, 4000)));
    if (n % 8 == 0) rig_.run_intake(2);
  }
  rig_.kill_and_start_all();
  rig_.run_intake();
  EXPECT_EQ(rig_.gaps().size(), 1U);
  ASSERT_TRUE(silent->record(numbered_record(1)));
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(*silent), numbers(1, 1));
  EXPECT_EQ(rig_.gaps().size(), 1U);
}

TEST_F(IntakeMoved, OneThatWasGivenUpIsNotMissingTwice) {
  const auto bad = make(1, 2);
  rig_.run_intake();
  const auto told = left_in(*bad);
  bad->words().committed_sequence.store(9);
  auto header = bad->next_header(0);
  header.type = 1;
  bad->commit_raw(header);
  rig_.run_intake();
  ASSERT_EQ(rig_.gaps().size(), 1U);
  const auto next = make(2, 1, {told.ring_id, 9, told.journaled, 0});
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(*next), numbers(1, 1));
  EXPECT_EQ(rig_.gaps().size(), 1U);
}

TEST_F(IntakeMoved, RefusalsDoNotKeepItFromBeingTold) {
  rig_.stop_all();
  const auto lost = make(1, 4);
  remove_folder();
  const auto next = make(2, 0, left_in(*lost));
  next->refuse(3);
  rig_.start_all();
  rig_.run_intake();
  ASSERT_TRUE(next->record(numbered_record(1)));
  rig_.kill_and_start_all();
  rig_.run_intake();
  const auto gaps = rig_.gaps();
  ASSERT_EQ(gaps.size(), 2U);
  EXPECT_EQ(gaps[0].reason, GapReason::kRingDisappeared);
  EXPECT_EQ(gaps[0].count, 4U);
  EXPECT_EQ(gaps[1].reason, GapReason::kQueueFull);
  EXPECT_EQ(gaps[1].count, 3U);
}

TEST_F(IntakeMoved, OneThatEndsWithoutARecordIsHeardToo) {
  rig_.stop_all();
  const auto lost = make(1, 2);
  remove_folder();
  make(2, 0, left_in(*lost))->die();
  make(3, 0, left_in(*lost, 7))->die();
  rig_.start_all();
  rig_.run_intake();
  const auto gaps = rig_.gaps();
  ASSERT_EQ(gaps.size(), 2U);
  EXPECT_EQ(gaps[0].count, 2U);
  EXPECT_EQ(gaps[1].count, 9U);
  EXPECT_NE(gaps[1].text.find("; 7 were in rings before it"), std::string::npos) << gaps[1].text;
  EXPECT_TRUE(rig_.files().empty());
}

TEST_F(IntakeMoved, RingsThatNameOneAnotherOrThemselvesAreReadAllTheSame) {
  rig_.stop_all();
  const auto one = make(1, 2, {id_of(2), UINT64_MAX, 0, UINT64_MAX});
  const auto two = make(2, 2, {id_of(1), 1, 5, 0});
  const auto three = make(3, 2, {id_of(3), 2, 2, 0});
  rig_.start_all();
  rig_.run_intake();
  for (const auto& producer : {&one, &two, &three}) {
    EXPECT_EQ(rig_.records_of(**producer), numbers(1, 2));
  }
  const auto gaps = rig_.gaps();
  ASSERT_EQ(gaps.size(), 1U) << "what a ring that is there holds is not missing";
  EXPECT_LE(gaps[0].count, std::uint64_t{1} << 26) << "no more than rings can hold";
}

}  // namespace
}  // namespace xased
