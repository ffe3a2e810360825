#include "daemon/ledger/journal_reader.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/support/ledger_rig.hpp"

namespace xased {
namespace {

using test::FsCall;
using test::LedgerRig;
using test::numbers;
using Step = JournalReader::Step;

class JournalReaderTest : public testing::Test {
 protected:
  LedgerRig rig_;

  void SetUp() override { rig_.must_start(); }

  // Reads on to `through`; the sequences that came, damage as 0.
  std::vector<std::uint64_t> read_on(JournalReader& reader, std::uint64_t through) {
    std::vector<std::uint64_t> out;
    for (;;) {
      const auto step = reader.next(through);
      if (!step.ok()) {
        ADD_FAILURE() << step.status().message();
        return out;
      }
      if (*step == Step::kEnd) return out;
      out.push_back(*step == Step::kEntry ? reader.entry().leaf.sequence : 0);
    }
  }
};

TEST_F(JournalReaderTest, ReadsWhileTheJournalGrows) {
  rig_.add_durably(1, 1);
  JournalReader reader(rig_.fs, LedgerRig::kJournal);
  ASSERT_TRUE(reader.seek(1).ok());
  std::vector<std::uint64_t> seen;
  for (std::uint64_t n = 2; n <= 60; ++n) {
    // One entry at a time: what the reader has in its buffer behind the last is old.
    rig_.add_durably(n, n, 500);
    for (const std::uint64_t sequence : read_on(reader, rig_.journaled())) {
      seen.push_back(sequence);
    }
  }
  EXPECT_GT(rig_.segments().size(), 3U);
  EXPECT_EQ(seen, numbers(1, 61));
}

TEST_F(JournalReaderTest, DoesNotTakeWhatADamagedRecordHoldsForEntries) {
  // The app knows the format, and filled its record with whole frames of sequences to come.
  LedgerRig rig(1 << 20);  // all of it in one segment
  rig.must_start();
  rig.add_durably(1, 3);
  Chain forger(rig.ledger->state(), rig.clock, rig.random);
  std::vector<std::byte> fake;
  for (int i = 0; i < 3; ++i) {
    forger.append_body(xase::proto::EntryType::kStop, Subject{}, xase::proto::as_bytes("forged"),
                       fake);
  }
  forger.seal(fake);
  test::RecordMaker maker;
  maker.input = std::string(reinterpret_cast<const char*>(fake.data()), fake.size());
  Subject subject;
  subject.ring_id = rig.ring;
  subject.ring_sequence = 4;
  // Whatever the alignment of the record's parts, one of these lies where a frame may start.
  for (std::size_t shift = 0; shift < 8; ++shift) {
    maker.input.insert(0, " ");
    ASSERT_NE(rig.ledger->append_record(subject, maker.encode()), 0U);
  }
  rig.add_durably(5, 8);
  const std::string path = rig.segments().back();
  for (const auto& frame : rig.frames(path)) {
    const bool is_filled = frame.sequence >= 5 && frame.sequence <= 12 && !frame.is_mark;
    if (is_filled) rig.fs.damage(path, frame.offset + 50);
  }
  JournalReader reader(rig.fs, LedgerRig::kJournal);
  ASSERT_TRUE(reader.seek(1).ok());
  std::vector<std::uint64_t> wanted = numbers(1, 4);
  wanted.push_back(0);
  for (const std::uint64_t n : numbers(13, 16)) wanted.push_back(n);
  EXPECT_EQ(read_on(reader, rig.journaled()), wanted);
  EXPECT_EQ(reader.damage().first, 5U);
  EXPECT_EQ(reader.damage().last, 12U);
}

TEST_F(JournalReaderTest, ReadsNothingBeyondWhatItIsTold) {
  rig_.add_durably(1, 10);
  JournalReader reader(rig_.fs, LedgerRig::kJournal);
  ASSERT_TRUE(reader.seek(3).ok());
  EXPECT_EQ(read_on(reader, 5), numbers(3, 5));
  EXPECT_EQ(reader.next_sequence(), 6U);
  EXPECT_EQ(read_on(reader, 8), numbers(6, 8));
}

TEST_F(JournalReaderTest, SeeksToAnySequence) {
  rig_.add_durably(1, 40, 1000);
  for (std::uint64_t from = 1; from <= 41; ++from) {
    JournalReader reader(rig_.fs, LedgerRig::kJournal);
    ASSERT_TRUE(reader.seek(from).ok());
    ASSERT_EQ(read_on(reader, 41), numbers(from, 41)) << from;
  }
}

TEST_F(JournalReaderTest, TellsWhereAnEntryLies) {
  rig_.add_durably(1, 5);
  const auto frames = rig_.frames(rig_.segments()[0]);
  JournalReader reader(rig_.fs, LedgerRig::kJournal);
  ASSERT_TRUE(reader.seek(1).ok());
  for (const auto& frame : frames) {
    if (frame.is_mark) continue;
    ASSERT_EQ(*reader.next(6), Step::kEntry);
    EXPECT_EQ(reader.entry_position(), frame.offset);
    EXPECT_EQ(reader.segment_first_sequence(), 1U);
  }
}

TEST_F(JournalReaderTest, FindsNoSegmentInAnEmptyDirectory) {
  LedgerRig rig;
  JournalReader reader(rig.fs, LedgerRig::kJournal);
  EXPECT_EQ(reader.seek(1).code(), Code::kNotFound);
}

TEST_F(JournalReaderTest, StartsWithTheFirstEntryThatIsThereWhereSegmentsWereRemoved) {
  rig_.add_durably(1, 40, 1000);
  const auto second = rig_.frames(rig_.segments()[1]).front().sequence;
  rig_.fs.erase(rig_.segments()[0]);
  JournalReader reader(rig_.fs, LedgerRig::kJournal);
  ASSERT_TRUE(reader.seek(1).ok());
  EXPECT_EQ(reader.next_sequence(), second);
  EXPECT_EQ(read_on(reader, 41), numbers(second, 41));
}

TEST_F(JournalReaderTest, NamesDamageAndGoesOnBehindIt) {
  rig_.add_durably(1, 10);
  const std::string path = rig_.segments()[0];
  const auto frames = rig_.frames(path);
  rig_.fs.damage(path, frames[4].offset + 33);
  JournalReader reader(rig_.fs, LedgerRig::kJournal);
  ASSERT_TRUE(reader.seek(1).ok());
  std::uint64_t before = 0;
  for (;;) {
    const auto step = reader.next(11);
    ASSERT_TRUE(step.ok());
    if (*step == Step::kDamage) break;
    before = reader.entry().leaf.sequence;
  }
  EXPECT_EQ(reader.damage().first, frames[4].sequence);
  EXPECT_EQ(reader.damage().last, frames[4].sequence);
  EXPECT_EQ(reader.damage().position, frames[4].offset);
  EXPECT_EQ(reader.damage().segment, segment_name(1));
  EXPECT_EQ(before + 1, frames[4].sequence);
  EXPECT_EQ(read_on(reader, 11), numbers(frames[4].sequence + 1, 11));
}

TEST_F(JournalReaderTest, NamesDamageAtTheEndOfASegmentAndOfTheJournal) {
  rig_.add_durably(1, 30, 1000);
  const auto segments = rig_.segments();
  const auto frames = rig_.frames(segments[1]);
  auto last = frames.back();
  if (last.is_mark) last = frames[frames.size() - 2];
  rig_.fs.damage(segments[1], last.offset);
  auto end = rig_.frames(segments.back());
  while (end.back().is_mark) end.pop_back();
  rig_.fs.damage(segments.back(), end.back().offset + 40);
  const auto read = rig_.read();
  ASSERT_EQ(read.damage.size(), 2U);
  EXPECT_EQ(read.damage[0].first, last.sequence);
  EXPECT_EQ(read.damage[0].last, last.sequence);
  EXPECT_EQ(read.damage[1].first, 31U);
  EXPECT_EQ(read.damage[1].last, 31U);
  EXPECT_EQ(read.entries.size(), 29U);
}

TEST_F(JournalReaderTest, NamesAMissingSegment) {
  rig_.add_durably(1, 40, 1000);
  const auto segments = rig_.segments();
  const auto first = rig_.frames(segments[1]).front().sequence;
  const auto next = rig_.frames(segments[2]).front().sequence;
  rig_.fs.erase(segments[1]);
  const auto read = rig_.read();
  ASSERT_EQ(read.damage.size(), 1U);
  EXPECT_EQ(read.damage[0].first, first);
  EXPECT_EQ(read.damage[0].last, next - 1);
  EXPECT_EQ(read.entries.size(), 41 - (next - first));
}

TEST_F(JournalReaderTest, PassesOverWhatIsNoEntryBetweenTwoThatAre) {
  rig_.add_durably(1, 5);
  const std::string path = rig_.segments()[0];
  auto frames = rig_.frames(path);
  auto bytes = rig_.fs.bytes(path);
  // Move the last entry 64 bytes on, with something else before it.
  while (frames.back().is_mark) frames.pop_back();
  const auto last = frames.back();
  const auto at = static_cast<std::ptrdiff_t>(last.offset);
  const auto size = static_cast<std::ptrdiff_t>(last.bytes);
  const std::vector<std::byte> entry(bytes.begin() + at, bytes.begin() + at + size);
  std::fill_n(bytes.begin() + at, 64, std::byte{0x33});
  std::copy(entry.begin(), entry.end(), bytes.begin() + at + 64);
  rig_.fs.put(path, bytes);
  const auto read = rig_.read();
  EXPECT_TRUE(read.damage.empty());
  EXPECT_EQ(read.entries.size(), 6U);
}

TEST_F(JournalReaderTest, ReadsOnAcrossASegmentThatContinuesAfterAFailedSync) {
  rig_.add_durably(1, 5);
  for (std::uint64_t n = 6; n <= 9; ++n) {
    ASSERT_NE(rig_.add(n), 0U);
    ASSERT_TRUE(rig_.ledger->flush().ok());
  }
  JournalReader reader(rig_.fs, LedgerRig::kJournal);
  ASSERT_TRUE(reader.seek(1).ok());
  EXPECT_EQ(read_on(reader, 8), numbers(1, 8));
  const std::string failed = rig_.segments()[0];
  const auto frames = rig_.frames(failed);
  rig_.fs.fail(FsCall::kSync, EIO);
  rig_.run_sync();
  ASSERT_TRUE(rig_.ledger->rewrite_unsynced().ok());
  rig_.add_durably(10, 12);
  // The failed file may hold anything behind what was synced.
  rig_.fs.damage(failed, frames.back().offset + 50);
  EXPECT_EQ(read_on(reader, rig_.journaled()), numbers(9, 13));
  JournalReader late(rig_.fs, LedgerRig::kJournal);
  ASSERT_TRUE(late.seek(1).ok());
  EXPECT_EQ(read_on(late, rig_.journaled()), numbers(1, 13));
}

TEST_F(JournalReaderTest, ReadsOnWhereASegmentWasReplacedByOneOfTheSameName) {
  // The first sync of all fails: the only segment is written again under its own name.
  ASSERT_NE(rig_.add(1), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  JournalReader reader(rig_.fs, LedgerRig::kJournal);
  ASSERT_TRUE(reader.seek(1).ok());
  EXPECT_EQ(read_on(reader, 2), numbers(1, 2));
  rig_.fs.fail(FsCall::kSync, EIO);
  rig_.run_sync();
  ASSERT_TRUE(rig_.ledger->rewrite_unsynced().ok());
  EXPECT_EQ(rig_.segments().size(), 1U);
  rig_.add_durably(2, 6);
  EXPECT_EQ(read_on(reader, rig_.journaled()), numbers(3, 7));
}

TEST_F(JournalReaderTest, GivesALargeFrameWhole) {
  LedgerRig rig(2 << 20);
  rig.must_start();
  rig.add_durably(1, 1, 700'000);
  rig.add_durably(2, 3, 300'000);
  EXPECT_EQ(rig.record_numbers(), numbers(1, 3));
  EXPECT_EQ(rig.read().entries[1].erasable_bytes.size() > 700'000, true);
}

TEST_F(JournalReaderTest, PassesAnIoErrorOnAndReadsOnLater) {
  rig_.add_durably(1, 5);
  JournalReader reader(rig_.fs, LedgerRig::kJournal);
  ASSERT_TRUE(reader.seek(1).ok());
  rig_.fs.fail(FsCall::kRead, EIO);
  EXPECT_EQ(reader.next(6).status().os_error(), EIO);
  EXPECT_EQ(read_on(reader, 6), numbers(1, 6));
}

}  // namespace
}  // namespace xased
