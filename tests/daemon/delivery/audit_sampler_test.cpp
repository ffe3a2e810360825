#include "daemon/delivery/audit_sampler.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "daemon/delivery/request_body.hpp"
#include "tests/daemon/delivery/answers.hpp"
#include "tests/support/seeded_random.hpp"

namespace xased::test {
namespace {

using xase::proto::AuditKind;
using xase::proto::Hash;

constexpr std::int64_t kSecond = 1'000'000'000;

Hash hash_of(std::uint64_t n) {
  Hash hash{};
  hash[0] = static_cast<std::byte>(n);
  hash[31] = std::byte{1};
  return hash;
}

class Sampler : public ::testing::Test {
 protected:
  Sampler() { sampler_.configure(1, 60); }

  // Record `n` was delivered, behind the one before.
  void deliver(std::uint64_t n) {
    AuditSubject subject;
    subject.sequence = 2 * n;
    subject.answered_at = 2 * n + 1;
    subject.transaction_id = "txn_" + std::to_string(n);
    subject.record_hash = hash_of(n);
    sampler_.on_receipt(std::move(subject), hash_of(100 + n), sampler_.chooses());
  }
  Answer sound(const std::string& id) {
    const std::uint64_t n = std::stoull(id.substr(4));
    const std::string previous = n == 1 ? "null" : "\"" + hex(hash_of(n - 1)) + "\"";
    return answered(200, R"({"is_valid":true,"chain":{"record_hash":")" + hex(hash_of(n)) +
                             R"(","previous_hash":)" + previous + "}}");
  }
  static Answer answered(int status, std::string body) {
    Answer answer;
    answer.reach = Reach::kAnswered;
    answer.status = status;
    answer.body = std::move(body);
    return answer;
  }
  static Answer lost() { return answered(404, R"({"error":"no","code":"NOT_FOUND"})"); }

  // Asks for `seconds`; gives what was found.
  std::vector<AuditSampler::Found> run(int seconds,
                                       const std::function<Answer(const std::string&)>& service) {
    std::vector<AuditSampler::Found> found;
    for (int i = 0; i < seconds * 10; ++i, now_ += kSecond / 10) {
      const auto id = sampler_.ask(now_);
      if (!id) continue;
      ++asked_[*id];
      if (auto one = sampler_.on_answer(service(*id), now_, 0)) found.push_back(*one);
    }
    return found;
  }
  int questions() const {
    int count = 0;
    for (const auto& [id, times] : asked_) count += times;
    return count;
  }

  SeededRandom random_;
  AuditSampler sampler_{random_};
  std::int64_t now_ = kSecond;
  std::map<std::string, int> asked_;
};

TEST_F(Sampler, AsksAboutEachThatWasChosenAtItsPaceAndFindsNothingWhereAllIsSound) {
  for (std::uint64_t n = 1; n <= 10; ++n) deliver(n);
  EXPECT_TRUE(run(10, [&](const std::string& id) { return sound(id); }).empty());
  EXPECT_EQ(asked_.size(), 10U);
  EXPECT_EQ(questions(), 10);
  EXPECT_EQ(sampler_.audits(), 10U);
}

TEST_F(Sampler, AsksAgainTenTimesSlowerWhileNothingNewWaits) {
  deliver(1);
  EXPECT_TRUE(run(101, [&](const std::string& id) { return sound(id); }).empty());
  EXPECT_EQ(questions(), 11);
}

TEST_F(Sampler, FindsWhatASecondLookFindsTooAndTellsItOnce) {
  deliver(1);
  deliver(2);
  const auto found =
      run(300, [&](const std::string& id) { return id == "txn_1" ? lost() : sound(id); });
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].finding.kind, AuditKind::kLost);
  EXPECT_EQ(found[0].sequence, 2U);
  EXPECT_EQ(found[0].leaf_hash, hash_of(101));
  EXPECT_EQ(asked_["txn_1"], 2);
}

TEST_F(Sampler, TellsNothingOfWhatTheSecondLookDoesNotFind) {
  deliver(1);
  const auto found =
      run(30, [&](const std::string& id) { return asked_["txn_1"] == 1 ? lost() : sound(id); });
  EXPECT_TRUE(found.empty());
  EXPECT_GE(asked_["txn_1"], 2);
}

TEST_F(Sampler, SeesAForkAmongWhatItAskedAbout) {
  for (std::uint64_t n = 1; n <= 3; ++n) deliver(n);
  const auto found = run(60, [&](const std::string& id) {
    if (id != "txn_3") return sound(id);
    return answered(200, R"({"is_valid":true,"chain":{"record_hash":")" + hex(hash_of(3)) +
                             R"(","previous_hash":")" + hex(hash_of(1)) + "\"}}");
  });
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].finding.kind, AuditKind::kFork);
  EXPECT_EQ(found[0].finding.other_sequence, 4U);
}

TEST_F(Sampler, LeavesTheServiceAloneWhereItDoesNotAnswerOrAsksTo) {
  deliver(1);
  run(59, [](const std::string&) { return Answer{}; });
  EXPECT_EQ(questions(), 1);
  run(2, [](const std::string&) {
    Answer limited = answered(429, "");
    limited.retry_after = "3600";
    return limited;
  });
  EXPECT_EQ(questions(), 2);
  run(3000, [&](const std::string& id) { return sound(id); });
  EXPECT_EQ(questions(), 2);
  EXPECT_EQ(sampler_.audits(), 0U);
}

TEST_F(Sampler, ChoosesAboutTheShareThatWasAskedFor) {
  sampler_.configure(10, 60);
  int chosen = 0;
  for (int i = 0; i < 10'000; ++i) chosen += sampler_.chooses() ? 1 : 0;
  EXPECT_NEAR(chosen, 1000, 150);  // five standard deviations
  sampler_.configure(0, 60);
  EXPECT_FALSE(sampler_.chooses());
  sampler_.configure(1, 0);
  EXPECT_FALSE(sampler_.chooses());
}

TEST_F(Sampler, KeepsNoMoreThanItsBound) {
  sampler_.configure(1, 60'000);
  for (std::uint64_t n = 1; n <= AuditSampler::kKeptMax + 500; ++n) deliver(n % 200);
  int asked = 0;
  while (sampler_.ask(now_)) {
    // Never answered with something that settles it.
    (void)sampler_.on_answer(lost(), now_, 0);
    now_ += kSecond / 1000;
    ASSERT_LE(++asked, static_cast<int>(AuditSampler::kKeptMax));
  }
}

}  // namespace
}  // namespace xased::test
