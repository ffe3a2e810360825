#include "daemon/delivery/destination.hpp"

#include <algorithm>

#include "daemon/config/log.hpp"

namespace xased {
namespace {

// So many attempts in a row without an answer that could be used: the API is away. One that could
// not even be sent says more than one whose answer did not come.
constexpr std::uint32_t kAwayAfterFailures = 8;
constexpr std::uint32_t kAwayAfterNotSent = 2;

}  // namespace

Destination::Destination(const DeliveryOptions& options, Random& random)
    : options_(options), random_(random), flight_(options.max_in_flight) {}

void Destination::configure(const DeliveryOptions& options) {
  options_ = options;
  flight_.set_max(options.max_in_flight);
}

void Destination::forget() {
  pacer_.forget();
  flight_ = FlightLimit(options_.max_in_flight);
  away_ = false;
  failures_ = 0;
  refusals_ = 0;
  probe_at_ns_ = 0;
  if (reason_ != PauseReason::kNoApiKey) reason_ = PauseReason::kNone;
}

std::uint32_t Destination::in_flight_max() const {
  return paused() || away_ || options_.ordered ? 1 : flight_.allowed();
}

bool Destination::may_send(std::int64_t now_ns, std::uint32_t under_way) const {
  if (reason_ == PauseReason::kNoApiKey) return false;
  if ((paused() || away_) && now_ns < probe_at_ns_) return false;
  return under_way < in_flight_max() && pacer_.may_send(now_ns, under_way);
}

std::int64_t Destination::next_at(std::int64_t now_ns) const {
  const std::int64_t probe_ns = paused() || away_ ? probe_at_ns_ : now_ns;
  return std::max({now_ns, probe_ns, pacer_.next_at()});
}

void Destination::on_sent(std::int64_t now_ns) { pacer_.on_sent(now_ns); }

void Destination::on_new_key(std::int64_t now_ns) {
  if (paused()) probe_at_ns_ = now_ns;
}

void Destination::set_key_missing(bool missing, std::int64_t now_ns) {
  if (missing && reason_ == PauseReason::kNone) pause(PauseReason::kNoApiKey, 0, now_ns);
  if (!missing && reason_ == PauseReason::kNoApiKey) {
    reason_ = PauseReason::kNone;
    log_info("delivery", "goes on: there is an API key");
  }
}

void Destination::pause(PauseReason reason, int http_status, std::int64_t now_ns) {
  if (reason_ != reason) {
    log_warn("delivery", "paused: records wait in the ledger",
             {{"reason", pause_reason_name(reason)}, {"status", http_status}});
  }
  reason_ = reason;
  reason_http_status_ = http_status;
  probe_at_ns_ = now_ns + options_.probe_interval.count();
}

// The API itself answered, and took or judged a record.
void Destination::on_contact(std::int64_t now_ns) {
  failures_ = 0;
  if (paused()) {
    log_info("delivery", "goes on", {{"was_paused_for", pause_reason_name(reason_)}});
  } else if (away_) {
    log_info("delivery", "goes on: the API answers again");
  } else {
    return;
  }
  reason_ = PauseReason::kNone;
  reason_http_status_ = 0;
  away_ = false;
  probe_at_ns_ = now_ns;
  flight_.restart();
}

void Destination::on_failure(const Verdict& verdict, std::int64_t now_ns) {
  ++failures_;
  if (paused()) {
    probe_at_ns_ = now_ns + options_.probe_interval.count();
    return;
  }
  const std::uint32_t most = verdict.may_have_reached ? kAwayAfterFailures : kAwayAfterNotSent;
  if (!away_ && failures_ < most) return;
  if (!away_) {
    away_ = true;
    log_warn("delivery", "the API is away: records wait in the ledger", {{"failures", failures_}});
  }
  const std::uint32_t counted = failures_ >= most ? failures_ - most + 1 : 1;
  probe_at_ns_ =
      now_ns + backoff(counted, options_.backoff_min, options_.backoff_max, random_).count();
}

void Destination::on_answer(const Verdict& verdict, int http_status, std::chrono::nanoseconds took,
                            std::int64_t now_ns) {
  switch (verdict.outcome) {
    case Outcome::kDelivered:
      refusals_ = 0;
      on_contact(now_ns);
      flight_.on_success(took);
      pacer_.on_admitted(verdict, now_ns);
      break;
    case Outcome::kRefused:
      flight_.on_other();
      ++refusals_;
      if (reason_ == PauseReason::kRefusals || refusals_ >= options_.refusals_pause_after) {
        pause(PauseReason::kRefusals, http_status, now_ns);
      } else {
        on_contact(now_ns);
      }
      break;
    case Outcome::kWait:
      if (reason_ == PauseReason::kRefusals) {
        probe_at_ns_ = now_ns + options_.probe_interval.count();
      } else {
        on_contact(now_ns);
      }
      flight_.on_congestion();
      pacer_.on_limited(now_ns, verdict.wait);
      break;
    case Outcome::kPause:
      failures_ = 0;
      away_ = false;
      flight_.on_other();
      pause(verdict.reason, http_status, now_ns);
      break;
    case Outcome::kRetry:
      if (verdict.overload) {
        flight_.on_congestion();
      } else {
        flight_.on_other();
      }
      on_failure(verdict, now_ns);
      break;
  }
}

}  // namespace xased
