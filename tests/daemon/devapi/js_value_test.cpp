#include "daemon/devapi/js_value.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace xased::devapi {
namespace {

std::string round_trip(std::string_view text) {
  const Result<JsValue> value = parse_json(text);
  return value.ok() ? stringify(*value) : "refused: " + value.status().message();
}

std::string sorted(std::string_view text) {
  const Result<JsValue> value = parse_json(text);
  return value.ok() ? stringify_sorted(*value) : "refused: " + value.status().message();
}

// What JSON.stringify(JSON.parse(text)) answers in a JavaScript engine.
TEST(JsValue, NumbersAreWrittenAsJavaScriptWritesThem) {
  const std::pair<const char*, const char*> kCases[] = {
      {"0", "0"},
      {"-0", "0"},
      {"-0.0", "0"},
      {"1.0", "1"},
      {"1.50", "1.5"},
      {"-12.25", "-12.25"},
      {"100", "100"},
      {"1e2", "100"},
      {"0.1", "0.1"},
      {"0.30000000000000004", "0.30000000000000004"},
      {"123456789012345680000", "123456789012345680000"},
      {"1e20", "100000000000000000000"},
      {"1e21", "1e+21"},
      {"1e22", "1e+22"},
      {"1.5e300", "1.5e+300"},
      {"123e-20", "1.23e-18"},
      {"0.000001", "0.000001"},
      {"0.0000001", "1e-7"},
      {"1.25e-7", "1.25e-7"},
      {"5e-324", "5e-324"},
      {"1.7976931348623157e308", "1.7976931348623157e+308"},
      {"9007199254740993", "9007199254740992"},
      {"18446744073709551615", "18446744073709552000"},
      {"123456789012345678901234567890", "1.2345678901234568e+29"},
      {"4.35", "4.35"},
      {"333333333.33333329", "333333333.3333333"},
      {"0.000035689", "0.000035689"},
  };
  for (const auto& [text, expected] : kCases) EXPECT_EQ(round_trip(text), expected) << text;
}

TEST(JsValue, WhatIsNotFiniteIsNull) {
  EXPECT_EQ(number_text(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(number_text(std::numeric_limits<double>::quiet_NaN()), "null");
}

TEST(JsValue, StringsAreEscapedAsJavaScriptEscapesThem) {
  EXPECT_EQ(round_trip(R"("\u0000\u001f\b\f\n\r\t\"\\\/")"), R"("\u0000\u001f\b\f\n\r\t\"\\/")");
  EXPECT_EQ(round_trip(R"("\u00e9\ud83d\ude00\u2028\u007f")"), "\"é😀\u2028\x7f\"");
}

TEST(JsValue, KeysKeepTheirOrder) {
  EXPECT_EQ(round_trip(R"({"b":1,"a":{"z":[],"y":{}},"c":null})"),
            R"({"b":1,"a":{"z":[],"y":{}},"c":null})");
}

TEST(JsValue, ArrayIndicesComeFirstInNumericOrder) {
  EXPECT_EQ(round_trip(R"({"b":1,"10":2,"9":3,"a":4,"01":5,"4294967295":6,"4294967294":7,"-1":8})"),
            R"({"9":3,"10":2,"4294967294":7,"b":1,"a":4,"01":5,"4294967295":6,"-1":8})");
}

TEST(JsValue, RepeatedKeyKeepsItsFirstPlaceAndLastValue) {
  EXPECT_EQ(round_trip(R"({"a":1,"b":2,"a":{"c":3},"b":4})"), R"({"a":{"c":3},"b":4})");
}

TEST(JsValue, SortingIsOfTheTopLevelOnly) {
  EXPECT_EQ(sorted(R"({"b":{"z":1,"a":2},"a":[{"y":1,"x":2}],"10":0,"9":0})"),
            R"({"9":0,"10":0,"a":[{"y":1,"x":2}],"b":{"z":1,"a":2}})");
}

TEST(JsValue, SortingIsByUtf16CodeUnits) {
  // U+1F600 is D83D DE00 in UTF-16, which sorts before U+FB33 (as in RFC 8785, section 3.2.3).
  EXPECT_EQ(sorted("{\"\xEF\xAC\xB3\":1,\"\xF0\x9F\x98\x80\":2,\"\xE2\x82\xAC\":3,\"\xC3\xB6\":4}"),
            "{\"\xC3\xB6\":4,\"\xE2\x82\xAC\":3,\"\xF0\x9F\x98\x80\":2,\"\xEF\xAC\xB3\":1}");
}

TEST(JsValue, RefusesWhatIsNotJson) {
  for (const char* text : {"", " ", "{", "{\"a\":1,}", "[1,]", "nul", "{'a':1}", "1 2", "NaN", "01",
                           "\"\x01\"", "\"\\ud800\"", "\"\xff\"", "1e400", "// c\n1"}) {
    const Result<JsValue> value = parse_json(text);
    ASSERT_FALSE(value.ok()) << text;
    EXPECT_EQ(value.status().code(), Code::kInvalid) << text;
  }
}

TEST(JsValue, RefusalDoesNotQuoteTheText) {
  const Result<JsValue> value = parse_json("{\"iban\": DE89370400440532013000}");
  ASSERT_FALSE(value.ok());
  EXPECT_EQ(value.status().message().find("DE89"), std::string::npos) << value.status().message();
}

TEST(JsValue, NestingIsBounded) {
  const std::string fits = std::string(kJsonDepthMax, '[') + std::string(kJsonDepthMax, ']');
  EXPECT_EQ(round_trip(fits), fits);
  const Result<JsValue> value = parse_json("[" + fits + "]");
  ASSERT_FALSE(value.ok());
  EXPECT_NE(value.status().message().find("512"), std::string::npos) << value.status().message();
  EXPECT_FALSE(parse_json(std::string(1'000'000, '[')).ok());
}

TEST(JsValue, LargeObjectsDoNotTakeQuadraticTime) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += "\"k" + std::to_string(i) + "\":0,";
  text += "\"k0\":1}";
  const Result<JsValue> value = parse_json(text);
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->object()->size(), 200'000U);
  EXPECT_EQ(*value->object()->front().value.number(), 1);
}

}  // namespace
}  // namespace xased::devapi
