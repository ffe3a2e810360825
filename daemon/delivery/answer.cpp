#include "daemon/delivery/answer.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace xased {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::int64_t kNsPerMs = 1'000'000;

template <class T>
std::optional<T> number(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  T value{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

nanoseconds bounded(nanoseconds wait) {
  return std::clamp<nanoseconds>(wait, nanoseconds{0}, kWaitMax);
}

std::optional<nanoseconds> bounded_seconds(double value) {
  if (!std::isfinite(value) || value < 0) return std::nullopt;
  const double most = std::chrono::duration<double>(kWaitMax).count();
  return std::chrono::duration_cast<nanoseconds>(
      std::chrono::duration<double>(std::min(value, most)));
}

// Days from 1970-01-01 of a Gregorian date; Howard Hinnant's algorithm.
std::int64_t days_from_civil(std::int64_t year, unsigned month, unsigned day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const auto year_of_era = static_cast<std::uint64_t>(year - era * 400);
  const std::uint64_t day_of_year = (153U * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const std::uint64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + static_cast<std::int64_t>(day_of_era) - 719468;
}

}  // namespace

std::optional<std::int64_t> http_date_seconds(std::string_view text) {
  // "Sun, 06 Nov 1994 08:49:37 GMT"
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != 29 || text.substr(25) != " GMT" || text[3] != ',' || text[7] != ' ' ||
      text[11] != ' ' || text[16] != ' ' || text[19] != ':' || text[22] != ':') {
    return std::nullopt;
  }
  const auto day = number<unsigned>(text.substr(5, 2));
  const std::size_t month = kMonths.find(text.substr(8, 3));
  const auto year = number<std::int64_t>(text.substr(12, 4));
  const auto hour = number<std::int64_t>(text.substr(17, 2));
  const auto minute = number<std::int64_t>(text.substr(20, 2));
  const auto second = number<std::int64_t>(text.substr(23, 2));
  if (!day || !year || !hour || !minute || !second) return std::nullopt;
  if (month == std::string_view::npos || month % 3 != 0 || *day < 1 || *day > 31 || *hour < 0 ||
      *hour > 23 || *minute < 0 || *minute > 59 || *second < 0 || *second > 60 || *year < 1970 ||
      *year > 9999) {
    return std::nullopt;
  }
  const std::int64_t days = days_from_civil(*year, static_cast<unsigned>(month / 3 + 1), *day);
  return days * 86400 + *hour * 3600 + *minute * 60 + *second;
}

struct AnswerReader::Impl {
  simdjson::dom::parser parser;
};

struct AnswerReader::Body {
  bool json_object = false;
  bool receipt = false;  // what a 201 of the API's holds
  bool error = false;    // what an error of the API's holds
  std::string code;
  std::optional<double> retry_after_s;
};

AnswerReader::AnswerReader() : impl_(std::make_unique<Impl>()) {}
AnswerReader::~AnswerReader() = default;

AnswerReader::Body AnswerReader::parse(const Answer& answer) {
  Body body;
  if (answer.too_large) return body;
  simdjson::dom::object object;
  if (impl_->parser.parse(answer.body.data(), answer.body.size(), true).get(object)) return body;
  body.json_object = true;
  const auto text = [&](const char* name) -> std::optional<std::string_view> {
    std::string_view value;
    if (object[name].get(value)) return std::nullopt;
    return value;
  };
  bool success = false;
  const bool says_success = !object["success"].get(success) && success;
  const std::optional<std::string_view> transaction = text("transaction_id");
  body.receipt = says_success && transaction && !transaction->empty();
  const std::optional<std::string_view> code = text("code");
  body.error = text("error").has_value() && code && !code->empty();
  if (body.error) body.code = std::string(cut_text(*code, 64));
  double retry_after = 0;
  if (!object["retry_after"].get(retry_after)) body.retry_after_s = retry_after;
  return body;
}

nanoseconds AnswerReader::wait_of(const Answer& answer, const Body& body,
                                  std::int64_t now_wall_ns) const {
  if (const auto named = number<double>(answer.retry_after)) {
    if (const auto wait = bounded_seconds(*named)) return *wait;
  }
  if (const auto until_s = http_date_seconds(answer.retry_after)) {
    // Compared with the Date beside it where there is one: our clock may be off.
    const std::int64_t now_s = http_date_seconds(answer.date).value_or(now_wall_ns / kNsPerSecond);
    const std::int64_t most_s = seconds(kWaitMax).count();
    return seconds(std::clamp<std::int64_t>(*until_s - now_s, 0, most_s));
  }
  if (body.retry_after_s) {
    if (const auto wait = bounded_seconds(*body.retry_after_s)) return *wait;
  }
  if (const auto reset_ms = number<std::int64_t>(answer.rate_reset);
      reset_ms && *reset_ms > 0 && *reset_ms < INT64_MAX / kNsPerMs) {
    const std::int64_t wait_ns = *reset_ms * kNsPerMs - now_wall_ns;
    if (wait_ns > 0) return bounded(nanoseconds(wait_ns));
  }
  return kWaitDefault;
}

Verdict AnswerReader::read(const Answer& answer, std::int64_t now_wall_ns) {
  Verdict verdict;
  if (answer.reach != Reach::kAnswered) {
    verdict.may_have_reached = answer.reach == Reach::kMaybe;
    verdict.overload = true;
    return verdict;
  }
  const Body body = parse(answer);
  verdict.api_code = body.code;
  verdict.rate_limit = number<std::uint64_t>(answer.rate_limit);
  verdict.rate_remaining = number<std::uint64_t>(answer.rate_remaining);
  verdict.rate_reset_ms = number<std::int64_t>(answer.rate_reset);
  const auto pause = [&verdict](PauseReason reason) {
    verdict.outcome = Outcome::kPause;
    verdict.reason = reason;
  };
  const int status = answer.status;
  if (status == 201 && body.receipt) {
    verdict.outcome = Outcome::kDelivered;
    verdict.replayed = answer.replayed;
    return verdict;
  }
  if (status == 201 && !body.json_object && !answer.delimited && !answer.too_large) {
    // Cut off: the connection's end was all that told where the answer ends.
    verdict.may_have_reached = true;
    verdict.overload = true;
    return verdict;
  }
  if (status == 408 || status == 425 || status >= 500) {
    verdict.may_have_reached = true;
    verdict.overload = status == 503 || status == 504 || status == 408;
    return verdict;
  }
  if (status == 429) {
    verdict.outcome = Outcome::kWait;
    verdict.wait = wait_of(answer, body, now_wall_ns);
    return verdict;
  }
  if (status >= 300 && status < 400) {
    pause(PauseReason::kRedirected);
    return verdict;
  }
  switch (status) {
    case 401:
      pause(PauseReason::kUnauthorized);
      return verdict;
    case 402:
      pause(PauseReason::kQuotaExceeded);
      return verdict;
    case 403:
      pause(PauseReason::kForbidden);
      return verdict;
    case 404:
      pause(PauseReason::kNotFound);
      return verdict;
    case 405:
      pause(PauseReason::kMethodNotAllowed);
      return verdict;
    case 413:
      // Also where a proxy says so: that it is too large is about this record, whoever says it.
      verdict.outcome = Outcome::kRefused;
      return verdict;
    case 400:
    case 422:
      if (body.error) {
        verdict.outcome = Outcome::kRefused;
        return verdict;
      }
      break;
    default:
      break;
  }
  // Some proxy's or portal's. What lies behind it may have had the request all the same.
  verdict.may_have_reached = true;
  pause(PauseReason::kNotTheApi);
  return verdict;
}

std::string_view cut_text(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
  return text.substr(0, end);
}

}  // namespace xased
