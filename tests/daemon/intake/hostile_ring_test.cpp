// Producers that are broken or hostile: they lose their ring, everyone else goes on.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "tests/daemon/intake/intake_rig.hpp"

namespace xased {
namespace {

using test::FsCall;
using test::IntakeRig;
using test::numbered_record;
using test::numbers;
using test::RingProducer;
using xase::proto::EntryType;
using xase::proto::RingFrameHeader;

class HostileRingTest : public testing::Test {
 protected:
  IntakeRig rig_;
  // Attached, with three records taken.
  std::unique_ptr<RingProducer> bad_ = [this] {
    auto producer = std::make_unique<RingProducer>(rig_.run.path(), 1);
    for (std::uint64_t n = 1; n <= 3; ++n) EXPECT_TRUE(producer->record(numbered_record(n)));
    rig_.run_intake(2);
    return producer;
  }();
  RingProducer good_{rig_.run.path(), 2};

  // The ring is condemned for `fault` and nobody else suffers.
  void expect_condemned(const std::string& fault, std::uint64_t missing = 0) {
    ASSERT_TRUE(good_.record(numbered_record(1)));
    rig_.run_intake();
    const auto gaps = rig_.gaps();
    ASSERT_EQ(gaps.size(), 1U);
    EXPECT_EQ(gaps[0].reason, xase::proto::GapReason::kRingCondemned);
    EXPECT_EQ(gaps[0].text, fault);
    EXPECT_EQ(gaps[0].count, missing);
    EXPECT_EQ(rig_.entries(EntryType::kGap)[0].leaf.ring_id, bad_->id());
    EXPECT_EQ(rig_.records_of(good_), numbers(1, 1));
    EXPECT_EQ(rig_.records_of(*bad_), numbers(1, 3));
    EXPECT_EQ(rig_.intake->counters().rings_condemned.load(), 1U);
    EXPECT_FALSE(rig_.intake->failed());
    // Its file keeps its bytes under another name, and the owner can see it.
    const auto aside = rig_.files(".condemned-");
    ASSERT_EQ(aside.size(), 1U);
    EXPECT_TRUE(aside[0].ends_with(bad_->name()));
    EXPECT_EQ(rig_.files(bad_->name()).size(), 0U);
    rig_.run_intake();
    EXPECT_EQ(rig_.gaps().size(), 1U);
  }
};

TEST_F(HostileRingTest, IsCondemnedForAFrameOfAnUnknownType) {
  RingFrameHeader header = bad_->next_header(0);
  header.type = 0x1234;
  bad_->commit_raw(header);
  expect_condemned("bad_frame_type");
  EXPECT_EQ(bad_->daemon().condemned.load(), 1U);
}

TEST_F(HostileRingTest, IsCondemnedForALengthBeyondWhatIsCommitted) {
  RingFrameHeader header = bad_->next_header(0);
  header.payload_bytes = 1000;
  bad_->commit_raw(header);
  expect_condemned("bad_frame_length");
}

TEST_F(HostileRingTest, IsCondemnedForALengthBeyondTheRing) {
  RingFrameHeader header = bad_->next_header(0);
  header.payload_bytes = 0xffffffffU;
  bad_->commit_raw(header);
  expect_condemned("bad_frame_length");
}

TEST_F(HostileRingTest, IsCondemnedForASequenceThatJumps) {
  RingFrameHeader header = bad_->next_header(0);
  header.sequence = 7;
  bad_->commit_raw(header);
  expect_condemned("bad_sequence");
}

TEST_F(HostileRingTest, IsCondemnedForASequenceThatComesAgain) {
  RingFrameHeader header = bad_->next_header(0);
  header.sequence = 3;
  bad_->commit_raw(header);
  expect_condemned("bad_sequence");
}

TEST_F(HostileRingTest, IsCondemnedForARefusedCountThatGoesBack) {
  bad_->refuse(5);
  rig_.run_intake(2);
  RingFrameHeader header = bad_->next_header(0);
  header.word = 4;
  bad_->commit_raw(header);
  rig_.run_intake();
  const auto gaps = rig_.gaps();
  ASSERT_EQ(gaps.size(), 2U);
  EXPECT_EQ(gaps[1].text, "bad_refused_count");
}

TEST_F(HostileRingTest, IsCondemnedForARefusedCountThatNobodyCanReach) {
  RingFrameHeader header = bad_->next_header(0);
  header.word = xase::proto::kRingRefusedMax + 1;
  bad_->commit_raw(header);
  expect_condemned("bad_refused_count");
}

TEST_F(HostileRingTest, IsCondemnedForAnIdThatFramesStartWith) {
  RingProducer::Options options;
  options.whole_id =
      xase::proto::Id{std::byte{'X'}, std::byte{'F'}, std::byte{'R'}, std::byte{'M'}};
  RingProducer producer(rig_.run.path(), options);
  ASSERT_TRUE(producer.record(numbered_record(1)));
  rig_.run_intake();
  EXPECT_TRUE(rig_.records_of(producer).empty());
  const auto gaps = rig_.gaps();
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_NE(gaps[0].text.find("its id is what frames of the journal start with"), std::string::npos)
      << gaps[0].text;
}

TEST_F(HostileRingTest, IsCondemnedForAPositionThatWentBack) {
  bad_->words().committed.store(0);
  expect_condemned("position_went_back");
}

TEST_F(HostileRingTest, IsCondemnedForAPositionTooFarAhead) {
  bad_->words().committed.store(bad_->position() + (1U << 30));
  expect_condemned("position_too_far_ahead");
}

TEST_F(HostileRingTest, IsCondemnedForAMisalignedPosition) {
  bad_->words().committed.store(bad_->position() + 5);
  expect_condemned("position_misaligned");
}

TEST_F(HostileRingTest, IsCondemnedWhereItsFileIsCutUnderTheMapping) {
  for (const std::uint64_t left :
       {std::uint64_t{0}, std::uint64_t{0x1000}, std::uint64_t{0x2000}}) {
    IntakeRig rig;
    RingProducer bad(rig.run.path(), 1);
    RingProducer good(rig.run.path(), 2);
    ASSERT_TRUE(bad.record(numbered_record(1)));
    rig.run_intake(2);
    ASSERT_TRUE(bad.record(numbered_record(2)));
    bad.truncate(left);
    ASSERT_TRUE(good.record(numbered_record(1)));
    rig.run_intake();
    ASSERT_EQ(rig.gaps().size(), 1U) << left;
    EXPECT_EQ(rig.gaps()[0].text, "truncated");
    EXPECT_EQ(rig.records_of(good), numbers(1, 1));
    EXPECT_EQ(rig.files(".condemned-").size(), 1U);
  }
}

TEST_F(HostileRingTest, IsCondemnedWhereItsFileWasCutBeforeAnythingWasTaken) {
  IntakeRig rig;
  RingProducer bad(rig.run.path(), 1);
  rig.run_intake(2);
  ASSERT_TRUE(bad.record(numbered_record(1)));
  bad.truncate(0);
  bad.die();
  rig.run_intake();
  ASSERT_EQ(rig.gaps().size(), 1U) << "records went without a trace";
  EXPECT_EQ(rig.gaps()[0].text, "truncated");
}

TEST_F(HostileRingTest, IsCondemnedForARecordLargerThanAnyMayBe) {
  IntakeRig rig;
  RingProducer::Options options;
  options.data_bytes = std::uint64_t{128} << 20;
  RingProducer bad(rig.run.path(), options);
  const std::vector<std::byte> payload(xase::proto::kRecordBytesMax + 1);
  ASSERT_TRUE(bad.record(payload));
  rig.run_intake();
  ASSERT_EQ(rig.gaps().size(), 1U);
  EXPECT_EQ(rig.gaps()[0].text, "bad_frame_length");
}

TEST_F(HostileRingTest, HasTheLargestRecordTaken) {
  IntakeRig rig(std::uint64_t{20} << 20);
  RingProducer::Options options;
  options.data_bytes = std::uint64_t{128} << 20;
  RingProducer producer(rig.run.path(), options);
  const std::size_t rest = numbered_record(1).size();
  ASSERT_TRUE(producer.record(numbered_record(1, xase::proto::kRecordBytesMax - rest)));
  // As large, and no record: kept whole.
  ASSERT_TRUE(producer.record(std::vector<std::byte>(xase::proto::kRecordBytesMax)));
  rig.run_intake(12);
  EXPECT_EQ(rig.records_of(producer), numbers(1, 1));
  const auto rejected = rig.entries(EntryType::kRejected);
  ASSERT_EQ(rejected.size(), 1U);
  EXPECT_EQ(xase::proto::decode_rejected_body(rejected[0].body())->masked_record.size(),
            xase::proto::kRecordBytesMax);
}

// Where a frame's header is lost, the next one is looked for among what the frame held.
TEST_F(HostileRingTest, CannotHaveAFrameOfItsOwnMakingInTheJournal) {
  const auto segment = rig_.segments().at(0);
  const auto bytes = rig_.fs.bytes(segment);
  const auto places = rig_.frames(segment);
  const auto place = std::find_if(places.begin(), places.end(),
                                  [](const auto& frame) { return frame.sequence == 4; });
  ASSERT_NE(place, places.end());
  const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(place->offset);
  const std::vector<std::byte> frame(begin, begin + static_cast<std::ptrdiff_t>(place->bytes));
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(bad_->record(frame)) << "no record, and kept";
  }
  Handback letter;
  letter.kind = Handback::Kind::kDeadLetter;
  letter.text = xase::proto::as_text(frame);
  ASSERT_TRUE(rig_.handbacks->push(letter));
  rig_.run_intake();
  EXPECT_EQ(rig_.entries(EntryType::kRejected).size(), 8U);
  const auto letters = rig_.entries(EntryType::kDeadLetter);
  ASSERT_EQ(letters.size(), 1U);
  const auto kept = xase::proto::decode_receipt_body(letters[0].body())->answer;
  EXPECT_EQ(kept.size(), frame.size());
  EXPECT_TRUE(kept.starts_with("XFR?")) << kept.substr(0, 4);
  EXPECT_EQ(kept.substr(4), xase::proto::as_text(frame).substr(4));
  const auto now = rig_.fs.bytes(segment);
  std::size_t found = 0;
  for (auto at = now.begin();; ++at) {
    at = std::search(at, now.end(), frame.begin(), frame.end());
    if (at == now.end()) break;
    ++found;
  }
  EXPECT_EQ(found, 1U) << "the entry itself";
}

TEST_F(HostileRingTest, CountsWhatWasCommittedBehindTheFault) {
  RingFrameHeader header = bad_->next_header(0);
  header.type = 1;
  bad_->words().committed_sequence.store(9);
  bad_->commit_raw(header);
  expect_condemned("bad_frame_type", 6);
}

TEST_F(HostileRingTest, MakesNoGapLargerThanItsRing) {
  bad_->words().committed_sequence.store(UINT64_MAX);
  bad_->words().committed.store(0);
  rig_.run_intake();
  ASSERT_EQ(rig_.gaps().size(), 1U);
  EXPECT_LE(rig_.gaps()[0].count, xase::proto::kRingDataBytesMin / 32);
}

TEST_F(HostileRingTest, CannotMakeUpRecordsThatTheLedgerLost) {
  IntakeRig rig;
  RingProducer liar(rig.run.path(), 1);
  RingFrameHeader header = liar.next_header(0);
  header.sequence = 1'000'000'000;
  liar.commit_raw(header);
  rig.run_intake();
  ASSERT_EQ(rig.gaps().size(), 1U);
  EXPECT_EQ(rig.gaps()[0].text, "bad_sequence");
  EXPECT_EQ(rig.gaps()[0].count, 0U);
}

TEST_F(HostileRingTest, LosesOnlyWhatComesBehindTheFault) {
  ASSERT_TRUE(bad_->record(numbered_record(4)));
  ASSERT_TRUE(bad_->record(numbered_record(5)));
  RingFrameHeader header = bad_->next_header(0);
  header.type = 1;
  bad_->commit_raw(header);
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(*bad_), numbers(1, 5));
  EXPECT_EQ(bad_->daemon().journaled_sequence.load(), 5U);
  EXPECT_EQ(bad_->daemon().condemned.load(), 1U);
}

TEST_F(HostileRingTest, KeepsItsFileInPlaceUntilTheEntryAboutItIsWritten) {
  rig_.fs.fail(FsCall::kWrite, EIO, 1, true, ".seg");
  RingFrameHeader header = bad_->next_header(0);
  header.type = 1;
  bad_->commit_raw(header);
  rig_.run_intake();
  EXPECT_EQ(rig_.files(bad_->name()).size(), 1U);
  rig_.kill_and_start_all();
  rig_.run_intake();
  ASSERT_EQ(rig_.gaps().size(), 1U);
  EXPECT_EQ(rig_.files(".condemned-").size(), 1U);
}

TEST_F(HostileRingTest, CannotMoveTheDaemonByItsReleasedWord) {
  // The daemon restarts on a word that the producer scribbled over.
  for (const std::uint64_t word : {std::uint64_t{1}, std::uint64_t{1} << 63, UINT64_MAX}) {
    IntakeRig rig;
    RingProducer bad(rig.run.path(), 1);
    RingProducer good(rig.run.path(), 2);
    ASSERT_TRUE(bad.record(numbered_record(1)));
    rig.run_intake();
    bad.daemon().released.store(word);
    bad.daemon().results_committed.store(word);
    bad.want_results();
    rig.kill_and_start_all();
    ASSERT_TRUE(bad.record(numbered_record(2)));
    ASSERT_TRUE(good.record(numbered_record(1)));
    rig.run_intake();
    EXPECT_EQ(rig.records_of(good), numbers(1, 1)) << word;
  }
}

TEST_F(HostileRingTest, GetsAFifoALinkAFolderAndGarbageSetAside) {
  const auto name_of = [](std::uint8_t fill) {
    xase::proto::Id id;
    id.fill(static_cast<std::byte>(fill));
    return "rings/" + xase::proto::ring_file_name(id);
  };
  ASSERT_EQ(::mkfifo((rig_.run / name_of(0x10)).c_str(), 0600), 0);
  ASSERT_EQ(::symlink("/etc/passwd", (rig_.run / name_of(0x11)).c_str()), 0);
  ASSERT_EQ(::mkdir((rig_.run / name_of(0x12)).c_str(), 0700), 0);
  rig_.run.write(name_of(0x13), "garbage");
  rig_.run.write(name_of(0x14), "");
  // A sound ring under another's name.
  RingProducer moved(rig_.run.path(), 0x20);
  ASSERT_EQ(::rename(moved.path().c_str(), (rig_.run / name_of(0x15)).c_str()), 0);
  ASSERT_TRUE(good_.record(numbered_record(1)));
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(good_), numbers(1, 1));
  EXPECT_EQ(rig_.gaps().size(), 6U);
  EXPECT_EQ(rig_.files(".condemned-").size(), 6U);
  EXPECT_EQ(rig_.intake->counters().rings_condemned.load(), 6U);
  for (const auto& gap : rig_.gaps()) {
    EXPECT_NE(gap.text.find("is not a ring"), std::string_view::npos) << gap.text;
  }
  rig_.run_intake();
  EXPECT_EQ(rig_.gaps().size(), 6U);
}

TEST_F(HostileRingTest, AttestsNoOwnerOfAFileThatHasAnotherNameAsWell) {
  RingProducer linked(rig_.run.path(), 0x30);
  ASSERT_EQ(::link(linked.path().c_str(), (rig_.run / "elsewhere").c_str()), 0);
  ASSERT_TRUE(linked.record(numbered_record(1)));
  ASSERT_TRUE(good_.record(numbered_record(1)));
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(linked), numbers(1, 1));
  int attested = 0;
  for (const auto& entry : rig_.entries(EntryType::kRecord)) {
    if (entry.leaf.ring_id == linked.id()) {
      EXPECT_EQ(entry.leaf.uid, xase::proto::kNoUid);
    } else {
      EXPECT_EQ(entry.leaf.uid, ::getuid());
      ++attested;
    }
  }
  EXPECT_GT(attested, 0);
}

TEST_F(HostileRingTest, GetsAHeaderThatMakesNoSenseSetAside) {
  const std::vector<std::pair<std::size_t, std::uint64_t>> lies{
      {8, 99},                       // version
      {16, 1},                       // file bytes
      {24, 3 << 16},                 // no power of two
      {24, std::uint64_t{1} << 40},  // more than there is
      {12, 0xffffff},                // context
      {32, 12345},                   // results
  };
  for (const auto& [offset, value] : lies) {
    IntakeRig rig;
    RingProducer bad(rig.run.path(), 1);
    std::byte* identity = reinterpret_cast<std::byte*>(&bad.words()) - 0x1000;
    if (offset == 16 || offset == 24) {
      xase::proto::store(identity + offset, value);
    } else {
      xase::proto::store(identity + offset, static_cast<std::uint32_t>(value));
    }
    rig.run_intake();
    EXPECT_EQ(rig.gaps().size(), 1U) << offset;
    EXPECT_EQ(rig.files(".condemned-").size(), 1U) << offset;
  }
}

}  // namespace
}  // namespace xased
