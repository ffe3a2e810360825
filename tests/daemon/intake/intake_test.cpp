// Intake as it should go: records in order, exactly once, and producers told how far.
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/daemon/intake/intake_rig.hpp"

namespace xased {
namespace {

using test::FsCall;
using test::IntakeRig;
using test::numbered_record;
using test::numbers;
using test::RingProducer;
using xase::proto::EntryType;
using xase::proto::ErrorCode;

class IntakeTest : public testing::Test {
 protected:
  IntakeRig rig_;
};

TEST_F(IntakeTest, TakesRecordsInOrderWithWhatTheirLeavesMustSay) {
  RingProducer producer(rig_.run.path(), 7);
  for (std::uint64_t n = 1; n <= 20; ++n) ASSERT_TRUE(producer.record(numbered_record(n)));
  rig_.run_intake();
  const auto records = rig_.entries(EntryType::kRecord);
  ASSERT_EQ(records.size(), 20U);
  for (std::uint64_t n = 1; n <= 20; ++n) {
    const auto& leaf = records[n - 1].leaf;
    EXPECT_EQ(leaf.ring_id, producer.id());
    EXPECT_EQ(leaf.ring_sequence, n);
    EXPECT_EQ(leaf.stamp_ns, 1'650'000'000'000'000'000);
    EXPECT_EQ(leaf.uid, ::getuid());
    EXPECT_EQ(leaf.pid, 4242U);
    const auto erasable = xase::proto::decode_erasable(records[n - 1].erasable_bytes);
    const auto fields = xase::proto::decode_record_parts(*erasable);
    ASSERT_TRUE(fields.has_value());
    const auto made = numbered_record(n);
    EXPECT_EQ(fields->span(xase::proto::Span::kInput),
              xase::proto::decode_record(made)->span(xase::proto::Span::kInput));
  }
  test::expect_sound_chain(rig_.read().entries);
}

TEST_F(IntakeTest, IntroducesAProducerBeforeItsFirstRecord) {
  RingProducer::Options options;
  options.context = R"({"runtime":"python","pid":9})";
  RingProducer producer(rig_.run.path(), options);
  ASSERT_TRUE(producer.record(numbered_record(1)));
  rig_.run_intake();
  const auto all = rig_.read().entries;
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[1].leaf.type, EntryType::kProducer);
  EXPECT_EQ(all[1].leaf.ring_id, producer.id());
  EXPECT_EQ(all[2].leaf.type, EntryType::kRecord);
  const auto body = xase::proto::decode_producer_body(all[1].body());
  EXPECT_EQ(body->context, options.context);
  EXPECT_EQ(body->next_ring_sequence, 1U);
  EXPECT_EQ(body->created_wall_ns, 1'600'000'000'000'000'000);
}

TEST_F(IntakeTest, WritesAContextThatIsNoJsonObjectAsAnEmptyOne) {
  RingProducer::Options options;
  options.context = R"(["not","an","object"])";
  RingProducer producer(rig_.run.path(), options);
  ASSERT_TRUE(producer.record(numbered_record(1)));
  rig_.run_intake();
  const auto producers = rig_.entries(EntryType::kProducer);
  ASSERT_EQ(producers.size(), 1U);
  EXPECT_EQ(xase::proto::decode_producer_body(producers[0].body())->context, "{}");
}

TEST_F(IntakeTest, StartsEverySegmentWithItsProducers) {
  IntakeRig rig(64 * 1024);
  RingProducer a(rig.run.path(), 1);
  RingProducer b(rig.run.path(), 2);
  for (std::uint64_t n = 1; n <= 200; ++n) {
    ASSERT_TRUE(a.record(numbered_record(n, 1000)));
    if (n % 10 == 0) {
      ASSERT_TRUE(b.record(numbered_record(n, 100)));
    }
    if (n % 7 == 0) rig.run_intake(2);
  }
  rig.run_intake();
  ASSERT_GT(rig.segments().size(), 3U);
  EXPECT_EQ(rig.records_of(a), numbers(1, 200));
  EXPECT_EQ(rig.records_of(b), numbers(1, 20));
  const auto all = rig.read(rig.journaled()).entries;
  for (const std::string& path : rig.segments()) {
    const std::uint64_t first = *parse_segment_name(path.substr(path.rfind('/') + 1));
    std::set<xase::proto::Id> introduced;
    for (const auto& frame : rig.frames(path)) {
      if (frame.is_mark) continue;
      const auto& leaf = all[frame.sequence - 1].leaf;
      if (leaf.type == EntryType::kProducer) introduced.insert(leaf.ring_id);
      if (leaf.type == EntryType::kRecord) {
        EXPECT_TRUE(introduced.contains(leaf.ring_id))
            << "entry " << frame.sequence << " of segment " << first;
      }
    }
    if (first != 1) {
      EXPECT_EQ(introduced.size(), 2U) << first;
    }
  }
}

TEST_F(IntakeTest, IntroducesAProducerInTheSegmentOfItsFirstRecord) {
  // A ring's first record finds the segment just full: the PRODUCER fits the old one, the record
  // does not.
  for (std::size_t bytes = 300; bytes < 1400; bytes += 48) {
    IntakeRig rig(16384);
    RingProducer filler(rig.run.path(), 1);
    RingProducer late(rig.run.path(), 2);
    std::uint64_t n = 0;
    ASSERT_TRUE(filler.record(numbered_record(++n)));
    rig.run_intake(2);
    // Fill up to less than a record.
    for (;;) {
      const auto frames = rig.frames(rig.segments().back());
      const std::uint64_t end = frames.back().offset + frames.back().bytes;
      if (end + 2600 > 16384 || rig.segments().size() > 1) break;
      ASSERT_TRUE(filler.record(numbered_record(++n, 600)));
      rig.run_intake(1);
    }
    ASSERT_TRUE(late.record(numbered_record(1, bytes)));
    rig.run_intake(4);
    const auto all = rig.read(rig.journaled()).entries;
    for (const std::string& path : rig.segments()) {
      std::set<xase::proto::Id> introduced;
      for (const auto& frame : rig.frames(path)) {
        if (frame.is_mark) continue;
        const auto& leaf = all[frame.sequence - 1].leaf;
        if (leaf.type == EntryType::kProducer) introduced.insert(leaf.ring_id);
        if (leaf.type == EntryType::kRecord) {
          ASSERT_TRUE(introduced.contains(leaf.ring_id)) << bytes;
        }
      }
    }
    ASSERT_EQ(rig.records_of(late), numbers(1, 1));
  }
}

TEST_F(IntakeTest, TellsProducersHowFarTheirRecordsAre) {
  RingProducer producer(rig_.run.path(), 1);
  for (std::uint64_t n = 1; n <= 5; ++n) ASSERT_TRUE(producer.record(numbered_record(n)));
  (void)rig_.intake->step();
  EXPECT_EQ(producer.daemon().released.load(), producer.position());
  EXPECT_EQ(producer.daemon().journaled_sequence.load(), 5U);
  EXPECT_EQ(producer.daemon().durable_sequence.load(), 0U);
  rig_.run_sync();
  (void)rig_.intake->step();
  EXPECT_EQ(producer.daemon().durable_sequence.load(), 5U);
  EXPECT_EQ(producer.daemon().settled_sequence.load(), 0U);
}

TEST_F(IntakeTest, FreesNoSpaceAndTellsNothingBeforeTheWrite) {
  RingProducer producer(rig_.run.path(), 1);
  rig_.run_intake(2);
  rig_.fs.fail(FsCall::kWrite, ENOSPC, 1, true, ".seg");
  for (std::uint64_t n = 1; n <= 5; ++n) ASSERT_TRUE(producer.record(numbered_record(n)));
  rig_.run_intake();
  EXPECT_EQ(producer.daemon().released.load(), 0U);
  EXPECT_EQ(producer.daemon().journaled_sequence.load(), 0U);
  EXPECT_TRUE(rig_.intake->counters().disk_full.load());
  EXPECT_EQ(rig_.intake->counters().journal_error.load(), ENOSPC);
  EXPECT_FALSE(rig_.intake->failed());
  rig_.fs.heal();
  rig_.run_intake();
  EXPECT_EQ(producer.daemon().journaled_sequence.load(), 5U);
  EXPECT_EQ(producer.daemon().durable_sequence.load(), 5U);
  EXPECT_FALSE(rig_.intake->counters().disk_full.load());
  EXPECT_EQ(rig_.records_of(producer), numbers(1, 5));
}

TEST_F(IntakeTest, KeepsNoMoreInMemoryWhileTheWriteFails) {
  RingProducer::Options options;
  options.data_bytes = 4 << 20;
  RingProducer producer(rig_.run.path(), options);
  IntakeRig& rig = rig_;
  rig.run_intake(2);
  rig.fs.fail(FsCall::kWrite, EIO, 1, true, ".seg");
  std::uint64_t n = 0;
  while (producer.record(numbered_record(++n, 4000))) {
  }
  std::size_t batch = 0;
  for (int i = 0; i < 50; ++i) {
    rig.run_intake(1);
    batch = std::max(batch, rig.ledger->journal().batch().size());
  }
  EXPECT_LT(batch, std::size_t{1} << 20);
  rig.fs.heal();
  rig.run_intake(40);
  EXPECT_EQ(rig.records_of(producer), numbers(1, n - 1));
}

TEST_F(IntakeTest, WakesThoseWhoWaitAndNobodyElse) {
  RingProducer producer(rig_.run.path(), 1);
  ASSERT_TRUE(producer.record(numbered_record(1)));
  rig_.run_intake();
  EXPECT_EQ(producer.daemon().notify.load(), 0U);
  producer.wait_for_notify();
  ASSERT_TRUE(producer.record(numbered_record(2)));
  rig_.run_intake();
  EXPECT_GE(producer.daemon().notify.load(), 2U);  // journaled, durable
}

TEST_F(IntakeTest, TakesARecordOnceThoughItDiedBetweenWriteAndRelease) {
  RingProducer producer(rig_.run.path(), 1);
  for (std::uint64_t n = 1; n <= 5; ++n) ASSERT_TRUE(producer.record(numbered_record(n)));
  rig_.run_intake();
  const std::uint64_t released = producer.daemon().released.load();
  for (std::uint64_t n = 6; n <= 9; ++n) ASSERT_TRUE(producer.record(numbered_record(n)));
  rig_.run_intake();
  // What was published after the write never was.
  producer.daemon().released.store(released);
  producer.daemon().journaled_sequence.store(5);
  rig_.kill_and_start_all();
  ASSERT_TRUE(producer.record(numbered_record(10)));
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(producer), numbers(1, 10));
  EXPECT_TRUE(rig_.gaps().empty());
  EXPECT_EQ(producer.daemon().journaled_sequence.load(), 10U);
  EXPECT_EQ(producer.daemon().released.load(), producer.position());
}

TEST_F(IntakeTest, TakesEachRecordOnceWhereverItDies) {
  // The process dies at every call that changes the disk, rotations included; the ring and what was
  // published to it live on.
  for (std::uint64_t nth = 1;; ++nth) {
    IntakeRig rig(16384);
    RingProducer a(rig.run.path(), 1);
    RingProducer b(rig.run.path(), 2);
    rig.fs.die_at(nth);
    std::uint64_t made = 0;
    for (; made < 24; ++made) {
      ASSERT_TRUE(a.record(numbered_record(made + 1, 900)));
      ASSERT_TRUE(b.record(numbered_record(made + 1, 300)));
      if (made % 3 == 2) rig.run_intake(1);
    }
    const bool died = rig.fs.is_dead();
    rig.kill_and_start_all();
    rig.run_intake(12);
    ASSERT_EQ(rig.records_of(a), numbers(1, made)) << "died at call " << nth;
    ASSERT_EQ(rig.records_of(b), numbers(1, made)) << "died at call " << nth;
    ASSERT_TRUE(rig.gaps().empty()) << "died at call " << nth;
    test::expect_sound_chain(rig.read(rig.journaled()).entries);
    if (!died) break;
    ASSERT_LT(nth, 300U);
  }
}

TEST_F(IntakeTest, KnowsARingAfterRestartsThatFindItInAnEarlierSegmentOnly) {
  RingProducer quiet(rig_.run.path(), 1);
  RingProducer busy(rig_.run.path(), 2);
  ASSERT_TRUE(quiet.record(numbered_record(1)));
  rig_.run_intake();
  quiet.refuse(3);
  rig_.run_intake();
  for (int restart = 0; restart < 3; ++restart) {
    for (std::uint64_t n = 1; n <= 60; ++n) {
      ASSERT_TRUE(busy.record(numbered_record(n, 15'000)));
      rig_.run_intake(1);
    }
    rig_.kill_and_start_all();
    rig_.run_intake();
  }
  EXPECT_GT(rig_.segments().size(), 2U);
  ASSERT_TRUE(quiet.record(numbered_record(2)));
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(quiet), numbers(1, 2));
  ASSERT_EQ(rig_.gaps().size(), 1U) << "refused records were counted again";
  EXPECT_EQ(rig_.gaps()[0].count, 3U);
}

TEST_F(IntakeTest, RemembersTheRefusalsOfARingThatNeverHadARecord) {
  RingProducer refusing(rig_.run.path(), 1);
  RingProducer busy(rig_.run.path(), 2);
  refusing.refuse(5);
  rig_.run_intake();
  for (std::uint64_t n = 1; n <= 100; ++n) {
    ASSERT_TRUE(busy.record(numbered_record(n, 15'000)));
    rig_.run_intake(1);
  }
  ASSERT_GT(rig_.segments().size(), 1U);
  rig_.kill_and_start_all();
  rig_.run_intake();
  ASSERT_EQ(rig_.gaps().size(), 1U);
}

TEST_F(IntakeTest, KnowsARingThatItCouldNotAttachWhenASegmentBegan) {
  RingProducer waiting(rig_.run.path(), 9);
  for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(waiting.record(numbered_record(n)));
  rig_.run_intake();
  rig_.kill_and_start_all();
  // A process that may attach no ring at all rotates; a later one meets the ring as a kill between
  // write and release left it.
  rig_.start_intake(0);
  while (rig_.segments().size() < 3) {
    Handback receipt;
    receipt.kind = Handback::Kind::kReceipt;
    receipt.text = std::string(60'000, 'r');
    ASSERT_TRUE(rig_.handbacks->push(receipt));
    rig_.run_intake(1);
  }
  rig_.kill_and_start_all();
  waiting.daemon().released.store(0);
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(waiting), numbers(1, 3));
  EXPECT_TRUE(rig_.gaps().empty());
}

TEST_F(IntakeTest, TellsOfRefusedRecordsBetweenTheRightOnes) {
  RingProducer producer(rig_.run.path(), 1);
  ASSERT_TRUE(producer.record(numbered_record(1)));
  ASSERT_TRUE(producer.record(numbered_record(2)));
  producer.refuse(4);
  ASSERT_TRUE(producer.record(numbered_record(3)));
  rig_.run_intake();
  const auto gaps = rig_.gaps();
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_EQ(gaps[0].reason, xase::proto::GapReason::kQueueFull);
  EXPECT_EQ(gaps[0].count, 4U);
  EXPECT_EQ(gaps[0].after_sequence, 2U);
  EXPECT_EQ(gaps[0].before_sequence, 3U);
  EXPECT_EQ(gaps[0].refused_accounted, 4U);
  const auto all = rig_.read().entries;
  EXPECT_EQ(all[all.size() - 2].leaf.type, EntryType::kGap);
  EXPECT_EQ(all.back().leaf.ring_sequence, 3U);
  EXPECT_EQ(rig_.view().totals.missing, 4U);
}

TEST_F(IntakeTest, TellsOfRefusedRecordsThatNoLaterOneTellsOf) {
  RingProducer producer(rig_.run.path(), 1);
  ASSERT_TRUE(producer.record(numbered_record(1)));
  rig_.run_intake();
  producer.refuse(2);
  rig_.run_intake();
  ASSERT_EQ(rig_.gaps().size(), 1U);
  EXPECT_EQ(rig_.gaps()[0].count, 2U);
  EXPECT_EQ(rig_.gaps()[0].after_sequence, 1U);
  EXPECT_EQ(rig_.gaps()[0].before_sequence, 0U);
  // And not once more with the next record.
  ASSERT_TRUE(producer.record(numbered_record(2)));
  rig_.run_intake();
  EXPECT_EQ(rig_.gaps().size(), 1U);
}

TEST_F(IntakeTest, TakesFromEveryRingThoughOneFloods) {
  RingProducer::Options options;
  options.id = 1;
  options.data_bytes = 16 << 20;
  RingProducer flooding(rig_.run.path(), options);
  RingProducer quiet(rig_.run.path(), 2);
  std::uint64_t n = 0;
  while (flooding.record(numbered_record(++n, 8000))) {
  }
  ASSERT_TRUE(quiet.record(numbered_record(1)));
  rig_.run_intake(2);
  EXPECT_EQ(rig_.records_of(quiet), numbers(1, 1));
  EXPECT_LT(rig_.records_of(flooding).size(), n - 1);
  rig_.run_intake(100);
  EXPECT_EQ(rig_.records_of(flooding), numbers(1, n - 1));
}

TEST_F(IntakeTest, TakesRecordsAroundTheEndOfTheRingAndLargeOnes) {
  RingProducer::Options options;
  options.data_bytes = 4 << 20;
  RingProducer producer(rig_.run.path(), options);
  test::SeededRandom random(3);
  std::uint64_t n = 0;
  while (n < 300) {
    const std::size_t bytes = random.coin() ? random.between(0, 2000) : random.between(0, 900'000);
    if (producer.record(numbered_record(n + 1, bytes))) {
      ++n;
    } else {
      producer.refuse(0);
      rig_.run_intake(8);
    }
  }
  rig_.run_intake(80);
  EXPECT_EQ(rig_.records_of(producer), numbers(1, 300));
}

TEST_F(IntakeTest, RefusesWhatIsNoRecordAndKeepsItsBytes) {
  RingProducer producer(rig_.run.path(), 1);
  producer.want_results();
  test::RecordMaker maker;
  maker.input = "{\"a\":";
  const auto bad = maker.encode();
  ASSERT_TRUE(producer.record(bad));
  ASSERT_TRUE(producer.record({std::byte{1}, std::byte{2}}));
  ASSERT_TRUE(producer.record(numbered_record(3)));
  rig_.run_intake();
  const auto rejected = rig_.entries(EntryType::kRejected);
  ASSERT_EQ(rejected.size(), 2U);
  const auto body = xase::proto::decode_rejected_body(rejected[0].body());
  EXPECT_EQ(body->error_code, static_cast<std::uint32_t>(ErrorCode::kInvalidInput));
  EXPECT_EQ(xase::proto::masked(body->masked_record, body->mask), bad);
  EXPECT_FALSE(
      std::equal(body->masked_record.begin(), body->masked_record.end(), bad.begin(), bad.end()))
      << "what an app chose is not what lies in the journal";
  EXPECT_EQ(rejected[0].leaf.ring_sequence, 1U);
  EXPECT_EQ(rig_.records_of(producer), std::vector<std::uint64_t>{3});
  const auto results = producer.results();
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].header.sequence, 1U);
  EXPECT_EQ(results[0].header.word & 0xffffffffU,
            static_cast<std::uint32_t>(ErrorCode::kInvalidInput));
  EXPECT_NE(results[0].text.find("not valid JSON"), std::string::npos);
  EXPECT_EQ(producer.daemon().failed.load(), 2U);
  EXPECT_EQ(producer.daemon().journaled_sequence.load(), 3U);
}

TEST_F(IntakeTest, StartsEmptyWhereTheRingKnowsMoreThanTheLedger) {
  // The state directory was lost, the run directory was not.
  RingProducer producer(rig_.run.path(), 1);
  for (std::uint64_t n = 1; n <= 5; ++n) ASSERT_TRUE(producer.record(numbered_record(n)));
  rig_.run_intake();
  rig_.stop_all();
  for (const std::string& path : rig_.segments()) rig_.fs.erase(path);
  rig_.start_all();
  ASSERT_TRUE(producer.record(numbered_record(6)));
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(producer), std::vector<std::uint64_t>{6});
  ASSERT_EQ(rig_.gaps().size(), 1U);
  EXPECT_EQ(rig_.gaps()[0].reason, xase::proto::GapReason::kJournalDamaged);
  EXPECT_EQ(rig_.gaps()[0].count, 5U);
  EXPECT_EQ(rig_.gaps()[0].before_sequence, 6U);
}

TEST_F(IntakeTest, RepairsAFailedSyncAndSaysSo) {
  RingProducer producer(rig_.run.path(), 1);
  for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(producer.record(numbered_record(n)));
  rig_.run_intake();
  rig_.fs.fail(FsCall::kSync, EIO, 1, false, ".seg");
  for (std::uint64_t n = 4; n <= 6; ++n) ASSERT_TRUE(producer.record(numbered_record(n)));
  rig_.run_intake();
  EXPECT_FALSE(rig_.intake->failed());
  EXPECT_EQ(producer.daemon().durable_sequence.load(), 6U);
  EXPECT_EQ(rig_.records_of(producer), numbers(1, 6));
  const auto recovered = rig_.entries(EntryType::kRecovered);
  ASSERT_EQ(recovered.size(), 1U);
  const std::string body(xase::proto::as_text(recovered[0].body()));
  EXPECT_NE(body.find("sync_failed"), std::string::npos);
  EXPECT_NE(body.find("\"rewritten_through\":8"), std::string::npos) << body;
  rig_.stop_all();
  rig_.crash();
  rig_.start_all();
  EXPECT_EQ(rig_.records_of(producer), numbers(1, 6));
}

TEST_F(IntakeTest, EndsAtASecondFailureAndLeavesRecordsInTheirRings) {
  RingProducer producer(rig_.run.path(), 1);
  rig_.run_intake();
  rig_.fs.fail(FsCall::kSync, EIO, 1, true);
  ASSERT_TRUE(producer.record(numbered_record(1)));
  rig_.run_intake();
  EXPECT_TRUE(rig_.intake->failed());
  ASSERT_TRUE(producer.record(numbered_record(2)));
  rig_.run_intake();
  rig_.kill_and_start_all();
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(producer), numbers(1, 2));
}

TEST_F(IntakeTest, TakesWhatIsThereWhenAskedToStopAndThenNoMore) {
  RingProducer producer(rig_.run.path(), 1);
  rig_.run_intake(2);
  for (std::uint64_t n = 1; n <= 5; ++n) ASSERT_TRUE(producer.record(numbered_record(n)));
  rig_.intake->stop_taking();
  rig_.run_intake();
  EXPECT_TRUE(rig_.intake->counters().drained.load());
  ASSERT_TRUE(producer.record(numbered_record(6)));
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(producer), numbers(1, 5));
  rig_.kill_and_start_all();
  rig_.run_intake();
  EXPECT_EQ(rig_.records_of(producer), numbers(1, 6));
}

TEST_F(IntakeTest, StopsTakingThoughAProducerGoesOnAndOn) {
  RingProducer producer(rig_.run.path(), 1);
  rig_.run_intake(2);
  rig_.intake->stop_taking();
  for (std::uint64_t n = 1; n <= 20 && !rig_.intake->counters().drained.load(); ++n) {
    ASSERT_TRUE(producer.record(numbered_record(n)));
    rig_.run_intake(1);
  }
  EXPECT_TRUE(rig_.intake->counters().drained.load());
}

TEST_F(IntakeTest, WritesStopLastAndMakesItDurable) {
  RingProducer producer(rig_.run.path(), 1);
  for (std::uint64_t n = 1; n <= 5; ++n) ASSERT_TRUE(producer.record(numbered_record(n)));
  rig_.intake->stop_taking();
  rig_.run_intake();
  {
    const std::jthread sync([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        rig_.clock.advance(std::chrono::milliseconds(1));
        (void)rig_.sync->step();
        std::this_thread::yield();
      }
    });
    rig_.intake->finish();
  }
  EXPECT_EQ(rig_.durable(), rig_.journaled());
  EXPECT_EQ(rig_.read().entries.back().leaf.type, EntryType::kStop);
  const auto frames = rig_.frames(rig_.segments().back());
  EXPECT_TRUE(frames.back().is_mark);
  EXPECT_EQ(frames.back().sequence, rig_.journaled());
  rig_.stop_all();
  rig_.crash();
  rig_.start_all();
  EXPECT_TRUE(rig_.recovery.was_clean);
}

TEST_F(IntakeTest, CountsWhatItTells) {
  RingProducer producer(rig_.run.path(), 1);
  for (std::uint64_t n = 1; n <= 5; ++n) ASSERT_TRUE(producer.record(numbered_record(n)));
  rig_.run_intake();
  const LedgerView view = rig_.view();
  EXPECT_EQ(view.journaled_records, 5U);
  EXPECT_EQ(view.durable_records, 5U);
  EXPECT_EQ(view.last_sequence, 7U);
  EXPECT_EQ(view.producers, 1U);
  EXPECT_EQ(view.pending_records, 0U);
  EXPECT_EQ(view.head, rig_.ledger->state().head);
  ASSERT_EQ(rig_.intake->rings().size(), 1U);
  EXPECT_EQ(rig_.intake->rings()[0].id, producer.id());
  EXPECT_EQ(rig_.intake->rings()[0].journaled, 5U);
}

}  // namespace
}  // namespace xased
