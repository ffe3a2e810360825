#include <gtest/gtest.h>

#include <thread>

#include "daemon/devapi/devapi.hpp"
#include "tests/daemon/devapi/support.hpp"

namespace xased {
namespace {

using devapi::JsValue;
using devapi::testing::Answer;
using devapi::testing::Connection;
using devapi::testing::TempDir;

const std::string kWithKey = "X-API-Key: xase_pk_" + std::string(48, 'a');
const std::string kLeast = R"({"input":{},"output":{}})";
const std::string kIdempotencyKey = "Idempotency-Key: 0123456789abcdef";

// Every fault on a connection of its own, as a client meets it.
class DevApiFaultsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto api = DevApi::start({.dir = dir_.path(), .rate_limit_per_hour = 0});
    ASSERT_TRUE(api.ok()) << api.status().message();
    api_ = std::move(*api);
  }

  void faults(const std::string& json) {
    const Answer answer = Connection(api_->port()).request("PUT", "/dev/faults", {}, json);
    ASSERT_EQ(answer.status, 200) << answer.body;
  }
  Answer post(const std::vector<std::string>& headers = {kWithKey}) {
    return Connection(api_->port()).request("POST", "/api/xase/v1/records", headers, kLeast);
  }
  std::uint64_t records() { return api_->records(); }

  TempDir dir_;
  std::unique_ptr<DevApi> api_;
};

TEST_F(DevApiFaultsTest, StatusesCarryTheServicesBodies) {
  const std::pair<int, const char*> kCases[] = {
      {400, "VALIDATION_ERROR"},    {401, "UNAUTHORIZED"},   {402, "LIMIT_EXCEEDED"},
      {403, "FORBIDDEN"},           {404, "NOT_FOUND"},      {422, "VALIDATION_ERROR"},
      {429, "RATE_LIMIT_EXCEEDED"}, {500, "INTERNAL_ERROR"}, {503, "INTERNAL_ERROR"}};
  for (const auto& [status, code] : kCases) {
    faults(R"({"status":{"count":1,"status":)" + std::to_string(status) + "}}");
    const Answer answer = post();
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.text("code"), code);
  }
  EXPECT_EQ(records(), 0U);
  EXPECT_EQ(post().status, 201);
}

TEST_F(DevApiFaultsTest, BodiesOfRefusalsNameTheirReason) {
  faults(
      R"({"status":[{"status":402,"count":1},{"status":403,"count":1},{"status":400,"count":1}]})");
  EXPECT_NE(post().json().find("usage"), nullptr);
  EXPECT_EQ(post().text("required_permission"), "ingest");
  const JsValue body = post().json();
  ASSERT_NE(body.find("details"), nullptr);
  EXPECT_EQ(body.find("details")->array()->size(), 1U);
}

TEST_F(DevApiFaultsTest, TooManyRequestsInEveryShape) {
  faults(R"({"status":[{"status":429,"count":1},
                       {"status":429,"count":1,"retry_after":7,"body":"html"},
                       {"status":429,"count":1,"retry_after_date":60,"body":"empty"}]})");
  const Answer service = post();
  EXPECT_EQ(service.header("retry-after"), "");
  EXPECT_EQ(service.header("x-ratelimit-remaining"), "0");
  EXPECT_NE(service.header("x-ratelimit-reset"), "");
  EXPECT_EQ(*service.json().find("retry_after")->number(), 1);
  const Answer seconds = post();
  EXPECT_EQ(seconds.status, 429);
  EXPECT_EQ(seconds.header("retry-after"), "7");
  EXPECT_EQ(seconds.header("content-type"), "text/html");
  EXPECT_EQ(seconds.header("x-ratelimit-reset"), "");
  const Answer date = post();
  EXPECT_EQ(date.body, "");
  EXPECT_EQ(date.header("retry-after").size(), std::string("Wed, 07 Jan 2026 12:00:00 GMT").size());
  EXPECT_EQ(date.header("retry-after").substr(25), " GMT");
}

TEST_F(DevApiFaultsTest, RedirectNamesWhereTo) {
  faults(R"({"status":{"status":302,"location":"http://127.0.0.1:1/login","body":"html"}})");
  const Answer answer = post();
  EXPECT_EQ(answer.status, 302);
  EXPECT_EQ(answer.header("location"), "http://127.0.0.1:1/login");
}

TEST_F(DevApiFaultsTest, InternalErrorMayHaveCommitted) {
  faults(R"({"status":{"status":500,"commit":true,"count":1}})");
  EXPECT_EQ(post({kWithKey, kIdempotencyKey}).status, 500);
  EXPECT_EQ(records(), 1U);
  EXPECT_EQ(post({kWithKey, kIdempotencyKey}).header("x-idempotency-replay"), "true");
}

TEST_F(DevApiFaultsTest, ResetIsARealOne) {
  faults(R"({"reset":{"count":1}})");
  const Answer answer = post();
  EXPECT_EQ(answer.status, 0);
  EXPECT_EQ(answer.error, ECONNRESET);
  EXPECT_EQ(records(), 0U);
}

TEST_F(DevApiFaultsTest, ResetMayComeAfterTheCommitAndWithinTheAnswer) {
  faults(R"({"reset":{"count":1,"commit":true,"answer_bytes":20}})");
  const Answer answer = post();
  EXPECT_EQ(answer.status, 0);
  EXPECT_EQ(answer.error, ECONNRESET);
  EXPECT_EQ(records(), 1U);
}

TEST_F(DevApiFaultsTest, DownResetsEveryRouteButItsOwn) {
  faults(R"({"down":true})");
  EXPECT_EQ(post().error, ECONNRESET);
  EXPECT_EQ(Connection(api_->port()).request("GET", "/api/xase/v1/verify/x").error, ECONNRESET);
  EXPECT_EQ(Connection(api_->port()).request("GET", "/dev/stats").status, 200);
  EXPECT_EQ(Connection(api_->port()).request("DELETE", "/dev/faults").status, 200);
  EXPECT_EQ(post().status, 201);
}

TEST_F(DevApiFaultsTest, CommitThenHangStoresAndDoesNotAnswer) {
  faults(R"({"commit_then_hang":{"count":1,"hang_ms":1}})");
  const Answer answer = post({kWithKey, kIdempotencyKey});
  EXPECT_EQ(answer.status, 0);
  EXPECT_EQ(answer.body, "");
  EXPECT_EQ(records(), 1U);
  EXPECT_EQ(post({kWithKey, kIdempotencyKey}).header("x-idempotency-replay"), "true");
}

TEST_F(DevApiFaultsTest, HangEndsWhenTheClientGoesOrTheServerStops) {
  faults(R"({"hang":{"hang_ms":3600000}})");
  const std::string request = "POST /api/xase/v1/records HTTP/1.1\r\nHost: h\r\n" + kWithKey +
                              "\r\nContent-Length: 24\r\n\r\n" + kLeast;
  Connection leaves(api_->port());
  leaves.send(request);
  leaves.close();
  Connection stays(api_->port());
  stays.send(request);
  // Both are in their hang, or about to be: neither may keep the server from stopping.
  api_->stop();
  EXPECT_EQ(stays.receive().status, 0);
  EXPECT_EQ(records(), 0U);
}

TEST_F(DevApiFaultsTest, NotJsonIsAPageWithAnyStatus) {
  faults(R"({"not_json":{"count":1}})");
  const Answer ok = post();
  EXPECT_EQ(ok.status, 200);
  EXPECT_EQ(ok.header("content-type"), "text/html");
  EXPECT_EQ(ok.body.substr(0, 15), "<!doctype html>");
  EXPECT_EQ(records(), 0U);
  faults(R"({"not_json":{"count":1,"status":201,"commit":true}})");
  EXPECT_EQ(post().status, 201);
  EXPECT_EQ(records(), 1U);
}

TEST_F(DevApiFaultsTest, TruncatedAnswerPromisesMoreThanItSends) {
  faults(R"({"truncated":true})");
  const Answer answer = post();
  EXPECT_EQ(answer.status, 201);
  EXPECT_FALSE(answer.is_whole);
  EXPECT_EQ(answer.error, 0);
  EXPECT_GT(answer.body.size(), 0U);
  EXPECT_LT(answer.body.size(), std::stoul(answer.header("content-length")));
  EXPECT_EQ(records(), 1U);
  faults(R"({"truncated":{"answer_bytes":5,"commit":false}})");
  EXPECT_EQ(post().body, "HTTP/");
  EXPECT_EQ(records(), 1U);
}

TEST_F(DevApiFaultsTest, SlowLorisAnswerArrivesWhole) {
  faults(R"({"slow_loris":{"byte_interval_ms":0}})");
  const Answer answer = post();
  EXPECT_EQ(answer.status, 201);
  EXPECT_TRUE(answer.is_whole);
  EXPECT_TRUE(*answer.json().find("success")->boolean());
}

TEST_F(DevApiFaultsTest, HugeAnswerIsAsLargeAsItSays) {
  faults(R"({"huge":{"megabytes":3}})");
  const Answer answer = post();
  EXPECT_EQ(answer.status, 201);
  EXPECT_TRUE(answer.is_whole);
  EXPECT_GT(answer.body.size(), std::size_t{3} << 20U);
  EXPECT_EQ(records(), 0U);
}

TEST_F(DevApiFaultsTest, HugeAnswerMayBeTheReceipt) {
  faults(R"({"huge":{"megabytes":1,"commit":true}})");
  const Answer answer = post();
  EXPECT_EQ(answer.text("transaction_id").substr(0, 4), "txn_");
  EXPECT_EQ(records(), 1U);
}

TEST_F(DevApiFaultsTest, LatencyLetsTheAnswerThrough) {
  faults(R"({"latency_ms":1,"latency_jitter_ms":1})");
  EXPECT_EQ(post().status, 201);
}

TEST_F(DevApiFaultsTest, FaultsAreShownWithWhatStruck) {
  faults(R"({"status":{"status":503,"count":5}})");
  post();
  const std::string expected = R"({"spec":{"status":{"status":503,"count":5}},)"
                               R"("rules":[{"fault":"status","status":503,"struck":1,"left":4}]})";
  EXPECT_EQ(Connection(api_->port()).request("GET", "/dev/faults").body, expected);
}

TEST_F(DevApiFaultsTest, UnknownFaultIsRefusedAndChangesNothing) {
  faults(R"({"status":{"status":503}})");
  const Answer refused =
      Connection(api_->port()).request("POST", "/dev/faults", {}, R"({"explode":true})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.text("error").find("explode"), std::string::npos);
  EXPECT_EQ(post().status, 503);
}

TEST_F(DevApiFaultsTest, VerifyDeniesChangesOrForgetsARecordOnDemand) {
  const std::string id = post().text("transaction_id");
  const auto verify = [&] {
    return Connection(api_->port()).request("GET", "/api/xase/v1/verify/" + id);
  };
  const std::string hash = *verify().json().find("chain")->find("record_hash")->string();
  faults(R"({"tamper":{"count":1}})");
  EXPECT_EQ(verify().text("status"), "TAMPERED");
  EXPECT_EQ(verify().text("status"), "VERIFIED");
  faults(R"({"rewrite":{"count":1}})");
  const JsValue rewritten = verify().json();
  EXPECT_TRUE(*rewritten.find("is_valid")->boolean());
  EXPECT_NE(*rewritten.find("chain")->find("record_hash")->string(), hash);
  faults(R"({"forget":{"count":1}})");
  EXPECT_EQ(verify().text("code"), "NOT_FOUND");
  EXPECT_EQ(verify().status, 200);
}

TEST_F(DevApiFaultsTest, AForkGoesOnFromTheRecordBeforeTheLatest) {
  const auto previous = [&] {
    const std::string id = post().text("transaction_id");
    const Answer answer = Connection(api_->port()).request("GET", "/api/xase/v1/verify/" + id);
    const JsValue json = answer.json();
    EXPECT_TRUE(*json.find("is_valid")->boolean());
    const std::string* text = json.find("chain")->find("previous_hash")->string();
    return text == nullptr ? "" : *text;
  };
  EXPECT_EQ(previous(), "");
  const std::string first = previous();
  faults(R"({"fork":{"count":1}})");
  EXPECT_EQ(previous(), first);
  EXPECT_NE(previous(), first);
}

}  // namespace
}  // namespace xased
