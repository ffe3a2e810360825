// What verification says of ledgers that someone or something has changed: each change is told, and
// the entry is named.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iostream>
#include <random>

#include "daemon/ledger/verify.hpp"
#include "tests/daemon/ledger/verified_ledger.hpp"
#include "tests/daemon/ledger/written_ledger.hpp"

namespace xased {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)
using xase::proto::kSegmentHeaderBytes;

std::string findings_of(const VerifyReport& report) {
  std::string text;
  for (const VerifyFinding& finding : report.findings) {
    text += std::string(verify_property_name(finding.property)) + " at " +
            std::to_string(finding.sequence) + ": " + finding.text + "\n";
  }
  return text;
}

// Refuted, first at `sequence`, and there by `property`.
void expect_refuted(const VerifyReport& report, VerifyProperty property, std::uint64_t sequence) {
  EXPECT_EQ(report.exit_code(), 1);
  EXPECT_EQ(report.first_bad_sequence(), sequence) << findings_of(report);
  const VerifyPropertyReport& told = report.property(property);
  EXPECT_EQ(told.verdict, VerifyVerdict::kRefuted) << findings_of(report);
  EXPECT_EQ(told.first_bad_sequence, sequence) << findings_of(report);
}

// Changes what the record's output says; the checksum is made to hold.
void change_payload(TakenApart::Piece& piece) {
  constexpr std::string_view kValue = "approve";
  const auto at = std::search(piece.bytes.begin(), piece.bytes.end(), kValue.begin(), kValue.end(),
                              [](std::byte b, char c) { return std::to_integer<char>(b) == c; });
  ASSERT_NE(at, piece.bytes.end());
  *at = std::byte{'A'};
  piece.reseal();
}

// Ten records of two producers with a gap and an answer each, in segment 1.
class Tampered : public ::testing::Test {
 protected:
  Tampered() {
    LedgerWriter writer(dir_.path());
    for (int i = 0; i < 5; ++i) {
      records_.push_back(writer.record(LedgerWriter::ring(1)));
      records_.push_back(writer.record(LedgerWriter::ring(2)));
      if (i == 2) gap_ = writer.refused(LedgerWriter::ring(1), 3);
    }
    for (std::size_t i = 0; i < 4; ++i) receipts_.push_back(writer.receipt(records_[i]));
    writer.stop();
    last_ = writer.ledger().state().last_sequence;
    const VerifyReport report = verify(dir_.path());
    EXPECT_EQ(report.exit_code(), 0) << findings_of(report);
  }
  TakenApart take_apart() const { return {dir_.path(), 1}; }
  VerifyReport put_together(TakenApart& segment) const {
    segment.put_together();
    return verify(dir_.path());
  }

  const TempDir dir_;
  std::vector<Written> records_;
  std::vector<std::uint64_t> receipts_;
  std::uint64_t gap_ = 0;
  std::uint64_t last_ = 0;
};

TEST_F(Tampered, AnEditedPayloadIsNamed) {
  TakenApart segment = take_apart();
  change_payload(segment.entry(records_[5].sequence));
  expect_refuted(put_together(segment), VerifyProperty::kCommitments, records_[5].sequence);
}

// The service hashes with the top level's keys in order alone, so that some who look no deeper
// would call two such inputs the same.
TEST(TamperedInput, IsNamedThoughOnlyAFieldDeepInsideWasChanged) {
  const std::string sound =
      R"({"applicant":{"history":[{"year":2024,"loans":[{"late":false,"days":{"max":12}}]}]},"n":1})";
  xase::proto::RecordFields fields;
  fields.span(xase::proto::Span::kInput) = sound;
  fields.span(xase::proto::Span::kOutput) = R"({"decision":"approve"})";
  fields.span(xase::proto::Span::kPolicy) = "credit";
  ByteBuffer encoded(xase::proto::encoded_bytes(fields));
  xase::proto::encode_record(fields, encoded.data());
  const TempDir dir;
  Written written;
  {
    LedgerWriter writer(dir.path());
    (void)writer.record(LedgerWriter::ring(1));
    written = writer.record(LedgerWriter::ring(1), encoded);
    (void)writer.record(LedgerWriter::ring(1));
    writer.stop();
  }
  ASSERT_EQ(verify(dir.path()).exit_code(), 0);
  TakenApart segment(dir.path(), 1);
  auto& piece = segment.entry(written.sequence);
  constexpr std::string_view kDeep = R"("max":12)";
  const auto at = std::search(piece.bytes.begin(), piece.bytes.end(), kDeep.begin(), kDeep.end(),
                              [](std::byte b, char c) { return std::to_integer<char>(b) == c; });
  ASSERT_NE(at, piece.bytes.end());
  *(at + 6) = std::byte{'9'};
  piece.reseal();
  segment.put_together();
  const VerifyReport report = verify(dir.path());
  expect_refuted(report, VerifyProperty::kCommitments, written.sequence);
  EXPECT_NE(report.property(VerifyProperty::kCommitments).text.find("its input"),
            std::string::npos);
}

TEST_F(Tampered, AnEditedLeafIsNamed) {
  // Each field that no other check than the chain's looks at.
  for (const std::size_t offset : {88U, 100U, 113U, 144U}) {
    TakenApart segment = take_apart();
    const ByteBuffer original = read_bytes(segment_path(dir_.path(), 1));
    auto& piece = segment.entry(records_[6].sequence);
    piece.leaf()[offset] ^= std::byte{1};
    piece.reseal();
    expect_refuted(put_together(segment), VerifyProperty::kChain, records_[6].sequence);
    write_bytes(segment_path(dir_.path(), 1), original);
  }
}

TEST_F(Tampered, AnEditedLinkIsNamed) {
  TakenApart segment = take_apart();
  auto& piece = segment.entry(records_[6].sequence);
  piece.leaf()[xase::proto::kLeafPreviousOffset] ^= std::byte{1};
  piece.reseal();
  expect_refuted(put_together(segment), VerifyProperty::kChain, records_[6].sequence);
}

TEST_F(Tampered, AnEditedPayloadWhoseLeafWasMadeToFitIsNamed) {
  TakenApart segment = take_apart();
  TakenApart::Piece& piece = segment.entry(records_[6].sequence);
  change_payload(piece);
  auto leaf = *xase::proto::decode_leaf(piece.leaf_bytes());
  Sha256 sha256;
  leaf.commitments = xase::proto::commitments(
      sha256, *xase::proto::decode_erasable({piece.erasable(), piece.erasable_bytes()}));
  xase::proto::encode_leaf(leaf, piece.leaf());
  piece.reseal();
  expect_refuted(put_together(segment), VerifyProperty::kChain, records_[6].sequence);
}

TEST_F(Tampered, ADeletedEntryIsNamed) {
  TakenApart segment = take_apart();
  segment.pieces.erase(segment.pieces.begin() +
                       static_cast<std::ptrdiff_t>(segment.index_of(records_[4].sequence)));
  expect_refuted(put_together(segment), VerifyProperty::kComplete, records_[4].sequence);
}

TEST_F(Tampered, ADuplicatedEntryIsNamed) {
  TakenApart segment = take_apart();
  const std::size_t index = segment.index_of(records_[4].sequence);
  const auto copy = segment.pieces[index];
  segment.pieces.insert(segment.pieces.begin() + static_cast<std::ptrdiff_t>(index), copy);
  expect_refuted(put_together(segment), VerifyProperty::kChain, records_[4].sequence);
}

TEST_F(Tampered, AnInsertedEntryIsNamed) {
  TakenApart segment = take_apart();
  const std::size_t index = segment.index_of(records_[4].sequence);
  auto forged = segment.pieces[index];
  forged.leaf()[90] ^= std::byte{1};
  forged.reseal();
  segment.pieces.insert(segment.pieces.begin() + static_cast<std::ptrdiff_t>(index), forged);
  expect_refuted(put_together(segment), VerifyProperty::kChain, records_[4].sequence);
}

TEST_F(Tampered, SwappedEntriesAreNamed) {
  TakenApart segment = take_apart();
  std::swap(segment.entry(records_[4].sequence), segment.entry(records_[4].sequence + 1));
  expect_refuted(put_together(segment), VerifyProperty::kComplete, records_[4].sequence);
}

TEST_F(Tampered, AnEntryOfAnotherLedgerIsNamed) {
  const TempDir other;
  {
    LedgerWriter writer(other.path(), 64U << 10, system_file_system(), 99);
    for (int i = 0; i < 5; ++i) (void)writer.record(LedgerWriter::ring(1));
    writer.stop();
  }
  TakenApart foreign(other.path(), 1);
  TakenApart segment = take_apart();
  const std::uint64_t sequence = 5;
  segment.entry(sequence) = foreign.entry(sequence);
  expect_refuted(put_together(segment), VerifyProperty::kChain, sequence);
}

TEST_F(Tampered, EntriesCutOffBehindAMarkThatCoversThemAreMissed) {
  TakenApart segment = take_apart();
  const auto stop = static_cast<std::ptrdiff_t>(segment.index_of(last_));
  ASSERT_TRUE(segment.pieces.back().is_mark);
  segment.pieces.erase(segment.pieces.begin() + stop);
  expect_refuted(put_together(segment), VerifyProperty::kComplete, last_);
}

// What a chain alone cannot tell, and must not claim to.
TEST_F(Tampered, AnEndCutOffCleanlyIsNotEstablished) {
  TakenApart segment = take_apart();
  segment.pieces.erase(
      segment.pieces.begin() + static_cast<std::ptrdiff_t>(segment.index_of(receipts_[0])),
      segment.pieces.end());
  const VerifyReport report = put_together(segment);
  EXPECT_EQ(report.exit_code(), 0) << findings_of(report);
  EXPECT_EQ(report.last_sequence, receipts_[0] - 1);
  EXPECT_EQ(report.property(VerifyProperty::kEnd).verdict, VerifyVerdict::kNotEstablished);
}

TEST_F(Tampered, AForgeryChainedAnewToTheEndIsNotEstablished) {
  TakenApart segment = take_apart();
  const Written& victim = records_[8];  // without an answer
  change_payload(segment.entry(victim.sequence));
  segment.chain_anew(victim.sequence);
  // Answers to records before it still fit; those of the service cannot be made to.
  const VerifyReport report = put_together(segment);
  EXPECT_EQ(report.exit_code(), 0) << findings_of(report);
  EXPECT_EQ(report.property(VerifyProperty::kEnd).verdict, VerifyVerdict::kNotEstablished);
  EXPECT_NE(report.property(VerifyProperty::kEnd).text.find("made anew"), std::string::npos);
}

TEST_F(Tampered, AForgeryChainedAnewContradictsTheReceipts) {
  TakenApart segment = take_apart();
  change_payload(segment.entry(records_[1].sequence));
  segment.chain_anew(records_[1].sequence);
  const VerifyReport report = put_together(segment);
  expect_refuted(report, VerifyProperty::kReceipts, receipts_[1]);
}

TEST_F(Tampered, ADroppedGapEntryIsNamed) {
  TakenApart segment = take_apart();
  segment.pieces.erase(segment.pieces.begin() +
                       static_cast<std::ptrdiff_t>(segment.index_of(gap_)));
  expect_refuted(put_together(segment), VerifyProperty::kComplete, gap_);
}

TEST(TamperedGaps, ADroppedOneIsMissedByTheNextThoughAllIsChainedAnew) {
  const TempDir dir;
  std::uint64_t dropped = 0;
  std::uint64_t next = 0;
  {
    LedgerWriter writer(dir.path());
    (void)writer.record(LedgerWriter::ring(1));
    dropped = writer.refused(LedgerWriter::ring(1), 3);
    (void)writer.record(LedgerWriter::ring(1));
    next = writer.refused(LedgerWriter::ring(1), 2);
    (void)writer.record(LedgerWriter::ring(1));
    writer.stop();
  }
  TakenApart segment(dir.path(), 1);
  segment.pieces.erase(segment.pieces.begin() +
                       static_cast<std::ptrdiff_t>(segment.index_of(dropped)));
  segment.chain_anew(dropped);
  segment.put_together();
  expect_refuted(verify(dir.path()), VerifyProperty::kProducers, next - 1);
}

TEST_F(Tampered, AGapWithAnotherCountThanItAccountsForIsNamed) {
  TakenApart segment = take_apart();
  segment.pieces.resize(segment.index_of(receipts_[0]));
  auto& piece = segment.entry(gap_);
  xase::proto::store(piece.erasable() + xase::proto::kErasableHeaderBytes, std::uint64_t{1});
  segment.chain_anew(gap_);
  expect_refuted(put_together(segment), VerifyProperty::kProducers, gap_);
}

TEST_F(Tampered, AHiddenRecordIsMissedByItsProducerThoughAllIsChainedAnew) {
  TakenApart segment = take_apart();
  segment.pieces.resize(segment.index_of(receipts_[0]));
  const std::uint64_t hidden = records_[5].sequence;
  segment.pieces.erase(segment.pieces.begin() +
                       static_cast<std::ptrdiff_t>(segment.index_of(hidden)));
  segment.chain_anew(hidden);
  // The producer's next record, one entry earlier than it was.
  expect_refuted(put_together(segment), VerifyProperty::kProducers, records_[7].sequence - 1);
}

TEST_F(Tampered, ARecordWithoutItsProducerIsNamed) {
  TakenApart segment = take_apart();
  segment.pieces.resize(segment.index_of(receipts_[0]));
  const std::uint64_t producer = records_[0].sequence - 1;
  ASSERT_EQ(segment.type_of(producer), EntryType::kProducer);
  segment.pieces.erase(segment.pieces.begin() +
                       static_cast<std::ptrdiff_t>(segment.index_of(producer)));
  segment.chain_anew(producer);
  expect_refuted(put_together(segment), VerifyProperty::kProducers, producer);
}

TEST_F(Tampered, SwappedReceiptsAreNamed) {
  TakenApart segment = take_apart();
  auto& first = segment.entry(receipts_[0]);
  auto& second = segment.entry(receipts_[2]);
  ASSERT_EQ(first.bytes.size(), second.bytes.size());
  // Each answer moves to the other's leaf, hash of the record included.
  constexpr std::size_t kBodyAt = xase::proto::kErasableHeaderBytes;
  std::swap_ranges(first.erasable() + kBodyAt, first.erasable() + first.erasable_bytes(),
                   second.erasable() + kBodyAt);
  segment.chain_anew(receipts_[0]);
  expect_refuted(put_together(segment), VerifyProperty::kReceipts, receipts_[0]);
}

TEST_F(Tampered, EveryTruncationInsideAnEntryOfAnEarlierSegmentIsNamed) {
  const TempDir dir;
  {
    LedgerWriter writer(dir.path(), 16U << 10);
    for (int i = 0; i < 40; ++i) (void)writer.record(LedgerWriter::ring(1));
    writer.stop();
  }
  ASSERT_GE(segments_of(dir.path()).size(), 2U);
  const ByteBuffer file = read_bytes(segment_path(dir.path(), 1));
  const TakenApart parts(dir.path(), 1);
  for (std::size_t i = 0; i < parts.pieces.size(); i += 3) {
    const auto& piece = parts.pieces[i];
    if (piece.is_mark) continue;
    for (const std::size_t keep : {std::size_t{0}, std::size_t{1}, piece.bytes.size() / 2}) {
      write_bytes(segment_path(dir.path(), 1), Bytes(file).first(piece.position + keep));
      const VerifyReport report = verify(dir.path());
      EXPECT_EQ(report.exit_code(), 1);
      EXPECT_EQ(report.first_bad_sequence(), piece.sequence) << findings_of(report);
    }
  }
}

TEST(TamperedSegments, AMissingOneIsNamedByWhatItHeld) {
  const TempDir dir;
  {
    LedgerWriter writer(dir.path(), 16U << 10);
    for (int i = 0; i < 60; ++i) (void)writer.record(LedgerWriter::ring(1));
    writer.stop();
  }
  const auto firsts = segments_of(dir.path());
  ASSERT_GE(firsts.size(), 3U);
  std::filesystem::remove(segment_path(dir.path(), firsts[1]));
  const VerifyReport report = verify(dir.path());
  expect_refuted(report, VerifyProperty::kComplete, firsts[1]);
  EXPECT_EQ(report.counts.unreadable, firsts[2] - firsts[1]);
}

TEST(TamperedSegments, AnotherLedgersOrARenamedOneIsNamed) {
  const TempDir dir;
  const TempDir other;
  for (const auto& [path, seed] : {std::pair{dir.path(), 1U}, std::pair{other.path(), 2U}}) {
    LedgerWriter writer(path, 16U << 10, system_file_system(), seed);
    for (int i = 0; i < 60; ++i) (void)writer.record(LedgerWriter::ring(1));
    writer.stop();
  }
  const auto firsts = segments_of(dir.path());
  ASSERT_EQ(firsts, segments_of(other.path()));
  ASSERT_GE(firsts.size(), 3U);
  const ByteBuffer original = read_bytes(segment_path(dir.path(), firsts[1]));
  write_bytes(segment_path(dir.path(), firsts[1]),
              read_bytes(segment_path(other.path(), firsts[1])));
  expect_refuted(verify(dir.path()), VerifyProperty::kSegments, firsts[1]);
  write_bytes(segment_path(dir.path(), firsts[1]), read_bytes(segment_path(dir.path(), 1)));
  expect_refuted(verify(dir.path()), VerifyProperty::kSegments, firsts[1]);
  write_bytes(segment_path(dir.path(), firsts[1]), original);
  EXPECT_EQ(verify(dir.path()).exit_code(), 0);
}

TEST(TamperedSegments, AHeaderThatSaysOtherTotalsOrAnotherPredecessorIsNamed) {
  const TempDir dir;
  {
    LedgerWriter writer(dir.path(), 16U << 10);
    for (int i = 0; i < 30; ++i) (void)writer.record(LedgerWriter::ring(1));
    writer.stop();
  }
  const auto firsts = segments_of(dir.path());
  ASSERT_GE(firsts.size(), 2U);
  TakenApart segment(dir.path(), firsts[1]);
  const auto original = segment.header();
  auto header = original;
  ++header.totals.missing;
  segment.set_header(header);
  segment.put_together();
  expect_refuted(verify(dir.path()), VerifyProperty::kTotals, firsts[1]);
  header = original;
  header.previous[3] ^= std::byte{1};
  segment.set_header(header);
  segment.put_together();
  expect_refuted(verify(dir.path()), VerifyProperty::kSegments, firsts[1]);
}

TEST(TamperedAnswers, EachThatNoSoundDaemonWouldWriteIsNamed) {
  using Body = xase::proto::ReceiptBody;
  const std::vector<std::pair<const char*, std::function<void(Body&)>>> faults = {
      {"another hash", [](Body& body) { body.record_leaf_hash[0] ^= std::byte{1}; }},
      {"no record", [](Body& body) { body.record_sequence = 1; }},
      {"a later entry", [](Body& body) { body.record_sequence = 1000; }},
      {"status 200", [](Body& body) { body.http_status = 200; }},
      {"not JSON", [](Body& body) { body.answer = "{\"success\":true"; }},
      {"no success",
       [](Body& body) { body.answer = R"({"success":false,"transaction_id":"txn_1"})"; }},
      {"no transaction", [](Body& body) { body.answer = R"({"success":true})"; }},
  };
  for (const auto& [name, spoil] : faults) {
    SCOPED_TRACE(name);
    const TempDir dir;
    std::uint64_t bad = 0;
    {
      LedgerWriter writer(dir.path());
      const Written record = writer.record(LedgerWriter::ring(1));
      Body body = LedgerWriter::answer_to(record);
      spoil(body);
      bad = writer.receipt(record, body);
      writer.stop();
    }
    expect_refuted(verify(dir.path()), VerifyProperty::kReceipts, bad);
  }
}

TEST(TamperedAnswers, ASecondReceiptIsNamedHoweverLongAfter) {
  const TempDir dir;
  std::uint64_t bad = 0;
  {
    LedgerWriter writer(dir.path(), 1U << 20);
    const Written first = writer.record(LedgerWriter::ring(1));
    writer.receipt(first);
    for (int i = 0; i < 5000; ++i) writer.receipt(writer.record(LedgerWriter::ring(1)));
    bad = writer.receipt(first);
    writer.stop();
  }
  expect_refuted(verify(dir.path()), VerifyProperty::kReceipts, bad);
}

TEST(TamperedAnswers, ADeadLetterOutOfTurnIsNamed) {
  for (const bool retry : {false, true}) {
    const TempDir dir;
    std::uint64_t bad = 0;
    {
      LedgerWriter writer(dir.path());
      const Written record = writer.record(LedgerWriter::ring(1));
      if (!retry) writer.dead_letter(record);
      bad = writer.dead_letter(record, retry);
      writer.stop();
    }
    expect_refuted(verify(dir.path()), VerifyProperty::kReceipts, bad);
  }
}

TEST(TamperedBytes, ManyFindingsAreCountedAndFewAreKept) {
  const TempDir dir;
  {
    LedgerWriter writer(dir.path(), 1U << 20);
    for (int i = 0; i < 500; ++i) (void)writer.record(LedgerWriter::ring(1));
    writer.stop();
  }
  TakenApart segment(dir.path(), 1);
  for (auto& piece : segment.pieces) {
    if (piece.is_mark || piece.sequence % 2 == 0 || piece.sequence < 4) continue;
    piece.bytes[piece.bytes.size() - 12] ^= std::byte{1};
  }
  segment.put_together();
  const VerifyReport report = verify(dir.path());
  EXPECT_EQ(report.exit_code(), 1);
  EXPECT_EQ(report.findings.size(), 100U);
  EXPECT_EQ(report.property(VerifyProperty::kFrames).findings, 250U);
  EXPECT_EQ(report.property(VerifyProperty::kComplete).findings, 250U);
}

// Every byte of a ledger of two segments: the header pages, the frames, the marks and the zeros.
TEST(TamperedBytes, EachFlippedBitIsDetectedAndItsEntryNamed) {
  const TempDir dir;
  {
    LedgerWriter writer(dir.path(), 10U << 10);
    std::vector<Written> records;
    for (int i = 0; i < 3; ++i) records.push_back(writer.record(LedgerWriter::ring(1)));
    (void)writer.refused(LedgerWriter::ring(1), 2);
    (void)writer.rejected(LedgerWriter::ring(2));
    writer.sync();
    writer.receipt(records[0]);
    writer.dead_letter(records[1]);
    for (int i = 0; i < 6; ++i) records.push_back(writer.record(LedgerWriter::ring(2)));
    writer.receipt(records[2]);
    writer.stop();
  }
  const auto firsts = segments_of(dir.path());
  ASSERT_EQ(firsts.size(), 2U);
  ASSERT_EQ(verify(dir.path()).exit_code(), 0);
  const auto seed = static_cast<unsigned>(std::random_device()());
  std::cout << "seed " << seed << "\n";
  std::mt19937 random(seed);
  std::size_t flips = 0;
  for (const std::uint64_t first : firsts) {
    const std::string path = segment_path(dir.path(), first);
    const ByteBuffer original = read_bytes(path);
    const TakenApart parts(dir.path(), first);
    // Which sequence each byte belongs to; marks and zeros to the one that comes next.
    std::vector<std::uint64_t> expected(original.size(), first);
    std::uint64_t next = first;
    std::size_t end = kSegmentHeaderBytes;
    for (const auto& piece : parts.pieces) {
      end = piece.position + piece.bytes.size();
      std::fill(expected.begin() + static_cast<std::ptrdiff_t>(piece.position),
                expected.begin() + static_cast<std::ptrdiff_t>(end), next);
      if (!piece.is_mark) ++next;
    }
    std::fill(expected.begin() + static_cast<std::ptrdiff_t>(end), expected.end(), next);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto put = [&](std::size_t at, std::byte byte) {
      file.seekp(static_cast<std::streamoff>(at));
      file.put(static_cast<char>(byte));
      file.flush();
    };
    for (std::size_t at = 0; at < original.size(); ++at) {
      const auto bit = static_cast<unsigned>(random() % 8);
      put(at, original[at] ^ static_cast<std::byte>(1U << bit));
      const VerifyReport report = verify(dir.path());
      ASSERT_EQ(report.exit_code(), 1) << "segment " << first << ", byte " << at << ", bit " << bit;
      ASSERT_EQ(report.first_bad_sequence(), expected[at])
          << "segment " << first << ", byte " << at << ", bit " << bit << "\n"
          << findings_of(report);
      put(at, original[at]);
      ++flips;
    }
  }
  std::cout << flips << " of " << flips << " flipped bits detected and named\n";
  EXPECT_EQ(verify(dir.path()).exit_code(), 0);
}

}  // namespace
}  // namespace xased
