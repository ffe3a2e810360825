#include "daemon/ctl/record_line.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <string>

namespace xased::ctl {
namespace {

class RecordLineTest : public ::testing::Test {
 protected:
  LineProblem parse(const std::string& line) {
    padded_ = line;
    // What stands behind the line is another line: it must not matter.
    padded_.append(RecordLineParser::kPaddingBytes, '"');
    return parser_.parse({padded_.data(), line.size()}, record_);
  }
  std::string code_of(const std::string& line) { return parse(line).code; }

  RecordLineParser parser_;
  std::string padded_;
  RecordLine record_;
};

TEST_F(RecordLineTest, TakesEveryField) {
  ASSERT_TRUE(
      parse(R"({"policy":"p","policy_version":"4.2","transaction_id":"t","decision_type":"FRAUD",)"
            R"("input":{"a":1},"output":{"b":2},"context":{"c":3},"explanation":{"d":4},)"
            R"("confidence":0.25,"processing_time":12,"store_payload":true,)"
            R"("idempotency_key":"0123456789abcdef","model_id":"m","model_version":"1",)"
            R"("model_hash":"h","feature_schema_hash":"f"})")
          .ok());
  EXPECT_EQ(record_.policy, "p");
  EXPECT_EQ(record_.policy_version, "4.2");
  EXPECT_EQ(record_.transaction_id, "t");
  EXPECT_EQ(record_.decision_type, "FRAUD");
  EXPECT_EQ(record_.input, R"({"a":1})");
  EXPECT_EQ(record_.output, R"({"b":2})");
  EXPECT_EQ(record_.context, R"({"c":3})");
  EXPECT_EQ(record_.explanation, R"({"d":4})");
  EXPECT_EQ(record_.confidence, 0.25);
  EXPECT_EQ(record_.processing_time_ms, 12.0);
  EXPECT_EQ(record_.store_payload, true);
  EXPECT_EQ(record_.idempotency_key, "0123456789abcdef");
  EXPECT_EQ(record_.model_id, "m");
  EXPECT_EQ(record_.model_version, "1");
  EXPECT_EQ(record_.model_hash, "h");
  EXPECT_EQ(record_.feature_schema_hash, "f");
}

TEST_F(RecordLineTest, ANumberIsWhatItSaysWithAnyNumberOfDigits) {
  for (const char* digits : {"0.9411", "0.941111111111111111111111111111111111111111111186",
                             "1e-400", "0.00000000000000000000000000000000000000000001", "-0.0",
                             "0.10000000000000000000000000000000000000000000000000000000000000001",
                             "12345678901234567890.5", "1.7976931348623157e308"}) {
    const std::string number = digits;
    ASSERT_TRUE(
        parse(R"({"confidence":)" + number + R"(,"processing_time": )" + number + " }").ok())
        << number;
    const double wanted = std::strtod(digits, nullptr);
    EXPECT_EQ(record_.confidence, wanted) << number;
    EXPECT_EQ(record_.processing_time_ms, wanted) << number;
  }
}

TEST_F(RecordLineTest, PayloadsAreTheLinesOwnBytes) {
  ASSERT_TRUE(parse("{ \"input\" : { \"x\" : 1.50e+00, \"s\":\"\\u00e9 }\" , \"l\":[ ] }  ,"
                    "\"output\":\t{}  , \"policy\":\"\\u0061b\" }  ")
                  .ok());
  EXPECT_EQ(record_.input, "{ \"x\" : 1.50e+00, \"s\":\"\\u00e9 }\" , \"l\":[ ] }");
  EXPECT_EQ(record_.output, "{}");
  EXPECT_EQ(record_.policy, "ab") << "text fields are unescaped";
}

TEST_F(RecordLineTest, WhatIsLeftOutAndWhatIsNullIsAbsent) {
  ASSERT_TRUE(parse(R"({"policy":"p","input":{},"output":{},"context":null,"confidence":null,)"
                    R"("transaction_id":null,"store_payload":null,"processing_time":null})")
                  .ok());
  EXPECT_TRUE(record_.context.empty());
  EXPECT_TRUE(record_.transaction_id.empty());
  EXPECT_TRUE(record_.explanation.empty());
  EXPECT_FALSE(record_.confidence);
  EXPECT_FALSE(record_.store_payload);
  EXPECT_FALSE(record_.processing_time_ms);
}

TEST_F(RecordLineTest, NothingOfALineIsLeftInTheNext) {
  ASSERT_TRUE(parse(R"({"policy":"p","confidence":1,"context":{"a":1}})").ok());
  ASSERT_TRUE(parse(R"({"input":{}})").ok());
  EXPECT_TRUE(record_.policy.empty());
  EXPECT_TRUE(record_.context.empty());
  EXPECT_FALSE(record_.confidence);
}

TEST_F(RecordLineTest, AnUnknownFieldIsNamedWithASuggestion) {
  const LineProblem problem = parse(R"({"policy":"p","input":{},"output":{},"confidance":1})");
  EXPECT_EQ(problem.code, "UNKNOWN_FIELD");
  EXPECT_NE(problem.message.find("confidance"), std::string::npos);
  EXPECT_NE(problem.message.find("\"confidence\""), std::string::npos);
  EXPECT_EQ(code_of(R"({"policyId":"p"})"), "UNKNOWN_FIELD");
}

TEST_F(RecordLineTest, AFieldNameMustNotSteerTheTerminal) {
  const LineProblem problem = parse(R"({"\u001b[2Jx":1})");
  EXPECT_EQ(problem.code, "UNKNOWN_FIELD");
  EXPECT_EQ(problem.message.find('\x1b'), std::string::npos);
}

TEST_F(RecordLineTest, AFieldTwiceIsAnError) {
  EXPECT_EQ(code_of(R"({"policy":"p","policy":"q"})"), "DUPLICATE_FIELD");
  EXPECT_EQ(code_of(R"({"confidence":null,"confidence":1})"), "DUPLICATE_FIELD");
}

TEST_F(RecordLineTest, AValueOfAnotherTypeHasTheSdksCode) {
  EXPECT_EQ(code_of(R"({"policy":1})"), "MISSING_POLICY");
  EXPECT_EQ(code_of(R"({"input":[]})"), "INVALID_INPUT");
  EXPECT_EQ(code_of(R"({"input":"{}"})"), "INVALID_INPUT");
  EXPECT_EQ(code_of(R"({"output":1})"), "INVALID_OUTPUT");
  EXPECT_EQ(code_of(R"({"context":"x"})"), "INVALID_CONTEXT");
  EXPECT_EQ(code_of(R"({"explanation":true})"), "INVALID_EXPLANATION");
  EXPECT_EQ(code_of(R"({"confidence":"0.5"})"), "INVALID_CONFIDENCE");
  EXPECT_EQ(code_of(R"({"processing_time":"5"})"), "INVALID_PROCESSING_TIME");
  EXPECT_EQ(code_of(R"({"store_payload":1})"), "INVALID_ARGUMENT");
  EXPECT_EQ(code_of(R"({"transaction_id":7})"), "INVALID_TEXT");
  EXPECT_EQ(code_of(R"({"idempotency_key":{}})"), "INVALID_IDEMPOTENCY_KEY");
}

TEST_F(RecordLineTest, WhatIsNoJsonObjectIsNoRecord) {
  for (const char* line :
       {"", "x", "[]", "1", "null", "{", R"({"policy":"p")", R"({"policy":"p"} {})",
        R"({"policy":"p"}})", R"({'policy':'p'})", R"({"policy":"p",})", "{\"policy\":\"\xff\"}",
        R"({"policy":"\ud800"})", R"({"input":{"a":tru}})", R"({"input":{"a":01}})",
        R"({"input":{"a" 1}})", "{\"input\":{\"a\":\"\n\"}}"}) {
    EXPECT_EQ(code_of(line), "INVALID_JSON") << line;
  }
}

TEST_F(RecordLineTest, NestingWithoutEndIsAnError) {
  EXPECT_EQ(code_of(R"({"input":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}"),
            "INVALID_JSON");
}

TEST_F(RecordLineTest, AMessageHoldsNoPayload) {
  for (const char* line : {R"({"input":"secret-value"})", R"({"input":{"a":secret-value}})",
                           R"({"confidence":"secret-value"})"}) {
    EXPECT_EQ(parse(line).message.find("secret-value"), std::string::npos) << line;
  }
}

TEST_F(RecordLineTest, EveryPrefixOfALineIsRefusedAndNothingBreaks) {
  const std::string line =
      R"({"policy":"p","input":{"a":[1,"\u0061"]},"output":{},"confidence":1})";
  ASSERT_TRUE(parse(line).ok());
  for (std::size_t size = 0; size < line.size(); ++size) {
    EXPECT_FALSE(parse(line.substr(0, size)).ok()) << size;
  }
}

}  // namespace
}  // namespace xased::ctl
