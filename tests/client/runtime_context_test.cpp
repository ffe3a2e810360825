#include "client/src/runtime_context.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "proto/ring_layout.hpp"

namespace xase::client {
namespace {

std::string quoted(std::string_view text) {
  std::string json;
  append_json_string(json, text);
  return json;
}

TEST(RuntimeContext, EscapesStrings) {
  EXPECT_EQ(quoted("a\"b\\c\n\x01/"), R"("a\"b\\c\u000a\u0001/")");
  EXPECT_EQ(quoted("\xc3\xa4\xf0\x9f\x98\x80"), "\"\xc3\xa4\xf0\x9f\x98\x80\"");
}

TEST(RuntimeContext, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(quoted("a\xff"
                   "b"),
            "\"a?b\"");
  EXPECT_EQ(quoted("\xc3"), "\"?\"");
  EXPECT_EQ(quoted("\xc0\x80"), "\"??\"") << "overlong";
  EXPECT_EQ(quoted("\xed\xa0\x80"), "\"???\"") << "a surrogate";
  EXPECT_EQ(quoted("\xf4\x90\x80\x80"), "\"????\"") << "beyond Unicode";
}

TEST(RuntimeContext, TakesTheEnvironmentFromTheFirstThatIsSet) {
  const auto env_of = [] {
    const std::string json = runtime_context("c++", "");
    return json.substr(json.find("\"env\":"));
  };
  unsetenv("ENV");
  unsetenv("PYTHON_ENV");
  EXPECT_EQ(env_of(), "\"env\":\"development\"}");
  setenv("PYTHON_ENV", "staging", 1);
  EXPECT_EQ(env_of(), "\"env\":\"staging\"}");
  setenv("ENV", "production", 1);
  EXPECT_EQ(env_of(), "\"env\":\"production\"}");
  unsetenv("ENV");
  unsetenv("PYTHON_ENV");
  const std::string json = runtime_context("c++", "given");
  EXPECT_NE(json.find("\"env\":\"given\"}"), json.npos);
  EXPECT_EQ(json.find("{\"runtime\":\"c++\",\"platform\":\"linux\",\"arch\":\""), 0U);
  EXPECT_NE(json.find(",\"pid\":" + std::to_string(getpid()) + ","), json.npos);
}

TEST(RuntimeContext, FitsItsPlaceWhateverTheEnvironmentHolds) {
  const std::string long_text(5000, '\x01');
  EXPECT_LE(runtime_context(long_text, long_text).size(), proto::kRingContextBytesMax);
}

}  // namespace
}  // namespace xase::client
