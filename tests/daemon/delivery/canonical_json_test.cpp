#include "daemon/delivery/canonical_json.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstdint>
#include <string>

namespace xased {
namespace {

std::string number(std::uint64_t bits) {
  std::string out;
  append_canonical_number(std::bit_cast<double>(bits), out);
  return out;
}

std::string canonical(std::string_view text) {
  CanonicalJson json;
  std::string out;
  const Status status = json.append_object(text, out);
  return status.ok() ? out : "refused: " + status.message();
}

bool is_refused(std::string_view text) {
  CanonicalJson json;
  std::string out;
  return json.append_object(text, out).code() == Code::kInvalid;
}

// RFC 8785, appendix B.
TEST(CanonicalNumber, IsWrittenAsTheTableOfRfc8785Says) {
  EXPECT_EQ(number(0x0000000000000000), "0");
  EXPECT_EQ(number(0x8000000000000000), "0");
  EXPECT_EQ(number(0x0000000000000001), "5e-324");
  EXPECT_EQ(number(0x8000000000000001), "-5e-324");
  EXPECT_EQ(number(0x7fefffffffffffff), "1.7976931348623157e+308");
  EXPECT_EQ(number(0xffefffffffffffff), "-1.7976931348623157e+308");
  EXPECT_EQ(number(0x4340000000000000), "9007199254740992");
  EXPECT_EQ(number(0xc340000000000000), "-9007199254740992");
  EXPECT_EQ(number(0x4430000000000000), "295147905179352830000");
  EXPECT_EQ(number(0x44b52d02c7e14af5), "9.999999999999997e+22");
  EXPECT_EQ(number(0x44b52d02c7e14af6), "1e+23");
  EXPECT_EQ(number(0x44b52d02c7e14af7), "1.0000000000000001e+23");
  EXPECT_EQ(number(0x444b1ae4d6e2ef4e), "999999999999999700000");
  EXPECT_EQ(number(0x444b1ae4d6e2ef4f), "999999999999999900000");
  EXPECT_EQ(number(0x444b1ae4d6e2ef50), "1e+21");
  EXPECT_EQ(number(0x3eb0c6f7a0b5ed8c), "9.999999999999997e-7");
  EXPECT_EQ(number(0x3eb0c6f7a0b5ed8d), "0.000001");
  EXPECT_EQ(number(0x41b3de4355555553), "333333333.3333332");
  EXPECT_EQ(number(0x41b3de4355555554), "333333333.33333325");
  EXPECT_EQ(number(0x41b3de4355555555), "333333333.3333333");
  EXPECT_EQ(number(0x41b3de4355555556), "333333333.3333334");
  EXPECT_EQ(number(0x41b3de4355555557), "333333333.33333343");
  EXPECT_EQ(number(0xbecbf647612f3696), "-0.0000033333333333333333");
  EXPECT_EQ(number(0x43143ff3c1cb0959), "1424953923781206.2");
}

// RFC 8785, section 3.2.2.
TEST(CanonicalJson, WritesTheExampleOfRfc8785) {
  EXPECT_EQ(canonical(R"({
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    })"),
            R"({"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],)"
            "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
}

// RFC 8785, section 3.2.3.
TEST(CanonicalJson, SortsNamesByUtf16CodeUnits) {
  EXPECT_EQ(canonical(R"({
      "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
      "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control",
      "\u00f6": "Latin Small Letter O With Diaeresis"
    })"),
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\","
            "\"\xc3\xb6\":\"Latin Small Letter O With Diaeresis\","
            "\"\xe2\x82\xac\":\"Euro Sign\",\"\xf0\x9f\x98\x80\":\"Emoji: Grinning Face\","
            "\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}");
}

TEST(CanonicalJson, SortsNestedObjectsAndKeepsArrays) {
  EXPECT_EQ(canonical(R"({"b":[{"z":1,"a":2},[3,1,2]],"a":{"y":{},"x":[]}})"),
            R"({"a":{"x":[],"y":{}},"b":[{"a":2,"z":1},[3,1,2]]})");
}

TEST(CanonicalJson, TakesTheLastOfTwoMembersWithOneName) {
  EXPECT_EQ(canonical(R"({"a":1,"b":{"c":1,"c":2},"a":3})"), R"({"a":3,"b":{"c":2}})");
}

TEST(CanonicalJson, AShorterNameSortsBeforeTheNameItBegins) {
  EXPECT_EQ(canonical(R"({"ab":1,"a":2,"":3})"), R"({"":3,"a":2,"ab":1})");
}

TEST(CanonicalJson, ReadsIntegersOfAnyLengthAsDoubles) {
  EXPECT_EQ(
      canonical(R"({"a":9007199254740993,"b":18446744073709551615,"c":-9223372036854775808})"),
      R"({"a":9007199254740992,"b":18446744073709552000,"c":-9223372036854776000})");
  EXPECT_EQ(
      canonical(R"({"n":123456789012345678901234567890,"s":"98765432109876543210987654321 \" 1",)"
                R"("f":0.12345678901234567890123,"e":12345678901234567890e5})"),
      R"({"e":1.2345678901234568e+24,"f":0.12345678901234568,"n":1.2345678901234568e+29,)"
      R"("s":"98765432109876543210987654321 \" 1"})");
}

TEST(CanonicalJson, IsItsOwnCanonicalForm) {
  const std::string once = canonical(R"({"x":[1.50,{"b":"\u00e9\u0007","a":-0.0}],"k":1e2})");
  EXPECT_EQ(canonical(once), once);
}

TEST(CanonicalJson, RefusesWhatIsNotAnObject) {
  for (const std::string_view text :
       {"", "1", "[]", "\"a\"", "{", "{\"a\":}", "{\"a\":1}x", "{'a':1}", "{\"a\":01}",
        "{\"a\":1e999}", "{\"a\":\"\xff\"}", "{\"a\":\"\\ud800\"}", "{\"a\":NaN}"}) {
    EXPECT_TRUE(is_refused(text)) << text;
  }
}

TEST(CanonicalJson, RefusesNestingBeyondItsLimitAndTakesWhatIsWithin) {
  const auto nested = [](std::size_t depth) {
    return R"({"a":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_FALSE(is_refused(nested(CanonicalJson::kDepthMax - 24)));
  EXPECT_TRUE(is_refused(nested(CanonicalJson::kDepthMax + 1)));
  EXPECT_TRUE(is_refused(nested(1'000'000)));
}

TEST(CanonicalJson, MergesLayersWithTheLaterOneWinning) {
  CanonicalJson json;
  std::string out;
  const std::array<CanonicalJson::Member, 1> under{{{"timestamp", "1"}}};
  const std::array<CanonicalJson::Member, 1> over{{{"own", R"({"s":2})"}}};
  const std::array<CanonicalJson::Layer, 2> layers{
      {{R"({"pid":7,"env":"x","timestamp":0})", under},
       {R"({"env":"y","own":0,"z":{"b":1,"a":2}})", over}}};
  ASSERT_TRUE(json.append_merged(layers, out).ok());
  EXPECT_EQ(out, R"({"env":"y","own":{"s":2},"pid":7,"timestamp":1,"z":{"a":2,"b":1}})");
}

TEST(CanonicalJson, CanBeUsedAgainAfterARefusal) {
  CanonicalJson json;
  std::string out;
  ASSERT_FALSE(json.append_object("{\"a\":{\"b\":}}", out).ok());
  out.clear();
  ASSERT_TRUE(json.append_object("{\"b\":1,\"a\":{}}", out).ok());
  EXPECT_EQ(out, "{\"a\":{},\"b\":1}");
}

}  // namespace
}  // namespace xased
