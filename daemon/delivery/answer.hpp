// What an answer does: the delivery's answer table, as a pure function.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/delivery/counters.hpp"
#include "daemon/delivery/transport.hpp"

namespace xased {

enum class Outcome : std::uint8_t {
  kDelivered,  // 201: a receipt
  kRetry,      // again, later
  kWait,       // 429: the whole destination waits
  kPause,      // nothing but probes until one succeeds
  kRefused,    // this record alone is set aside
};

struct Verdict {
  Outcome outcome = Outcome::kRetry;
  // kDelivered: the service says it is the answer to an earlier request.
  bool replayed = false;
  // This attempt may have made a record there.
  bool may_have_reached = false;
  // kRetry: the service or the way to it is overloaded or away, rather than this record's luck.
  bool overload = false;
  PauseReason reason = PauseReason::kNone;      // kPause
  std::chrono::nanoseconds wait{0};             // kWait
  std::string api_code;                         // the body's `code`, of an error of the API's
  std::optional<std::uint64_t> rate_limit;      // X-RateLimit-Limit
  std::optional<std::uint64_t> rate_remaining;  // X-RateLimit-Remaining
  std::optional<std::int64_t> rate_reset_ms;    // X-RateLimit-Reset, by the service's clock
};

// A service that names no time, or a senseless one, is asked again after these.
inline constexpr std::chrono::seconds kWaitDefault{60};
inline constexpr std::chrono::hours kWaitMax{24};

// Seconds since the epoch of an HTTP date (RFC 9110, section 5.6.7, its preferred form). Nothing
// where `text` is none.
std::optional<std::int64_t> http_date_seconds(std::string_view text);

// Parses what the answers hold; keeps its buffers. One thread.
class AnswerReader {
 public:
  AnswerReader();
  AnswerReader(const AnswerReader&) = delete;
  AnswerReader& operator=(const AnswerReader&) = delete;
  ~AnswerReader();

  // `now_wall_ns` counts only where the service names a date instead of a duration.
  Verdict read(const Answer& answer, std::int64_t now_wall_ns);

 private:
  struct Body;
  Body parse(const Answer& answer);
  std::chrono::nanoseconds wait_of(const Answer& answer, const Body& body,
                                   std::int64_t now_wall_ns) const;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// `text` cut to at most `bytes_max` bytes, at a character's edge.
std::string_view cut_text(std::string_view text, std::size_t bytes_max);

}  // namespace xased
