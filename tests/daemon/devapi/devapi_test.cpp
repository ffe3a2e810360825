#include "daemon/devapi/devapi.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "daemon/devapi/store.hpp"
#include "tests/daemon/devapi/support.hpp"

namespace xased {
namespace {

using devapi::JsValue;
using devapi::testing::Answer;
using devapi::testing::Connection;
using devapi::testing::TempDir;

constexpr std::int64_t kNoonMs = 1'767'787'200'000;  // 2026-01-07T12:00:00.000Z
const std::string kKey = "xase_pk_" + std::string(48, 'a');
const std::string kWithKey = "X-API-Key: " + kKey;
const std::string kLeast = R"({"input":{},"output":{}})";

class DevApiTest : public ::testing::Test {
 protected:
  void SetUp() override { options_.dir = dir_.path(); }

  Status start() {
    connection_.reset();
    api_.reset();
    options_.now_unix_ms = [this] { return now_ms_.load(); };
    auto api = DevApi::start(options_);
    if (!api.ok()) return api.status();
    api_ = std::move(*api);
    connection_ = std::make_unique<Connection>(api_->port());
    return {};
  }

  Answer post(const std::string& body, const std::string& idempotency_key = "",
              const std::string& key_header = kWithKey) {
    std::vector<std::string> headers{"Content-Type: application/json"};
    if (!key_header.empty()) headers.push_back(key_header);
    if (!idempotency_key.empty()) headers.push_back("Idempotency-Key: " + idempotency_key);
    return connection_->request("POST", "/api/xase/v1/records", headers, body);
  }
  Answer get(const std::string& path) { return connection_->request("GET", path); }
  Answer intervene(const std::string& id, const std::string& body) {
    return connection_->request("POST", "/api/xase/v1/records/" + id + "/intervene", {kWithKey},
                                body);
  }
  double stat(const char* name) {
    const JsValue stats = get("/dev/stats").json();
    const JsValue* value = stats.find(name);
    return value == nullptr || value->number() == nullptr ? -1 : *value->number();
  }

  TempDir dir_;
  DevApiOptions options_;
  std::atomic<std::int64_t> now_ms_{kNoonMs};
  std::unique_ptr<DevApi> api_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(DevApiTest, RecordIsAnsweredAsTheServiceAnswers) {
  ASSERT_TRUE(start().ok());
  const Answer first = post(kLeast);
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(first.header("content-type"), "application/json");
  EXPECT_EQ(first.header("x-ratelimit-limit"), "1000");
  EXPECT_EQ(first.header("x-ratelimit-remaining"), "999");
  EXPECT_EQ(first.header("x-idempotency-replay"), "");
  const std::string id = first.text("transaction_id");
  const std::string empty = devapi::payload_hash("{}");
  const std::string hash = devapi::chain_hash("", {empty, empty, ""});
  EXPECT_EQ(first.body, R"({"success":true,"transaction_id":")" + id +
                            R"(","receipt_url":"http://127.0.0.1:)" + std::to_string(api_->port()) +
                            "/xase/receipt/" + id +
                            R"(","timestamp":"2026-01-07T12:00:00.000Z","record_hash":")" + hash +
                            R"(","chain_position":"genesis"})");
  const Answer second = post(R"({"input":{"b":1.0,"a":1e21},"output":{},"context":{"x":null}})");
  EXPECT_EQ(second.text("chain_position"), "chained");
  EXPECT_EQ(second.header("x-ratelimit-remaining"), "998");
  EXPECT_EQ(second.text("record_hash"),
            devapi::chain_hash(hash, {devapi::payload_hash(R"({"a":1e+21,"b":1})"), empty,
                                      devapi::payload_hash(R"({"x":null})")}));
}

TEST_F(DevApiTest, KeyComesInEitherHeader) {
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(post(kLeast, "", "Authorization: Bearer " + kKey).status, 201);
  EXPECT_EQ(stat("tenants"), 1);
  post(kLeast);
  EXPECT_EQ(stat("tenants"), 1);
}

TEST_F(DevApiTest, MissingOrMalformedKeyIsUnauthorized) {
  ASSERT_TRUE(start().ok());
  for (const std::string& header :
       {std::string(), std::string("X-API-Key: nope"), std::string("Authorization: Basic ") + kKey,
        "X-API-Key: xase_pk_" + std::string(48, 'A'), kWithKey + "0"}) {
    const Answer answer = post(kLeast, "", header);
    EXPECT_EQ(answer.status, 401) << header;
    EXPECT_EQ(answer.text("code"), "UNAUTHORIZED") << header;
    EXPECT_FALSE(answer.text("error").empty());
  }
  EXPECT_EQ(stat("records"), 0);
}

TEST_F(DevApiTest, OnlyTheGivenKeyIsAccepted) {
  options_.api_key = "xase_pk_" + std::string(48, 'b');
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(post(kLeast).status, 401);
  EXPECT_EQ(post(kLeast, "", "X-API-Key: " + options_.api_key).status, 201);
}

TEST_F(DevApiTest, BrokenRulesAreNamedInDetails) {
  ASSERT_TRUE(start().ok());
  const Answer answer = post(R"({"input":{},"output":{},"confidence":null,"decisionType":"LOAN"})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.text("code"), "VALIDATION_ERROR");
  const JsValue body = answer.json();
  const JsValue* details = body.find("details");
  ASSERT_NE(details, nullptr);
  ASSERT_NE(details->array(), nullptr);
  ASSERT_EQ(details->array()->size(), 2U);
  EXPECT_EQ(stringify(details->array()->front()),
            R"({"path":"confidence","message":"Expected number, received null"})");
  EXPECT_EQ(*details->array()->back().find("path")->string(), "decisionType");
  EXPECT_EQ(stat("records"), 0);
}

TEST_F(DevApiTest, WhatIsNoObjectOrNoJsonIsAValidationError) {
  ASSERT_TRUE(start().ok());
  for (const char* body : {"", "[]", "null", "{", "\xff", "{\"input\":{},\"output\":{}} x"}) {
    const Answer answer = post(body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(answer.text("code"), "VALIDATION_ERROR") << body;
  }
}

TEST_F(DevApiTest, IdempotencyKeyHasAFormat) {
  ASSERT_TRUE(start().ok());
  for (const char* key : {"short", "has.a.dot.in.its.middle", "seventeen chars !"}) {
    const Answer answer = post(kLeast, key);
    EXPECT_EQ(answer.status, 400) << key;
    EXPECT_EQ(answer.text("code"), "INVALID_IDEMPOTENCY_KEY") << key;
  }
  EXPECT_EQ(post(kLeast, "3f2504e0-4f89-41d3-9a0c-0305e82c3301").status, 201);
}

TEST_F(DevApiTest, ReplayIsTheFirstAnswerAgain) {
  ASSERT_TRUE(start().ok());
  const std::string key(16, 'k');
  const Answer first = post(kLeast, key);
  now_ms_ += 5000;
  const Answer again = post(R"({"input":{"another":1},"output":{}})", key);
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.header("x-idempotency-replay"), "true");
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(again.header("x-ratelimit-remaining"), "999");
  EXPECT_EQ(stat("records"), 1);
  EXPECT_EQ(stat("replays"), 1);
  EXPECT_EQ(stat("replays_of_another_body"), 1);
  EXPECT_EQ(post(kLeast, key, "X-API-Key: xase_pk_" + std::string(48, 'c'))
                .header("x-idempotency-replay"),
            "");
}

TEST_F(DevApiTest, ReplayOutlivesARestartOnAnotherPort) {
  ASSERT_TRUE(start().ok());
  const std::string key(16, 'k');
  const Answer first = post(kLeast, key);
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(post(kLeast, key).body, first.body);
  options_.forget_keys = true;
  ASSERT_TRUE(start().ok());
  const Answer second = post(kLeast, key);
  EXPECT_EQ(second.status, 201);
  EXPECT_NE(second.body, first.body);
  EXPECT_EQ(second.text("chain_position"), "chained");
}

TEST_F(DevApiTest, LimitRefusesWithoutRetryAfterAndOpensAgain) {
  options_.rate_limit_per_hour = 2;
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(post(kLeast, std::string(16, 'k')).status, 201);
  EXPECT_EQ(post("{}").status, 400);  // takes nothing
  EXPECT_EQ(post(kLeast, std::string(16, 'k')).header("x-ratelimit-remaining"), "1");
  EXPECT_EQ(post(kLeast).header("x-ratelimit-remaining"), "0");
  now_ms_ += 1'000'500;
  const Answer refused = post(kLeast);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.text("code"), "RATE_LIMIT_EXCEEDED");
  EXPECT_EQ(refused.header("retry-after"), "");
  EXPECT_EQ(refused.header("x-ratelimit-limit"), "2");
  EXPECT_EQ(refused.header("x-ratelimit-remaining"), "0");
  EXPECT_EQ(refused.header("x-ratelimit-reset"), std::to_string(kNoonMs + 3'600'000));
  const JsValue body = refused.json();
  ASSERT_NE(body.find("retry_after"), nullptr);
  EXPECT_EQ(*body.find("retry_after")->number(), 2600);
  now_ms_ = kNoonMs + 3'600'000;
  EXPECT_EQ(post(kLeast).status, 201);
}

TEST_F(DevApiTest, WithoutALimitThereAreNoLimitHeaders) {
  options_.rate_limit_per_hour = 0;
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(post(kLeast).header("x-ratelimit-limit"), "");
}

TEST_F(DevApiTest, QuotaIsUsedUp) {
  options_.quota = 1;
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(post(kLeast).status, 201);
  const Answer answer = post(kLeast);
  EXPECT_EQ(answer.status, 402);
  EXPECT_EQ(answer.text("code"), "LIMIT_EXCEEDED");
  const JsValue body = answer.json();
  ASSERT_NE(body.find("usage"), nullptr);
  EXPECT_EQ(stringify(*body.find("usage")), R"({"used":1,"limit":1})");
}

TEST_F(DevApiTest, VerifyShowsTheRecordAndItsNeighbours) {
  ASSERT_TRUE(start().ok());
  const Answer a = post(R"({"input":{},"output":{},"policyId":"p","policyVersion":"2",
                            "decisionType":"FRAUD","confidence":0.25,"processingTime":3})");
  const Answer b = post(kLeast);
  const Answer verified = get("/api/xase/v1/verify/" + a.text("transaction_id"));
  EXPECT_EQ(verified.status, 200);
  const JsValue body = verified.json();
  EXPECT_TRUE(*body.find("is_valid")->boolean());
  EXPECT_EQ(verified.text("status"), "VERIFIED");
  EXPECT_EQ(stringify(*body.find("metadata")),
            R"({"timestamp":"2026-01-07T12:00:00.000Z","policy_id":"p","policy_version":"2",)"
            R"("decision_type":"FRAUD","confidence":0.25,"processing_time":3})");
  EXPECT_EQ(stringify(*body.find("chain")),
            R"({"previous_hash":null,"record_hash":")" + a.text("record_hash") +
                R"(","is_genesis":true,"has_next":true,"next_transaction_id":")" +
                b.text("transaction_id") + "\"}");
  const JsValue second = get("/api/xase/v1/verify/" + b.text("transaction_id")).json();
  EXPECT_EQ(stringify(*second.find("chain")),
            R"({"previous_hash":")" + a.text("record_hash") + R"(","record_hash":")" +
                b.text("record_hash") +
                R"(","is_genesis":false,"has_next":false,"next_transaction_id":null})");
}

TEST_F(DevApiTest, VerifySeesWhatChangedOnDisk) {
  ASSERT_TRUE(start().ok());
  const Answer made = post(R"({"input":{"amount":1000},"output":{}})");
  std::string bytes = devapi::testing::read_file(dir_.log());
  bytes.replace(bytes.find("1000}"), 4, "9000");
  devapi::testing::write_file(dir_.log(), bytes);
  const Answer verified = get("/api/xase/v1/verify/" + made.text("transaction_id"));
  EXPECT_EQ(verified.status, 200);
  EXPECT_EQ(verified.text("status"), "TAMPERED");
  EXPECT_FALSE(*verified.json().find("is_valid")->boolean());
}

TEST_F(DevApiTest, InterventionsAreStoredAndShown) {
  ASSERT_TRUE(start().ok());
  const std::string id = post(kLeast).text("transaction_id");
  const std::string who = R"(,"actorName":"<i>Ann</i>","actorEmail":"ann@bank.example"})";
  const Answer refused = intervene(id, R"({"action":"REJECTED")" + who);
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.text("code"), "VALIDATION_ERROR");
  const Answer made = intervene(id, R"({"action":"REJECTED","reason":"income")" + who);
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(made.text("intervention_id").substr(0, 4), "int_");
  EXPECT_EQ(intervene("txn_" + std::string(32, '0'), R"({"action":"APPROVED")" + who).status, 404);
  EXPECT_EQ(stat("interventions"), 1);
  const std::string page = get("/xase/receipt/" + id).body;
  EXPECT_NE(page.find("REJECTED"), std::string::npos);
  EXPECT_NE(page.find("&lt;i&gt;Ann&lt;/i&gt;"), std::string::npos);
}

TEST_F(DevApiTest, ReceiptPageIsEscapedAndSelfContained) {
  ASSERT_TRUE(start().ok());
  const Answer made = post(R"({"input":{"secret":"s3cr3t"},"output":{},"confidence":0.5,
      "policyId":"<script>alert('p')</script>","policyVersion":"\"><img src=x>","modelId":"a&b"})");
  const Answer page = get("/xase/receipt/" + made.text("transaction_id"));
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.header("content-type"), "text/html; charset=utf-8");
  EXPECT_NE(page.header("content-security-policy").find("default-src 'none'"), std::string::npos);
  EXPECT_NE(page.body.find("&lt;script&gt;alert(&#39;p&#39;)&lt;/script&gt;"), std::string::npos);
  EXPECT_NE(page.body.find("&quot;&gt;&lt;img src=x&gt;"), std::string::npos);
  EXPECT_NE(page.body.find("a&amp;b"), std::string::npos);
  EXPECT_NE(page.body.find(made.text("record_hash")), std::string::npos);
  for (const char* absent : {"<script", "<img", "http://", "https://", "s3cr3t"}) {
    EXPECT_EQ(page.body.find(absent), std::string::npos) << absent;
  }
}

TEST_F(DevApiTest, UnknownThingsAreNotFoundInTheServicesShape) {
  ASSERT_TRUE(start().ok());
  for (const std::string& path :
       {std::string("/"), std::string("/api/xase/v1"), std::string("/api/xase/v1/nothing"),
        "/api/xase/v1/verify/txn_" + std::string(32, '0'), std::string("/api/xase/v1/verify/x"),
        "/xase/receipt/txn_" + std::string(32, '0'), std::string("/dev/nothing")}) {
    const Answer answer = get(path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.text("code"), "NOT_FOUND") << path;
  }
  const Answer wrong_method = get("/api/xase/v1/records");
  EXPECT_EQ(wrong_method.status, 405);
  EXPECT_EQ(wrong_method.header("allow"), "POST");
}

TEST_F(DevApiTest, WhatIsNotHttpIsAnsweredAndClosed) {
  ASSERT_TRUE(start().ok());
  connection_->send("what is this\r\n\r\n");
  const Answer answer = connection_->receive();
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.text("code"), "BAD_REQUEST");
  EXPECT_EQ(connection_->receive().status, 0);
}

TEST_F(DevApiTest, BodyBeyondTheLimitIsRefused) {
  options_.body_bytes_max = 1000;
  ASSERT_TRUE(start().ok());
  const std::string fits = R"({"input":{"t":")" + std::string(900, 'x') + R"("},"output":{}})";
  EXPECT_EQ(post(fits).status, 201);
  const std::string large = R"({"input":{"t":")" + std::string(1000, 'x') + R"("},"output":{}})";
  const Answer answer = post(large);
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.text("code"), "PAYLOAD_TOO_LARGE");
  // Also when no length announces it.
  Connection chunked(api_->port());
  chunked.send("POST /api/xase/v1/records HTTP/1.1\r\nHost: h\r\n" + kWithKey +
               "\r\nTransfer-Encoding: chunked\r\n\r\n" + "7d0\r\n" + std::string(2000, ' ') +
               "\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.receive().status, 413);
}

TEST_F(DevApiTest, ChunkedBodyIsTaken) {
  ASSERT_TRUE(start().ok());
  connection_->send("POST /api/xase/v1/records HTTP/1.1\r\nHost: h\r\n" + kWithKey +
                    "\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"inp\r\n13\r\nut\":{},\"output\":"
                    "{}}\r\n0\r\n\r\n");
  EXPECT_EQ(connection_->receive().status, 201);
  EXPECT_EQ(post(kLeast).status, 201);  // and the connection goes on
}

TEST_F(DevApiTest, ConnectionIsKeptForManyRequests) {
  ASSERT_TRUE(start().ok());
  for (int i = 0; i < 300; ++i) ASSERT_EQ(post(kLeast).status, 201) << i;
  const JsValue stats = get("/dev/stats").json();
  EXPECT_EQ(*stats.find("connections")->find("accepted")->number(), 1);
}

TEST_F(DevApiTest, ManyOpenConnectionsDoNotStarveEachOther) {
  options_.rate_limit_per_hour = 0;
  ASSERT_TRUE(start().ok());
  constexpr int kConnections = 200;
  std::vector<std::unique_ptr<Connection>> open;
  open.reserve(kConnections);
  for (int i = 0; i < kConnections; ++i) {
    open.push_back(std::make_unique<Connection>(api_->port()));
  }
  for (const auto& connection : open) {
    EXPECT_EQ(connection->request("POST", "/api/xase/v1/records", {kWithKey}, kLeast).status, 201);
  }
  EXPECT_EQ(stat("records"), kConnections);
}

TEST_F(DevApiTest, DevRecordsShowWhatWasStoredToTheByte) {
  ASSERT_TRUE(start().ok());
  const std::string body = "{ \"input\":{\"n\":1.0,\"t\":\"\xC3\xA9\"},\r\n\t\"output\":{} }";
  const std::string key(20, 'k');
  const Answer made = post(body, key);
  post(kLeast);
  const JsValue page = get("/dev/records?after=0&limit=1").json();
  ASSERT_EQ(page.find("records")->array()->size(), 1U);
  const JsValue& record = page.find("records")->array()->front();
  EXPECT_EQ(*record.find("body")->string(), body);
  EXPECT_EQ(*record.find("idempotency_key")->string(), key);
  EXPECT_EQ(*record.find("transaction_id")->string(), made.text("transaction_id"));
  EXPECT_EQ(*record.find("record_hash")->string(), made.text("record_hash"));
  EXPECT_TRUE(record.find("previous_hash")->is_null());
  EXPECT_EQ(*page.find("next_after")->number(), 1);
  EXPECT_EQ(*page.find("total")->number(), 2);
  const JsValue next = get("/dev/records?after=1").json();
  EXPECT_TRUE(next.find("records")->array()->front().find("idempotency_key")->is_null());
  EXPECT_EQ(*next.find("records")->array()->front().find("previous_hash")->string(),
            made.text("record_hash"));
  EXPECT_EQ(get("/dev/records?after=x").status, 400);
}

TEST_F(DevApiTest, ApiKeyIsNotWrittenToDisk) {
  ASSERT_TRUE(start().ok());
  post(kLeast);
  EXPECT_EQ(devapi::testing::read_file(dir_.log()).find(kKey), std::string::npos);
}

TEST_F(DevApiTest, DirectoryOrPortInUseIsSaid) {
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(DevApi::start({.dir = dir_.path()}).status().code(), Code::kExists);
  const TempDir other;
  const auto same_port = DevApi::start({.dir = other.path(), .port = api_->port()});
  ASSERT_FALSE(same_port.ok());
  EXPECT_EQ(same_port.status().code(), Code::kExists);
}

TEST_F(DevApiTest, OptionsThatMakeNoSenseAreInvalid) {
  const TempDir other;
  EXPECT_EQ(DevApi::start({}).status().code(), Code::kInvalid);
  EXPECT_EQ(DevApi::start({.dir = other.path(), .api_key = "x"}).status().code(), Code::kInvalid);
  EXPECT_EQ(DevApi::start({.dir = other.path(), .faults = "{\"x\":1}"}).status().code(),
            Code::kInvalid);
}

TEST_F(DevApiTest, StopEndsOpenConnectionsAndMayComeTwice) {
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(post(kLeast).status, 201);
  api_->stop();
  EXPECT_EQ(connection_->receive().status, 0);
  api_->stop();
}

}  // namespace
}  // namespace xased
