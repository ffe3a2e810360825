// What verification says of ledgers as the daemon leaves them: sound, small, erased, cut short.
#include "daemon/ledger/verify.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <thread>

#include "tests/daemon/ledger/verified_ledger.hpp"
#include "tests/daemon/ledger/written_ledger.hpp"

namespace xased {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)
using xase::proto::kSegmentHeaderBytes;

TEST(Verify, ASoundLedgerOfManySegmentsAndRestartsPassesAndIsCounted) {
  const TempDir dir;
  std::vector<Written> written;
  std::string head;
  {
    LedgerWriter writer(dir.path(), 16U << 10);
    for (int i = 0; i < 40; ++i) written.push_back(writer.record(LedgerWriter::ring(kA)));
    writer.sync();
    (void)writer.rejected(LedgerWriter::ring(kB));
    (void)writer.refused(LedgerWriter::ring(kB), 7);
    for (int i = 0; i < 10; ++i) written.push_back(writer.record(LedgerWriter::ring(kB)));
    for (int i = 0; i < 30; ++i) writer.receipt(written[static_cast<std::size_t>(i)]);
    writer.dead_letter(written[30]);
    writer.dead_letter(written[31]);
    writer.dead_letter(written[31], /*retry=*/true);
    writer.receipt(written[31]);
    writer.stop();
  }
  {
    LedgerWriter writer(dir.path(), 16U << 10);
    EXPECT_TRUE(writer.recovery.was_clean);
    (void)writer.record(LedgerWriter::ring(kA));
    writer.stop();
    head = xase::proto::to_hex(writer.ledger().state().head);
  }
  const VerifyReport report = verify(dir.path());
  expect_sound(report);
  EXPECT_GE(report.counts.segments, 3U);
  EXPECT_EQ(report.counts.records, 51U);
  EXPECT_EQ(report.counts.rejected, 1U);
  EXPECT_EQ(report.counts.gaps, 1U);
  EXPECT_EQ(report.counts.missing, 7U);
  EXPECT_EQ(report.counts.receipts, 31U);
  EXPECT_EQ(report.counts.dead_letters, 1U);
  EXPECT_EQ(report.counts.undelivered, 19U);
  EXPECT_EQ(report.counts.producers, 2U);
  EXPECT_EQ(report.counts.erased, 0U);
  EXPECT_EQ(report.counts.entries, report.last_sequence);
  EXPECT_EQ(report.first_sequence, 1U);
  EXPECT_EQ(report.head, head);
  EXPECT_EQ(report.origin, "host.test/ledger");
  ASSERT_EQ(report.gaps.size(), 1U);
  EXPECT_EQ(report.gaps[0].reason, "queue_full");
  EXPECT_EQ(report.gaps[0].count, 7U);
  for (std::size_t i = 0; i <= static_cast<std::size_t>(VerifyProperty::kBeginning); ++i) {
    if (i == static_cast<std::size_t>(VerifyProperty::kSeals)) continue;  // this one has none
    EXPECT_EQ(report.properties[i].verdict, VerifyVerdict::kProven) << report.properties[i].text;
  }
}

TEST(Verify, NeverClaimsThatTheEndOrTheSignerIsKnown) {
  const TempDir dir;
  LedgerWriter(dir.path()).stop();
  const VerifyReport report = verify(dir.path());
  EXPECT_EQ(verdict(report, VerifyProperty::kEnd), VerifyVerdict::kNotEstablished);
  EXPECT_EQ(verdict(report, VerifyProperty::kSigner), VerifyVerdict::kNotEstablished);
  EXPECT_FALSE(report.property(VerifyProperty::kEnd).required);
}

TEST(Verify, WhatIsNoLedgerIsMalformedAndNothingIsNotEnough) {
  const TempDir dir;
  const auto none = verify_ledger(system_file_system(), dir.path());
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.status().code(), Code::kNotFound);
  std::filesystem::create_directory(dir.path() + "/journal");
  EXPECT_EQ(verify(dir.path()).exit_code(), 2);
  ByteBuffer noise(20000);
  SeededRandom(7).fill(noise);
  write_bytes(segment_path(dir.path(), 1), noise);
  EXPECT_EQ(verify(dir.path()).exit_code(), 3);
}

TEST(Verify, ASegmentThatHoldsNoEntryYetIsNotEnough) {
  const TempDir dir;
  { LedgerWriter(dir.path()).stop(); }
  ByteBuffer file = read_bytes(segment_path(dir.path(), 1));
  std::fill(file.begin() + kSegmentHeaderBytes, file.end(), std::byte{0});
  write_bytes(segment_path(dir.path(), 1), file);
  EXPECT_EQ(verify(dir.path()).exit_code(), 2);
}

TEST(Verify, ANewerVersionsSegmentIsUnsupported) {
  const TempDir dir;
  { LedgerWriter(dir.path()).stop(); }
  ByteBuffer file = read_bytes(segment_path(dir.path(), 1));
  xase::proto::store(file.data() + 8, std::uint32_t{2});
  xase::proto::store(file.data() + xase::proto::kSegmentHeaderCrcOffset,
                     xase::proto::crc32c(Bytes(file).first(xase::proto::kSegmentHeaderCrcOffset)));
  write_bytes(segment_path(dir.path(), 1), file);
  const auto report = verify_ledger(system_file_system(), dir.path());
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.status().code(), Code::kUnsupported);
}

// Retention removes segments from the front.
TEST(Verify, ALedgerThatRetentionCutPassesButItsBeginningIsNotEstablished) {
  const TempDir dir;
  {
    LedgerWriter writer(dir.path(), 16U << 10);
    std::vector<Written> written;
    for (int i = 0; i < 60; ++i) written.push_back(writer.record(LedgerWriter::ring(kA)));
    for (const Written& record : written) writer.receipt(record);
    writer.stop();
  }
  const auto firsts = segments_of(dir.path());
  ASSERT_GE(firsts.size(), 3U);
  remove_before(dir.path(), firsts[1], 16U << 10);
  const VerifyReport report = verify(dir.path());
  expect_sound(report);
  EXPECT_EQ(report.first_sequence, firsts[1]);
  EXPECT_NE(report.property(VerifyProperty::kBeginning).text.find("were removed by retention"),
            std::string::npos);
  EXPECT_EQ(verdict(report, VerifyProperty::kBeginning), VerifyVerdict::kNotEstablished);
  EXPECT_EQ(verdict(report, VerifyProperty::kLogId), VerifyVerdict::kNotEstablished);
  EXPECT_FALSE(report.property(VerifyProperty::kLogId).required);
  EXPECT_GT(report.counts.unmatched_receipts, 0U);
  EXPECT_GT(report.totals_before.records, 0U);
  // The last one alone, with nothing to compare its totals with.
  remove_before(dir.path(), segments_of(dir.path()).back(), 16U << 10);
  expect_sound(verify(dir.path()));
}

TEST(Verify, ABeginningThatNoEntryTellsOfIsRefuted) {
  const TempDir dir;
  {
    LedgerWriter writer(dir.path(), 16U << 10);
    for (int i = 0; i < 120; ++i) (void)writer.record(LedgerWriter::ring(kA));
    writer.stop();
  }
  const auto firsts = segments_of(dir.path());
  ASSERT_GE(firsts.size(), 4U);
  // What retention removed is told, and someone took one more.
  remove_before(dir.path(), firsts[1], 16U << 10);
  std::filesystem::remove(segment_path(dir.path(), firsts[1]));
  const VerifyReport report = verify(dir.path());
  EXPECT_EQ(report.exit_code(), 1);
  EXPECT_EQ(verdict(report, VerifyProperty::kBeginning), VerifyVerdict::kRefuted);
  EXPECT_NE(report.property(VerifyProperty::kBeginning).text.find("no ERASE entry tells"),
            std::string::npos);
}

TEST(Verify, ARemovalOfOtherEntriesThanAreGoneIsRefuted) {
  const TempDir dir;
  {
    LedgerWriter writer(dir.path(), 16U << 10);
    for (int i = 0; i < 60; ++i) (void)writer.record(LedgerWriter::ring(kA));
    writer.stop();
  }
  const auto firsts = segments_of(dir.path());
  xase::proto::EraseBody body;
  body.first_sequence = 1;
  body.last_sequence = firsts[1] - 1;
  body.last_leaf_hash.fill(std::byte{7});
  {
    LedgerWriter writer(dir.path(), 16U << 10);
    writer.body(EntryType::kErase, Subject{}, xase::proto::encode(body));
    writer.stop();
  }
  std::filesystem::remove(segment_path(dir.path(), 1));
  const VerifyReport report = verify(dir.path());
  EXPECT_EQ(verdict(report, VerifyProperty::kBeginning), VerifyVerdict::kRefuted);
}

TEST(Verify, AnEraseEntryThatCannotBeReadIsRefuted) {
  const TempDir dir;
  {
    LedgerWriter writer(dir.path());
    xase::proto::EraseBody body;
    body.first_sequence = 1;
    body.last_sequence = 999;  // what is yet to come
    writer.body(EntryType::kErase, Subject{}, xase::proto::encode(body));
    writer.stop();
  }
  EXPECT_EQ(verdict(verify(dir.path()), VerifyProperty::kCommitments), VerifyVerdict::kRefuted);
}

TEST(Verify, ErasedPayloadsAreNotEstablishedAndTheLedgerStillPasses) {
  const TempDir dir;
  std::vector<Written> written;
  {
    LedgerWriter writer(dir.path());
    for (int i = 0; i < 5; ++i) written.push_back(writer.record(LedgerWriter::ring(kA)));
    writer.receipt(written[0]);
    writer.stop();
  }
  TakenApart segment(dir.path(), 1);
  segment.entry(written[0].sequence).erase();
  segment.entry(written[3].sequence).erase();
  segment.put_together();
  const VerifyReport report = verify(dir.path());
  expect_sound(report);
  EXPECT_EQ(report.counts.erased, 2U);
  EXPECT_EQ(report.counts.records, 5U);
  EXPECT_NE(report.property(VerifyProperty::kCommitments).text.find("not established for 2"),
            std::string::npos);

  for (auto& piece : segment.pieces) {
    if (!piece.is_mark && piece.erasable_bytes() != 0) piece.erase();
  }
  segment.put_together();
  EXPECT_EQ(verify(dir.path()).exit_code(), 2) << "with every payload gone there is no saying";
}

TEST(Verify, AnEntryErasedWithItsCommitmentsIsRefuted) {
  const TempDir dir;
  Written record;
  {
    LedgerWriter writer(dir.path());
    record = writer.record(LedgerWriter::ring(kA));
    writer.stop();
  }
  TakenApart segment(dir.path(), 1);
  auto& piece = segment.entry(record.sequence);
  piece.erase();
  std::memset(piece.leaf() + 160, 0, 128);
  piece.reseal();
  segment.put_together();
  const VerifyReport report = verify(dir.path());
  EXPECT_EQ(report.property(VerifyProperty::kCommitments).first_bad_sequence, record.sequence);
  EXPECT_EQ(report.exit_code(), 1);
}

// A write that did not come to its end, whatever its length: what a kill or a power cut leaves,
// sector by sector.
TEST(Verify, AnUnfinishedTailRefutesNothing) {
  const TempDir dir;
  std::uint64_t before = 0;
  ByteBuffer whole;
  {
    LedgerWriter writer(dir.path());
    for (int i = 0; i < 5; ++i) (void)writer.record(LedgerWriter::ring(kA));
    writer.sync();
    before = writer.ledger().state().last_sequence;
    whole = read_bytes(segment_path(dir.path(), 1));
    (void)writer.record(LedgerWriter::ring(kA), 3000);
    (void)writer.record(LedgerWriter::ring(kA), 3000);
    writer.write();
  }
  const ByteBuffer after = read_bytes(segment_path(dir.path(), 1));
  TakenApart parts(dir.path(), 1);
  const std::size_t from = parts.entry(before + 1).position;
  const std::size_t middle = parts.entry(before + 2).position;
  const std::size_t end = parts.pieces.back().position + parts.pieces.back().bytes.size();
  std::size_t cuts = 0;
  for (std::size_t cut = xase::proto::align_up(from + 1, 512); cut < end; cut += 512) {
    ByteBuffer torn = whole;
    std::copy(after.begin(), after.begin() + static_cast<std::ptrdiff_t>(cut), torn.begin());
    write_bytes(segment_path(dir.path(), 1), torn);
    const VerifyReport report = verify(dir.path());
    expect_sound(report);
    const bool first_is_whole = cut >= middle;
    EXPECT_EQ(report.last_sequence, before + (first_is_whole ? 1 : 0)) << "cut at " << cut;
    EXPECT_GT(report.unfinished_bytes + (cut == middle ? 1 : 0), 0U) << "cut at " << cut;
    ++cuts;
  }
  EXPECT_GE(cuts, 10U);
  // The sector before the last one never reached the disk.
  ByteBuffer holed = after;
  const std::size_t hole = xase::proto::align_up(from + 600, 512);
  std::fill_n(holed.begin() + static_cast<std::ptrdiff_t>(hole), 512, std::byte{0});
  write_bytes(segment_path(dir.path(), 1), holed);
  expect_sound(verify(dir.path()));
}

// What a record holds is no frame, whatever it looks like.
TEST(Verify, AMarkInsideARecordCoversNothing) {
  const TempDir dir;
  std::uint64_t before = 0;
  {
    LedgerWriter writer(dir.path());
    (void)writer.record(LedgerWriter::ring(kA));
    writer.sync();
    before = writer.ledger().state().last_sequence;
    (void)writer.record(LedgerWriter::ring(kA), 3000);
    std::string policy;
    for (int shift = 0; shift < 8; ++shift) {
      std::array<std::byte, xase::proto::kCommitMarkBytes> mark{};
      xase::proto::encode_commit_mark(before + 1, 1U << 20, mark.data());
      policy.append(xase::proto::as_text(mark)).push_back(' ');
    }
    xase::proto::RecordFields fields;
    fields.span(xase::proto::Span::kInput) = "{}";
    fields.span(xase::proto::Span::kOutput) = "{}";
    fields.span(xase::proto::Span::kPolicy) = policy;
    ByteBuffer record(xase::proto::encoded_bytes(fields));
    xase::proto::encode_record(fields, record.data());
    (void)writer.record(LedgerWriter::ring(kA), record);
    writer.write();
  }
  ByteBuffer holed = read_bytes(segment_path(dir.path(), 1));
  const std::size_t from = TakenApart(dir.path(), 1).entry(before + 1).position;
  const auto hole = static_cast<std::ptrdiff_t>(xase::proto::align_up(from + 600, 512));
  std::fill_n(holed.begin() + hole, 512, std::byte{0});
  write_bytes(segment_path(dir.path(), 1), holed);
  const VerifyReport report = verify(dir.path());
  expect_sound(report);
  EXPECT_GT(report.unfinished_bytes, 0U);
}

TEST(Verify, ALedgerThatIsBeingWrittenIsNeverRefuted) {
  const TempDir dir;
  LedgerWriter writer(dir.path(), 256U << 10);
  std::atomic<bool> done{false};
  std::thread verifier([&] {
    int rounds = 0;
    std::uint64_t last = 0;
    while (!done.load() || rounds < 3) {
      const auto report = verify_ledger(system_file_system(), dir.path());
      ASSERT_TRUE(report.ok()) << report.status().message();
      ASSERT_EQ(report->exit_code(), 0) << describe(*report);
      ASSERT_GE(report->last_sequence, last);
      last = report->last_sequence;
      ++rounds;
    }
  });
  std::vector<Written> written;
  for (int i = 0; i < 4000; ++i) {
    written.push_back(writer.record(LedgerWriter::ring(kA), static_cast<std::size_t>(i % 900)));
    if (i % 3 == 0) writer.write();
    if (i % 50 == 0) writer.sync();
    if (i % 2 == 0) writer.receipt(written[static_cast<std::size_t>(i / 2)]);
  }
  writer.stop();
  done.store(true);
  verifier.join();
  expect_sound(verify(dir.path()));
}

TEST(Verify, DamageThatTheDaemonOwnedUpToIsStillMissing) {
  const TempDir dir;
  Written lost;
  {
    LedgerWriter writer(dir.path());
    (void)writer.record(LedgerWriter::ring(kA));
    lost = writer.record(LedgerWriter::ring(kA));
    (void)writer.record(LedgerWriter::ring(kA));
    writer.stop();
  }
  ByteBuffer file = read_bytes(segment_path(dir.path(), 1));
  file[TakenApart(dir.path(), 1).entry(lost.sequence).position + 400] ^= std::byte{4};
  write_bytes(segment_path(dir.path(), 1), file);
  {
    LedgerWriter writer(dir.path());
    ASSERT_EQ(writer.recovery.damage.size(), 1U);
    writer.stop();
  }
  const VerifyReport report = verify(dir.path());
  EXPECT_EQ(report.exit_code(), 1);
  EXPECT_EQ(report.property(VerifyProperty::kComplete).first_bad_sequence, lost.sequence);
  ASSERT_EQ(report.gaps.size(), 1U);
  EXPECT_EQ(report.gaps[0].reason, "journal_damaged");
  EXPECT_EQ(report.gaps[0].after_sequence, lost.sequence - 1);
}

TEST(Verify, TellsItsProgressToTheEnd) {
  const TempDir dir;
  {
    LedgerWriter writer(dir.path(), 8U << 20);
    for (int i = 0; i < 40; ++i) (void)writer.record(LedgerWriter::ring(kA), 400'000);
    writer.stop();
  }
  std::uint64_t last = 0;
  std::uint64_t total_seen = 0;
  int calls = 0;
  VerifyOptions options;
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_GE(done, last);
    EXPECT_LE(done, total);
    last = done;
    total_seen = total;
    ++calls;
  };
  const auto report = verify_ledger(system_file_system(), dir.path(), options);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(last, total_seen);
  EXPECT_EQ(total_seen, report->counts.bytes);
  EXPECT_GE(calls, 4);
}

}  // namespace
}  // namespace xased
