#include "client/src/answer.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace xase::client {
namespace {

TEST(Answer, TakesTheNamedStringsOfTheTopLevel) {
  const Answer answer = parse_answer(
      " { \"usage\" : {\"transaction_id\":\"inner\",\"x\":[1,\"]}\",{}]} , \"transaction_id\":"
      "\"txn_1\",\"success\":true,\"n\":-1.5e3,\"none\":null, \"error\" :\"e\", \"code\":\"C\"} ");
  EXPECT_EQ(answer.transaction_id, "txn_1");
  EXPECT_EQ(answer.error, "e");
  EXPECT_EQ(answer.code, "C");
  EXPECT_EQ(answer.receipt_url, "");
}

TEST(Answer, TheFirstOfTwoEqualNamesCounts) {
  EXPECT_EQ(parse_answer(R"({"code":"A","code":"B"})").code, "A");
}

TEST(Answer, ResolvesEscapes) {
  EXPECT_EQ(parse_answer(R"({"error":"a\"\\\/\b\f\n\r\tA\u00e4\u20ac\ud83d\ude00"})").error,
            "a\"\\/\b\f\n\r\tA\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST(Answer, ANameMayBeEscapedToo) { EXPECT_EQ(parse_answer(R"({"\u0063ode":"A"})").code, "A"); }

TEST(Answer, WhatIsNotAnObjectOrNotAStringGivesNothing) {
  for (const char* text : {"",
                           " ",
                           "[]",
                           "null",
                           "<html>",
                           "{",
                           "{\"",
                           "{\"code",
                           "{\"code\"",
                           "{\"code\":",
                           "{\"code\":\"",
                           "{\"code\":\"\\",
                           "{\"code\":\"\\u12",
                           "{\"code\":\"\\ud800\"}",
                           "{\"code\":\"\\udc00\"}",
                           "{\"code\":\"\\ud800\\u0041\"}",
                           "{\"code\":\"\\x\"}",
                           "{\"code\":1}",
                           "{\"code\":[\"A\"]}",
                           "{\"code\":{\"code\":\"A\"}}",
                           "{code:\"A\"}",
                           "{\"code\":\"a\nb\"}"}) {
    EXPECT_EQ(parse_answer(text).code, "") << text;
  }
}

TEST(Answer, KeepsWhatCameBeforeTheDamage) {
  const Answer answer = parse_answer(R"({"transaction_id":"t","error":"unfinished)");
  EXPECT_EQ(answer.transaction_id, "t");
  EXPECT_EQ(answer.error, "");
}

TEST(Answer, SurvivesRandomDamage) {
  const std::string whole =
      R"({"success":true,"transaction_id":"txn_\u00e4","d":[{"a":"\\"}],"code":"C\ud83d\ude00"})";
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 20'000; ++round) {
    std::string text = whole.substr(0, random() % (whole.size() + 1));
    for (int i = 0; i < 3 && !text.empty(); ++i) {
      text[random() % text.size()] = "\"\\{}[],:u0\n\xff"[random() % 12];
    }
    const Answer answer = parse_answer(text);
    EXPECT_LE(answer.transaction_id.size() + answer.code.size(), 2 * whole.size());
  }
  EXPECT_EQ(parse_answer(whole).code, "C\xf0\x9f\x98\x80");
}

TEST(Answer, DeepNestingTakesNoStack) {
  const std::string deep(1'000'000, '[');
  EXPECT_EQ(parse_answer("{\"a\":" + deep + ",\"code\":\"A\"}").code, "");
}

}  // namespace
}  // namespace xase::client
