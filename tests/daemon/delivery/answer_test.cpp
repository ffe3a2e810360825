#include "daemon/delivery/answer.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/daemon/delivery/answers.hpp"

namespace xased {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
using test::answer;
using test::created;
using test::html;
using test::limited;
using test::no_answer;
using test::refused;

// 2026-01-07 12:00:00 UTC
constexpr std::int64_t kNowNs = 1'767'787'200'000'000'000;

Verdict read(const Answer& given) { return AnswerReader().read(given, kNowNs); }

TEST(AnswerTable, ACreatedRecordIsDelivered) {
  const Verdict verdict = read(created());
  EXPECT_EQ(verdict.outcome, Outcome::kDelivered);
  EXPECT_FALSE(verdict.replayed);
}

TEST(AnswerTable, AReplayIsDeliveredAndSaysSo) {
  const Verdict verdict = read(created(true));
  EXPECT_EQ(verdict.outcome, Outcome::kDelivered);
  EXPECT_TRUE(verdict.replayed);
}

TEST(AnswerTable, A201ThatIsNotTheApisPauses) {
  for (const std::string& body : {std::string("<html>"), std::string("{}"), std::string("[]"),
                                  std::string("null"), std::string(R"({"success":true})"),
                                  std::string(R"({"success":false,"transaction_id":"t"})"),
                                  std::string(R"({"success":"true","transaction_id":"t"})"),
                                  std::string(R"({"success":true,"transaction_id":""})"),
                                  std::string(R"({"success":true,"transaction_id":7})")}) {
    const Verdict verdict = read(answer(201, body));
    EXPECT_EQ(verdict.outcome, Outcome::kPause) << body;
    EXPECT_EQ(verdict.reason, PauseReason::kNotTheApi) << body;
    EXPECT_TRUE(verdict.may_have_reached) << body;
  }
}

TEST(AnswerTable, ACutOff201WithoutALengthIsTriedAgain) {
  Answer cut = answer(201, R"({"success":true,"transac)");
  cut.delimited = false;
  const Verdict verdict = read(cut);
  EXPECT_EQ(verdict.outcome, Outcome::kRetry);
  EXPECT_TRUE(verdict.may_have_reached);
}

TEST(AnswerTable, AnAnswerBeyondTheLimitIsNotTheApis) {
  Answer large = created();
  large.too_large = true;
  EXPECT_EQ(read(large).reason, PauseReason::kNotTheApi);
}

TEST(AnswerTable, NoAnswerIsTriedAgain) {
  EXPECT_EQ(read(no_answer(Reach::kNotSent)).outcome, Outcome::kRetry);
  EXPECT_FALSE(read(no_answer(Reach::kNotSent)).may_have_reached);
  EXPECT_EQ(read(no_answer(Reach::kMaybe)).outcome, Outcome::kRetry);
  EXPECT_TRUE(read(no_answer(Reach::kMaybe)).may_have_reached);
}

TEST(AnswerTable, FailuresOfTheServiceAreTriedAgain) {
  for (const int status : {408, 425, 500, 502, 503, 504, 507, 599}) {
    const Verdict verdict = read(html(status));
    EXPECT_EQ(verdict.outcome, Outcome::kRetry) << status;
    EXPECT_TRUE(verdict.may_have_reached) << status;
  }
}

TEST(AnswerTable, WhatAPersonMustMendPausesWithItsReason) {
  const std::vector<std::pair<int, PauseReason>> rows{
      {300, PauseReason::kRedirected},    {301, PauseReason::kRedirected},
      {302, PauseReason::kRedirected},    {307, PauseReason::kRedirected},
      {308, PauseReason::kRedirected},    {401, PauseReason::kUnauthorized},
      {402, PauseReason::kQuotaExceeded}, {403, PauseReason::kForbidden},
      {404, PauseReason::kNotFound},      {405, PauseReason::kMethodNotAllowed},
      {200, PauseReason::kNotTheApi},     {202, PauseReason::kNotTheApi},
      {204, PauseReason::kNotTheApi},     {406, PauseReason::kNotTheApi},
      {409, PauseReason::kNotTheApi},     {418, PauseReason::kNotTheApi},
      {0, PauseReason::kNotTheApi},
  };
  for (const auto& [status, reason] : rows) {
    for (const Answer& given : {html(status), refused(status)}) {
      const Verdict verdict = read(given);
      EXPECT_EQ(verdict.outcome, Outcome::kPause) << status;
      EXPECT_EQ(verdict.reason, reason) << status;
    }
  }
}

TEST(AnswerTable, TheApisRefusalIsAboutThisRecord) {
  for (const int status : {400, 413, 422}) {
    const Verdict verdict = read(refused(status, "VALIDATION_ERROR"));
    EXPECT_EQ(verdict.outcome, Outcome::kRefused) << status;
    EXPECT_EQ(verdict.api_code, "VALIDATION_ERROR") << status;
    EXPECT_FALSE(verdict.may_have_reached) << status;
  }
}

TEST(AnswerTable, AProxysRefusalPausesUnlessItIsAboutTheSize) {
  for (const int status : {400, 422}) {
    EXPECT_EQ(read(html(status)).reason, PauseReason::kNotTheApi) << status;
    EXPECT_EQ(read(answer(status, R"({"error":"no"})")).reason, PauseReason::kNotTheApi) << status;
    EXPECT_EQ(read(answer(status, R"({"error":"no","code":4})")).reason, PauseReason::kNotTheApi);
  }
  EXPECT_EQ(read(html(413)).outcome, Outcome::kRefused);
}

TEST(RateLimited, WaitsTheSecondsOfRetryAfterBeforeAllElse) {
  Answer given = limited("7");
  given.body = R"({"error":"e","code":"c","retry_after":30})";
  given.rate_reset = "1767787260000";
  const Verdict verdict = read(given);
  EXPECT_EQ(verdict.outcome, Outcome::kWait);
  EXPECT_EQ(verdict.wait, seconds(7));
}

TEST(RateLimited, WaitsForTheDateOfRetryAfter) {
  EXPECT_EQ(read(limited("Wed, 07 Jan 2026 12:01:30 GMT")).wait, seconds(90));
  EXPECT_EQ(read(limited("Wed, 07 Jan 2026 11:00:00 GMT")).wait, seconds(0));
}

TEST(RateLimited, MeasuresTheDateByTheServicesOwnClock) {
  Answer given = limited("Wed, 07 Jan 2026 13:01:30 GMT");
  given.date = "Wed, 07 Jan 2026 13:00:00 GMT";
  EXPECT_EQ(read(given).wait, seconds(90));
}

TEST(RateLimited, ElseWaitsTheRetryAfterOfTheBody) {
  Answer given = limited();
  given.body = R"({"error":"e","code":"c","retry_after":12.5})";
  given.rate_reset = "1767787260000";
  EXPECT_EQ(read(given).wait, std::chrono::milliseconds(12500));
}

TEST(RateLimited, ElseWaitsForTheResetOfTheHeaders) {
  Answer given = limited();
  given.rate_reset = "1767787260000";
  EXPECT_EQ(read(given).wait, seconds(60));
}

TEST(RateLimited, ASenselessTimeIsBounded) {
  EXPECT_EQ(read(limited()).wait, kWaitDefault);
  EXPECT_EQ(read(limited("soon")).wait, kWaitDefault);
  EXPECT_EQ(read(limited("-5")).wait, kWaitDefault);
  EXPECT_EQ(read(limited("nan")).wait, kWaitDefault);
  EXPECT_EQ(read(limited("1e300")).wait, kWaitMax);
  EXPECT_EQ(read(limited("999999999999999999")).wait, kWaitMax);
  EXPECT_EQ(read(limited("Fri, 31 Dec 9999 23:59:59 GMT")).wait, kWaitMax);
  Answer past = limited();
  past.rate_reset = "1";
  EXPECT_EQ(read(past).wait, kWaitDefault);
  past.rate_reset = "9223372036854775807";
  EXPECT_EQ(read(past).wait, kWaitDefault);
}

TEST(RateLimited, TellsWhatTheServiceSaysIsLeft) {
  Answer given = created();
  given.rate_limit = "1000";
  given.rate_remaining = " 17 ";
  const Verdict verdict = read(given);
  EXPECT_EQ(verdict.rate_limit, 1000U);
  EXPECT_EQ(verdict.rate_remaining, 17U);
  given.rate_remaining = "-1";
  EXPECT_FALSE(read(given).rate_remaining.has_value());
}

TEST(HttpDate, IsReadInItsPreferredForm) {
  EXPECT_EQ(http_date_seconds("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
  EXPECT_EQ(http_date_seconds("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
  EXPECT_EQ(http_date_seconds("Tue, 29 Feb 2028 23:59:60 GMT"), 1835481600);
  for (const std::string_view text :
       {"", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Xxx 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 ovD 1994 08:49:37 GMT",
        "Sun, 06 Nov 19x4 08:49:37 GMT", "Sun, -6 Nov 1994 08:49:37 GMT"}) {
    EXPECT_FALSE(http_date_seconds(text).has_value()) << text;
  }
}

TEST(CutText, EndsAtACharactersEdge) {
  EXPECT_EQ(cut_text("abc", 3), "abc");
  EXPECT_EQ(cut_text("abc", 2), "ab");
  EXPECT_EQ(cut_text("a\xe2\x82\xac", 3), "a");
  EXPECT_EQ(cut_text("a\xe2\x82\xac", 4), "a\xe2\x82\xac");
}

}  // namespace
}  // namespace xased
