#include "daemon/intake/record_check.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/records.hpp"

namespace xased {
namespace {

using test::RecordMaker;
using xase::proto::ErrorCode;
using xase::proto::RecordFields;
using xase::proto::Span;

class RecordCheckTest : public testing::Test {
 protected:
  RecordCheck check_;

  // The record goes through its encoding, with padding behind it, as in a ring's copy.
  RecordVerdict verdict(const RecordMaker& maker) {
    bytes_ = maker.encode();
    const std::size_t size = bytes_.size();
    // What lies behind must not matter.
    bytes_.resize(size + kJsonPaddingBytes, std::byte{'}'});
    const auto fields = xase::proto::decode_record(xase::proto::Bytes(bytes_).first(size));
    EXPECT_TRUE(fields.has_value());
    return check_.check(*fields);
  }
  ErrorCode code(const RecordMaker& maker) { return verdict(maker).code; }
  ErrorCode input(const std::string& json) {
    RecordMaker maker;
    maker.input = json;
    return code(maker);
  }
  ErrorCode with(Span span, std::string_view text) {
    RecordMaker maker;
    maker.with(span, text);
    return code(maker);
  }

 private:
  std::vector<std::byte> bytes_;
};

std::string nested(std::size_t depth) {
  // `depth` containers, the outermost an object.
  return "{\"a\":" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
}

TEST_F(RecordCheckTest, TakesASoundRecord) { EXPECT_EQ(code(RecordMaker()), ErrorCode::kOk); }

TEST_F(RecordCheckTest, RefusesAnAbsentRequiredField) {
  RecordMaker maker;
  maker.input = "";
  EXPECT_EQ(code(maker), ErrorCode::kInvalidInput);
  maker = RecordMaker();
  maker.output = "";
  EXPECT_EQ(code(maker), ErrorCode::kInvalidOutput);
  maker = RecordMaker();
  maker.policy = "";
  EXPECT_EQ(code(maker), ErrorCode::kMissingPolicy);
}

TEST_F(RecordCheckTest, RefusesWhatIsNoJsonObject) {
  for (const char* json : {"[1]", "1", "\"text\"", "null", "true", " ", "\n"}) {
    EXPECT_EQ(input(json), ErrorCode::kInvalidInput) << json;
    EXPECT_EQ(with(Span::kContext, json), ErrorCode::kInvalidContext) << json;
    EXPECT_EQ(with(Span::kExplanation, json), ErrorCode::kInvalidExplanation) << json;
  }
  RecordMaker maker;
  maker.output = "[]";
  EXPECT_EQ(code(maker), ErrorCode::kInvalidOutput);
}

TEST_F(RecordCheckTest, RefusesWhatIsNoJson) {
  for (const char* json :
       {"{",           "{\"a\":}",    "{\"a\":1,}",        "{'a':1}",        "{a:1}",
        "{\"a\":1}x",  "{\"a\":1}{}", "{\"a\":01}",        "{\"a\":+1}",     "{\"a\":.5}",
        "{\"a\":1.}",  "{\"a\":NaN}", "{\"a\":Infinity}",  "{\"a\":\"\t\"}", "{\"a\":\"\\x41\"}",
        "{\"a\":tru}", "{\"a\" 1}",   "{\"a\":1 \"b\":2}", "{\"a\":\"",      "{\"a\":[1,2}",
        "//\n{}",      "{\"a\":1}\f"}) {
    EXPECT_EQ(input(json), ErrorCode::kInvalidInput) << json;
  }
}

TEST_F(RecordCheckTest, TakesWhitespaceAroundTheObjectAndAnEmptyObject) {
  EXPECT_EQ(input(" \r\n\t{ \"a\" : 1 } \n"), ErrorCode::kOk);
  EXPECT_EQ(input("{}"), ErrorCode::kOk);
}

TEST_F(RecordCheckTest, ReadsNothingBehindASpan) {
  // Cut short, and closed by what lies behind it: the output, or the padding.
  RecordMaker maker;
  maker.input = "{\"a\":1";
  maker.output = "}";
  EXPECT_EQ(code(maker), ErrorCode::kInvalidInput);
}

TEST_F(RecordCheckTest, RefusesInvalidUtf8) {
  for (const char* text : {"\xff", "\xc0\xaf", "\xe2\x82", "\xed\xa0\x80", "\xf5\x80\x80\x80"}) {
    EXPECT_EQ(input("{\"a\":\"" + std::string(text) + "\"}"), ErrorCode::kInvalidInput);
    EXPECT_EQ(with(Span::kTransactionId, text), ErrorCode::kInvalidText);
    EXPECT_EQ(with(Span::kModelHash, text), ErrorCode::kInvalidText);
  }
  RecordMaker maker;
  maker.policy = "\xff";
  EXPECT_EQ(code(maker), ErrorCode::kInvalidText);
  EXPECT_EQ(input("{\"\xc3\xa4\":\"\xf0\x9f\x98\x80\"}"), ErrorCode::kOk);
}

TEST_F(RecordCheckTest, RefusesALoneSurrogate) {
  EXPECT_EQ(input(R"({"a":"\ud800"})"), ErrorCode::kInvalidInput);
  EXPECT_EQ(input(R"({"a":"\udc00\ud800"})"), ErrorCode::kInvalidInput);
  EXPECT_EQ(input(R"({"\ud800":1})"), ErrorCode::kInvalidInput);
  EXPECT_EQ(input(R"({"a":"\ud83d\ude00"})"), ErrorCode::kOk);
}

TEST_F(RecordCheckTest, RefusesANumberThatADoubleCannotHold) {
  EXPECT_EQ(input(R"({"a":1e400})"), ErrorCode::kInvalidInput);
  EXPECT_EQ(input(R"({"a":-1e400})"), ErrorCode::kInvalidInput);
  EXPECT_EQ(input(R"({"a":1e308,"b":1e-400,"c":-0.0})"), ErrorCode::kOk);
}

TEST_F(RecordCheckTest, TakesIntegersOf64Bits) {
  EXPECT_EQ(input(R"({"a":18446744073709551615,"b":-9223372036854775808})"), ErrorCode::kOk);
}

TEST_F(RecordCheckTest, AllowsNestingUpToItsLimitWhateverItParsedBefore) {
  EXPECT_EQ(input(nested(kJsonDepthMax - 1)), ErrorCode::kOk);
  EXPECT_EQ(input(nested(kJsonDepthMax + 1)), ErrorCode::kInvalidInput);
  // A text that makes the parser grow must not change the limit.
  EXPECT_TRUE(check_.is_json_object("{\"a\":\"" + std::string(200'000, 'x') + "\"}"));
  EXPECT_EQ(input(nested(kJsonDepthMax - 1)), ErrorCode::kOk);
  EXPECT_EQ(input(nested(kJsonDepthMax + 1)), ErrorCode::kInvalidInput);
  RecordCheck other;
  EXPECT_FALSE(other.is_json_object(nested(kJsonDepthMax + 1)));
  EXPECT_TRUE(other.is_json_object(nested(kJsonDepthMax - 1)));
  EXPECT_EQ(input("{\"a\":" + std::string(1'000'000, '[')), ErrorCode::kInvalidInput);
}

TEST_F(RecordCheckTest, RefusesTheReservedNameInTheContext) {
  EXPECT_EQ(with(Span::kContext, R"({"xase_ledger":{}})"), ErrorCode::kReservedContextName);
  EXPECT_EQ(with(Span::kContext, R"({"a":1,"xase_ledger":null})"), ErrorCode::kReservedContextName);
  EXPECT_EQ(with(Span::kContext, R"({"xase\u005fledger":1})"), ErrorCode::kReservedContextName);
  EXPECT_EQ(with(Span::kContext, R"({"a":{"xase_ledger":1}})"), ErrorCode::kOk);
  EXPECT_EQ(with(Span::kContext, R"({"xase_ledger2":1})"), ErrorCode::kOk);
  EXPECT_EQ(input(R"({"xase_ledger":1})"), ErrorCode::kOk);
}

TEST_F(RecordCheckTest, BoundsConfidence) {
  RecordMaker maker;
  maker.more.flags = xase::proto::kRecordHasConfidence;
  for (const double good : {0.0, -0.0, 0.5, 1.0}) {
    maker.more.confidence = good;
    EXPECT_EQ(code(maker), ErrorCode::kOk) << good;
  }
  for (const double bad : {-0.0001, 1.0001, std::numeric_limits<double>::quiet_NaN(),
                           std::numeric_limits<double>::infinity()}) {
    maker.more.confidence = bad;
    EXPECT_EQ(code(maker), ErrorCode::kInvalidConfidence) << bad;
  }
}

TEST_F(RecordCheckTest, BoundsProcessingTime) {
  RecordMaker maker;
  maker.more.flags = xase::proto::kRecordHasProcessingTime;
  for (const double good : {0.0, 12.5, 1e300}) {
    maker.more.processing_time_ms = good;
    EXPECT_EQ(code(maker), ErrorCode::kOk) << good;
  }
  for (const double bad :
       {-1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    maker.more.processing_time_ms = bad;
    EXPECT_EQ(code(maker), ErrorCode::kInvalidProcessingTime) << bad;
  }
}

TEST_F(RecordCheckTest, RefusesANumberThatIsNotFlagged) {
  RecordMaker maker;
  maker.more.confidence = 0.5;
  EXPECT_EQ(code(maker), ErrorCode::kInvalidConfidence);
  maker.more.confidence = 0;
  maker.more.processing_time_ms = -0.0;
  EXPECT_EQ(code(maker), ErrorCode::kInvalidProcessingTime);
}

TEST_F(RecordCheckTest, ChecksTheIdempotencyKey) {
  for (const char* good :
       {"0123456789abcdef", "ABCDEFGH_-abcdefg", "123e4567-e89b-42d3-a456-426614174000",
        "123E4567-E89B-42D3-A456-426614174000",
        "0123456789012345678901234567890123456789012345678901234567890123"}) {
    EXPECT_EQ(with(Span::kIdempotencyKey, good), ErrorCode::kOk) << good;
    EXPECT_TRUE(is_idempotency_key(good));
  }
  for (const char* bad : {"short", "0123456789abcde", "0123456789abcde ", "0123456789abcde\n",
                          "0123456789abcde.", "0123456789abcd\xc3\xa4",
                          "01234567890123456789012345678901234567890123456789012345678901234"}) {
    EXPECT_EQ(with(Span::kIdempotencyKey, bad), ErrorCode::kInvalidIdempotencyKey) << bad;
    EXPECT_FALSE(is_idempotency_key(bad));
  }
}

TEST_F(RecordCheckTest, SaysWhatIsWrongWithoutAnyOfTheRecordsText) {
  RecordMaker maker;
  maker.input = R"({"secret":"hunter2","broken":})";
  const RecordVerdict verdict_of = verdict(maker);
  EXPECT_NE(verdict_of.message.find("input is not valid JSON"), std::string::npos);
  EXPECT_EQ(verdict_of.message.find("hunter2"), std::string::npos);
  EXPECT_EQ(verdict_of.message.find("secret"), std::string::npos);
}

TEST_F(RecordCheckTest, ChecksTheLargestRecord) {
  RecordMaker maker;
  maker.input = "{\"a\":\"" + std::string(15'000'000, 'x') + "\"}";
  EXPECT_EQ(code(maker), ErrorCode::kOk);
  maker.input[100] = '\x01';
  EXPECT_EQ(code(maker), ErrorCode::kInvalidInput);
}

}  // namespace
}  // namespace xased
