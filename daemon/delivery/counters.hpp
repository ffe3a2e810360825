// What delivery tells of itself.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "proto/witness_body.hpp"

namespace xased {

// Why delivery sends nothing but a probe now and then. Records stay where they are.
enum class PauseReason : std::uint32_t {
  kNone = 0,
  kNoApiKey,          // there is no usable key to send
  kUnauthorized,      // 401
  kQuotaExceeded,     // 402
  kForbidden,         // 403
  kNotFound,          // 404: the address is not the API's
  kMethodNotAllowed,  // 405
  kRedirected,        // 3xx: never followed, the key would go along
  kNotTheApi,         // an answer in the API's place that is not the API's
  kRefusals,          // a run of refused records without a success between
  kRateLimited,       // 429: ends by itself
  kJournalFull,       // receipts cannot be written
  kDisabled,          // by configuration
};

constexpr std::string_view pause_reason_name(PauseReason reason) noexcept {
  switch (reason) {
    case PauseReason::kNone:
      return "none";
    case PauseReason::kNoApiKey:
      return "no_api_key";
    case PauseReason::kUnauthorized:
      return "unauthorized";
    case PauseReason::kQuotaExceeded:
      return "quota_exceeded";
    case PauseReason::kForbidden:
      return "forbidden";
    case PauseReason::kNotFound:
      return "not_found";
    case PauseReason::kMethodNotAllowed:
      return "method_not_allowed";
    case PauseReason::kRedirected:
      return "redirected";
    case PauseReason::kNotTheApi:
      return "not_the_api";
    case PauseReason::kRefusals:
      return "refusals";
    case PauseReason::kRateLimited:
      return "rate_limited";
    case PauseReason::kJournalFull:
      return "journal_full";
    case PauseReason::kDisabled:
      return "disabled";
  }
  return "unknown";
}

// Written by one thread, read by anyone.
class SharedText {
 public:
  void set(const std::string& text) {
    const std::scoped_lock lock(mutex_);
    text_ = text;
  }
  std::string get() const {
    const std::scoped_lock lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

// Written by delivery, read by anyone; relaxed, each on its own.
struct DeliveryCounters {
  std::atomic<std::uint64_t> attempts{0};
  std::atomic<std::uint64_t> retries{0};          // attempts that were not a record's first
  std::atomic<std::uint64_t> answers_created{0};  // 201
  std::atomic<std::uint64_t> answers_replayed{0};
  std::atomic<std::uint64_t> answers_refused{0};  // 400, 413, 422
  std::atomic<std::uint64_t> answers_limited{0};  // 429
  std::atomic<std::uint64_t> answers_paused{0};   // those of the table that pause
  std::atomic<std::uint64_t> answers_failed{0};   // 408, 425, 5xx
  std::atomic<std::uint64_t> no_answer{0};        // timeout, reset, DNS, TLS
  SharedText no_answer_why;                       // of the last attempt; empty: it was answered
  std::atomic<std::uint32_t> in_flight{0};
  std::atomic<std::uint32_t> in_flight_max{0};  // what is allowed at the moment
  std::atomic<PauseReason> paused{PauseReason::kNone};
  std::atomic<std::uint32_t> paused_http_status{0};
  std::atomic<std::int64_t> paused_since_wall_ns{0};
  std::atomic<std::int64_t> next_probe_boot_ns{0};
  // Since the start: records that the service was asked about, and what was found, by AuditKind.
  std::atomic<std::uint64_t> audits{0};
  std::array<std::atomic<std::uint64_t>, xase::proto::kAuditKinds + 1> audit_findings{};
  // The signed head that the service took last: entries it covers, and when it took it; 0: none.
  std::atomic<std::uint64_t> anchored_size{0};
  std::atomic<std::int64_t> anchored_wall_ns{0};
  // All records up to here are settled, durably.
  std::atomic<std::uint64_t> settled_through{0};
  // The same as either slot of the cursor on disk has it, with no retry asked for: nothing up to
  // here is needed again, whatever happens. What removes segments goes by this one.
  std::atomic<std::uint64_t> removable_through{0};
  // When the oldest undelivered record was chained; 0: there is none.
  std::atomic<std::int64_t> oldest_undelivered_wall_ns{0};
  // steps taken, for the watchdog
  std::atomic<std::uint64_t> steps{0};
};

}  // namespace xased
