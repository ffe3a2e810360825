// What a start makes of the entries that it finds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "tests/daemon/ledger/recovery_rig.hpp"

namespace xased {
namespace {

using test::expect_sound_chain;
using test::LedgerRig;
using test::numbers;
using xase::proto::EntryType;
using xase::proto::kSegmentHeaderBytes;

TEST_F(RecoveryTest, FindsNothingInAnEmptyDirectory) {
  LedgerRig rig;
  const auto recovered = recover_ledger(rig.fs, LedgerRig::kState);
  ASSERT_TRUE(recovered.ok());
  EXPECT_TRUE(recovered->is_new);
}

TEST_F(RecoveryTest, FindsACleanEnd) {
  rig_.add_durably(1, 10);
  stop_cleanly();
  const Recovery recovery = recover();
  EXPECT_TRUE(recovery.was_clean);
  EXPECT_EQ(recovery.chain.last_sequence, 12U);
  EXPECT_EQ(recovery.chain.totals.records, 10U);
  EXPECT_EQ(recovery.torn_bytes, 0U);
  EXPECT_TRUE(recovery.damage.empty());
  EXPECT_TRUE(recovery.set_aside.empty());
}

TEST_F(RecoveryTest, TellsAnUncleanEnd) {
  rig_.add_durably(1, 3);
  EXPECT_FALSE(recover().was_clean);
}

TEST_F(RecoveryTest, GoesOnWhereTheChainStood) {
  rig_.add_durably(1, 10);
  rig_.kill_and_start();
  EXPECT_EQ(rig_.recovery.chain.last_sequence, 11U);
  rig_.add_durably(11, 20);
  EXPECT_EQ(rig_.record_numbers(), numbers(1, 20));
  const auto read = rig_.read();
  EXPECT_TRUE(read.damage.empty());
  expect_sound_chain(read.entries);
}

TEST_F(RecoveryTest, StartsAfterADeathBeforeTheFirstEntryWasWritten) {
  for (std::uint64_t nth = 1; nth <= 12; ++nth) {
    for (const bool power_fails : {false, true}) {
      LedgerRig rig;
      rig.fs.die_at(nth);
      (void)rig.start();
      power_fails ? rig.crash() : rig.fs.restart();
      rig.must_start();
      rig.add_durably(1, 3);
      EXPECT_EQ(rig.record_numbers(), numbers(1, 3)) << nth;
      expect_sound_chain(rig.read().entries);
    }
  }
}

TEST_F(RecoveryTest, StartsAfterALossOfPowerBeforeTheFirstSync) {
  rig_.crash();
  rig_.must_start();
  EXPECT_TRUE(rig_.recovery.is_new);
  rig_.add_durably(1, 3);
  EXPECT_EQ(rig_.record_numbers(), numbers(1, 3));
}

TEST_F(RecoveryTest, CutsATornTailAtEveryByteAndSavesWhatItCuts) {
  rig_.add_durably(1, 4);
  rig_.settle(false);
  // Three more, journaled and not durable: no mark follows.
  for (std::uint64_t n = 5; n <= 7; ++n) ASSERT_NE(rig_.add(n, n), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  const auto all = rig_.read();
  const std::string path = last_segment();
  const auto frames = rig_.frames(path);
  const std::vector<std::byte> whole = rig_.fs.bytes(path);
  const auto third_last = entry_from_end(path, 3);
  const auto last = entry_from_end(path, 1);
  rig_.stop();
  for (std::uint64_t cut = third_last.offset; cut <= last.offset + last.bytes; ++cut) {
    std::vector<std::byte> torn = whole;
    std::fill(torn.begin() + static_cast<std::ptrdiff_t>(cut), torn.end(), std::byte{0});
    rig_.fs.put(path, torn);
    std::uint64_t end = 0;
    std::uint64_t sequence = 0;
    for (const auto& frame : frames) {
      // A cut through zeros at a frame's end cuts nothing.
      if (!std::equal(torn.begin() + static_cast<std::ptrdiff_t>(frame.offset),
                      torn.begin() + static_cast<std::ptrdiff_t>(frame.offset + frame.bytes),
                      whole.begin() + static_cast<std::ptrdiff_t>(frame.offset))) {
        break;
      }
      end = frame.offset + frame.bytes;
      if (!frame.is_mark) sequence = frame.sequence;
    }
    const Recovery recovery = recover();
    ASSERT_EQ(recovery.chain.last_sequence, sequence) << cut;
    ASSERT_EQ(recovery.tail.position, end) << cut;
    ASSERT_TRUE(recovery.damage.empty()) << cut;
    std::vector<std::byte> cut_bytes(torn.begin() + static_cast<std::ptrdiff_t>(end), torn.end());
    while (!cut_bytes.empty() && cut_bytes.back() == std::byte{0}) cut_bytes.pop_back();
    ASSERT_EQ(recovery.torn_bytes, cut_bytes.size()) << cut;
    if (!cut_bytes.empty()) {
      ASSERT_EQ(rig_.fs.bytes(recovery.torn_saved_as), cut_bytes) << cut;
    }
    const auto left = rig_.fs.bytes(path);
    ASSERT_TRUE(std::all_of(left.begin() + static_cast<std::ptrdiff_t>(end), left.end(),
                            [](std::byte b) { return b == std::byte{0}; }))
        << cut;
    const auto read = test::read_journal(rig_.fs, LedgerRig::kJournal, 1, sequence);
    ASSERT_EQ(read.entries.size(), sequence);
    ASSERT_TRUE(std::equal(read.entries.begin(), read.entries.end(), all.entries.begin()));
  }
}

TEST_F(RecoveryTest, CutsWholeEntriesBehindAHoleBehindTheLastMark) {
  rig_.add_durably(1, 4);
  for (std::uint64_t n = 5; n <= 7; ++n) ASSERT_NE(rig_.add(n), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  const std::string path = last_segment();
  const auto hole = entry_from_end(path, 2);
  auto bytes = rig_.fs.bytes(path);
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(hole.offset), hole.bytes, std::byte{0});
  rig_.fs.put(path, bytes);
  rig_.kill_and_start();
  EXPECT_EQ(rig_.recovery.chain.last_sequence, hole.sequence - 1);
  EXPECT_GT(rig_.recovery.torn_bytes, 0U);
  EXPECT_TRUE(rig_.recovery.damage.empty());
  rig_.add_durably(6, 9);
  EXPECT_EQ(rig_.record_numbers(), numbers(1, 9));
  EXPECT_TRUE(rig_.read().damage.empty());
}

TEST_F(RecoveryTest, TellsTheLedgerOfWhatItCut) {
  rig_.add_durably(1, 4);
  ASSERT_NE(rig_.add(5), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  rig_.fs.damage(last_segment(), entry_from_end(last_segment(), 1).offset + 100);
  rig_.kill_and_start();
  const auto entries = rig_.read().entries;
  ASSERT_EQ(entries.back().leaf.type, EntryType::kRecovered);
  const std::string body(xase::proto::as_text(entries.back().body()));
  EXPECT_NE(body.find("\"torn_saved_as\":\"state/quarantine/torn-"), std::string::npos) << body;
}

TEST_F(RecoveryTest, KeepsWhatIsSoundAroundDamageBeforeTheLastMarkAndNamesIt) {
  rig_.add_durably(1, 10);
  const std::string path = last_segment();
  const auto bad = entry_from_end(path, 4);  // record 7
  rig_.fs.damage(path, bad.offset + 200);
  const auto bytes = rig_.fs.bytes(path);
  rig_.kill_and_start();
  ASSERT_EQ(rig_.recovery.damage.size(), 1U);
  const JournalDamage& damage = rig_.recovery.damage[0];
  EXPECT_EQ(damage.first, bad.sequence);
  EXPECT_EQ(damage.last, bad.sequence);
  EXPECT_EQ(damage.segment, path.substr(path.rfind('/') + 1));
  EXPECT_EQ(damage.position, bad.offset);
  EXPECT_EQ(rig_.recovery.torn_bytes, 0U);
  auto expected = numbers(1, 10);
  expected.erase(expected.begin() + 6);
  EXPECT_EQ(rig_.record_numbers(), expected);
  // Nothing of it was touched.
  const auto after = rig_.fs.bytes(path);
  EXPECT_TRUE(std::equal(bytes.begin() + static_cast<std::ptrdiff_t>(bad.offset),
                         bytes.begin() + static_cast<std::ptrdiff_t>(bad.offset + bad.bytes),
                         after.begin() + static_cast<std::ptrdiff_t>(bad.offset)));
  // The ledger says so itself.
  const auto read = rig_.read();
  ASSERT_EQ(read.damage.size(), 1U);
  EXPECT_EQ(read.damage[0].first, bad.sequence);
  EXPECT_EQ(read.damage[0].last, bad.sequence);
  ASSERT_EQ(read.entries.back().leaf.type, EntryType::kGap);
  const auto gap = xase::proto::decode_gap_body(read.entries.back().body());
  EXPECT_EQ(gap->reason, xase::proto::GapReason::kJournalDamaged);
  EXPECT_EQ(gap->count, 1U);
  EXPECT_EQ(gap->after_sequence, bad.sequence - 1);
  EXPECT_EQ(gap->before_sequence, bad.sequence + 1);
}

TEST_F(RecoveryTest, NamesAHoleOfSeveralEntriesBeforeTheLastMark) {
  rig_.add_durably(1, 10);
  const std::string path = last_segment();
  const auto first = entry_from_end(path, 5);
  const auto last = entry_from_end(path, 3);
  auto bytes = rig_.fs.bytes(path);
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(first.offset),
            bytes.begin() + static_cast<std::ptrdiff_t>(last.offset + last.bytes), std::byte{0});
  rig_.fs.put(path, bytes);
  rig_.kill_and_start();
  ASSERT_EQ(rig_.recovery.damage.size(), 1U);
  EXPECT_EQ(rig_.recovery.damage[0].first, first.sequence);
  EXPECT_EQ(rig_.recovery.damage[0].last, last.sequence);
}

TEST_F(RecoveryTest, NamesTheLastEntryWhereAMarkSaysThatItWasSynced) {
  rig_.add_durably(1, 10);
  const std::string path = last_segment();
  const auto bad = entry_from_end(path, 1);
  rig_.fs.damage(path, bad.offset + 200);
  rig_.kill_and_start();
  ASSERT_EQ(rig_.recovery.damage.size(), 1U);
  EXPECT_EQ(rig_.recovery.damage[0].first, bad.sequence);
  EXPECT_EQ(rig_.recovery.damage[0].last, bad.sequence);
  // Its sequence is not used again, and nothing is written over it.
  rig_.add_durably(11, 12);
  const auto read = rig_.read();
  ASSERT_EQ(read.damage.size(), 1U);
  EXPECT_EQ(read.damage[0].first, bad.sequence);
  EXPECT_EQ(read.damage[0].last, bad.sequence);
  for (const auto& entry : read.entries) EXPECT_NE(entry.leaf.sequence, bad.sequence);
  rig_.kill_and_start();
  EXPECT_TRUE(rig_.recovery.damage.empty()) << "told again";
  EXPECT_EQ(rig_.recovery.all_damage.size(), 1U);
  EXPECT_EQ(rig_.recovery.torn_bytes, 0U);
}

TEST_F(RecoveryTest, TellsOfDamageOnceAndOfWhatHasGrownAsFarAsItHas) {
  rig_.add_durably(1, 10);
  const std::string path = last_segment();
  const auto frames = rig_.frames(path);
  const auto damage = [&](std::uint64_t sequence) {
    for (const auto& frame : frames) {
      if (!frame.is_mark && frame.sequence == sequence) {
        rig_.fs.damage(path, frame.offset + 200);
      }
    }
  };
  using Ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
  const auto restarted = [&] {
    rig_.kill_and_start();
    rig_.run_sync();
    Ranges ranges;
    for (const auto& part : rig_.recovery.damage) ranges.emplace_back(part.first, part.last);
    return ranges;
  };
  damage(5);
  EXPECT_EQ(restarted(), (Ranges{{5, 5}}));
  EXPECT_EQ(restarted(), Ranges{});
  damage(4);
  damage(6);
  damage(7);
  damage(9);
  EXPECT_EQ(restarted(), (Ranges{{4, 4}, {6, 7}, {9, 9}}));
  EXPECT_EQ(restarted(), Ranges{});
  Ranges all;
  for (const auto& part : rig_.recovery.all_damage) all.emplace_back(part.first, part.last);
  EXPECT_EQ(all, (Ranges{{4, 7}, {9, 9}}));
  std::uint64_t gaps = 0;
  for (const auto& entry : rig_.read().entries) {
    if (entry.leaf.type == EntryType::kGap) ++gaps;
  }
  EXPECT_EQ(gaps, 4U);
  rig_.add_durably(11, 12);
  EXPECT_EQ(rig_.ledger->state().totals.missing, 5U);
}

TEST_F(RecoveryTest, BelievesNoGapThatTellsOfWhatCannotBe) {
  rig_.add_durably(1, 10);
  for (const auto& [after, before] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
           {UINT64_MAX, 5}, {3, UINT64_MAX}, {0, 0}, {8, 3}, {UINT64_MAX, UINT64_MAX}}) {
    xase::proto::GapBody gap;
    gap.after_sequence = after;
    gap.before_sequence = before;
    gap.reason = xase::proto::GapReason::kJournalDamaged;
    ASSERT_NE(rig_.ledger->append_body(EntryType::kGap, Subject{}, xase::proto::encode(gap)), 0U);
  }
  rig_.add_durably(11, 12);
  const std::string path = last_segment();
  for (const auto& frame : rig_.frames(path)) {
    if (!frame.is_mark && frame.sequence == 5) rig_.fs.damage(path, frame.offset + 200);
  }
  rig_.kill_and_start();
  ASSERT_EQ(rig_.recovery.damage.size(), 1U);
  EXPECT_EQ(rig_.recovery.damage[0].first, 5U);
  EXPECT_EQ(rig_.recovery.damage[0].last, 5U);
}

TEST_F(RecoveryTest, CutsATornTailBehindDamage) {
  rig_.add_durably(1, 10);
  const std::string path = last_segment();
  const auto bad = entry_from_end(path, 1);
  ASSERT_NE(rig_.add(11), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  const auto torn = entry_from_end(path, 1);
  rig_.fs.damage(path, torn.offset + 200);
  rig_.fs.damage(path, bad.offset + 200);
  rig_.kill_and_start();
  ASSERT_EQ(rig_.recovery.damage.size(), 1U);
  EXPECT_EQ(rig_.recovery.damage[0].last, bad.sequence);
  // Without the zeros that a frame is filled up with.
  EXPECT_LE(rig_.recovery.torn_bytes, torn.bytes);
  EXPECT_GT(rig_.recovery.torn_bytes, torn.bytes - xase::proto::kFrameAlignment);
}

TEST_F(RecoveryTest, RemembersWhatWasSyncedWhereItCutsTheMarkThatSaidSo) {
  rig_.add_durably(1, 4);
  const std::string path = last_segment();
  for (std::uint64_t n = 5; n <= 6; ++n) ASSERT_NE(rig_.add(n), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  rig_.run_sync();
  // Their mark comes behind an entry that is not synced.
  const auto bad = entry_from_end(path, 2);
  const auto last = entry_from_end(path, 1);
  ASSERT_NE(rig_.add(7), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  rig_.settle();
  ASSERT_TRUE(rig_.frames(path).back().is_mark);
  ASSERT_EQ(rig_.frames(path).back().sequence, last.sequence);
  const auto torn = entry_from_end(path, 1);
  rig_.fs.damage(path, bad.offset + 200);
  rig_.fs.damage(path, torn.offset + 200);
  const auto tampered = rig_.fs.bytes(path);
  rig_.stop();
  // Also where power fails while it is being cut.
  for (std::uint64_t dies_at = 0; dies_at < 20; ++dies_at) {
    rig_.fs.put(path, tampered);
    rig_.fs.die_at(dies_at);
    const bool survived = recover_ledger(rig_.fs, LedgerRig::kState).ok();
    ASSERT_EQ(survived, !rig_.fs.is_dead());
    rig_.fs.crash(dies_at);
    const Recovery again = recover();
    ASSERT_EQ(again.chain.last_sequence, last.sequence) << dies_at;
    ASSERT_EQ(again.damage.size(), 1U) << dies_at;
    EXPECT_EQ(again.damage[0].first, bad.sequence);
    EXPECT_EQ(again.damage[0].last, bad.sequence);
  }
}

TEST_F(RecoveryTest, NamesEveryDamagedPlace) {
  rig_.add_durably(1, 20);
  const std::string path = last_segment();
  const auto a = entry_from_end(path, 15);
  const auto b = entry_from_end(path, 9);
  const auto c = entry_from_end(path, 8);
  const auto d = entry_from_end(path, 2);
  for (const auto& place : {a, b, c, d}) rig_.fs.damage(path, place.offset + 60);
  rig_.kill_and_start();
  ASSERT_EQ(rig_.recovery.damage.size(), 3U);
  EXPECT_EQ(rig_.recovery.damage[0].first, a.sequence);
  EXPECT_EQ(rig_.recovery.damage[0].last, a.sequence);
  EXPECT_EQ(rig_.recovery.damage[1].first, b.sequence);
  EXPECT_EQ(rig_.recovery.damage[1].last, c.sequence);
  EXPECT_EQ(rig_.recovery.damage[2].first, d.sequence);
}

TEST_F(RecoveryTest, SurvivesDamageToAnyOneByteOfTheLastSegment) {
  rig_.add_durably(1, 5);
  rig_.stop();
  const std::string path = last_segment();
  const auto whole = rig_.fs.bytes(path);
  const auto all = test::read_journal(rig_.fs, LedgerRig::kJournal, 1, 6).entries;
  const auto frames = rig_.frames(path);
  const std::uint64_t end = frames.back().offset + frames.back().bytes;
  for (std::uint64_t at = 0; at < end; ++at) {
    if (at == 256) at = kSegmentHeaderBytes;
    rig_.fs.put(path, whole);
    rig_.fs.damage(path, at, std::byte{0x10});
    auto recovered = recover_ledger(rig_.fs, LedgerRig::kState);
    if (!recovered.ok()) {
      FAIL() << "byte " << at << ": " << recovered.status().message();
    }
    if (recovered->is_new) {
      FAIL() << "byte " << at << " cost the whole ledger";
    }
    // Every entry is there or named.
    const auto read = test::read_journal(rig_.fs, LedgerRig::kJournal, 1, 6);
    std::uint64_t missing = 0;
    for (const auto& damage : recovered->damage) missing += damage.last + 1 - damage.first;
    ASSERT_EQ(recovered->chain.last_sequence, 6U) << "byte " << at;
    ASSERT_EQ(read.entries.size() + missing, 6U) << "byte " << at;
    for (const auto& entry : read.entries) {
      ASSERT_TRUE(entry == all[entry.leaf.sequence - 1]) << "byte " << at;
    }
  }
}

TEST_F(RecoveryTest, DoesNotTakeWhatARecordHoldsForEntries) {
  // An app that knows the format fills a record with a whole frame of this ledger, of a sequence to
  // come, and then the disk damages that record.
  rig_.add_durably(1, 3);
  Chain forger(rig_.ledger->state(), rig_.clock, rig_.random);
  std::vector<std::byte> fake;
  for (int i = 0; i < 3; ++i) {
    forger.append_body(EntryType::kStop, Subject{}, xase::proto::as_bytes("forged"), fake);
  }
  forger.seal(fake);
  for (std::size_t shift = 0; shift < 8; ++shift) {
    LedgerRig rig;
    rig.must_start();
    rig.add_durably(1, 3);
    test::RecordMaker maker;
    maker.input = std::string(shift, ' ') +
                  std::string(reinterpret_cast<const char*>(fake.data()), fake.size());
    Subject subject;
    subject.ring_id = rig.ring;
    subject.ring_sequence = 4;
    ASSERT_NE(rig.ledger->append_record(subject, maker.encode()), 0U);
    rig.add_durably(5, 8);
    const std::string path = rig.segments().back();
    for (const auto& frame : rig.frames(path)) {
      if (frame.sequence == 5 && !frame.is_mark) rig.fs.damage(path, frame.offset + 50);
    }
    rig.kill_and_start();
    ASSERT_EQ(rig.recovery.damage.size(), 1U) << shift;
    EXPECT_EQ(rig.recovery.damage[0].first, 5U);
    EXPECT_EQ(rig.recovery.damage[0].last, 5U);
  }
}

TEST_F(RecoveryTest, DoesNotHangOnAnEntryOfAnotherLedgerInASegment) {
  LedgerRig other;
  other.random = test::SeededRandom(99);
  other.must_start();
  other.add_durably(1, 10);
  rig_.add_durably(1, 10);
  const std::string path = last_segment();
  const auto here = rig_.frames(path)[4];
  const auto foreign = other.fs.bytes(other.segments()[0]);
  auto bytes = rig_.fs.bytes(path);
  ASSERT_EQ(other.frames(other.segments()[0])[4].offset, here.offset);
  std::copy_n(foreign.begin() + static_cast<std::ptrdiff_t>(here.offset), here.bytes,
              bytes.begin() + static_cast<std::ptrdiff_t>(here.offset));
  rig_.fs.put(path, bytes);
  rig_.kill_and_start();
  ASSERT_EQ(rig_.recovery.damage.size(), 1U);
  EXPECT_EQ(rig_.recovery.damage[0].first, here.sequence);
  EXPECT_EQ(rig_.recovery.damage[0].last, here.sequence);
}

TEST_F(RecoveryTest, TellsWhereAnEntryDoesNotFollow) {
  // The same ledger with another history: entries are sound each, and are not one chain.
  rig_.add_durably(11, 20);
  rig_.stop();
  const auto fork = rig_.fs.bytes(last_segment());
  LedgerRig other;
  other.must_start();
  // The same log id, by the same nonce; other records, as long as those.
  other.add_durably(21, 30);
  other.stop();
  const std::string path = other.segments()[0];
  const auto frames = other.frames(path);
  auto bytes = other.fs.bytes(path);
  const auto cut = static_cast<std::ptrdiff_t>(frames[6].offset);
  std::copy(fork.begin() + cut, fork.end(), bytes.begin() + cut);
  other.fs.put(path, bytes);
  other.must_start();
  ASSERT_EQ(other.recovery.damage.size(), 1U);
  EXPECT_NE(other.recovery.damage[0].what.find("does not follow"), std::string::npos);
  EXPECT_EQ(other.recovery.damage[0].first, frames[6].sequence);
  EXPECT_EQ(other.recovery.damage[0].last + 1, frames[6].sequence);
}

TEST_F(RecoveryTest, StartsOnAFullDiskWithATornTail) {
  rig_.add_durably(1, 4);
  ASSERT_NE(rig_.add(5), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  const auto torn = entry_from_end(last_segment(), 1);
  rig_.fs.damage(last_segment(), torn.offset + 100);
  rig_.stop();
  rig_.fs.restart();
  rig_.fs.set_space(0);
  rig_.must_start();
  // Without the zeros that a frame is filled up with.
  EXPECT_LE(rig_.recovery.torn_bytes, torn.bytes);
  EXPECT_GT(rig_.recovery.torn_bytes, torn.bytes - xase::proto::kFrameAlignment);
  EXPECT_EQ(rig_.recovery.torn_saved_as, "");
  rig_.fs.heal();
  rig_.add_durably(5, 8);
  EXPECT_EQ(rig_.record_numbers(), numbers(1, 8));
  EXPECT_TRUE(rig_.read().damage.empty());
  rig_.kill_and_start();
  EXPECT_TRUE(rig_.recovery.damage.empty());
  EXPECT_EQ(rig_.record_numbers(), numbers(1, 8));
}

TEST_F(RecoveryTest, KnowsHowFarEachRingWasTaken) {
  rig_.add_durably(1, 7);
  xase::proto::GapBody gap;
  gap.count = 3;
  gap.refused_accounted = 3;
  gap.reason = xase::proto::GapReason::kQueueFull;
  Subject subject;
  subject.ring_id = rig_.ring;
  subject.ring_sequence = 7;
  ASSERT_NE(rig_.ledger->append_body(EntryType::kGap, subject, xase::proto::encode(gap)), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  const Recovery recovery = recover();
  ASSERT_EQ(recovery.rings.size(), 1U);
  const RingHistory& ring = recovery.rings.at(rig_.ring);
  EXPECT_EQ(ring.last_ring_sequence, 7U);
  EXPECT_EQ(ring.last_record_sequence, 8U);
  EXPECT_EQ(ring.refused_accounted, 3U);
  EXPECT_EQ(recovery.chain.totals.missing, 3U);
}

TEST_F(RecoveryTest, CountsTheSameTotalsAsTheChainDid) {
  rig_.ledger->on_new_segment([] { return true; });
  for (std::uint64_t n = 1; n <= 30; ++n) {
    rig_.add_durably(n, n, 700);
    xase::proto::ReceiptBody receipt;
    receipt.record_sequence = n;
    ASSERT_NE(
        rig_.ledger->append_body(EntryType::kReceipt, Subject{}, xase::proto::encode(receipt)), 0U);
  }
  ASSERT_TRUE(rig_.ledger->flush().ok());
  const auto totals = rig_.ledger->state().totals;
  const Recovery recovery = recover();
  EXPECT_EQ(std::memcmp(&recovery.chain.totals, &totals, sizeof totals), 0);
  EXPECT_EQ(totals.receipts, 30U);
}

}  // namespace
}  // namespace xased
