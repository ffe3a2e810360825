// What a restart remembers: nothing is sent twice without being marked, and nothing is forgotten.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "tests/daemon/delivery/delivery_world.hpp"

namespace xased::test {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using xase::proto::EntryType;

class DeliveryRestart : public DeliveryWorld {
 protected:
  void deliver_all() {
    dispatch_->script = [](const Job&) { return created(); };
    run_for(seconds(5));
  }
  void damage_cursor(int slot) {
    const std::string path = scratch_.path() + "/delivery/cursor." + std::to_string(slot);
    auto file = system_file_system().open(path, OpenMode::kWrite);
    ASSERT_TRUE(file.ok());
    const std::vector<std::byte> nonsense(16, std::byte{0x55});
    ASSERT_TRUE((*file)->write_at(nonsense, 56).ok());
  }
};

TEST_F(DeliveryRestart, SendsNothingAgainThatHasItsReceipt) {
  for (const bool clean : {true, false}) {
    records(50);
    start();
    deliver_all();
    if (clean) stop();
    start();
    deliver_all();
    EXPECT_TRUE(dispatch_->order.empty()) << "sent again";
  }
  EXPECT_EQ(receipts(), 100U);
}

TEST_F(DeliveryRestart, TellsProducersAgainWhatTheyMayNotHaveHeard) {
  records(3, 1);
  records(2, 2);
  start();
  deliver_all();
  stop();
  start();
  deliver_all();
  EXPECT_EQ(settled_[1], 3U);
  EXPECT_EQ(settled_[2], 2U);
}

TEST_F(DeliveryRestart, GoesOnInTheMiddle) {
  const auto sent = records(20);
  start();
  run();
  for (int i = 0; i < 7; ++i) {
    dispatch_->answer(dispatch_->under_way.front().id, created());
    run();
  }
  start();
  deliver_all();
  EXPECT_EQ(receipts(), sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(dispatch_->attempts(sent[i]), i < 7 ? 0U : 1U) << i;
  }
  EXPECT_EQ(settled_[1], sent.size());
}

TEST_F(DeliveryRestart, AReceiptInTheJournalCountsThoughNobodyWasTold) {
  const auto sent = records(4);
  start();
  run();
  intake_syncs_ = false;
  dispatch_->answer(sent[2], created());
  run();
  // Written, and the crash came before it was known to be durable; recovery finds it.
  intake_syncs_ = true;
  durable();
  start();
  deliver_all();
  EXPECT_EQ(dispatch_->attempts(sent[2]), 0U);
  EXPECT_EQ(receipts(), 4U);
}

TEST_F(DeliveryRestart, ALostReceiptIsFetchedAgainWithTheSameKeyAndBytes) {
  const std::uint64_t sequence = record();
  start();
  run();
  const std::string body = dispatch_->bodies[sequence].front();
  const std::string key = dispatch_->keys[sequence].front();
  intake_takes_ = false;
  dispatch_->answer(sequence, created());
  run();
  intake_takes_ = true;
  start();
  dispatch_->script = [](const Job&) { return created(true); };
  run();
  ASSERT_TRUE(has_receipt(sequence));
  EXPECT_EQ(told(sequence)->flags, 0U) << "its own answer, repeated";
  EXPECT_EQ(dispatch_->bodies[sequence].front(), body);
  EXPECT_EQ(dispatch_->keys[sequence].front(), key);
}

TEST_F(DeliveryRestart, OnlyTheWindowThatMayHaveBeenSentIsInDoubt) {
  const auto before = records(3);
  start();
  run();
  start();  // crash with all three under way
  const auto after = records(3);
  dispatch_->script = [](const Job&) { return created(true); };
  run();
  for (const std::uint64_t sequence : before) {
    EXPECT_EQ(told(sequence)->flags, 0U) << "may have been sent";
  }
  for (const std::uint64_t sequence : after) {
    EXPECT_EQ(told(sequence)->flags, xase::proto::kReceiptReplayed) << "never sent before";
  }
}

TEST_F(DeliveryRestart, RecordsMadeAfterARestartAreNotInDoubtAtTheNext) {
  record();
  start();
  run();
  start();
  dispatch_->script = [](const Job&) { return created(); };
  core_->set_key_missing(true);
  const auto fresh = records(3);
  run();
  start();
  dispatch_->script = [](const Job&) { return created(true); };
  run();
  for (const std::uint64_t sequence : fresh) {
    EXPECT_EQ(told(sequence)->flags, xase::proto::kReceiptReplayed);
  }
}

TEST_F(DeliveryRestart, DoubtThatIsOlderThanTheServicesMemoryIsMarked) {
  const std::uint64_t sequence = record();
  start();
  run();
  clock_.advance(hours(25));
  clock_.set_boot_id({std::byte{0x0b}});
  start();
  const std::uint64_t fresh = record();
  deliver_all();
  EXPECT_EQ(told(sequence)->flags, xase::proto::kReceiptPossibleDuplicate);
  EXPECT_EQ(told(fresh)->flags, 0U);
}

TEST_F(DeliveryRestart, DoubtWithinTheServicesMemoryIsNotMarked) {
  const std::uint64_t sequence = record();
  start();
  run();
  clock_.advance(hours(2));
  clock_.set_boot_id({std::byte{0x0b}});
  start();
  deliver_all();
  EXPECT_EQ(told(sequence)->flags, 0U);
}

TEST_F(DeliveryRestart, AnOldDoubtStaysOldThroughASecondCrash) {
  const std::uint64_t sequence = record();
  start();
  run();
  clock_.advance(hours(20));
  start();
  dispatch_->script = [](const Job&) { return no_answer(Reach::kMaybe); };
  run_for(minutes(1), seconds(1));
  clock_.advance(hours(5));
  start();
  deliver_all();
  EXPECT_EQ(told(sequence)->flags, xase::proto::kReceiptPossibleDuplicate);
}

TEST_F(DeliveryRestart, AnOldDoubtIsMarkedThoughAnAttemptOfTheLifeBetweenIsReplayed) {
  const std::uint64_t sequence = record();
  start();
  run();
  clock_.advance(hours(25));
  start();
  run();  // sent again, to a service that has forgotten the first
  clock_.advance(hours(1));
  start();
  const std::uint64_t fresh = record();
  dispatch_->script = [&](const Job& job) { return created(job.id == sequence); };
  run_for(seconds(5));
  EXPECT_EQ(told(sequence)->flags, xase::proto::kReceiptPossibleDuplicate);
  EXPECT_EQ(told(fresh)->flags, 0U);
}

TEST_F(DeliveryRestart, TwoCrashesBeforeTheOldWindowIsReadAgainForgetNoReceipt) {
  options_.max_in_flight = 16;
  const auto sent = records(40);
  start();
  run();
  // Everything but the first gets its receipt.
  dispatch_->script = [&](const Job& job) { return job.id == sent[0] ? html(500) : created(); };
  while (!dispatch_->under_way.empty()) {
    const std::uint64_t id = dispatch_->under_way.front().id;
    dispatch_->answer(id, id == sent[0] ? html(500) : created());
  }
  run_for(minutes(2), seconds(1));
  ASSERT_EQ(receipts(), 39U);
  for (int life = 0; life < 5; ++life) {
    start();
    core_->set_key_missing(true);
    core_->step(true);
    core_->store_cursor();
    core_->step(true);
    core_->store_cursor();
  }
  start();
  dispatch_->script = [](const Job&) { return created(); };
  run_for(seconds(5));
  EXPECT_EQ(dispatch_->order, std::vector<std::uint64_t>{sent[0]});
  EXPECT_EQ(receipts(), 40U);
}

TEST_F(DeliveryRestart, OneDamagedSlotCostsNoReceipt) {
  for (const int slot : {0, 1}) {
    records(30);
    start();
    deliver_all();
    stop();
    damage_cursor(slot);
    start();
    deliver_all();
    EXPECT_TRUE(dispatch_->order.empty()) << "slot " << slot;
  }
}

TEST_F(DeliveryRestart, WithBothSlotsDamagedReceiptsAreFoundInTheJournal) {
  records(30);
  start();
  deliver_all();
  stop();
  const std::uint64_t waiting = record();
  damage_cursor(0);
  damage_cursor(1);
  start();
  deliver_all();
  EXPECT_EQ(dispatch_->order, std::vector<std::uint64_t>{waiting});
  EXPECT_EQ(told(waiting)->flags, xase::proto::kReceiptPossibleDuplicate)
      << "nobody knows whether it was sent";
}

TEST_F(DeliveryRestart, WithTheWholeFolderGoneReceiptsAreFoundInTheJournal) {
  records(30);
  start();
  deliver_all();
  std::filesystem::remove_all(scratch_.path() + "/delivery");
  std::filesystem::create_directory(scratch_.path() + "/delivery");
  start();
  deliver_all();
  EXPECT_TRUE(dispatch_->order.empty());
}

TEST_F(DeliveryRestart, ACursorOfAnotherLedgerIsNotBelieved) {
  records(30);
  start();
  deliver_all();
  stop();
  auto bytes = read_file(system_file_system(), scratch_.path() + "/delivery/cursor.0", 1U << 20);
  auto other = read_file(system_file_system(), scratch_.path() + "/delivery/cursor.1", 1U << 20);
  ASSERT_TRUE(bytes.ok() && other.ok());
  for (int slot = 0; slot < 2; ++slot) {
    auto cursor = decode_cursor(slot == 0 ? *bytes : *other);
    ASSERT_TRUE(cursor.has_value());
    cursor->log_id[5] = std::byte{0x77};
    cursor->settled_through = 20;
    const std::string path = scratch_.path() + "/delivery/cursor." + std::to_string(slot);
    auto file = system_file_system().open(path, OpenMode::kWrite);
    ASSERT_TRUE((*file)->write_at(encode_cursor(*cursor), 0).ok());
  }
  const std::uint64_t waiting = record();
  start();
  deliver_all();
  EXPECT_EQ(dispatch_->order, std::vector<std::uint64_t>{waiting});
}

TEST_F(DeliveryRestart, ReadsAcrossSegmentsWithTheirProducers) {
  const auto first = records(5);
  journal_.rotate();
  journal_.producer(1, R"({"pid":42})");
  const auto second = records(5);
  start();
  run();
  while (receipts() < 7) {
    dispatch_->answer(dispatch_->under_way.front().id, created());
    run();
  }
  std::map<std::uint64_t, std::string> bodies;
  for (const auto& [id, sent] : dispatch_->bodies) bodies[id] = sent.front();
  start();
  deliver_all();
  EXPECT_EQ(receipts(), 10U);
  for (const auto& [id, sent] : dispatch_->bodies) {
    EXPECT_EQ(sent.front(), bodies.contains(id) ? bodies[id] : sent.front()) << id;
    EXPECT_NE(sent.front().find(R"("pid":42)"), std::string::npos);
  }
}

TEST_F(DeliveryRestart, CrashesAtEveryStepDeliverEachRecordOnce) {
  // A run of answers, cut off after each number of steps; then a new life goes on.
  options_.max_in_flight = 8;
  const auto sent = records(60);
  std::map<std::uint64_t, std::string> bodies;
  std::set<std::uint64_t> at_service;
  int answers = 0;
  for (int life = 0; receipts() < sent.size(); ++life) {
    ASSERT_LT(life, 500);
    start();
    dispatch_->script = [&](const Job& job) {
      const auto [at, fresh] = bodies.emplace(job.id, job.request->body);
      EXPECT_EQ(at->second, job.request->body);
      const bool replayed = !at_service.insert(job.id).second;
      return ++answers % 5 == 0 ? no_answer(Reach::kMaybe) : created(replayed);
    };
    intake_takes_ = intake_syncs_ = true;
    for (int step = 0; step < 1 + life % 9; ++step) {
      core_->step(true);
      if (step % 3 != life % 3) intake();
      clock_.advance(std::chrono::milliseconds(50));
    }
    if (life % 4 == 0) core_->store_cursor();
    durable();
  }
  for (const Told& one : told_) {
    EXPECT_EQ(one.type, EntryType::kReceipt);
    EXPECT_EQ(one.flags, 0U) << one.record;
  }
  std::set<std::uint64_t> receipted;
  for (const Told& one : told_) EXPECT_TRUE(receipted.insert(one.record).second) << one.record;
  EXPECT_EQ(receipted.size(), sent.size());
}

TEST_F(DeliveryRestart, ARetryOfADeadLetterIsAnEntryFirstAndThenDelivered) {
  const std::uint64_t sequence = record();
  start();
  dispatch_->script = [](const Job&) { return refused(); };
  run();
  ASSERT_EQ(told(sequence)->type, EntryType::kDeadLetter);
  core_->request_retry(sequence);
  intake_syncs_ = false;
  run();
  EXPECT_EQ(told(sequence)->action, xase::proto::ReceiptAction::kRetryRequested);
  EXPECT_EQ(dispatch_->attempts(sequence), 1U) << "sent before its request was durable";
  intake_syncs_ = true;
  dispatch_->script = [](const Job&) { return created(true); };
  run();
  ASSERT_TRUE(has_receipt(sequence));
  EXPECT_EQ(told(sequence)->flags, 0U);
  EXPECT_EQ(dispatch_->bodies[sequence][0], dispatch_->bodies[sequence][1]);
  const auto letters = dead_letters_->list(0, 10);
  ASSERT_TRUE(letters.ok());
  EXPECT_TRUE(letters->empty());
}

TEST_F(DeliveryRestart, ARetryThatWasAskedForSurvives) {
  for (const bool with_cursor : {true, false}) {
    const std::uint64_t sequence = record();
    start();
    dispatch_->script = [](const Job&) { return refused(); };
    run();
    core_->set_key_missing(true);
    core_->request_retry(sequence);
    run();
    ASSERT_EQ(told(sequence)->action, xase::proto::ReceiptAction::kRetryRequested);
    if (with_cursor) stop();
    start();
    deliver_all();
    EXPECT_TRUE(has_receipt(sequence)) << with_cursor;
    start();
    deliver_all();
    EXPECT_TRUE(dispatch_->order.empty()) << "tried again after its receipt";
  }
}

TEST_F(DeliveryRestart, ALostIndexOfDeadLettersIsRebuilt) {
  const auto sent = records(6);
  start();
  dispatch_->script = [&](const Job& job) {
    return job.id == sent[1] || job.id == sent[4] ? refused(422, "VALIDATION_ERROR") : created();
  };
  run();
  core_->request_retry(sent[4]);
  dispatch_->script = [](const Job&) { return created(); };
  run();
  stop();
  std::filesystem::remove(scratch_.path() + "/delivery/dead_letters.idx");
  start();
  deliver_all();
  EXPECT_TRUE(dispatch_->order.empty());
  const auto letters = dead_letters_->list(0, 10);
  ASSERT_TRUE(letters.ok());
  ASSERT_EQ(letters->size(), 1U);
  EXPECT_EQ((*letters)[0].record_sequence, sent[1]);
  EXPECT_EQ((*letters)[0].http_status, 422);
  EXPECT_EQ((*letters)[0].api_code, "VALIDATION_ERROR");
}

}  // namespace
}  // namespace xased::test
