// Chain, journal, preparer and sync stage together, stepped by hand.
#include "daemon/ledger/journal.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "tests/support/io_errors.hpp"
#include "tests/support/ledger_rig.hpp"

namespace xased {
namespace {

using test::expect_sound_chain;
using test::FsCall;
using test::LedgerRig;
using test::numbers;
using xase::proto::EntryType;
using xase::proto::kCommitMarkBytes;
using xase::proto::kSegmentHeaderBytes;

class JournalTest : public testing::Test {
 protected:
  LedgerRig rig_;

  void SetUp() override { rig_.must_start(); }

  // Adds records until a new segment begins; the number of the last one.
  std::uint64_t fill_segment(std::uint64_t next, std::size_t bytes = 1000) {
    const std::size_t before = rig_.segments().size();
    while (rig_.segments().size() == before) {
      rig_.add_durably(next, next, bytes);
      ++next;
    }
    return next - 1;
  }
};

TEST_F(JournalTest, StartsANewLedgerWithASTARTEntry) {
  rig_.run_sync();
  const auto read = rig_.read();
  ASSERT_EQ(read.entries.size(), 1U);
  EXPECT_EQ(read.entries[0].leaf.type, EntryType::kStart);
  EXPECT_EQ(read.entries[0].leaf.sequence, 1U);
  const std::string body(xase::proto::as_text(read.entries[0].body()));
  EXPECT_NE(body.find("\"nonce\":\""), std::string::npos) << body;
  EXPECT_NE(body.find("host/test"), std::string::npos) << body;
}

TEST_F(JournalTest, IsJournaledOnceWrittenAndDurableOnlyOnceSynced) {
  rig_.run_sync();
  const std::uint64_t sequence = rig_.add(1);
  EXPECT_LT(rig_.journaled(), sequence);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  EXPECT_EQ(rig_.journaled(), sequence);
  EXPECT_LT(rig_.durable(), sequence);
  rig_.run_sync();
  EXPECT_EQ(rig_.durable(), sequence);
}

TEST_F(JournalTest, SurvivesPowerLossOnceDurable) {
  rig_.add_durably(1, 20);
  rig_.crash();
  rig_.must_start();
  EXPECT_EQ(rig_.record_numbers(), numbers(1, 20));
}

TEST_F(JournalTest, RotatesAtTheEdgeWithoutLosingOrRepeatingAnEntry) {
  for (std::size_t bytes = 900; bytes < 960; ++bytes) {
    LedgerRig rig;
    rig.must_start();
    rig.add_durably(1, 40, bytes);
    EXPECT_GT(rig.segments().size(), 3U);
    EXPECT_EQ(rig.record_numbers(), numbers(1, 40)) << bytes;
    const auto read = rig.read();
    EXPECT_TRUE(read.damage.empty());
    expect_sound_chain(read.entries);
    for (const std::string& path : rig.segments()) {
      EXPECT_EQ(rig.fs.bytes(path).size(), rig.options.journal.segment_bytes) << path;
    }
  }
}

// Steps of the sync stage that the next segment takes, of 3 MiB, after one was filled in `took`.
// Zeros are written a MiB a step.
int steps_of_the_next_after(std::chrono::milliseconds took) {
  LedgerRig rig(3 << 20);
  rig.must_start();
  rig.run_sync();
  const std::size_t before = rig.segments().size();
  std::uint64_t number = 1;
  for (; rig.segments().size() == before; ++number) {
    if (number == 20) rig.clock.advance(took);
    EXPECT_NE(rig.add(number, 100'000), 0U);
  }
  EXPECT_FALSE(rig.preparer->ready());
  int steps = 0;
  for (; !rig.preparer->ready() && steps < 100; ++steps) (void)rig.preparer->step();
  return steps;
}

TEST(JournalSegments, AreWrittenAheadWithZerosOnlyWhereTheyFillSlowly) {
  EXPECT_EQ(steps_of_the_next_after(std::chrono::seconds(1)), 3);
  EXPECT_EQ(steps_of_the_next_after(std::chrono::milliseconds(10)), 1);
}

TEST(JournalSegments, AreMadeAtOnceWhereRecordsWaitForOne) {
  LedgerRig rig(3 << 20);
  rig.must_start();
  (void)rig.sync->step();
  (void)rig.sync->step();  // two of three pieces
  ASSERT_FALSE(rig.preparer->ready());
  std::uint64_t number = 1;
  while (rig.add(number, 100'000) != 0) ASSERT_LT(++number, 100U);
  const std::uint64_t changes = rig.fs.changes();
  EXPECT_TRUE(rig.preparer->step());
  EXPECT_TRUE(rig.preparer->ready());
  EXPECT_EQ(rig.fs.changes() - changes, 2U) << "preallocate, sync";
  EXPECT_NE(rig.add(number, 100'000), 0U);
}

TEST_F(JournalTest, NamesASegmentByItsFirstEntryAndLinksItToTheOneBefore) {
  rig_.add_durably(1, 40, 1000);
  const auto read = rig_.read();
  for (const std::string& path : rig_.segments()) {
    const auto bytes = rig_.fs.bytes(path);
    const auto header = xase::proto::decode_segment_header(bytes);
    ASSERT_EQ(header.fault, xase::proto::SegmentFault::kNone);
    EXPECT_EQ(path,
              std::string(LedgerRig::kJournal) + "/" + segment_name(header.header.first_sequence));
    EXPECT_EQ(header.header.log_id, rig_.ledger->state().log_id);
    const std::uint64_t first = header.header.first_sequence;
    EXPECT_EQ(header.header.previous, read.entries[first - 1].leaf.previous);
    EXPECT_EQ(header.header.totals.records, first == 1 ? 0 : first - 2);
  }
}

TEST_F(JournalTest, GivesAFrameLargerThanASegmentOneOfItsOwn) {
  rig_.add_durably(1, 3);
  rig_.add_durably(4, 4, 40'000);
  rig_.add_durably(5, 6);
  rig_.add_durably(7, 7, 50'000);
  rig_.add_durably(8, 8, 60'000);
  EXPECT_EQ(rig_.record_numbers(), numbers(1, 8));
  EXPECT_LE(rig_.segments().size(), 5U);
  rig_.crash();
  rig_.must_start();
  EXPECT_EQ(rig_.record_numbers(), numbers(1, 8));
}

TEST_F(JournalTest, TakesAFrameLargerThanASegmentAlsoBehindWhatEachSegmentStartsWith) {
  rig_.ledger->on_new_segment([this] {
    xase::proto::ProducerBody body;
    Subject subject;
    subject.ring_id = rig_.ring;
    EXPECT_NE(rig_.ledger->append_body(EntryType::kProducer, subject, xase::proto::encode(body)),
              0U);
    return true;
  });
  rig_.run_sync();
  EXPECT_NE(rig_.add(1, 40'000), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  EXPECT_EQ(rig_.segments().size(), 2U);
}

TEST_F(JournalTest, HasASegmentThatStartsWithItsFirstEntriesOrNoneAtAll) {
  rig_.ledger->on_new_segment([this] {
    xase::proto::ProducerBody body;
    Subject subject;
    subject.ring_id = rig_.ring;
    (void)rig_.ledger->append_body(EntryType::kProducer, subject, xase::proto::encode(body));
    return true;
  });
  fill_segment(1);
  for (const std::string& path : rig_.segments()) {
    const auto frames = rig_.frames(path);
    ASSERT_FALSE(frames.empty()) << path;
  }
  // Nothing is flushed between the rotation and here: the kill finds the PRODUCER in its segment.
  const auto last = rig_.segments().back();
  const std::uint64_t first = *parse_segment_name(last.substr(last.rfind('/') + 1));
  EXPECT_EQ(rig_.read(first).entries.back().leaf.type, EntryType::kProducer);
}

// The spares and the next segment are there.
void prepare_all(LedgerRig& rig) {
  for (int i = 0; i < 10 && !rig.ledger->journal().can_rotate(true); ++i) {
    rig.run_sync();
    rig.settle();
  }
  ASSERT_TRUE(rig.ledger->journal().can_rotate(true));
}

// Records until there is no room for one, then receipts until there is none either: how many.
std::size_t receipts_beyond_records(LedgerRig& rig) {
  rig.fs.set_space(0);  // no more than there is
  for (std::uint64_t number = 1;; ++number) {
    if (rig.add(number, 1000) == 0) {
      EXPECT_TRUE(rig.ledger->flush().ok());
      rig.run_sync();
      rig.settle();
      if (rig.add(number, 1000) == 0) break;
    }
  }
  std::size_t receipts = 0;
  for (;; ++receipts) {
    if (rig.ledger->append_text(EntryType::kReceipt, std::string(100, 'r')) != 0) continue;
    EXPECT_TRUE(rig.ledger->flush().ok());
    rig.run_sync();
    rig.settle();
    if (rig.ledger->append_text(EntryType::kReceipt, std::string(100, 'r')) == 0) break;
  }
  return receipts;
}

TEST_F(JournalTest, KeepsWholeSegmentsForEntriesAboutRecordsOnAFullDisk) {
  LedgerRig rig;
  rig.options.journal.reserve_bytes = 3 * rig.options.journal.segment_bytes - 1;
  rig.must_start();
  prepare_all(rig);
  const std::size_t receipts = receipts_beyond_records(rig);
  // Frames of 504 bytes in three segments.
  constexpr std::size_t kFrameBytes = 504;
  const std::uint64_t usable =
      rig.options.journal.segment_bytes - xase::proto::kSegmentHeaderBytes - 2 * kFrameBytes;
  EXPECT_GE(receipts, 3 * (usable / kFrameBytes));
  EXPECT_EQ(rig.ledger->trouble().code(), Code::kNoSpace);
  EXPECT_EQ(rig.add(1000, 1000), 0U) << "a record used what is kept for receipts";

  // With room again the reserve comes first, then records.
  rig.fs.heal();
  rig.clock.advance(std::chrono::seconds(2));
  prepare_all(rig);
  EXPECT_NE(rig.add(1000, 1000), 0U);
  ASSERT_TRUE(rig.ledger->flush().ok());
  rig.run_sync();
  EXPECT_TRUE(rig.read().damage.empty());
  EXPECT_GE(receipts_beyond_records(rig), 3 * (usable / kFrameBytes)) << "it is there again";
}

TEST_F(JournalTest, CountsTheReserveAsSpaceThatItTakes) {
  LedgerRig rig;
  rig.options.journal.reserve_bytes = 2 * rig.options.journal.segment_bytes;
  rig.options.journal.max_bytes = 5 * rig.options.journal.segment_bytes;
  rig.must_start();
  prepare_all(rig);
  for (std::uint64_t number = 1; number < 200; ++number) {
    if (rig.add(number, 1000) != 0) continue;
    ASSERT_TRUE(rig.ledger->flush().ok());
    rig.run_sync();
    rig.settle();
  }
  EXPECT_EQ(rig.segments().size(), 3U);
  EXPECT_EQ(rig.ledger->journal().bytes(), rig.options.journal.max_bytes);
}

TEST_F(JournalTest, RemovesTheSparesOfAnEarlierRun) {
  LedgerRig rig;
  rig.options.journal.reserve_bytes = 2 * rig.options.journal.segment_bytes;
  rig.must_start();
  prepare_all(rig);
  const auto spares = [&rig] {
    const auto names = rig.fs.names(LedgerRig::kJournal);
    return std::count_if(names.begin(), names.end(),
                         [](const std::string& name) { return name.starts_with("spare-"); });
  };
  EXPECT_EQ(spares(), 2);
  rig.kill_and_start();
  EXPECT_EQ(spares(), 0);
  prepare_all(rig);
  EXPECT_EQ(spares(), 2);
}

TEST_F(JournalTest, LeavesNothingOfAPreparedFileThatCouldNotBecomeASegment) {
  for (const FsCall call : {FsCall::kWrite, FsCall::kSync, FsCall::kRename}) {
    SCOPED_TRACE(test::name_of(call));
    LedgerRig rig;
    rig.options.journal.reserve_bytes = 2 * rig.options.journal.segment_bytes;
    rig.must_start();
    prepare_all(rig);
    rig.fs.set_space(0);  // no other segment behind the one that is ready
    const auto fill = [&rig] {
      (void)rig.ledger->append_text(EntryType::kReceipt, std::string(1000, 'r'));
      (void)rig.ledger->flush();
      rig.clock.advance(std::chrono::milliseconds(10));
      (void)rig.sync->step();
      (void)rig.ledger->journal().settle(false);
    };
    for (int i = 0; i < 100 && rig.segments().size() < 2; ++i) fill();
    ASSERT_EQ(rig.segments().size(), 2U);
    rig.fs.fail(call, EIO, 1, true, "spare-");
    for (int i = 0; i < 100; ++i) fill();
    EXPECT_GE(rig.fs.faults_struck(), 1U);
    for (const std::string& name : rig.fs.names(LedgerRig::kJournal)) {
      EXPECT_FALSE(name.starts_with("spare-")) << name << " is left, and nobody knows of it";
    }
  }
}

TEST_F(JournalTest, LeavesTheReserveToEntriesAboutRecordsWhileThereIsNoNextSegment) {
  LedgerRig rig;
  rig.options.journal.reserve_bytes = 4096;
  rig.options.journal.max_bytes = rig.options.journal.segment_bytes;  // this one and no more
  rig.must_start();
  std::uint64_t number = 1;
  while (rig.add(number) != 0) ++number;
  EXPECT_EQ(rig.ledger->trouble().code(), Code::kNoSpace);
  EXPECT_NE(rig.ledger->trouble().message().find("max_bytes"), std::string::npos);
  std::size_t receipts = 0;
  while (rig.ledger->append_text(EntryType::kReceipt, std::string(100, 'r')) != 0) ++receipts;
  // 4096 bytes less what marks may take, in frames of 504 bytes.
  EXPECT_GE(receipts, 7U);
  ASSERT_TRUE(rig.ledger->flush().ok());
  const std::string segment = rig.segments().back();
  EXPECT_LE(rig.fs.bytes(segment).size(), rig.options.journal.segment_bytes);
}

TEST_F(JournalTest, UsesTheReserveForRecordsOnceTheNextSegmentIsReady) {
  LedgerRig rig;
  rig.options.journal.reserve_bytes = 4096;
  rig.must_start();
  prepare_all(rig);
  std::uint64_t number = 1;
  while (rig.segments().size() == 1 && rig.add(number) != 0) ++number;
  ASSERT_EQ(rig.segments().size(), 2U);
  const auto frames = rig.frames(rig.segments().front());
  EXPECT_GT(frames.back().offset + frames.back().bytes, rig.options.journal.segment_bytes - 4096);
}

TEST_F(JournalTest, StopsAtMaxBytes) {
  LedgerRig rig;
  rig.options.journal.max_bytes = 4 * rig.options.journal.segment_bytes;
  rig.must_start();
  std::uint64_t number = 1;
  for (;; ++number) {
    if (rig.add(number, 1000) != 0) continue;
    ASSERT_TRUE(rig.ledger->flush().ok());
    rig.run_sync();
    rig.settle();
    if (rig.add(number, 1000) == 0) break;
  }
  EXPECT_EQ(rig.segments().size(), 4U);
  EXPECT_TRUE(rig.ledger->journal().at_max_bytes());
  EXPECT_EQ(rig.record_numbers(), numbers(1, number - 1));
}

TEST_F(JournalTest, MarksWhatIsDurableByPositionAndSequence) {
  rig_.add_durably(1, 5);
  const std::string segment = rig_.segments().back();
  const auto frames = rig_.frames(segment);
  ASSERT_TRUE(frames.back().is_mark);
  const auto& last_entry = frames[frames.size() - 2];
  EXPECT_EQ(frames.back().sequence, last_entry.sequence);
  EXPECT_EQ(frames.back().mark_position, last_entry.offset + last_entry.bytes);
}

TEST_F(JournalTest, NeverMarksWhatIsNotDurable) {
  rig_.run_sync();
  rig_.settle();
  for (std::uint64_t n = 1; n <= 30; ++n) {
    ASSERT_NE(rig_.add(n), 0U);
    ASSERT_TRUE(rig_.ledger->flush().ok());
    if (n % 3 == 0) rig_.run_sync();
    rig_.settle(n % 4 == 0);
    for (const auto& frame : rig_.frames(rig_.segments().back())) {
      if (!frame.is_mark) continue;
      EXPECT_LE(frame.sequence, rig_.durable());
      EXPECT_LE(frame.mark_position, frame.offset);
    }
  }
}

TEST_F(JournalTest, KeepsTheBatchWhereItsWriteFailsAndWritesTheSameBytesLater) {
  rig_.add_durably(1, 3);
  for (std::uint64_t n = 4; n <= 8; ++n) ASSERT_NE(rig_.add(n), 0U);
  rig_.fs.fail(FsCall::kWrite, ENOSPC, 1, true, ".seg");
  EXPECT_EQ(rig_.ledger->flush().code(), Code::kNoSpace);
  const auto batch = rig_.ledger->journal().batch();
  EXPECT_EQ(rig_.journaled(), 4U);
  EXPECT_FALSE(rig_.ledger->flush().ok());
  rig_.fs.heal();
  ASSERT_TRUE(rig_.ledger->flush().ok());
  rig_.run_sync();
  EXPECT_EQ(rig_.record_numbers(), numbers(1, 8));
  const std::vector<std::byte> file = rig_.fs.bytes(rig_.segments().back());
  EXPECT_NE(std::search(file.begin(), file.end(), batch.begin(), batch.end()), file.end());
}

TEST_F(JournalTest, WritesAgainIntoANewSegmentAfterAFailedSync) {
  rig_.add_durably(1, 5);
  const auto durable_before = rig_.durable();
  for (std::uint64_t n = 6; n <= 9; ++n) {
    ASSERT_NE(rig_.add(n), 0U);
    ASSERT_TRUE(rig_.ledger->flush().ok());
  }
  const auto entries_before = rig_.read().entries;
  rig_.fs.fail(FsCall::kSync, EIO);
  rig_.run_sync();
  ASSERT_TRUE(rig_.sync->failed());
  EXPECT_EQ(rig_.sync->failure().os_error(), EIO);
  EXPECT_EQ(rig_.durable(), durable_before);
  const std::uint64_t changes = rig_.fs.changes();
  rig_.run_sync();
  EXPECT_EQ(rig_.fs.changes(), changes) << "the failed file was synced again";

  ASSERT_TRUE(rig_.ledger->rewrite_unsynced().ok());
  EXPECT_FALSE(rig_.sync->failed());
  rig_.run_sync();
  EXPECT_EQ(rig_.durable(), rig_.journaled());
  EXPECT_EQ(rig_.segments().size(), 2U);
  EXPECT_EQ(rig_.read().entries, entries_before);

  // What the failed file lost is in the new one: power loss shows it.
  rig_.add_durably(10, 12);
  rig_.crash();
  rig_.must_start();
  EXPECT_EQ(rig_.record_numbers(), numbers(1, 12));
  EXPECT_TRUE(rig_.recovery.damage.empty());
}

TEST_F(JournalTest, MarksInTheNewSegmentWhatWasWrittenAgain) {
  rig_.run_sync();
  ASSERT_NE(rig_.add(1), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  rig_.fs.fail(FsCall::kSync, EIO);
  rig_.run_sync();
  ASSERT_TRUE(rig_.ledger->rewrite_unsynced().ok());
  rig_.settle();
  const auto frames = rig_.frames(rig_.segments().back());
  ASSERT_EQ(frames.size(), 2U);
  EXPECT_TRUE(frames[1].is_mark);
  EXPECT_EQ(frames[1].sequence, 2U);
  EXPECT_EQ(frames[1].mark_position, frames[0].offset + frames[0].bytes);
}

TEST_F(JournalTest, KeepsABatchThatCouldNotBeWrittenThroughARewriteAndItsMarksOutOfIt) {
  rig_.add_durably(1, 5);
  // The first half's sync succeeded: a mark is due, and goes into the batch that cannot be written.
  ASSERT_NE(rig_.add(6), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  rig_.run_sync();
  rig_.settle(false);
  ASSERT_NE(rig_.add(7), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  rig_.settle(false);
  ASSERT_NE(rig_.add(8), 0U);
  rig_.fs.fail(FsCall::kWrite, EIO);
  ASSERT_FALSE(rig_.ledger->flush().ok());
  rig_.fs.fail(FsCall::kSync, EIO);
  rig_.run_sync();
  ASSERT_TRUE(rig_.sync->failed());
  ASSERT_TRUE(rig_.ledger->rewrite_unsynced().ok());
  ASSERT_TRUE(rig_.ledger->flush().ok());
  rig_.run_sync();
  rig_.settle();
  EXPECT_EQ(rig_.record_numbers(), numbers(1, 8));
  for (const auto& frame : rig_.frames(rig_.segments().back())) {
    EXPECT_TRUE(!frame.is_mark || frame.mark_position <= frame.offset);
  }
}

TEST_F(JournalTest, ReportsASecondFailureAndLosesNothingThatIsThere) {
  rig_.add_durably(1, 5);
  ASSERT_NE(rig_.add(6), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  rig_.fs.fail(FsCall::kSync, EIO, 1, true);
  rig_.run_sync();
  ASSERT_TRUE(rig_.sync->failed());
  EXPECT_FALSE(rig_.ledger->rewrite_unsynced().ok());
  EXPECT_TRUE(rig_.sync->failed());
  rig_.kill_and_start();
  EXPECT_EQ(rig_.record_numbers(), numbers(1, 6));
}

TEST_F(JournalTest, WritesAgainWhatSpansARotation) {
  const std::uint64_t last = fill_segment(1);
  std::uint64_t next = last + 1;
  // Unsynced entries in this segment and in the next.
  const std::size_t segments = rig_.segments().size();
  while (rig_.segments().size() == segments) {
    ASSERT_NE(rig_.add(next, 1000), 0U) << rig_.ledger->trouble().message();
    ++next;
    ASSERT_TRUE(rig_.ledger->flush().ok());
  }
  const auto before = rig_.read().entries;
  rig_.fs.fail(FsCall::kSync, EIO, 1, true, rig_.segments()[segments - 1]);
  rig_.run_sync();
  ASSERT_TRUE(rig_.sync->failed());
  rig_.fs.heal();
  ASSERT_TRUE(rig_.ledger->rewrite_unsynced().ok());
  rig_.run_sync();
  EXPECT_EQ(rig_.read().entries, before);
  rig_.crash();
  rig_.must_start();
  EXPECT_EQ(rig_.record_numbers(), numbers(1, next - 1));
  EXPECT_TRUE(rig_.recovery.damage.empty());
}

TEST_F(JournalTest, CallsNothingDurableInANewSegmentBeforeTheOldOneIsSynced) {
  std::uint64_t next = fill_segment(1) + 1;
  const std::size_t segments = rig_.segments().size();
  const std::uint64_t durable = rig_.durable();
  while (rig_.segments().size() == segments) {
    ASSERT_NE(rig_.add(next++, 1000), 0U);
    ASSERT_TRUE(rig_.ledger->flush().ok());
  }
  rig_.fs.fail(FsCall::kSync, EIO, 1, false, rig_.segments()[segments - 1]);
  rig_.run_sync();
  EXPECT_TRUE(rig_.sync->failed());
  EXPECT_EQ(rig_.durable(), durable);
}

TEST_F(JournalTest, DoesNotLeaveASegmentTheSyncStageDoesNotKnowOf) {
  rig_.run_sync();
  // More writes than the sync stage has places for requests, and then a rotation.
  std::uint64_t next = 1;
  LedgerRig rig(8'000'000);
  rig.must_start();
  rig.run_sync();
  for (; next <= 1500; ++next) {
    ASSERT_NE(rig.add(next), 0U);
    ASSERT_TRUE(rig.ledger->flush().ok());
  }
  while (rig.add(next, 100'000) != 0) ++next;
  EXPECT_EQ(rig.segments().size(), 1U);
  ASSERT_TRUE(rig.ledger->flush().ok());
  rig.run_sync();
  rig.settle();
  rig.run_sync();
  EXPECT_EQ(rig.durable(), rig.journaled());
  EXPECT_NE(rig.add(next, 100'000), 0U);
  EXPECT_EQ(rig.segments().size(), 2U);
}

TEST_F(JournalTest, CallsNothingDurableWhoseSegmentHasNoLastingName) {
  rig_.run_sync();
  rig_.fs.fail(FsCall::kSyncDirectory, EIO, 1, true);
  std::uint64_t next = 1;
  while (rig_.add(next, 1000) != 0) {
    ++next;
    ASSERT_TRUE(rig_.ledger->flush().ok());
    rig_.run_sync();
    rig_.settle();
  }
  EXPECT_EQ(rig_.ledger->trouble().os_error(), EIO);
  const std::uint64_t durable = rig_.durable();
  EXPECT_FALSE(rig_.ledger->flush().ok());
  rig_.run_sync();
  EXPECT_EQ(rig_.durable(), durable);
  rig_.fs.heal();
  rig_.add_durably(next, next + 3, 1000);
  rig_.crash();
  rig_.must_start();
  EXPECT_EQ(rig_.record_numbers(), numbers(1, next + 3));
  EXPECT_TRUE(rig_.recovery.damage.empty());
}

TEST_F(JournalTest, GoesOnOnceThereIsRoomForASegmentAgain) {
  rig_.run_sync();
  rig_.settle();
  std::uint64_t next = fill_segment(1) + 1;
  rig_.fs.set_space(0);
  rig_.run_sync();
  while (rig_.add(next, 1000) != 0) {
    ++next;
    ASSERT_TRUE(rig_.ledger->flush().ok());
    rig_.run_sync();
    rig_.settle();
  }
  rig_.run_sync();
  EXPECT_EQ(rig_.add(next, 1000), 0U);
  EXPECT_EQ(rig_.ledger->trouble().code(), Code::kNoSpace) << rig_.ledger->trouble().message();
  EXPECT_FALSE(rig_.fs.has("state/journal/next.tmp")) << "keeps a full disk full";
  // Not tried over and over: a second apart.
  const std::uint64_t changes = rig_.fs.changes();
  EXPECT_EQ(rig_.add(next, 1000), 0U);
  EXPECT_GE(rig_.sync->step(), std::chrono::seconds(1));
  EXPECT_EQ(rig_.fs.changes(), changes);
  rig_.fs.heal();
  rig_.clock.advance(std::chrono::seconds(2));
  EXPECT_EQ(rig_.add(next, 1000), 0U);
  rig_.run_sync();
  EXPECT_NE(rig_.add(next, 1000), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  EXPECT_EQ(rig_.record_numbers(), numbers(1, next));
}

}  // namespace
}  // namespace xased
