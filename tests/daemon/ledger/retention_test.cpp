// What may leave the journal, when, and in which order.
#include "daemon/ledger/retention.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/support/ledger_rig.hpp"

namespace xased {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using test::FsCall;
using test::LedgerRig;
using xase::proto::EntryType;
using xase::proto::EraseReason;

constexpr hours kKeep{24 * 30};

class RetentionTest : public testing::Test {
 protected:
  void SetUp() override {
    rig_.must_start();
    rig_.ledger->on_new_segment([this] { return segments_have_all_; });
    retention_ = std::make_unique<Retention>(Retention::Peers{rig_.fs, rig_.clock, *rig_.positions,
                                                              settled_, covered_, *rig_.intake_wake,
                                                              [this](std::uint64_t through) {
                                                                forgotten_ = through;
                                                                segments_when_forgotten_ =
                                                                    rig_.segments().size();
                                                                return forget_;
                                                              }},
                                             LedgerRig::kJournal, 0, kKeep);
  }

  // So many more segments, with nothing to keep them but their age.
  void fill(std::size_t segments) {
    const std::size_t wanted = rig_.segments().size() + segments;
    while (rig_.segments().size() < wanted) rig_.add_durably(next_, next_, 1500), ++next_;
    settled_ = covered_ = rig_.durable();
  }
  void pass(nanoseconds time) { rig_.clock.advance(time); }
  // What intake and sync make of it, until nothing more comes.
  void run() {
    for (int i = 0; i < 200; ++i) {
      const nanoseconds wait = retention_->step();
      if (const auto* removal = retention_->proposed()) {
        const std::uint64_t sequence =
            rig_.ledger->append_body(EntryType::kErase, Subject{}, xase::proto::encode(*removal));
        ASSERT_NE(sequence, 0U);
        ASSERT_TRUE(rig_.ledger->flush().ok());
        retention_->entered(sequence);
        // Not durable: nothing may go yet.
        const auto before = rig_.segments();
        for (int step = 0; step < 3; ++step) (void)retention_->step();
        ASSERT_EQ(rig_.segments(), before);
        rig_.run_sync();
      } else if (wait > seconds(0)) {
        return;
      }
    }
    FAIL() << "it does not come to rest";
  }
  std::vector<xase::proto::EraseBody> erased() {
    std::vector<xase::proto::EraseBody> out;
    const auto read = test::read_journal(rig_.fs, LedgerRig::kJournal,
                                         rig_.ledger->journal().segment_first(), rig_.durable());
    for (const auto& entry : read.entries) {
      if (entry.leaf.type != EntryType::kErase) continue;
      out.push_back(xase::proto::decode_erase_body(entry.body()).value());
    }
    return out;
  }

  LedgerRig rig_;
  std::atomic<std::uint64_t> settled_{0};
  std::atomic<std::uint64_t> covered_{0};
  bool segments_have_all_ = true;
  Status forget_;
  std::uint64_t forgotten_ = 0;
  std::size_t segments_when_forgotten_ = 0;
  std::uint64_t next_ = 1;
  std::unique_ptr<Retention> retention_;
};

TEST_F(RetentionTest, KeepsWhatIsYoungerAndRemovesWhatIsOlder) {
  fill(3);
  pass(kKeep - hours(1));
  const auto old = rig_.segments();
  fill(2);
  run();
  EXPECT_EQ(rig_.segments().front(), old.front());
  pass(hours(2));
  run();
  // The last of the old ones ends in the time of the new.
  EXPECT_EQ(rig_.segments().front(), old.back());
  ASSERT_EQ(erased().size(), 1U);
  const auto told = erased().front();
  EXPECT_EQ(told.reason, EraseReason::kAge);
  EXPECT_EQ(told.first_sequence, 1U);
  EXPECT_EQ(told.last_sequence + 1,
            *parse_segment_name(old.back().substr(old.back().rfind('/') + 1)));
  EXPECT_EQ(retention_->counters().removed_through.load(), told.last_sequence);
  EXPECT_EQ(retention_->counters().segments.load(), old.size() - 1);
  EXPECT_EQ(retention_->counters().early.load(), 0U);
  // By the records' own numbers: START is none.
  EXPECT_EQ(told.records, told.last_sequence - 1);
}

TEST_F(RetentionTest, TellsTheHashFromWhichTheRestGoesOn) {
  fill(3);
  pass(kKeep + hours(1));
  const auto all = rig_.read();
  run();
  const auto told = erased().front();
  Sha256 sha;
  EXPECT_EQ(told.last_leaf_hash,
            xase::proto::leaf_hash(sha, all.entries[told.last_sequence - 1].leaf_bytes));
}

TEST_F(RetentionTest, KeepsWhatIsNotSettledOrNotUnderAHead) {
  fill(4);
  pass(kKeep + hours(1));
  const auto all = rig_.segments();
  const std::uint64_t third = *parse_segment_name(all[2].substr(all[2].rfind('/') + 1));
  settled_ = third - 2;
  run();
  EXPECT_EQ(rig_.segments().front(), all[1]);
  settled_ = rig_.durable();
  covered_ = third - 2;
  pass(minutes(1));
  run();
  EXPECT_EQ(rig_.segments().front(), all[1]);
  covered_ = third - 1;
  pass(minutes(1));
  run();
  EXPECT_EQ(rig_.segments().front(), all[2]);
}

TEST_F(RetentionTest, KeepsTheSegmentThatARestartReads) {
  segments_have_all_ = false;
  fill(4);
  pass(kKeep + hours(1));
  run();
  EXPECT_TRUE(erased().empty());
  segments_have_all_ = true;
  fill(2);
  pass(kKeep + hours(1));
  run();
  // The first that has all it needs, and that no rewritten one comes before.
  EXPECT_EQ(rig_.segments().size(), 1U);
  rig_.kill_and_start();
  EXPECT_TRUE(rig_.recovery.damage.empty());
  EXPECT_EQ(rig_.recovery.rings[rig_.ring].last_ring_sequence, next_ - 1);
}

TEST_F(RetentionTest, AWallClockThatIsSetAgesNothing) {
  fill(3);
  pass(minutes(11));
  run();  // from here on the boot clock counts
  rig_.clock.set_wall(rig_.clock.wall_ns() + nanoseconds(hours(24 * 365)).count());
  pass(minutes(1));
  run();
  EXPECT_TRUE(erased().empty());
  // What is written meanwhile bears the wrong time, and is kept for too long rather than too short.
  const std::size_t before = rig_.segments().size();
  fill(2);
  rig_.clock.set_wall(rig_.clock.wall_ns() - nanoseconds(hours(24 * 365)).count());
  fill(1);
  pass(kKeep + hours(1));
  run();
  EXPECT_EQ(rig_.segments().size(), 4U);
  EXPECT_EQ(retention_->counters().segments.load(), before - 1);
}

TEST_F(RetentionTest, NothingGoesByAgeInTheFirstTenMinutes) {
  fill(3);
  rig_.clock.set_wall(rig_.clock.wall_ns() + nanoseconds(kKeep * 2).count());
  run();
  pass(minutes(9));
  run();
  EXPECT_TRUE(erased().empty());
  // The clock is right by now, whatever it was.
  rig_.clock.set_wall(rig_.clock.wall_ns() - nanoseconds(kKeep * 2).count());
  pass(minutes(2));
  run();
  EXPECT_TRUE(erased().empty());
}

TEST_F(RetentionTest, TheOldestGoBeforeTheirTimeWhereThereIsNoRoom) {
  fill(5);
  const auto all = rig_.segments();
  run();
  EXPECT_TRUE(erased().empty());
  rig_.positions->wants_room = true;
  pass(seconds(10));
  retention_->step();
  ASSERT_NE(retention_->proposed(), nullptr);
  EXPECT_EQ(retention_->proposed()->reason, EraseReason::kRoom);
  rig_.positions->wants_room = false;
  run();
  EXPECT_EQ(rig_.segments().front(), all[1]);
  EXPECT_EQ(retention_->counters().early.load(), 1U);
}

TEST_F(RetentionTest, TheIndexForgetsFirst) {
  fill(3);
  pass(kKeep + hours(1));
  const auto all = rig_.segments();
  forget_ = Status(Code::kIo, "not today");
  run();
  EXPECT_EQ(rig_.segments(), all);
  forget_ = Status();
  pass(seconds(2));
  run();
  EXPECT_EQ(segments_when_forgotten_, all.size());
  EXPECT_EQ(forgotten_, erased().front().last_sequence);
  EXPECT_EQ(rig_.segments().size(), 1U);
}

TEST_F(RetentionTest, WhatFailsIsTriedAgain) {
  for (const FsCall call : {FsCall::kRemove, FsCall::kSyncDirectory, FsCall::kList}) {
    fill(3);
    pass(kKeep + hours(1));
    rig_.fs.fail(call, EIO, 1, true);
    const std::size_t before = rig_.segments().size();
    run();
    EXPECT_GE(rig_.segments().size(), before - 1);
    rig_.fs.heal();
    pass(seconds(11));
    run();
    EXPECT_EQ(rig_.segments().size(), 1U);
  }
}

TEST_F(RetentionTest, AProcessThatDiesInBetweenGoesOnWhereItWas) {
  fill(4);
  pass(kKeep + hours(1));
  retention_->step();
  const auto removal = *retention_->proposed();
  const std::uint64_t sequence =
      rig_.ledger->append_body(EntryType::kErase, Subject{}, xase::proto::encode(removal));
  ASSERT_TRUE(rig_.ledger->flush().ok());
  rig_.run_sync();
  retention_->entered(sequence);
  retention_->step();  // the index
  retention_->step();  // the first segment
  const std::size_t left = rig_.segments().size();
  EXPECT_EQ(left, 4U);
  retention_.reset();
  rig_.kill_and_start();
  rig_.ledger->on_new_segment([] { return true; });
  retention_ = std::make_unique<Retention>(
      Retention::Peers{rig_.fs, rig_.clock, *rig_.positions, settled_, covered_, *rig_.intake_wake,
                       [](std::uint64_t) { return Status(); }},
      LedgerRig::kJournal, 0, kKeep);
  pass(minutes(11));
  run();
  EXPECT_EQ(rig_.segments().size(), 1U);
  EXPECT_TRUE(rig_.recovery.damage.empty());
}

}  // namespace
}  // namespace xased
