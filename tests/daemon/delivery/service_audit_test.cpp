#include "daemon/delivery/service_audit.hpp"

#include <gtest/gtest.h>

#include <string>

#include "daemon/delivery/request_body.hpp"

namespace xased {
namespace {

using xase::proto::AuditKind;
using xase::proto::Hash;

constexpr std::string_view kBody = R"({"input":{"a":1},"output":{"b":2}})";

Answer answered(int status, std::string body) {
  Answer answer;
  answer.reach = Reach::kAnswered;
  answer.status = status;
  answer.body = std::move(body);
  return answer;
}

std::string verify_body(bool is_valid, const std::string& record_hash,
                        const std::string& previous) {
  return std::string(R"({"is_valid":)") + (is_valid ? "true" : "false") +
         R"(,"chain":{"previous_hash":)" + (previous.empty() ? "null" : "\"" + previous + "\"") +
         R"(,"record_hash":)" + (record_hash.empty() ? "null" : "\"" + record_hash + "\"") + "}}";
}

class ServiceAudit : public ::testing::Test {
 protected:
  ServiceAudit() {
    previous_.fill(std::byte{0xab});
    subject_.sequence = 7;
    subject_.answered_at = 8;
    subject_.hashes = hasher_.of_body(kBody);
    subject_.record_hash = hasher_.record_hash(previous_, *subject_.hashes);
  }
  std::string found(const Answer& answer) {
    const ServiceWord word = reader_.word(answer);
    if (word.kind == ServiceWord::Kind::kNothing) return "nothing said";
    const auto finding = judge(hasher_, subject_, word);
    return finding ? std::string(audit_kind_name(finding->kind)) : "good";
  }
  std::string hash() const { return hex(subject_.record_hash); }
  std::string previous() const { return hex(previous_); }

  ServiceHasher hasher_;
  ServiceAnswerReader reader_;
  Hash previous_{};
  AuditSubject subject_;
};

TEST_F(ServiceAudit, ASoundRecordIsGood) {
  EXPECT_EQ(found(answered(200, verify_body(true, hash(), previous()))), "good");
}

TEST_F(ServiceAudit, AnotherHashThanTheReceiptsIsToldEvenWhereTheServiceCallsItValid) {
  EXPECT_EQ(found(answered(200, verify_body(true, previous(), previous()))), "hash_differs");
}

TEST_F(ServiceAudit, AHashThatOurBytesCannotHaveProducedIsTold) {
  EXPECT_EQ(found(answered(200, verify_body(true, hash(), ""))), "not_our_bytes");
  EXPECT_EQ(found(answered(200, verify_body(true, hash(), hash()))), "not_our_bytes");
  subject_.hashes.reset();
  EXPECT_EQ(found(answered(200, verify_body(true, hash(), ""))), "good");
}

TEST_F(ServiceAudit, WhatTheServiceItselfCallsTamperedIsTold) {
  EXPECT_EQ(found(answered(200, verify_body(false, hash(), previous()))), "tampered");
  EXPECT_EQ(found(answered(200, verify_body(false, "", ""))), "tampered");
}

TEST_F(ServiceAudit, OnlyTheServicesOwn404MeansThatTheRecordIsLost) {
  EXPECT_EQ(found(answered(404, R"({"error":"Not found","code":"NOT_FOUND"})")), "lost");
  EXPECT_EQ(found(answered(404, "<html>")), "nothing said");
  EXPECT_EQ(found(answered(404, R"({"error":"no route","code":"NO_ROUTE"})")), "nothing said");
}

TEST_F(ServiceAudit, WhatIsNoAnswerToTheQuestionSaysNothing) {
  EXPECT_EQ(found(Answer{}), "nothing said");
  for (const char* body :
       {"", "[]", "{}", R"({"is_valid":true})", R"({"is_valid":1,"chain":{}})",
        R"({"is_valid":true,"chain":{"record_hash":null,"previous_hash":null}})",
        R"({"is_valid":true,"chain":{"record_hash":"ab","previous_hash":null}})"}) {
    EXPECT_EQ(found(answered(200, body)), "nothing said") << body;
  }
  EXPECT_EQ(found(answered(200, verify_body(true, hash(), "xyz"))), "nothing said");
  EXPECT_EQ(found(answered(500, verify_body(true, hash(), ""))), "nothing said");
}

TEST_F(ServiceAudit, AReceiptIsReadWhereItNamesRecordAndHash) {
  const auto receipt =
      reader_.receipt(R"({"transaction_id":"txn_1","record_hash":")" + hash() + "\"}");
  ASSERT_TRUE(receipt.has_value());
  EXPECT_EQ(receipt->transaction_id, "txn_1");
  EXPECT_EQ(receipt->record_hash, subject_.record_hash);
  EXPECT_FALSE(reader_.receipt(R"({"transaction_id":"a/../b","record_hash":")" + hash() + "\"}"));
  EXPECT_FALSE(reader_.receipt(R"({"transaction_id":"txn_1","record_hash":"AB"})"));
  EXPECT_FALSE(reader_.receipt("{}"));
}

Hash hash_of(unsigned n) {
  Hash hash{};
  hash[0] = static_cast<std::byte>(n);
  hash[1] = std::byte{1};
  return hash;
}

AuditSubject record(std::uint64_t sequence, std::uint64_t answered_at) {
  AuditSubject subject;
  subject.sequence = sequence;
  subject.answered_at = answered_at;
  subject.record_hash = hash_of(static_cast<unsigned>(sequence));
  return subject;
}

std::string told(const std::optional<AuditFinding>& finding) {
  if (!finding) return "good";
  return std::string(audit_kind_name(finding->kind)) + " " +
         std::to_string(finding->other_sequence);
}

TEST(ServiceChain, ALineIsGoodHoweverOftenItIsAskedFor) {
  ServiceChain chain;
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(told(chain.add_link(record(1, 2), {})), "good");
    EXPECT_EQ(told(chain.add_link(record(3, 4), hash_of(1))), "good");
    EXPECT_EQ(told(chain.add_link(record(5, 6), hash_of(3))), "good");
  }
}

TEST(ServiceChain, TwoOnOnePredecessorAreAForkWhereOneWasAnsweredBeforeTheOtherWasPosted) {
  ServiceChain chain;
  EXPECT_EQ(told(chain.add_link(record(3, 4), hash_of(1))), "good");
  EXPECT_EQ(told(chain.add_link(record(5, 6), hash_of(1))), "fork 3");
  ServiceChain other_order;
  EXPECT_EQ(told(other_order.add_link(record(5, 6), hash_of(1))), "good");
  EXPECT_EQ(told(other_order.add_link(record(3, 4), hash_of(1))), "fork 5");
}

TEST(ServiceChain, TwoOnOnePredecessorAreARaceWhereBothMayHaveBeenUnderWay) {
  ServiceChain chain;
  EXPECT_EQ(told(chain.add_link(record(3, 5), hash_of(1))), "good");
  EXPECT_EQ(told(chain.add_link(record(4, 6), hash_of(1))), "race 3");
}

TEST(ServiceChain, GoesBackWhereARecordFollowsOneThatDidNotYetExist) {
  ServiceChain chain;
  chain.add_receipt(record(5, 6));
  EXPECT_EQ(told(chain.add_link(record(3, 4), hash_of(5))), "goes_back 5");
  // Answered in another order than posted: nothing is wrong with that.
  EXPECT_EQ(told(chain.add_link(record(4, 6), hash_of(5))), "good");
}

TEST(ServiceChain, GoesBackWhereItBeginsASecondTime) {
  ServiceChain chain;
  EXPECT_EQ(told(chain.add_link(record(1, 2), {})), "good");
  EXPECT_EQ(told(chain.add_link(record(3, 4), {})), "goes_back 1");
}

TEST(ServiceChain, ForgetsTheOldestBeyondItsBound) {
  ServiceChain chain(2);
  EXPECT_EQ(told(chain.add_link(record(3, 4), hash_of(1))), "good");
  EXPECT_EQ(told(chain.add_link(record(5, 6), hash_of(2))), "good");
  EXPECT_EQ(told(chain.add_link(record(7, 8), hash_of(3))), "good");
  EXPECT_EQ(told(chain.add_link(record(9, 10), hash_of(1))), "good");
  EXPECT_EQ(told(chain.add_link(record(11, 12), hash_of(3))), "fork 7");
}

}  // namespace
}  // namespace xased
