#include "daemon/delivery/request_body.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "proto/hashing.hpp"
#include "tests/support/journal_builder.hpp"

namespace xased::test {
namespace {

using xase::proto::Span;

// An entry in memory, as a reader gives it.
class RequestBody : public ::testing::Test {
 protected:
  Status build(const xase::proto::RecordFields& fields, std::string_view runtime = {}) {
    std::vector<std::byte> record(xase::proto::encoded_bytes(fields));
    xase::proto::encode_record(fields, record.data());
    bytes_.assign(xase::proto::record_erasable_bytes(record.size()), {});
    xase::proto::encode_record_erasable(record, {}, bytes_.data());
    entry_.erasable_bytes = bytes_;
    entry_.erasable = *xase::proto::decode_erasable(bytes_);
    entry_.leaf.type = xase::proto::EntryType::kRecord;
    entry_.leaf.sequence = 7;
    entry_.leaf.stamp_ns = 1'767'787'200'123'456'789;
    entry_.leaf.log_id.fill(std::byte{0x1d});
    leaf_hash_.fill(std::byte{0xab});
    return builder_.build(entry_, leaf_hash_, runtime, request_);
  }
  // What our own member of every context is here.
  static std::string ledger() {
    std::string hash;
    std::string log;
    for (int i = 0; i < 32; ++i) {
      hash += "ab";
      log += "1d";
    }
    return R"("xase_ledger":{"leaf_hash":")" + hash + R"(","log_id":")" + log +
           R"(","sequence":7})";
  }

  RequestBuilder builder_;
  Entry entry_;
  std::vector<std::byte> bytes_;
  xase::proto::Hash leaf_hash_{};
  Request request_;
};

TEST_F(RequestBody, LeavesOutWhatTheRecordLacks) {
  ASSERT_TRUE(build(plain_record()).ok());
  EXPECT_EQ(request_.body, R"({"context":{"timestamp":1767787200123,)" + ledger() +
                               R"(},"input":{"amount":1},"output":{"decision":"APPROVED"},)"
                               R"("policyId":"credit_v4"})");
}

TEST_F(RequestBody, HoldsEveryFieldInOrder) {
  xase::proto::RecordFields fields = plain_record(R"({"b":1.0,"a":{"z":[1e2],"y":null}})");
  fields.flags = xase::proto::kRecordHasConfidence | xase::proto::kRecordHasProcessingTime |
                 xase::proto::kRecordHasStorePayload | xase::proto::kRecordStorePayload;
  fields.confidence = 0.5;
  fields.processing_time_ms = 12.25;
  fields.span(Span::kContext) = R"({"tenant":"t"})";
  fields.span(Span::kExplanation) = R"({"top":[]})";
  fields.span(Span::kPolicyVersion) = "4.2";
  fields.span(Span::kTransactionId) = "loan-1";
  fields.span(Span::kDecisionType) = "UNDERWRITING";
  fields.span(Span::kModelId) = "m\"1";
  fields.span(Span::kModelVersion) = "1";
  fields.span(Span::kModelHash) = "sha256:00";
  fields.span(Span::kFeatureSchemaHash) = "sha256:11";
  ASSERT_TRUE(build(fields).ok());
  EXPECT_EQ(request_.body,
            R"({"confidence":0.5,"context":{"tenant":"t","timestamp":1767787200123,)" + ledger() +
                R"(},"decisionType":"UNDERWRITING","explanation":{"top":[]},)"
                R"("featureSchemaHash":"sha256:11","input":{"a":{"y":null,"z":[100]},"b":1},)"
                R"("modelHash":"sha256:00","modelId":"m\"1","modelVersion":"1",)"
                R"("output":{"decision":"APPROVED"},"policyId":"credit_v4",)"
                R"("policyVersion":"4.2","processingTime":12.25,"storePayload":true})");
}

TEST_F(RequestBody, IsItsOwnCanonicalForm) {
  xase::proto::RecordFields fields = plain_record(R"({"x":1.50,"é":"ü\u0001"})");
  fields.span(Span::kContext) = R"({"zz":1,"aa":{"b":2,"a":1}})";
  ASSERT_TRUE(build(fields, R"({"pid":1,"arch":"x"})").ok());
  std::string again;
  ASSERT_TRUE(CanonicalJson().append_object(request_.body, again).ok());
  EXPECT_EQ(again, request_.body);
}

TEST_F(RequestBody, PutsTheRuntimeContextUnderTheCallersAndOursOverBoth) {
  xase::proto::RecordFields fields = plain_record();
  fields.span(Span::kContext) = R"({"pid":"mine","timestamp":5,"own":true,"xase_ledger":"forged"})";
  ASSERT_TRUE(build(fields, R"({"pid":42,"env":"prod","xase_ledger":"forged too"})").ok());
  EXPECT_NE(request_.body.find(R"("context":{"env":"prod","own":true,"pid":"mine","timestamp":5,)" +
                               ledger() + "}"),
            std::string::npos)
      << request_.body;
}

TEST_F(RequestBody, KeyIsTheCallersElseOfTheTransactionElseOfTheLeaf) {
  xase::proto::RecordFields fields = plain_record();
  ASSERT_TRUE(build(fields).ok());
  EXPECT_EQ(request_.idempotency_key, "abababababababababababababababab");
  fields.span(Span::kTransactionId) = "loan-0001";
  ASSERT_TRUE(build(fields).ok());
  // printf loan-0001 | sha256sum
  EXPECT_EQ(request_.idempotency_key,
            hex(Sha256().of(xase::proto::as_bytes("loan-0001"))).substr(0, 32));
  fields.span(Span::kIdempotencyKey) = "my-own-key_0123456";
  ASSERT_TRUE(build(fields).ok());
  EXPECT_EQ(request_.idempotency_key, "my-own-key_0123456");
}

TEST_F(RequestBody, RefusesAKeyThatWouldBreakOutOfItsHeader) {
  for (const char* key : {"short", "0123456789abcde\r\nX: y", "0123456789abcdef ",
                          "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0"}) {
    xase::proto::RecordFields fields = plain_record();
    fields.span(Span::kIdempotencyKey) = key;
    EXPECT_EQ(build(fields).code(), Code::kInvalid) << key;
  }
}

TEST_F(RequestBody, SaysWhichFieldCannotBeSentAndNothingOfIt) {
  xase::proto::RecordFields fields = plain_record(R"({"secret":1e999})");
  Status status = build(fields);
  EXPECT_EQ(status.message().substr(0, 6), "input:");
  EXPECT_EQ(status.message().find("secret"), std::string::npos);

  fields = plain_record();
  fields.span(Span::kOutput) = "[]";
  EXPECT_EQ(build(fields).message().substr(0, 7), "output:");
  fields = plain_record();
  fields.span(Span::kContext) = "{";
  EXPECT_EQ(build(fields).message().substr(0, 8), "context:");
  fields = plain_record();
  fields.span(Span::kModelId) = "\xff";
  EXPECT_EQ(build(fields).message().substr(0, 8), "modelId:");
  fields = plain_record();
  fields.flags = xase::proto::kRecordHasConfidence;
  fields.confidence = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(build(fields).message().substr(0, 11), "confidence:");
  EXPECT_EQ(build(plain_record(), "not json").message().substr(0, 8), "context:");
  EXPECT_TRUE(build(plain_record()).ok()) << "usable after refusals";
}

}  // namespace
}  // namespace xased::test
