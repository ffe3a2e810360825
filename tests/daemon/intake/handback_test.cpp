// What delivery hands back becomes entries, and is acknowledged once durable.
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/daemon/intake/intake_rig.hpp"

namespace xased {
namespace {

using test::FsCall;
using test::IntakeRig;
using test::numbered_record;
using test::RingProducer;
using xase::proto::EntryType;

class HandbackTest : public testing::Test {
 protected:
  IntakeRig rig_;
  RingProducer producer_{rig_.run.path(), 1};

  void SetUp() override {
    producer_.want_results();
    for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(producer_.record(numbered_record(n)));
    rig_.run_intake();
  }
  Handback of_record(Handback::Kind kind, std::uint64_t ring_sequence) const {
    Handback handback;
    handback.kind = kind;
    handback.ring_id = producer_.id();
    handback.ring_sequence = ring_sequence;
    handback.uid = 1000;
    handback.pid = 77;
    handback.body.record_sequence = ring_sequence + 2;
    handback.body.http_status = 201;
    handback.body.answered_wall_ns = 123;
    handback.text = R"({"ok":true})";
    return handback;
  }
  std::uint64_t acknowledged() const { return rig_.positions->handbacks_durable.load(); }
};

TEST_F(HandbackTest, BecomesAReceiptAndIsAcknowledgedOnceDurable) {
  Handback receipt = of_record(Handback::Kind::kReceipt, 2);
  receipt.body.flags = xase::proto::kReceiptReplayed;
  receipt.body.attempts = 4;
  ASSERT_TRUE(rig_.handbacks->push(receipt));
  (void)rig_.intake->step();
  EXPECT_EQ(acknowledged(), 0U);
  EXPECT_EQ(producer_.daemon().delivered.load(), 0U);
  (void)rig_.intake->step();
  EXPECT_EQ(acknowledged(), 0U) << "acknowledged before the sync";
  rig_.run_sync();
  (void)rig_.intake->step();
  EXPECT_EQ(acknowledged(), 1U);
  EXPECT_EQ(producer_.daemon().delivered.load(), 1U);
  const auto entries = rig_.entries(EntryType::kReceipt);
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].leaf.ring_id, producer_.id());
  EXPECT_EQ(entries[0].leaf.ring_sequence, 2U);
  EXPECT_EQ(entries[0].leaf.uid, 1000U);
  const auto body = xase::proto::decode_receipt_body(entries[0].body());
  EXPECT_EQ(body->record_sequence, 4U);
  EXPECT_EQ(body->attempts, 4U);
  EXPECT_EQ(body->answer, R"({"ok":true})");
  const auto results = producer_.results();
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].header.sequence, 2U);
  EXPECT_EQ(results[0].header.word, xase::proto::result_word(0, 201));
  EXPECT_EQ(results[0].header.flags, xase::proto::kResultReplayed);
  EXPECT_EQ(results[0].header.stamp_ns, 123);
  EXPECT_EQ(results[0].text, R"({"ok":true})");
  EXPECT_EQ(rig_.view().delivered_records, 1U);
}

TEST_F(HandbackTest, BecomesADeadLetterAndARetryTakesItBack) {
  Handback letter = of_record(Handback::Kind::kDeadLetter, 1);
  letter.body.http_status = 422;
  letter.body.error_code = 65;
  ASSERT_TRUE(rig_.handbacks->push(letter));
  rig_.run_intake();
  EXPECT_EQ(rig_.view().dead_letters, 1U);
  EXPECT_EQ(producer_.daemon().failed.load(), 1U);
  EXPECT_EQ(rig_.view().totals.open_dead_letters(), 1U);
  Handback retry = letter;
  retry.body.action = xase::proto::ReceiptAction::kRetryRequested;
  ASSERT_TRUE(rig_.handbacks->push(retry));
  rig_.run_intake();
  EXPECT_EQ(rig_.view().dead_letters, 0U);
  EXPECT_EQ(rig_.view().totals.open_dead_letters(), 0U);
  EXPECT_EQ(producer_.daemon().failed.load(), 1U);
  EXPECT_EQ(acknowledged(), 2U);
  EXPECT_EQ(rig_.entries(EntryType::kDeadLetter).size(), 2U);
  EXPECT_EQ(producer_.results().size(), 1U);
}

TEST_F(HandbackTest, BecomesAGapForEntriesThatCanNoLongerBeRead) {
  Handback damage;
  damage.kind = Handback::Kind::kJournalDamaged;
  damage.first = 10;
  damage.last = 14;
  damage.text = "gone";
  ASSERT_TRUE(rig_.handbacks->push(damage));
  rig_.run_intake();
  const auto gaps = rig_.gaps();
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_EQ(gaps[0].count, 5U);
  EXPECT_EQ(gaps[0].after_sequence, 9U);
  EXPECT_EQ(gaps[0].before_sequence, 15U);
  EXPECT_EQ(gaps[0].reason, xase::proto::GapReason::kJournalDamaged);
  EXPECT_EQ(acknowledged(), 1U);
}

TEST_F(HandbackTest, TellsTheProducerWhatIsSettled) {
  Handback settled;
  settled.kind = Handback::Kind::kSettled;
  settled.ring_id = producer_.id();
  settled.ring_sequence = 2;
  const std::uint64_t before = rig_.journaled();
  ASSERT_TRUE(rig_.handbacks->push(settled));
  rig_.run_intake(1);
  EXPECT_EQ(producer_.daemon().settled_sequence.load(), 2U);
  EXPECT_EQ(rig_.journaled(), before);
  EXPECT_EQ(acknowledged(), 0U);
  settled.ring_sequence = 1;
  ASSERT_TRUE(rig_.handbacks->push(settled));
  rig_.run_intake(1);
  EXPECT_EQ(producer_.daemon().settled_sequence.load(), 2U) << "went back";
}

TEST_F(HandbackTest, CutsALongAnswerBetweenCharacters) {
  Handback receipt = of_record(Handback::Kind::kReceipt, 1);
  receipt.text.clear();
  while (receipt.text.size() < 70'000) receipt.text += "\xe2\x82\xac";  // three bytes each
  ASSERT_TRUE(rig_.handbacks->push(receipt));
  rig_.run_intake();
  const auto entries = rig_.entries(EntryType::kReceipt);
  const auto body = xase::proto::decode_receipt_body(entries[0].body());
  EXPECT_LE(body->answer.size(), xase::proto::kBodyTextBytesMax);
  EXPECT_EQ(body->answer.size() % 3, 0U);
  EXPECT_GT(body->answer.size(), xase::proto::kBodyTextBytesMax - 3);
}

TEST_F(HandbackTest, CountsAResultThatFindsNoRoom) {
  for (int i = 0; i < 20; ++i) {
    Handback receipt = of_record(Handback::Kind::kReceipt, 1);
    receipt.text = std::string(500, 'x');
    ASSERT_TRUE(rig_.handbacks->push(receipt));
  }
  rig_.run_intake();
  const std::size_t read = producer_.results().size();
  EXPECT_GT(read, 0U);
  EXPECT_EQ(producer_.daemon().results_dropped.load(), 20 - read);
  EXPECT_EQ(producer_.daemon().delivered.load(), 20U);
}

TEST_F(HandbackTest, WaitsForRoomAndLosesNothing) {
  rig_.fs.fail(FsCall::kWrite, EIO, 1, true, ".seg");
  for (std::uint64_t n = 1; n <= 3; ++n) {
    ASSERT_TRUE(rig_.handbacks->push(of_record(Handback::Kind::kReceipt, n)));
    rig_.run_intake(2);
  }
  EXPECT_EQ(acknowledged(), 0U);
  rig_.fs.heal();
  rig_.run_intake();
  EXPECT_EQ(acknowledged(), 3U);
  const auto entries = rig_.entries(EntryType::kReceipt);
  ASSERT_EQ(entries.size(), 3U);
  for (std::uint64_t n = 1; n <= 3; ++n) EXPECT_EQ(entries[n - 1].leaf.ring_sequence, n);
}

TEST_F(HandbackTest, GoesOnWhileRecordsFindNoRoom) {
  // No further segment may be made: records stop short of the reserve, receipts use it.
  IntakeRig rig(64 * 1024);
  rig.stop_all();
  rig.options.journal.reserve_bytes = 8192;
  rig.options.journal.max_bytes = 64 * 1024;
  rig.start_all();
  RingProducer producer(rig.run.path(), 1);
  std::uint64_t n = 0;
  while (producer.record(numbered_record(++n, 1000))) {
  }
  rig.run_intake(20);
  EXPECT_TRUE(rig.intake->counters().disk_full.load());
  const std::size_t taken = rig.records_of(producer).size();
  EXPECT_LT(taken, n - 1);
  EXPECT_EQ(producer.daemon().journaled_sequence.load(), taken)
      << "what was taken before room ran out was not told";
  for (int i = 0; i < 5; ++i) {
    Handback receipt;
    receipt.kind = Handback::Kind::kReceipt;
    receipt.text = std::string(300, 'r');
    ASSERT_TRUE(rig.handbacks->push(receipt));
  }
  rig.run_intake();
  EXPECT_EQ(rig.positions->handbacks_durable.load(), 5U);
  EXPECT_TRUE(rig.intake->counters().disk_full.load());
}

TEST_F(HandbackTest, IsTakenByFinishAlsoAfterDeliveryStopped) {
  rig_.intake->stop_taking();
  rig_.run_intake();
  for (std::uint64_t n = 1; n <= 3; ++n) {
    ASSERT_TRUE(rig_.handbacks->push(of_record(Handback::Kind::kReceipt, n)));
  }
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
  EXPECT_EQ(acknowledged(), 3U);
  EXPECT_EQ(rig_.read().entries.back().leaf.type, EntryType::kStop);
}

}  // namespace
}  // namespace xased
