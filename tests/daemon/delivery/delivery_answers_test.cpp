// What becomes of records whose answers differ.
#include <gtest/gtest.h>

#include "tests/daemon/delivery/delivery_world.hpp"

namespace xased::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using xase::proto::EntryType;

class Delivery : public DeliveryWorld {};

TEST_F(Delivery, DeliversARecordAndTellsItsProducer) {
  const std::uint64_t sequence = record();
  start();
  run();
  ASSERT_TRUE(dispatch_->is_under_way(sequence));
  EXPECT_EQ(settled_[1], 0U);
  dispatch_->answer(sequence, created());
  run();
  ASSERT_TRUE(has_receipt(sequence));
  EXPECT_EQ(told(sequence)->status, 201);
  EXPECT_EQ(told(sequence)->attempts, 1U);
  EXPECT_EQ(told(sequence)->flags, 0U);
  EXPECT_EQ(told(sequence)->text, created().body);
  EXPECT_EQ(settled_[1], 1U);
  EXPECT_EQ(counters_->answers_created.load(), 1U);
  EXPECT_TRUE(core_->drained());
}

TEST_F(Delivery, CountsARecordOnlyWhenItsReceiptIsDurable) {
  const std::uint64_t sequence = record();
  start();
  run();
  intake_syncs_ = false;
  dispatch_->answer(sequence, created());
  run();
  ASSERT_TRUE(has_receipt(sequence));
  EXPECT_EQ(settled_[1], 0U);
  EXPECT_FALSE(core_->drained());
  EXPECT_LT(counters_->settled_through.load(), sequence);
  intake_syncs_ = true;
  run();
  EXPECT_EQ(settled_[1], 1U);
  EXPECT_TRUE(core_->drained());
}

TEST_F(Delivery, SendsNothingThatIsNotDurable) {
  record();
  start();
  const std::uint64_t later = journal_.record(1, 9, plain_record());
  run();
  EXPECT_EQ(dispatch_->attempts(later), 0U);
  durable();
  run();
  EXPECT_EQ(dispatch_->attempts(later), 1U);
}

TEST_F(Delivery, SettlesInTheLedgersOrderWhateverTheOrderOfTheAnswers) {
  const auto sent = records(4);
  start();
  run();
  ASSERT_EQ(dispatch_->under_way.size(), 4U);
  dispatch_->answer(sent[3], created());
  dispatch_->answer(sent[1], created());
  run();
  EXPECT_EQ(settled_[1], 0U);
  dispatch_->answer(sent[0], created());
  run();
  EXPECT_EQ(settled_[1], 2U);
  dispatch_->answer(sent[2], created());
  run();
  EXPECT_EQ(settled_[1], 4U);
}

TEST_F(Delivery, ARecordThatIsStuckHoldsUpNoOtherRing) {
  const std::uint64_t stuck = record(1);
  record(2);
  start();
  dispatch_->script = [&](const Job& job) { return job.id == stuck ? html(500) : created(); };
  for (int i = 0; i < 3000; ++i) record(2);
  run_for(seconds(60));
  EXPECT_EQ(receipts(), 3001U);
  EXPECT_EQ(settled_[1], 0U);
  EXPECT_EQ(settled_[2], 3001U);
}

TEST_F(Delivery, NeverHasMoreUnderWayThanAllowed) {
  records(100);
  start();
  std::size_t most = 0;
  for (int i = 0; i < 200 && receipts() < 100; ++i) {
    run();
    most = std::max(most, dispatch_->under_way.size());
    if (!dispatch_->under_way.empty()) {
      dispatch_->answer(dispatch_->under_way.front().id, created());
    }
  }
  EXPECT_EQ(receipts(), 100U);
  EXPECT_EQ(most, 4U);
}

TEST_F(Delivery, OrderedSendsOneAtATimeInOrder) {
  options_.ordered = true;
  const auto sent = records(5);
  start();
  int failures = 2;
  dispatch_->script = [&](const Job& job) {
    return job.id == sent[1] && failures-- > 0 ? html(500) : created();
  };
  run_for(seconds(5));
  EXPECT_EQ(receipts(), 5U);
  const std::vector<std::uint64_t> expected{sent[0], sent[1], sent[1], sent[1],
                                            sent[2], sent[3], sent[4]};
  EXPECT_EQ(dispatch_->order, expected);
}

TEST_F(Delivery, ARefusedRecordIsSetAsideAndHoldsUpNoOther) {
  const auto sent = records(6);
  start();
  dispatch_->script = [&](const Job& job) {
    return job.id == sent[2] ? refused(400, "VALIDATION_ERROR") : created();
  };
  run();
  EXPECT_EQ(receipts(), 5U);
  ASSERT_NE(told(sent[2]), nullptr);
  EXPECT_EQ(told(sent[2])->type, EntryType::kDeadLetter);
  EXPECT_EQ(told(sent[2])->status, 400);
  EXPECT_EQ(told(sent[2])->text, refused().body);
  EXPECT_EQ(settled_[1], 6U);
  EXPECT_EQ(paused(), PauseReason::kNone);
  const auto letters = dead_letters_->list(0, 10);
  ASSERT_TRUE(letters.ok());
  ASSERT_EQ(letters->size(), 1U);
  EXPECT_EQ((*letters)[0].record_sequence, sent[2]);
  EXPECT_EQ((*letters)[0].api_code, "VALIDATION_ERROR");
}

TEST_F(Delivery, ARunOfRefusalsIsAPauseAndSetsAsideNoMore) {
  options_.refusals_pause_after = 8;
  records(40);
  start();
  dispatch_->script = [](const Job&) { return refused(); };
  run_for(minutes(5), seconds(1));
  EXPECT_EQ(paused(), PauseReason::kRefusals);
  // Those that were under way when the run was full were refused as well.
  EXPECT_GE(told_.size(), 8U);
  EXPECT_LE(told_.size(), 8U + options_.max_in_flight);
  const std::size_t set_aside = told_.size();
  dispatch_->script = [](const Job&) { return created(); };
  run_for(minutes(2), seconds(1));
  EXPECT_EQ(paused(), PauseReason::kNone);
  EXPECT_EQ(receipts(), 40 - set_aside);
}

TEST_F(Delivery, ProbesOfARunOfRefusalsTakeTurnsSoThatAGoodRecordEndsIt) {
  options_.refusals_pause_after = 4;
  const auto sent = records(20);
  start();
  dispatch_->script = [&](const Job& job) { return job.id == sent[19] ? created() : refused(); };
  run_for(hours(1), seconds(5));
  EXPECT_TRUE(has_receipt(sent[19]));
}

TEST_F(Delivery, A401PausesLosesNothingAndResumesByItself) {
  const auto sent = records(50);
  start();
  dispatch_->script = [](const Job&) { return refused(401, "UNAUTHORIZED"); };
  run_for(hours(1), seconds(5));
  EXPECT_EQ(paused(), PauseReason::kUnauthorized);
  EXPECT_EQ(counters_->paused_http_status.load(), 401U);
  EXPECT_TRUE(told_.empty());
  // One probe an interval, not a storm: those of the start, and 120 in the hour.
  EXPECT_LE(dispatch_->order.size(), 130U);
  EXPECT_GE(dispatch_->order.size(), 100U);
  dispatch_->script = [](const Job&) { return created(); };
  run_for(seconds(31));
  EXPECT_EQ(paused(), PauseReason::kNone);
  EXPECT_EQ(receipts(), sent.size());
  EXPECT_EQ(settled_[1], sent.size());
}

TEST_F(Delivery, ANewKeyIsTriedAtOnce) {
  record();
  start();
  dispatch_->script = [](const Job&) { return refused(401, "UNAUTHORIZED"); };
  run();
  dispatch_->script = [](const Job&) { return created(); };
  run_for(seconds(10));
  EXPECT_EQ(receipts(), 0U);
  core_->on_new_key(2);
  run();
  EXPECT_EQ(receipts(), 1U);
}

TEST_F(Delivery, A401ToTheReplacedKeyDoesNotPause) {
  const std::uint64_t sequence = record();
  start();
  core_->on_new_key(1);
  run();
  core_->on_new_key(2);
  Answer old = refused(401, "UNAUTHORIZED");
  old.key_generation = 1;
  dispatch_->answer(sequence, old);
  run();
  EXPECT_EQ(paused(), PauseReason::kNone);
  EXPECT_EQ(dispatch_->attempts(sequence), 2U);
}

TEST_F(Delivery, AnAnswerOfTheAddressBeforeSaysNothingOfTheNewOne) {
  start();
  const auto sent = records(2);
  run();
  ASSERT_TRUE(dispatch_->is_under_way(sent[0]) && dispatch_->is_under_way(sent[1]));
  core_->configure(options_, false);
  dispatch_->answer(sent[0], answer(404, "nothing here"));
  dispatch_->answer(sent[1], created());
  run();
  EXPECT_EQ(paused(), PauseReason::kNone);
  EXPECT_TRUE(has_receipt(sent[1])) << "what was taken is taken";
  ASSERT_TRUE(dispatch_->is_under_way(sent[0])) << "asked again at once";
  dispatch_->answer(sent[0], created());
  run();
  EXPECT_TRUE(has_receipt(sent[0]));
}

TEST_F(Delivery, SendsNothingWithoutAKey) {
  record();
  start();
  core_->set_key_missing(true);
  run_for(minutes(5), seconds(1));
  EXPECT_TRUE(dispatch_->order.empty());
  EXPECT_EQ(paused(), PauseReason::kNoApiKey);
  core_->set_key_missing(false);
  run();
  EXPECT_EQ(dispatch_->order.size(), 1U);
}

TEST_F(Delivery, SendsNothingWhereItIsDisabled) {
  options_.enabled = false;
  record();
  start();
  run_for(minutes(1), seconds(1));
  EXPECT_TRUE(dispatch_->order.empty());
  EXPECT_EQ(paused(), PauseReason::kDisabled);
  EXPECT_TRUE(core_->drained());
  options_.enabled = true;
  core_->configure(options_, true);
  run();
  EXPECT_EQ(dispatch_->order.size(), 1U);
}

TEST_F(Delivery, APortalsAnswerPausesAndOneBadRecordDoesNotPauseForEver) {
  const auto sent = records(10);
  start();
  dispatch_->script = [&](const Job& job) { return job.id == sent[0] ? html(200) : created(); };
  run_for(minutes(10), seconds(1));
  EXPECT_EQ(receipts(), 9U);
  EXPECT_FALSE(has_receipt(sent[0]));
  dispatch_->script = [&](const Job&) { return created(); };
  run_for(minutes(3), seconds(1));
  EXPECT_TRUE(has_receipt(sent[0]));
}

TEST_F(Delivery, A429MakesTheWholeDestinationWait) {
  const auto sent = records(30);
  start();
  run();
  ASSERT_EQ(dispatch_->under_way.size(), 4U);
  dispatch_->answer(sent[0], limited("20"));
  run();
  for (const std::size_t i : {1U, 2U, 3U}) dispatch_->answer(sent[i], created());
  run_for(seconds(19));
  EXPECT_EQ(dispatch_->order.size(), 4U);
  EXPECT_EQ(paused(), PauseReason::kRateLimited);
  dispatch_->script = [](const Job&) { return created(); };
  run_for(minutes(10), seconds(1));
  EXPECT_EQ(receipts(), 30U);
  EXPECT_EQ(paused(), PauseReason::kNone);
  EXPECT_TRUE(has_receipt(sent[0]));
}

TEST_F(Delivery, AnOutageIsProbedGentlyAndEndsByItself) {
  const auto sent = records(200);
  start();
  dispatch_->script = [](const Job&) { return no_answer(Reach::kNotSent); };
  run_for(hours(24), seconds(10));
  EXPECT_TRUE(told_.empty());
  // Full jitter up to a minute: about two a minute.
  EXPECT_LT(dispatch_->order.size(), 24U * 60 * 6);
  EXPECT_GT(dispatch_->order.size(), 24U * 60);
  EXPECT_EQ(counters_->no_answer_why.get(), "connection reset");
  dispatch_->script = [](const Job&) { return created(); };
  run_for(minutes(2), seconds(1));
  EXPECT_EQ(receipts(), sent.size());
  EXPECT_EQ(counters_->no_answer_why.get(), "");
  for (const std::uint64_t sequence : sent) {
    // Nothing of it left the host: no doubt about any of them.
    EXPECT_EQ(told(sequence)->flags, 0U);
  }
}

TEST_F(Delivery, MixedFailuresLoseNothingAndSendTheSameBytesEachTime) {
  const auto sent = records(300);
  start();
  int count = 0;
  dispatch_->script = [&](const Job&) {
    switch (++count % 7) {
      case 1:
        return html(503);
      case 3:
        return no_answer(Reach::kMaybe);
      case 5:
        return html(500);
      default:
        return created();
    }
  };
  run_for(minutes(30), milliseconds(500));
  EXPECT_EQ(receipts(), sent.size());
  EXPECT_EQ(settled_[1], sent.size());
  for (const std::uint64_t sequence : sent) {
    for (const std::string& body : dispatch_->bodies[sequence]) {
      ASSERT_EQ(body, dispatch_->bodies[sequence].front());
    }
    for (const std::string& key : dispatch_->keys[sequence]) {
      ASSERT_EQ(key, dispatch_->keys[sequence].front());
    }
  }
}

TEST_F(Delivery, AReplayToAFirstAttemptIsFlagged) {
  const std::uint64_t sequence = record();
  start();
  dispatch_->script = [](const Job&) { return created(true); };
  run();
  ASSERT_TRUE(has_receipt(sequence));
  EXPECT_EQ(told(sequence)->flags, xase::proto::kReceiptReplayed);
}

TEST_F(Delivery, AReplayAfterAnAttemptThatMayHaveReachedIsItsOwn) {
  const std::uint64_t sequence = record();
  start();
  run();
  dispatch_->answer(sequence, no_answer(Reach::kMaybe));
  dispatch_->script = [](const Job&) { return created(true); };
  run_for(seconds(2));
  ASSERT_TRUE(has_receipt(sequence));
  EXPECT_EQ(told(sequence)->flags, 0U);
  EXPECT_EQ(told(sequence)->attempts, 2U);
}

TEST_F(Delivery, AReplayAfterAttemptsThatCannotHaveReachedIsFlagged) {
  const std::uint64_t sequence = record();
  start();
  run();
  dispatch_->answer(sequence, no_answer(Reach::kNotSent));
  dispatch_->script = [](const Job&) { return created(true); };
  run_for(seconds(2));
  ASSERT_TRUE(has_receipt(sequence));
  EXPECT_EQ(told(sequence)->flags, xase::proto::kReceiptReplayed);
}

TEST_F(Delivery, APossibleDuplicateIsMarkedOnceTheServiceMayHaveForgottenTheKey) {
  const std::uint64_t early = record();
  const std::uint64_t late = record();
  start();
  run();
  dispatch_->answer(early, no_answer(Reach::kMaybe));
  dispatch_->answer(late, no_answer(Reach::kNotSent));
  dispatch_->script = [](const Job&) { return no_answer(Reach::kNotSent); };
  run_for(hours(24), seconds(30));
  dispatch_->script = [](const Job&) { return created(); };
  run_for(minutes(2), seconds(1));
  ASSERT_TRUE(has_receipt(early));
  ASSERT_TRUE(has_receipt(late));
  EXPECT_EQ(told(early)->flags, xase::proto::kReceiptPossibleDuplicate);
  EXPECT_EQ(told(late)->flags, 0U);
}

TEST_F(Delivery, ADuplicateMadeBetweenIsMarkedThoughTheLastAttemptIsReplayed) {
  const std::uint64_t twice = record();
  const std::uint64_t once = record();
  start();
  run();
  dispatch_->answer(twice, no_answer(Reach::kMaybe));
  dispatch_->answer(once, no_answer(Reach::kMaybe));
  dispatch_->script = [](const Job&) { return no_answer(Reach::kNotSent); };
  run_for(hours(24), seconds(30));
  // Had the first come, the service has forgotten it: this one makes another.
  dispatch_->script = [&](const Job& job) {
    return no_answer(job.id == twice ? Reach::kMaybe : Reach::kNotSent);
  };
  run_for(minutes(10), seconds(1));
  dispatch_->script = [](const Job&) { return created(true); };
  run_for(minutes(2), seconds(1));
  ASSERT_TRUE(has_receipt(twice));
  ASSERT_TRUE(has_receipt(once));
  EXPECT_EQ(told(twice)->flags, xase::proto::kReceiptPossibleDuplicate);
  EXPECT_EQ(told(once)->flags, 0U) << "the service had not forgotten it";
}

TEST_F(Delivery, WithinTheServicesMemoryNothingIsMarked) {
  const std::uint64_t sequence = record();
  start();
  run();
  dispatch_->answer(sequence, no_answer(Reach::kMaybe));
  dispatch_->script = [](const Job&) { return no_answer(Reach::kNotSent); };
  run_for(hours(23), seconds(30));
  dispatch_->script = [](const Job&) { return created(); };
  run_for(minutes(2), seconds(1));
  ASSERT_TRUE(has_receipt(sequence));
  EXPECT_EQ(told(sequence)->flags, 0U);
}

// What delivery is doing when its clock does something.
enum class Doing { kBackingOff, kRateLimited, kPaused, kAwaitingAnswers };

std::string doing_name(Doing doing) {
  constexpr const char* kNames[] = {"BackingOff", "RateLimited", "Paused", "AwaitingAnswers"};
  return kNames[static_cast<int>(doing)];
}

// Five records, something happens to the clock while they wait, and in the end all is well.
class ClockWorld : public DeliveryWorld {
 public:
  static constexpr std::size_t kRecords = 5;

  void TestBody() override {}
  void live(Doing doing, const std::function<void(ManualClock&)>& happens) {
    const auto sent = records(kRecords);
    start();
    switch (doing) {
      case Doing::kBackingOff:
        answer_with([] { return html(500); });
        break;
      case Doing::kRateLimited:
        answer_with([] { return limited("20"); });
        break;
      case Doing::kPaused:
        answer_with([] { return refused(401, "UNAUTHORIZED"); });
        break;
      case Doing::kAwaitingAnswers:
        break;
    }
    run_for(seconds(2));
    happens(clock_);
    run_for(seconds(45));
    while (!dispatch_->under_way.empty()) {
      dispatch_->answer(dispatch_->under_way.front().id, no_answer(Reach::kMaybe));
    }
    answer_with([] { return created(); });
    run_for(minutes(10));
    ASSERT_TRUE(core_->drained());
    EXPECT_EQ(told_.size(), kRecords) << "each once";
    for (const std::uint64_t sequence : sent) {
      ASSERT_TRUE(has_receipt(sequence)) << sequence;
      flags.push_back(told(sequence)->flags);
    }
    EXPECT_TRUE(damages_.empty());
    EXPECT_EQ(settled_[1], kRecords);
  }

  // Of each attempt, by the boot clock.
  std::vector<std::int64_t> attempts;
  std::vector<std::uint16_t> flags;

 private:
  void answer_with(const std::function<Answer()>& make) {
    dispatch_->script = [this, make](const Job&) {
      attempts.push_back(clock_.boot_ns());
      return make();
    };
  }
};

class Jump : public ::testing::TestWithParam<std::tuple<Doing, std::int64_t>> {};

TEST_P(Jump, OfTheWallClockMovesNothing) {
  const auto [doing, jump_hours] = GetParam();
  ClockWorld steady;
  steady.live(doing, [](ManualClock&) {});
  ASSERT_GE(steady.attempts.size(), ClockWorld::kRecords);
  ClockWorld jumped;
  jumped.live(doing, [by = nanoseconds(hours(jump_hours))](ManualClock& clock) {
    clock.set_wall(clock.wall_ns() + by.count());
  });
  EXPECT_EQ(jumped.attempts, steady.attempts);
  EXPECT_EQ(jumped.flags, std::vector<std::uint16_t>(ClockWorld::kRecords, 0));
}

INSTANTIATE_TEST_SUITE_P(Clock, Jump,
                         ::testing::Combine(::testing::Values(Doing::kBackingOff,
                                                              Doing::kRateLimited, Doing::kPaused,
                                                              Doing::kAwaitingAnswers),
                                            ::testing::Values(1, 24, 24 * 366, -1, -24, -24 * 366)),
                         [](const auto& about) {
                           const std::int64_t by = std::get<1>(about.param);
                           return doing_name(std::get<0>(about.param)) +
                                  (by < 0 ? "Back" : "Ahead") + std::to_string(std::abs(by)) +
                                  "Hours";
                         });

class Suspend : public ::testing::TestWithParam<std::tuple<Doing, int>> {};

TEST_P(Suspend, IsSlept) {
  const auto [doing, slept_hours] = GetParam();
  ClockWorld world;
  world.live(doing, [by = hours(slept_hours)](ManualClock& clock) { clock.advance(by); });
  // A 500 and no answer leave open whether the record is there, and a key is remembered for a day.
  const bool in_doubt = doing == Doing::kBackingOff || doing == Doing::kAwaitingAnswers;
  const bool forgotten = slept_hours >= 24 && in_doubt;
  const std::uint16_t flags = forgotten ? xase::proto::kReceiptPossibleDuplicate : 0;
  // One more than may be under way at once was sent after the sleep, and is in no doubt.
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(world.flags[i], flags) << i;
}

INSTANTIATE_TEST_SUITE_P(Clock, Suspend,
                         ::testing::Combine(::testing::Values(Doing::kBackingOff,
                                                              Doing::kRateLimited, Doing::kPaused,
                                                              Doing::kAwaitingAnswers),
                                            ::testing::Values(8, 30)),
                         [](const auto& about) {
                           return doing_name(std::get<0>(about.param)) +
                                  std::to_string(std::get<1>(about.param)) + "Hours";
                         });

TEST_F(Delivery, ARecordThatCannotBeSentIsSetAsideWithTheReason) {
  const std::uint64_t good = record(1, R"({"a":1})");
  const std::uint64_t bad = record(1, R"({"a":1e999})");
  start();
  dispatch_->script = [](const Job&) { return created(); };
  run();
  EXPECT_TRUE(has_receipt(good));
  ASSERT_NE(told(bad), nullptr);
  EXPECT_EQ(told(bad)->type, EntryType::kDeadLetter);
  EXPECT_EQ(told(bad)->status, 0);
  EXPECT_NE(told(bad)->text.find("input"), std::string::npos);
  EXPECT_EQ(dispatch_->attempts(bad), 0U);
  EXPECT_EQ(settled_[1], 2U);
}

TEST_F(Delivery, AnAnswerIsCutToWhatAnEntryTakes) {
  const std::uint64_t sequence = record();
  start();
  Answer large = refused();
  large.body = R"({"error":")" + std::string(200'000, 'x') + R"(","code":"VALIDATION_ERROR"})";
  dispatch_->script = [&](const Job&) { return large; };
  run();
  ASSERT_NE(told(sequence), nullptr);
  EXPECT_EQ(told(sequence)->text.size(), xase::proto::kBodyTextBytesMax);
}

TEST_F(Delivery, AFullQueueOfHandbacksLosesNothing) {
  options_.max_in_flight = 256;
  records(3000);
  start();
  dispatch_->script = [](const Job&) { return created(); };
  intake_takes_ = false;
  run_for(seconds(10));
  EXPECT_LT(dispatch_->order.size(), 3000U) << "goes on without its receipts being taken";
  intake_takes_ = true;
  run_for(seconds(2));
  EXPECT_EQ(receipts(), 3000U);
  EXPECT_EQ(dispatch_->order.size(), 3000U);
  EXPECT_EQ(settled_[1], 3000U);
}

TEST_F(Delivery, TheBodyNamesTheLedgerAndItsProducer) {
  const std::uint64_t sequence = record();
  start();
  run();
  const std::string& body = dispatch_->bodies[sequence].front();
  EXPECT_NE(body.find(R"("pid":42)"), std::string::npos) << body;
  EXPECT_NE(body.find(R"("sequence":)" + std::to_string(sequence) + "}"), std::string::npos);
  EXPECT_NE(body.find(R"("xase_ledger":{"leaf_hash":")"), std::string::npos);
}

}  // namespace
}  // namespace xased::test
