// What a start makes of the segments that it finds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "tests/daemon/ledger/recovery_rig.hpp"
#include "tests/support/io_errors.hpp"

namespace xased {
namespace {

using test::expect_sound_chain;
using test::FsCall;
using test::IoError;
using test::LedgerRig;
using test::numbers;
using xase::proto::EntryType;
using xase::proto::kSegmentHeaderBytes;

TEST_F(RecoveryTest, ReadsNoFurtherBackThanTheLastSegmentThatStartsWithAll) {
  rig_.ledger->on_new_segment([] { return true; });
  rig_.add_durably(1, 40, 1000);
  const auto segments = rig_.segments();
  ASSERT_GT(segments.size(), 3U);
  rig_.fs.damage(segments[0], kSegmentHeaderBytes + 100);
  const Recovery recovery = recover();
  EXPECT_TRUE(recovery.damage.empty());
  EXPECT_EQ(recovery.chain.totals.records, 40U);
}

TEST_F(RecoveryTest, NamesDamageInASealedSegment) {
  // Without intake no segment tells of all rings, so that all are read.
  rig_.add_durably(1, 40, 1000);
  const auto segments = rig_.segments();
  ASSERT_GT(segments.size(), 3U);
  const auto bad = entry_from_end(segments[1], 3);
  rig_.fs.damage(segments[1], bad.offset + 500);
  const auto last = entry_from_end(segments[2], 1);
  rig_.fs.damage(segments[2], last.offset + 500);
  const Recovery recovery = recover();
  ASSERT_EQ(recovery.damage.size(), 2U);
  EXPECT_EQ(recovery.damage[0].first, bad.sequence);
  EXPECT_EQ(recovery.damage[0].last, bad.sequence);
  EXPECT_EQ(recovery.damage[0].position, bad.offset);
  EXPECT_EQ(recovery.damage[1].first, last.sequence);
  EXPECT_EQ(recovery.damage[1].last, last.sequence);
  EXPECT_EQ(recovery.damage[1].position, last.offset);
  EXPECT_EQ(recovery.damage[1].segment, segments[2].substr(segments[2].rfind('/') + 1));
  EXPECT_EQ(recovery.torn_bytes, 0U);
}

TEST_F(RecoveryTest, NamesTheSegmentWhoseMarkSaysThatThereWasMore) {
  for (std::uint64_t n = 1; n <= 30; ++n) rig_.add_durably(n, n, 1000);
  const auto segments = rig_.segments();
  ASSERT_GT(segments.size(), 2U);
  const auto frames = rig_.frames(segments[1]);
  const auto mark =
      std::find_if(frames.rbegin(), frames.rend(), [](const auto& frame) { return frame.is_mark; });
  ASSERT_NE(mark, frames.rend());
  const auto lost = std::find_if(frames.begin(), frames.end(), [&](const auto& frame) {
    return !frame.is_mark && frame.sequence == mark->sequence;
  });
  ASSERT_NE(lost, frames.end());
  // Zeros as behind a segment's end, but for the mark.
  auto bytes = rig_.fs.bytes(segments[1]);
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(lost->offset),
            bytes.begin() + static_cast<std::ptrdiff_t>(mark->offset), std::byte{0});
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(mark->offset + mark->bytes), bytes.end(),
            std::byte{0});
  rig_.fs.put(segments[1], bytes);
  const auto next = rig_.frames(segments[2]).front().sequence;
  const Recovery recovery = recover();
  ASSERT_EQ(recovery.damage.size(), 1U);
  EXPECT_EQ(recovery.damage[0].first, lost->sequence);
  EXPECT_EQ(recovery.damage[0].last, next - 1);
  EXPECT_EQ("state/journal/" + recovery.damage[0].segment, segments[1]);
  EXPECT_EQ(recovery.damage[0].position, lost->offset);
}

TEST_F(RecoveryTest, NamesAMissingSegment) {
  rig_.add_durably(1, 40, 1000);
  const auto segments = rig_.segments();
  const auto first = rig_.frames(segments[1]).front().sequence;
  const auto next = rig_.frames(segments[2]).front().sequence;
  rig_.fs.erase(segments[1]);
  const Recovery recovery = recover();
  ASSERT_EQ(recovery.damage.size(), 1U);
  EXPECT_EQ(recovery.damage[0].first, first);
  EXPECT_EQ(recovery.damage[0].last, next - 1);
  EXPECT_NE(recovery.damage[0].what.find("missing"), std::string::npos);
}

TEST_F(RecoveryTest, SetsAForeignSegmentAside) {
  LedgerRig other;
  other.random = test::SeededRandom(99);
  other.must_start();
  other.add_durably(1, 3);
  const auto foreign = other.fs.bytes(other.segments()[0]);
  rig_.add_durably(1, 40, 1000);
  rig_.stop();
  const std::string name = segment_name(1000);
  rig_.fs.put("state/journal/" + name, foreign);
  const Recovery recovery = recover();
  ASSERT_EQ(recovery.set_aside, std::vector<std::string>{name});
  EXPECT_EQ(rig_.fs.bytes("state/quarantine/" + name), foreign);
  EXPECT_FALSE(rig_.fs.has("state/journal/" + name));
  EXPECT_EQ(recovery.chain.totals.records, 40U);
}

TEST_F(RecoveryTest, SetsASegmentThatComesFirstAsideWhereTheOthersAreOfAnotherLedger) {
  LedgerRig other;
  other.random = test::SeededRandom(99);
  other.must_start();
  other.add_durably(1, 3);
  rig_.add_durably(1, 40, 1000);
  rig_.stop();
  const std::string path = rig_.segments()[0];
  rig_.fs.put(path, other.fs.bytes(other.segments()[0]));
  const Recovery recovery = recover();
  EXPECT_EQ(recovery.set_aside.size(), 1U);
  EXPECT_EQ(recovery.chain.last_sequence, 41U);
}

TEST_F(RecoveryTest, ComesToTheSameEndAgainWhereItSetsAMisnamedSegmentAside) {
  rig_.add_durably(1, 3);
  const std::string path = last_segment();
  const auto bytes = rig_.fs.bytes(path);
  rig_.stop();
  rig_.fs.erase(path);
  rig_.fs.put("state/journal/" + segment_name(5), bytes);
  rig_.fs.put("state/journal/" + segment_name(9), std::vector<std::byte>(8192, std::byte{0x5a}));
  const Recovery first = recover();
  EXPECT_TRUE(first.is_new);
  EXPECT_EQ(first.set_aside, (std::vector{segment_name(5), segment_name(9)}));
  const Recovery second = recover();
  EXPECT_TRUE(second.is_new);
  EXPECT_TRUE(second.set_aside.empty());
}

TEST_F(RecoveryTest, KeepsEveryFileThatItSetsAsideAlsoThroughPowerLoss) {
  LedgerRig other;
  other.random = test::SeededRandom(99);
  other.must_start();
  other.add_durably(1, 3);
  const auto foreign = other.fs.bytes(other.segments()[0]);
  rig_.add_durably(1, 3);
  rig_.stop();
  const std::string name = segment_name(1000);
  for (int i = 0; i < 3; ++i) {
    rig_.fs.put("state/journal/" + name, foreign);
    (void)recover();
    rig_.crash();
  }
  EXPECT_EQ(rig_.fs.names("state/quarantine"),
            (std::vector<std::string>{name, name + ".1", name + ".2"}));
}

TEST_F(RecoveryTest, RefusesANewerVersion) {
  rig_.add_durably(1, 3);
  rig_.stop();
  const std::string path = last_segment();
  auto bytes = rig_.fs.bytes(path);
  xase::proto::store(bytes.data() + 8, std::uint32_t{2});
  xase::proto::store(
      bytes.data() + xase::proto::kSegmentHeaderCrcOffset,
      xase::proto::crc32c(xase::proto::Bytes(bytes).first(xase::proto::kSegmentHeaderCrcOffset)));
  rig_.fs.put(path, bytes);
  const Status status = rig_.start();
  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_NE(status.message().find("newer version"), std::string::npos);
  EXPECT_EQ(rig_.fs.bytes(path), bytes) << "it was changed";
}

TEST_F(RecoveryTest, ReadsASegmentWhoseHeaderIsDamaged) {
  rig_.add_durably(1, 40, 1000);
  rig_.fs.damage(last_segment(), 20);
  rig_.kill_and_start();
  EXPECT_TRUE(rig_.recovery.damage.empty());
  EXPECT_EQ(rig_.recovery.chain.totals.records, 40U);
  EXPECT_EQ(rig_.record_numbers(), numbers(1, 40));
}

TEST_F(RecoveryTest, ReadsALedgerWhoseOnlyHeaderIsDamaged) {
  rig_.add_durably(1, 5);
  const auto log_id = rig_.ledger->state().log_id;
  rig_.fs.damage(last_segment(), 20);
  rig_.kill_and_start();
  EXPECT_FALSE(rig_.recovery.is_new);
  EXPECT_EQ(rig_.ledger->state().log_id, log_id);
  EXPECT_EQ(rig_.record_numbers(), numbers(1, 5));
}

TEST_F(RecoveryTest, StartsANewLedgerAndSaysSoWhereNothingCanBeRead) {
  rig_.add_durably(1, 5);
  const std::string path = last_segment();
  rig_.stop();
  rig_.fs.put(path, std::vector<std::byte>(16384, std::byte{0x5a}));
  rig_.must_start();
  EXPECT_TRUE(rig_.recovery.is_new);
  EXPECT_EQ(rig_.recovery.set_aside.size(), 1U);
  rig_.add_durably(1, 2);
  const auto entries = rig_.read().entries;
  EXPECT_EQ(entries[0].leaf.type, EntryType::kStart);
  EXPECT_EQ(entries[1].leaf.type, EntryType::kRecovered);
  EXPECT_TRUE(rig_.fs.has("state/quarantine/" + segment_name(1)));
}

// A second segment has begun, with a PRODUCER entry and, not yet written, a record.
class RotatedRecoveryTest : public RecoveryTest {
 protected:
  void rotate() {
    rig_.ledger->on_new_segment([this] {
      xase::proto::ProducerBody body;
      body.next_ring_sequence = 100;
      body.refused_accounted = 9;
      body.last_record_sequence = 55;
      Subject subject;
      subject.ring_id = other_ring_;
      (void)rig_.ledger->append_body(EntryType::kProducer, subject, xase::proto::encode(body));
      return true;
    });
    std::uint64_t n = 1;
    while (rig_.segments().size() == 1) {
      rig_.run_sync();
      ASSERT_NE(rig_.add(n++, 1000), 0U);
    }
  }
  void expect_other_ring(const Recovery& recovery) {
    const RingHistory& ring = recovery.rings.at(other_ring_);
    EXPECT_EQ(ring.last_ring_sequence, 99U);
    EXPECT_EQ(ring.refused_accounted, 9U);
    EXPECT_EQ(ring.last_record_sequence, 55U);
  }

  xase::proto::Id other_ring_{std::byte{0x77}};
};

TEST_F(RotatedRecoveryTest, ReadsTheSegmentBeforeWhileNoMarkVouchesForIt) {
  rotate();
  const Recovery recovery = recover();
  expect_other_ring(recovery);
  EXPECT_EQ(recovery.rings.count(rig_.ring), 1U);
}

TEST_F(RotatedRecoveryTest, KnowsRingsByWhatAMarkedSegmentStartsWith) {
  rotate();
  ASSERT_TRUE(rig_.ledger->flush().ok());
  rig_.run_sync();
  rig_.settle();
  const std::string before = rig_.segments()[0];
  rig_.fs.damage(before, rig_.frames(before)[3].offset + 200);
  const Recovery recovery = recover();
  expect_other_ring(recovery);
  EXPECT_TRUE(recovery.damage.empty()) << "read the segment before";
}

TEST_F(RotatedRecoveryTest, CutsATornTailThatReachesIntoTheNextSegment) {
  rotate();
  ASSERT_TRUE(rig_.ledger->flush().ok());
  const auto segments = rig_.segments();
  const auto last = entry_from_end(segments[0], 1);
  rig_.stop();
  auto bytes = rig_.fs.bytes(segments[0]);
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(last.offset), bytes.end(), std::byte{0});
  rig_.fs.put(segments[0], bytes);
  const Recovery recovery = recover();
  EXPECT_TRUE(recovery.damage.empty());
  EXPECT_EQ(recovery.chain.last_sequence, last.sequence - 1);
  EXPECT_EQ(recovery.tail.position, last.offset);
  ASSERT_EQ(recovery.set_aside.size(), 1U);
  EXPECT_EQ("state/journal/" + recovery.set_aside[0], segments[1]);
  EXPECT_TRUE(rig_.fs.exists("state/quarantine/" + recovery.set_aside[0]));
}

TEST_F(RotatedRecoveryTest, NamesWhatAMarkVouchedForAndTheSegmentBeforeLost) {
  rotate();
  ASSERT_TRUE(rig_.ledger->flush().ok());
  rig_.run_sync();
  rig_.settle();
  const auto segments = rig_.segments();
  const auto last = entry_from_end(segments[0], 1);
  rig_.stop();
  auto bytes = rig_.fs.bytes(segments[0]);
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(last.offset), bytes.end(), std::byte{0});
  rig_.fs.put(segments[0], bytes);
  rig_.must_start();
  // The walk that delivery makes meets it; recovery does not read that far back.
  const auto read = rig_.read();
  ASSERT_EQ(read.damage.size(), 1U);
  EXPECT_EQ(read.damage[0].first, last.sequence);
  EXPECT_EQ(read.damage[0].last, last.sequence);
}

TEST_F(RecoveryTest, KnowsRingsAcrossASegmentThatContinuesAfterAFailedSync) {
  rig_.ledger->on_new_segment([] { return true; });
  rig_.add_durably(1, 5);
  ASSERT_NE(rig_.add(6), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  rig_.fs.fail(FsCall::kSync, EIO);
  rig_.run_sync();
  ASSERT_TRUE(rig_.ledger->rewrite_unsynced().ok());
  rig_.run_sync();
  const Recovery recovery = recover();
  EXPECT_EQ(recovery.rings.at(rig_.ring).last_ring_sequence, 6U);
  EXPECT_EQ(recovery.chain.totals.records, 6U);
  EXPECT_TRUE(recovery.damage.empty());
}

TEST_F(RecoveryTest, PrefersWhatWasWrittenAgainToWhatTheFailedSyncLeft) {
  rig_.add_durably(1, 5);
  const std::string failed = last_segment();
  for (std::uint64_t n = 6; n <= 9; ++n) {
    ASSERT_NE(rig_.add(n), 0U);
    ASSERT_TRUE(rig_.ledger->flush().ok());
  }
  const auto torn = entry_from_end(failed, 3);
  rig_.fs.fail(FsCall::kSync, EIO);
  rig_.run_sync();
  ASSERT_TRUE(rig_.ledger->rewrite_unsynced().ok());
  rig_.add_durably(10, 11);
  rig_.fs.damage(failed, torn.offset + 40);  // record 7 there, and 8 and 9 behind it sound
  rig_.kill_and_start();
  EXPECT_TRUE(rig_.recovery.damage.empty());
  EXPECT_EQ(rig_.record_numbers(), numbers(1, 11));
  EXPECT_TRUE(rig_.read().damage.empty());
}

TEST_F(RecoveryTest, LosesNothingWhereItDiesAtAnyCallOfAFailedSyncsRepair) {
  for (std::uint64_t nth = 1;; ++nth) {
    LedgerRig rig;
    rig.must_start();
    rig.ledger->on_new_segment([] { return true; });
    std::uint64_t next = 1;
    while (rig.segments().size() < 2) rig.add_durably(next, next, 1000), ++next;
    // Unsynced over two rotations.
    while (rig.segments().size() < 4) {
      ASSERT_NE(rig.add(next++, 1000), 0U);
      ASSERT_TRUE(rig.ledger->flush().ok());
      while (!rig.preparer->ready() && rig.preparer->step()) {
      }
    }
    rig.fs.fail(FsCall::kSync, EIO);
    rig.run_sync();
    ASSERT_TRUE(rig.sync->failed());
    rig.clock.advance(std::chrono::milliseconds(1));
    rig.fs.die_at(nth);
    const bool done = rig.ledger->rewrite_unsynced().ok();
    rig.fs.die_at(0);
    rig.kill_and_start();
    ASSERT_TRUE(rig.recovery.damage.empty()) << nth;
    ASSERT_EQ(rig.record_numbers(), numbers(1, next - 1)) << nth;
    rig.add_durably(next, next + 20, 1000);
    ASSERT_EQ(rig.record_numbers(), numbers(1, next + 20)) << nth;
    const auto read = rig.read();
    ASSERT_TRUE(read.damage.empty()) << nth;
    expect_sound_chain(read.entries);
    if (done) break;
    ASSERT_LT(nth, 100U);
  }
}

// Moves a segment away that another supersedes, which it finds out behind that one's end.
TEST_F(RecoveryTest, ComesToTheSameEndAgainWhereItSetsASupersededSegmentAside) {
  rig_.add_durably(1, 4);
  const std::string path = rig_.segments()[0];
  const auto last = entry_from_end(path, 1);
  const auto third = entry_from_end(path, 2);
  rig_.stop();
  auto bytes = rig_.fs.bytes(path);
  bytes[last.offset + 200] ^= std::byte{1};
  auto header = xase::proto::decode_segment_header(bytes).header;
  header.flags = xase::proto::kSegmentContinues;
  xase::proto::encode_segment_header(header, bytes.data());
  rig_.fs.put(path, bytes);
  std::vector<std::byte> superseded(bytes.size());
  header.flags = 0;
  header.first_sequence = third.sequence;
  xase::proto::encode_segment_header(header, superseded.data());
  rig_.fs.put("state/journal/" + segment_name(third.sequence), superseded);
  const Recovery once = recover();
  ASSERT_EQ(once.set_aside.size(), 1U);
  ASSERT_EQ(once.damage.size(), 1U);
  EXPECT_EQ(once.damage[0].first, last.sequence);
  const Recovery again = recover();
  EXPECT_EQ(again.set_aside.size(), 0U);
  EXPECT_EQ(again.chain.last_sequence, once.chain.last_sequence);
  EXPECT_EQ(again.chain.head, once.chain.head);
  EXPECT_EQ(again.tail.position, once.tail.position);
  ASSERT_EQ(again.damage.size(), 1U);
  EXPECT_EQ(test::describe(again.damage[0]), test::describe(once.damage[0]));
}

class RecoveryFault : public testing::TestWithParam<std::tuple<IoError, bool>> {};

TEST_P(RecoveryFault, OfAnyOneCallOfAStartLosesNothing) {
  // A start whose disk fails at any place is told so or goes on; the next one finds all there is.
  const auto [error, for_good] = GetParam();
  std::uint64_t failed = 0;
  for (const FsCall call : {FsCall::kOpen, FsCall::kRead, FsCall::kWrite, FsCall::kSync,
                            FsCall::kTruncate, FsCall::kRename, FsCall::kRemove,
                            FsCall::kSyncDirectory, FsCall::kMakeDirectory, FsCall::kList}) {
    for (std::uint64_t nth = 1;; ++nth) {
      SCOPED_TRACE(std::string(test::name_of(call)) + " " + std::to_string(nth));
      LedgerRig rig;
      rig.must_start();
      rig.add_durably(1, 30, 1000);
      // A torn tail, for the start to cut.
      ASSERT_NE(rig.add(31, 1000), 0U);
      ASSERT_TRUE(rig.ledger->flush().ok());
      const auto entries = rig.read().entries;
      const auto torn = rig.frames(rig.segments().back()).back();
      rig.fs.damage(rig.segments().back(), torn.offset + 500);
      rig.stop();
      rig.fs.restart();
      rig.fs.fail(call, error.number, nth, for_good);
      const Status status = rig.start();
      if (rig.fs.faults_struck() == 0) {
        ASSERT_TRUE(status.ok()) << status.message();
        break;
      }
      ++failed;
      rig.stop();
      rig.fs.restart();
      rig.must_start();
      ASSERT_TRUE(rig.recovery.damage.empty()) << test::describe(rig.recovery.damage[0]);
      ASSERT_EQ(rig.record_numbers(), numbers(1, 30));
      const auto read = rig.read().entries;
      ASSERT_TRUE(std::equal(entries.begin(), entries.end() - 1, read.begin()));
      rig.add_durably(31, 33, 1000);
      rig.crash();
      rig.must_start();
      ASSERT_EQ(rig.record_numbers(), numbers(1, 33));
      expect_sound_chain(rig.read().entries);
    }
  }
  test::print_failed_calls(failed, error, for_good);
}

std::string fault_name(const testing::TestParamInfo<RecoveryFault::ParamType>& about) {
  const auto& [error, for_good] = about.param;
  return error.name + std::string(for_good ? "ForGood" : "Once");
}

INSTANTIATE_TEST_SUITE_P(AtEveryCall, RecoveryFault,
                         testing::Combine(testing::ValuesIn(test::kIoErrors), testing::Bool()),
                         fault_name);

// XASE_CUT_STEP: 1 cuts at every length.
TEST(Truncation, OfASegmentAtAnyLengthLeavesExactlyWhatIsBeforeIt) {
  constexpr std::uint64_t kSegmentBytes = 65536;
  const char* text = std::getenv("XASE_CUT_STEP");
  const std::uint64_t step = text == nullptr ? 509 : std::strtoull(text, nullptr, 10);
  ASSERT_GT(step, 0U);
  LedgerRig rig(kSegmentBytes);
  rig.must_start();
  std::uint64_t last = 0;
  // Nearly all of the second segment is taken; not the third, which would tell of it.
  const auto add_one = [&] {
    ++last;
    rig.add_durably(last, last, 600);
  };
  while (rig.segments().size() < 2) add_one();
  const auto room = [&] {
    const auto frame = rig.frames(rig.segments()[1]).back();
    return kSegmentBytes - frame.offset - frame.bytes;
  };
  while (room() > 4000) add_one();
  ASSERT_EQ(rig.segments().size(), 2U);
  const auto entries = rig.read().entries;
  const std::string path = rig.segments().back();
  const auto frames = rig.frames(path);
  const std::vector<std::byte> whole = rig.fs.bytes(path);
  ASSERT_EQ(whole.size(), kSegmentBytes);
  const std::uint64_t before = frames.front().sequence - 1;
  rig.stop();
  std::uint64_t cuts = 0;
  for (std::uint64_t length = 0; length <= kSegmentBytes; length += step) {
    SCOPED_TRACE(length);
    rig.fs.put(path, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)});
    std::uint64_t expected = before;
    for (const auto& frame : frames) {
      if (frame.offset + frame.bytes > length) break;
      if (!frame.is_mark) expected = frame.sequence;
    }
    const auto recovered = recover_ledger(rig.fs, LedgerRig::kState);
    ASSERT_TRUE(recovered.ok()) << recovered.status().message();
    ASSERT_EQ(recovered->chain.last_sequence, expected);
    ASSERT_TRUE(recovered->damage.empty()) << test::describe(recovered->damage[0]);
    const auto read = test::read_journal(rig.fs, LedgerRig::kJournal, 1, expected);
    ASSERT_EQ(read.entries.size(), expected);
    ASSERT_TRUE(std::equal(read.entries.begin(), read.entries.end(), entries.begin()));
    // No start has so many of them.
    if (recovered->torn_bytes != 0) {
      ASSERT_EQ(rig.fs.bytes(recovered->torn_saved_as).size(), recovered->torn_bytes);
      rig.fs.erase(recovered->torn_saved_as);
    }
    ++cuts;
  }
  std::printf("%llu lengths of %llu\n", static_cast<unsigned long long>(cuts),
              static_cast<unsigned long long>(kSegmentBytes + 1));
}

TEST_F(RecoveryTest, KeepsALedgerWhoseHeaderAndFirstEntriesAreDamaged) {
  rig_.add_durably(1, 10);
  const auto log_id = rig_.ledger->state().log_id;
  const std::string path = last_segment();
  rig_.fs.damage(path, 20);
  const auto frames = rig_.frames(path);
  for (const std::uint64_t sequence : {1U, 2U, 3U}) {
    for (const auto& frame : frames) {
      if (!frame.is_mark && frame.sequence == sequence) rig_.fs.damage(path, frame.offset + 60);
    }
    rig_.kill_and_start();
    EXPECT_FALSE(rig_.recovery.is_new);
    EXPECT_EQ(rig_.ledger->state().log_id, log_id);
    ASSERT_EQ(rig_.recovery.all_damage.size(), 1U);
    EXPECT_EQ(rig_.recovery.all_damage[0].first, 1U);
    EXPECT_EQ(rig_.recovery.all_damage[0].last, sequence);
    auto expected = numbers(1, 10);
    // Entry 1 is no record.
    expected.erase(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(sequence) - 1);
    EXPECT_EQ(rig_.record_numbers(), expected);
  }
}

}  // namespace
}  // namespace xased
