// What xasectl audit does, without a network.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>
#include <string>

#include "daemon/ctl/audit_run.hpp"
#include "daemon/ctl/paced_questions.hpp"
#include "daemon/delivery/record_source.hpp"
#include "daemon/delivery/request_body.hpp"
#include "proto/hashing.hpp"
#include "tests/support/journal_builder.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/temp_dir.hpp"

namespace xased::ctl {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using xase::proto::EntryType;
using xase::proto::Hash;

Answer answered(int status, std::string body = {}) {
  Answer answer;
  answer.reach = Reach::kAnswered;
  answer.status = status;
  answer.body = std::move(body);
  return answer;
}

class Script final : public Transport {
 public:
  Answer post(const Request& request) override {
    asked.push_back(request.verify_id);
    if (answers.empty()) return Answer{};
    Answer answer = answers.front();
    answers.pop_front();
    return answer;
  }
  void abort() override {}
  std::deque<Answer> answers;
  std::vector<std::string> asked;
};

class Questions : public ::testing::Test {
 protected:
  PacedQuestions paced(double per_second) {
    return {script_,
            per_second,
            {[this] { return now_; },
             [this](nanoseconds wait) {
               now_ += wait;
               slept_.push_back(wait);
             },
             [] { return std::int64_t{0}; }, [this](nanoseconds wait) { told_ = wait; }}};
  }
  Script script_;
  nanoseconds now_{0};
  std::vector<nanoseconds> slept_;
  nanoseconds told_{0};
};

TEST_F(Questions, AreAskedAtThePaceThatWasSet) {
  PacedQuestions questions = paced(4);
  for (int i = 0; i < 3; ++i) {
    script_.answers.push_back(answered(200));
    EXPECT_EQ(questions.ask("txn_" + std::to_string(i)).status, 200);
  }
  EXPECT_EQ(script_.asked, (std::vector<std::string>{"txn_0", "txn_1", "txn_2"}));
  EXPECT_EQ(slept_, (std::vector<nanoseconds>{milliseconds(250), milliseconds(250)}));
}

TEST_F(Questions, AreAskedAgainWhereNoAnswerCameWithWaitsThatGrow) {
  PacedQuestions questions = paced(1000);
  script_.answers = {Answer{}, answered(503), answered(200)};
  EXPECT_EQ(questions.ask("a").status, 200);
  EXPECT_EQ(slept_, (std::vector<nanoseconds>{milliseconds(500), seconds(1)}));
}

TEST_F(Questions, AreGivenUpAfterSoManyAttempts) {
  PacedQuestions questions = paced(1000);
  EXPECT_EQ(questions.ask("a").reach, Reach::kNotSent);
  EXPECT_EQ(script_.asked.size(), PacedQuestions::kAttempts);
}

TEST_F(Questions, WaitAsLongAsTheServiceAsks) {
  PacedQuestions questions = paced(1000);
  Answer limited = answered(429);
  limited.retry_after = "7";
  script_.answers = {limited, answered(200)};
  EXPECT_EQ(questions.ask("a").status, 200);
  EXPECT_EQ(slept_, (std::vector<nanoseconds>{seconds(7)}));
  EXPECT_EQ(told_, seconds(7));
}

TEST_F(Questions, AreNotAskedAgainWhereTheAnswerIsOne) {
  PacedQuestions questions = paced(1000);
  script_.answers = {answered(404)};
  EXPECT_EQ(questions.ask("a").status, 404);
  EXPECT_EQ(script_.asked.size(), 1U);
}

// A ledger whose records were answered by a service that chains as ours does.
class Audit : public ::testing::Test {
 protected:
  struct Kept {
    std::optional<Hash> previous;
    Hash hash{};
    bool is_valid = true;
  };

  Audit() : journal_(system_file_system(), dir_.path(), clock_) {
    journal_.producer(1, R"({"runtime":"c","0":"first"})");
  }

  // A record and its receipt; gives the transaction id.
  std::string add(std::uint64_t n, std::uint16_t flags = 0) {
    const std::string input = R"({"n":)" + std::to_string(n) + R"(,"10":1,"9":2})";
    journal_.record(1, n, test::plain_record(input));
    ServiceHasher hasher;
    const std::string id = "txn_" + std::to_string(n);
    kept_[id].previous = head_;
    kept_[id].hash = hasher.record_hash(head_, hasher.of_body(body_of_last()).value());
    head_ = kept_[id].hash;
    receipt(journal_.last_sequence(), id, flags);
    return id;
  }
  void receipt(std::uint64_t record, const std::string& id, std::uint16_t flags) {
    const std::string answer = R"({"success":true,"transaction_id":")" + id +
                               R"(","record_hash":")" + hex(kept_[id].hash) + "\"}";
    xase::proto::ReceiptBody body;
    body.record_sequence = record;
    body.http_status = 201;
    body.flags = flags;
    body.answer = answer;
    journal_.append(EntryType::kReceipt, {}, xase::proto::encode(body));
  }
  AuditLedger ledger() {
    auto read =
        read_audit_ledger(system_file_system(), dir_.path(), [](std::uint64_t, std::uint64_t) {});
    EXPECT_TRUE(read.ok());
    return *read;
  }
  AuditReport audit() {
    const AuditLedger read = ledger();
    return run_audit(
        read, choose(read.subjects.size(), std::nullopt),
        [this](const std::string& id) { return asked(id); }, [](std::uint64_t, std::uint64_t) {});
  }
  Answer asked(const std::string& id) {
    if (away_) return Answer{};
    const auto kept = kept_.find(id);
    if (kept == kept_.end()) return answered(404, R"({"error":"no","code":"NOT_FOUND"})");
    const Kept& record = kept->second;
    return answered(
        200, std::string(R"({"is_valid":)") + (record.is_valid ? "true" : "false") +
                 R"(,"chain":{"record_hash":")" + hex(record.hash) + R"(","previous_hash":)" +
                 (record.previous ? "\"" + hex(*record.previous) + "\"" : "null") + "}}");
  }
  std::string found() {
    std::string text;
    for (const AuditLine& line : audit().findings) {
      text += std::string(audit_kind_name(line.finding.kind)) + " " + line.transaction_id + ";";
    }
    return text;
  }

  test::TempDir dir_;
  test::ManualClock clock_;
  test::JournalBuilder journal_;
  std::map<std::string, Kept> kept_;
  std::optional<Hash> head_;
  bool away_ = false;

 private:
  // As delivery builds it.
  std::string body_of_last() {
    RecordSource source(system_file_system(), journal_.directory());
    EXPECT_TRUE(source.start(1).ok());
    Request request;
    for (;;) {
      const auto step = source.next(journal_.last_sequence());
      if (!step.ok() || *step == JournalReader::Step::kEnd) return request.body;
      if (*step == JournalReader::Step::kDamage) continue;
      if (source.entry().leaf.sequence != journal_.last_sequence()) continue;
      Sha256 sha;
      EXPECT_TRUE(RequestBuilder()
                      .build(source.entry(), xase::proto::leaf_hash(sha, source.entry().leaf_bytes),
                             *source.context(), request)
                      .ok());
      return request.body;
    }
  }
};

TEST_F(Audit, EveryRecordOfASoundServiceIsGood) {
  for (std::uint64_t n = 1; n <= 20; ++n) add(n);
  const AuditReport report = audit();
  EXPECT_EQ(report.receipts, 20U);
  EXPECT_EQ(report.good, 20U);
  EXPECT_TRUE(report.findings.empty());
}

TEST_F(Audit, ARecordThatTheServiceLostIsToldByItsId) {
  add(1);
  kept_.erase(add(2));
  add(3);
  EXPECT_EQ(found(), "lost txn_2;");
}

TEST_F(Audit, AHistoryThatWasComputedAnewIsToldWithEveryRecordOfIt) {
  for (std::uint64_t n = 1; n <= 3; ++n) add(n);
  kept_["txn_2"].hash[5] ^= std::byte{1};
  kept_["txn_3"].previous = kept_["txn_2"].hash;
  EXPECT_EQ(found(), "hash_differs txn_2;not_our_bytes txn_3;");
}

TEST_F(Audit, AForkIsToldWithBothRecords) {
  add(1);
  const std::optional<Hash> fork_at = head_;
  add(2);
  head_ = fork_at;
  add(3);
  const AuditReport report = audit();
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].finding.kind, xase::proto::AuditKind::kFork);
  EXPECT_EQ(report.findings[0].transaction_id, "txn_3");
  EXPECT_NE(report.findings[0].finding.other_sequence, 0U);
  EXPECT_TRUE(report.refuted());
}

TEST_F(Audit, AReceiptForAnotherRequestCountsAsCheckedWithoutItsBytes) {
  add(1);
  add(2, xase::proto::kReceiptReplayed);
  const AuditReport report = audit();
  EXPECT_EQ(report.good, 1U);
  EXPECT_EQ(report.without_bytes, 1U);
  EXPECT_EQ(ledger().records_replayed, 1U);
}

TEST_F(Audit, AServiceThatIsAwayIsNotAskedForEver) {
  for (std::uint64_t n = 1; n <= 20; ++n) add(n);
  away_ = true;
  const AuditReport report = audit();
  EXPECT_EQ(report.unanswered, kUnansweredMax);
  EXPECT_EQ(report.not_asked, 20 - kUnansweredMax);
  EXPECT_FALSE(report.refuted());
}

TEST_F(Audit, DamageOfTheJournalIsCountedAndTheRestRead) {
  add(1);
  add(2);
  journal_.damage_last();
  add(3);
  const AuditLedger read = ledger();
  EXPECT_EQ(read.damages, 1U);
  EXPECT_EQ(read.subjects.size(), 2U);
}

TEST(AuditChoice, IsAsManyAsAskedForAscendingAndDifferent) {
  const auto some = choose(1000, 100);
  EXPECT_EQ(some.size(), 100U);
  EXPECT_TRUE(std::is_sorted(some.begin(), some.end()));
  EXPECT_EQ(std::set<std::size_t>(some.begin(), some.end()).size(), 100U);
  EXPECT_LT(some.back(), 1000U);
  EXPECT_EQ(choose(3, 100).size(), 3U);
  EXPECT_EQ(choose(3, std::nullopt).size(), 3U);
}

}  // namespace
}  // namespace xased::ctl
