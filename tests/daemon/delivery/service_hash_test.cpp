#include "daemon/delivery/service_hash.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "daemon/delivery/canonical_json.hpp"
#include "daemon/delivery/request_body.hpp"
#include "daemon/devapi/api.hpp"
#include "daemon/devapi/rules.hpp"

namespace xased {
namespace {

std::string as_javascript(std::string_view canonical) {
  std::string out;
  return append_as_javascript(canonical, out) ? out : "cannot be told";
}

TEST(ServiceHash, LeavesTextAsItIsWhereNoNameIsAnArrayIndex) {
  const std::string text = R"({"":[],"a":[1,-2.5,1e+22,true,false,null],"b":{"c":"\"{[,:"}})";
  EXPECT_EQ(as_javascript(text), text);
}

TEST(ServiceHash, PutsArrayIndicesFirstByNumberAtEveryDepth) {
  EXPECT_EQ(as_javascript(R"({"!":0,"10":1,"9":{"a":2,"b":[{"-":0,"3":4,"20":5}]},"a":3})"),
            R"({"9":{"a":2,"b":[{"3":4,"20":5,"-":0}]},"10":1,"!":0,"a":3})");
}

TEST(ServiceHash, TakesForAnArrayIndexOnlyWhatJavaScriptDoes) {
  EXPECT_EQ(
      as_javascript(R"({"00":1,"01":2,"1.5":3,"4294967294":4,"4294967295":5,"99999999999":6})"),
      R"({"4294967294":4,"00":1,"01":2,"1.5":3,"4294967295":5,"99999999999":6})");
}

TEST(ServiceHash, CannotBeToldWhereRuntimesDiffer) {
  EXPECT_EQ(as_javascript(R"({"__proto__":1})"), "cannot be told");
  EXPECT_EQ(as_javascript(R"({"a":[{"__proto__":null}]})"), "cannot be told");
  EXPECT_EQ(as_javascript(R"({"a":"__proto__"})"), R"({"a":"__proto__"})");
  EXPECT_EQ(as_javascript("{\"a\":\"\xed\xa0\x80\"}"), "cannot be told");
  EXPECT_EQ(as_javascript(R"({"a":-0})"), "cannot be told");
}

TEST(ServiceHash, CannotBeToldOfWhatIsNotCanonicalJson) {
  for (const char* text : {"", "{", "{\"a\"}", "{\"a\":1", "{\"a\":1,}", "[1,]", "[", "\"a", "\"\\",
                           "{\"a\":1}x", "{a:1}", " {}"}) {
    EXPECT_EQ(as_javascript(text), "cannot be told") << text;
  }
  ServiceHasher hasher;
  for (const char* body : {"", "{}", "[]", R"({"input":{}})", R"({"input":{},"output":{})",
                           R"({"input":1,"output":{}})", R"({"input":{},"output":{}}x)",
                           R"({"input":{},"input":{},"output":{}})"}) {
    EXPECT_FALSE(hasher.of_body(body).has_value()) << body;
  }
}

TEST(ServiceHash, GivesUpOnWhatIsMadeToBeMovedAgainAndAgain) {
  std::string nested = "{\"a\":\"" + std::string(1U << 20U, 'x') + "\"}";
  for (int i = 0; i < 200; ++i) nested = R"({"0":)" + nested + R"(,"A":0})";
  EXPECT_EQ(as_javascript(nested), "cannot be told");
}

TEST(ServiceHash, IsAsAnyoneCanComputeByHand) {
  ServiceHasher hasher;
  const auto hashes = hasher.of_body(R"({"input":{"a":1},"output":{"b":2},"policyId":"p"})");
  ASSERT_TRUE(hashes.has_value());
  // printf %s '{"a":1}' | sha256sum
  EXPECT_EQ(service_hash_text(hashes->input),
            "sha256:015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862");
  EXPECT_FALSE(hashes->context.has_value());
  const devapi::RecordHashes theirs{service_hash_text(hashes->input),
                                    service_hash_text(hashes->output), ""};
  const xase::proto::Hash first = hasher.record_hash({}, *hashes);
  EXPECT_EQ(hex(first), devapi::chain_hash("", theirs));
  EXPECT_EQ(hex(hasher.record_hash(first, *hashes)), devapi::chain_hash(hex(first), theirs));
}

// JSON by chance, with what is hard in it more often than not.
class Bodies {
 public:
  explicit Bodies(std::uint32_t seed) : random_(seed) {}

  std::string object(int depth = 0) {
    std::string out = "{";
    for (int i = below(6); i > 0; --i) {
      out += (out.size() > 1 ? ",\"" : "\"") + key() + "\":" + value(depth + 1);
    }
    return out + "}";
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::string key() {
    constexpr const char* kKeys[] = {"a",
                                     "b",
                                     "0",
                                     "1",
                                     "2",
                                     "10",
                                     "01",
                                     "-1",
                                     "1.5",
                                     "4294967294",
                                     "4294967295",
                                     "\\u0001",
                                     "\\n",
                                     "\\\"",
                                     "\\\\",
                                     "\xc3\xa9",
                                     "\xee\x80\x80",
                                     "\xf0\x9f\x98\x80",
                                     "",
                                     "99999999999"};
    return kKeys[below(std::size(kKeys))];
  }
  std::string value(int depth) {
    switch (below(depth > 4 ? 3 : 6)) {
      case 0: {
        constexpr const char* kNumbers[] = {"0",
                                            "-0",
                                            "1.0",
                                            "1e22",
                                            "5e-324",
                                            "0.1",
                                            "9007199254740993",
                                            "18446744073709551616",
                                            "-1e-7"};
        return kNumbers[below(std::size(kNumbers))];
      }
      case 1:
        return "\"" + key() + key() + "\"";
      case 2:
        return below(2) == 0 ? "null" : "true";
      case 3:
        return "[" + value(depth + 1) + "," + value(depth + 1) + "]";
      default:
        return object(depth);
    }
  }

  std::mt19937 random_;
};

TEST(ServiceHash, IsTheDevApisForEveryBody) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Bodies bodies(seed);
  CanonicalJson json;
  ServiceHasher hasher;
  for (int i = 0; i < 20'000; ++i) {
    std::string body = R"({"context":)";
    ASSERT_TRUE(json.append_object(bodies.object(), body).ok());
    body += R"(,"input":)";
    ASSERT_TRUE(json.append_object(bodies.object(), body).ok());
    body += R"(,"output":)";
    ASSERT_TRUE(json.append_object(bodies.object(), body).ok());
    body += "}";
    const auto ours = hasher.of_body(body);
    ASSERT_TRUE(ours.has_value()) << body;
    const auto parsed = devapi::parse_json(body);
    ASSERT_TRUE(parsed.ok()) << body;
    const devapi::RecordHashes theirs = devapi::hashes_of(*parsed);
    ASSERT_EQ(service_hash_text(ours->input), theirs.input) << body;
    ASSERT_EQ(service_hash_text(ours->output), theirs.output) << body;
    ASSERT_EQ(service_hash_text(*ours->context), theirs.context) << body;
  }
}

}  // namespace
}  // namespace xased
