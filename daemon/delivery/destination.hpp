// Whether the API may be sent anything at the moment: what its answers have taught.
#pragma once

#include <chrono>
#include <cstdint>

#include "daemon/delivery/answer.hpp"
#include "daemon/delivery/counters.hpp"
#include "daemon/delivery/delivery_options.hpp"
#include "daemon/delivery/pacing.hpp"
#include "daemon/platform/random.hpp"

namespace xased {

// Owned by delivery's thread. Boot clock.
//
// While it is paused, or away (nothing gets through), one probe goes at a time: a real record. A
// pause has a reason that a person must mend; an absence ends by itself. Both end with an answer of
// the API's own.
class Destination {
 public:
  Destination(const DeliveryOptions& options, Random& random);
  void configure(const DeliveryOptions& options);
  // Another address: what is known of the old one no longer counts.
  void forget();

  // Whether one more request may go now, beside `under_way`.
  bool may_send(std::int64_t now_ns, std::uint32_t under_way) const;
  // When may_send() can become true by the clock alone; `now_ns` where an answer is what it needs.
  std::int64_t next_at(std::int64_t now_ns) const;
  void on_sent(std::int64_t now_ns);
  void on_answer(const Verdict& verdict, int http_status, std::chrono::nanoseconds took,
                 std::int64_t now_ns);
  // Another API key: the next probe need not wait.
  void on_new_key(std::int64_t now_ns);
  // There is no usable key, or there is one again.
  void set_key_missing(bool missing, std::int64_t now_ns);

  bool paused() const { return reason_ != PauseReason::kNone; }
  bool away() const { return away_; }
  // A refused record is set aside, unless refusals are what delivery is paused for.
  bool sets_aside() const { return reason_ != PauseReason::kRefusals; }
  PauseReason reason() const { return reason_; }
  int reason_http_status() const { return reason_http_status_; }
  bool limited(std::int64_t now_ns) const { return pacer_.waiting(now_ns); }
  // The service admits less than it is sent: it said so, and delivery keeps below that since.
  bool is_rate_limited(std::int64_t now_ns) const {
    return pacer_.waiting(now_ns) || pacer_.interval().count() != 0;
  }
  std::int64_t probe_at() const { return probe_at_ns_; }
  std::uint32_t in_flight_max() const;

 private:
  void pause(PauseReason reason, int http_status, std::int64_t now_ns);
  void on_contact(std::int64_t now_ns);
  void on_failure(const Verdict& verdict, std::int64_t now_ns);

  DeliveryOptions options_;
  Random& random_;
  FlightLimit flight_;
  RatePacer pacer_;
  PauseReason reason_ = PauseReason::kNone;
  int reason_http_status_ = 0;
  bool away_ = false;
  std::uint32_t failures_ = 0;  // in a row
  std::uint32_t refusals_ = 0;  // since the last success
  std::int64_t probe_at_ns_ = 0;
};

}  // namespace xased
