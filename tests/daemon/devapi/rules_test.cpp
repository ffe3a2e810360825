#include "daemon/devapi/rules.hpp"

#include <gtest/gtest.h>

#include <string>

namespace xased::devapi {
namespace {

// "path: message; path: message"
std::string text_of(const std::vector<Violation>& violations) {
  std::string text;
  for (const Violation& violation : violations) {
    if (!text.empty()) text += "; ";
    text += violation.path + ": " + violation.message;
  }
  return text;
}

std::string check(const std::string& body) {
  const Result<JsValue> value = parse_json(body);
  return value.ok() ? text_of(check_record(*value)) : "not JSON";
}

std::string check_with(const std::string& member) {
  return check(R"({"input":{},"output":{},)" + member + "}");
}

std::string intervention(const std::string& body) {
  const Result<JsValue> value = parse_json(body);
  return value.ok() ? text_of(check_intervention(*value)) : "not JSON";
}

TEST(RecordRules, AcceptTheLeastAndTheMost) {
  EXPECT_EQ(check(R"({"input":{},"output":{}})"), "");
  EXPECT_EQ(check(R"({"input":{"a":1},"output":{"b":null},"context":{},"policyId":"p",
                      "policyVersion":"1","decisionType":"CLAIM","confidence":0.5,
                      "processingTime":12.5,"storePayload":true,"modelId":"m","modelVersion":"1",
                      "modelHash":"h","featureSchemaHash":"f","explanation":{"s":[1]},
                      "unknown":null})"),
            "");
}

TEST(RecordRules, BodyMustBeAnObject) {
  EXPECT_EQ(check("[]"), ": Expected object, received array");
  EXPECT_EQ(check("null"), ": Expected object, received null");
  EXPECT_EQ(check("\"x\""), ": Expected object, received string");
}

TEST(RecordRules, InputAndOutputAreRequiredObjects) {
  EXPECT_EQ(check("{}"), "input: Required; output: Required");
  EXPECT_EQ(check(R"({"input":[],"output":"x"})"),
            "input: Expected object, received array; output: Expected object, received string");
  EXPECT_EQ(check(R"({"input":null,"output":{}})"), "input: Expected object, received null");
}

TEST(RecordRules, NullIsRefusedForEveryOptionalField) {
  for (const char* name : {"context", "policyId", "policyVersion", "decisionType", "confidence",
                           "processingTime", "storePayload", "modelId", "modelVersion", "modelHash",
                           "featureSchemaHash", "explanation"}) {
    const std::string found = check_with("\"" + std::string(name) + "\":null");
    EXPECT_EQ(found.find(std::string(name) + ": Expected "), 0U) << found;
    EXPECT_NE(found.find(", received null"), std::string::npos) << found;
  }
}

TEST(RecordRules, EveryFieldHasItsType) {
  EXPECT_EQ(check_with(R"("context":[])"), "context: Expected object, received array");
  EXPECT_EQ(check_with(R"("explanation":"x")"), "explanation: Expected object, received string");
  EXPECT_EQ(check_with(R"("confidence":"1")"), "confidence: Expected number, received string");
  EXPECT_EQ(check_with(R"("processingTime":true)"),
            "processingTime: Expected number, received boolean");
  EXPECT_EQ(check_with(R"("storePayload":1)"), "storePayload: Expected boolean, received number");
  for (const char* name :
       {"policyId", "policyVersion", "modelId", "modelVersion", "modelHash", "featureSchemaHash"}) {
    EXPECT_EQ(check_with("\"" + std::string(name) + "\":3"),
              std::string(name) + ": Expected string, received number");
  }
}

TEST(RecordRules, DecisionTypeIsOneOfFive) {
  for (const char* type : {"CLAIM", "UNDERWRITING", "FRAUD", "PRICING", "OTHER"}) {
    EXPECT_EQ(check_with("\"decisionType\":\"" + std::string(type) + "\""), "");
  }
  for (const char* type : {"claim", "", "LOAN", "CLAIM "}) {
    EXPECT_EQ(check_with("\"decisionType\":\"" + std::string(type) + "\"")
                  .find("decisionType: Invalid enum value. Expected 'CLAIM' | 'UNDERWRITING'"),
              0U)
        << type;
  }
}

TEST(RecordRules, ConfidenceIsFromZeroToOne) {
  for (const char* value : {"0", "1", "0.5", "1.0", "-0.0", "1e-300"}) {
    EXPECT_EQ(check_with("\"confidence\":" + std::string(value)), "") << value;
  }
  EXPECT_EQ(check_with(R"("confidence":1.0000001)"),
            "confidence: Number must be less than or equal to 1");
  EXPECT_EQ(check_with(R"("confidence":-1e-9)"),
            "confidence: Number must be greater than or equal to 0");
}

TEST(RecordRules, EveryBrokenRuleIsNamed) {
  EXPECT_EQ(check(R"({"output":{},"policyId":1,"confidence":2})"),
            "input: Required; policyId: Expected string, received number; "
            "confidence: Number must be less than or equal to 1");
}

TEST(InterventionRules, ReasonAndOutcomeDependOnTheAction) {
  const std::string who = R"(,"actorName":"A","actorEmail":"a@b.de")";
  EXPECT_EQ(intervention(R"({"action":"APPROVED")" + who + "}"), "");
  EXPECT_EQ(intervention(R"({"action":"REJECTED")" + who + "}"), "reason: Required for REJECTED");
  EXPECT_EQ(intervention(R"({"action":"REJECTED","reason":"")" + who + "}"),
            "reason: Required for REJECTED");
  EXPECT_EQ(intervention(R"({"action":"REJECTED","reason":"r")" + who + "}"), "");
  EXPECT_EQ(intervention(R"({"action":"OVERRIDE")" + who + "}"),
            "reason: Required for OVERRIDE; newOutcome: Required for OVERRIDE");
  EXPECT_EQ(intervention(R"({"action":"OVERRIDE","reason":"r","newOutcome":{})" + who + "}"), "");
  EXPECT_EQ(intervention(R"({"action":"OVERRIDE","reason":null,"newOutcome":[])" + who + "}"),
            "reason: Expected string, received null; newOutcome: Expected object, received array");
}

TEST(InterventionRules, ActionAndActorAreRequired) {
  EXPECT_EQ(intervention("{}"), "action: Required; actorName: Required; actorEmail: Required");
  EXPECT_EQ(intervention(R"({"action":"NO","actorName":"","actorEmail":"nobody"})")
                .find("action: Invalid enum value. Expected 'REVIEW_REQUESTED'"),
            0U);
  EXPECT_NE(intervention(R"({"action":"APPROVED","actorName":"","actorEmail":"nobody"})")
                .find("actorName: String must contain at least 1 character; "
                      "actorEmail: Invalid email"),
            std::string::npos);
}

TEST(KeyFormats, ApiKey) {
  EXPECT_TRUE(is_api_key("xase_pk_" + std::string(48, 'a')));
  EXPECT_TRUE(is_api_key("xase_pk_" + std::string(48, '0')));
  EXPECT_FALSE(is_api_key("xase_pk_" + std::string(47, 'a')));
  EXPECT_FALSE(is_api_key("xase_pk_" + std::string(49, 'a')));
  EXPECT_FALSE(is_api_key("xase_pk_" + std::string(48, 'A')));
  EXPECT_FALSE(is_api_key("xase_pk_" + std::string(48, 'g')));
  EXPECT_FALSE(is_api_key("xase_sk_" + std::string(48, 'a')));
  EXPECT_FALSE(is_api_key(""));
}

TEST(KeyFormats, IdempotencyKey) {
  EXPECT_TRUE(is_idempotency_key("3f2504e0-4f89-41d3-9a0c-0305e82c3301"));
  EXPECT_TRUE(is_idempotency_key(std::string(16, 'a')));
  EXPECT_TRUE(is_idempotency_key("Az09_-Az09_-Az09"));
  EXPECT_TRUE(is_idempotency_key(std::string(64, '_')));
  EXPECT_FALSE(is_idempotency_key(std::string(15, 'a')));
  EXPECT_FALSE(is_idempotency_key(std::string(65, 'a')));
  EXPECT_FALSE(is_idempotency_key("aaaaaaaaaaaaaaa."));
  EXPECT_FALSE(is_idempotency_key("aaaaaaaaaaaaaaa a"));
  EXPECT_FALSE(is_idempotency_key(""));
}

TEST(KeyFormats, TransactionId) {
  EXPECT_TRUE(is_transaction_id("txn_" + std::string(32, 'a')));
  EXPECT_FALSE(is_transaction_id("txn_" + std::string(31, 'a')));
  EXPECT_FALSE(is_transaction_id("txn_" + std::string(32, 'A')));
  EXPECT_FALSE(is_transaction_id("../etc/passwd"));
}

}  // namespace
}  // namespace xased::devapi
