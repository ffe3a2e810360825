// When to send, and how much at once. Boot clock only; all of it is owned by one thread.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

#include "daemon/delivery/answer.hpp"
#include "daemon/platform/random.hpp"

namespace xased {

// Exponential backoff with full jitter: between nothing and min * 2^(failures - 1), at most max.
// (M. Brooker, "Exponential Backoff And Jitter", 2015.)
std::chrono::nanoseconds backoff(std::uint32_t failures, std::chrono::nanoseconds min,
                                 std::chrono::nanoseconds max, Random& random);

// How many requests may be under way: doubles each round until the first sign of congestion, then
// grows by one a round and is halved at most once a round. A round is as many answers as were
// allowed at its start. Round trips that grow long hold it: more at once would only queue. It keeps
// the few that it started with: they burden no service, each record that fails waits for longer,
// and one that fails at random is no reason to go slower still.
class FlightLimit {
 public:
  explicit FlightLimit(std::uint32_t max) { set_max(max); }

  std::uint32_t allowed() const { return allowed_; }
  void set_max(std::uint32_t max);
  void on_success(std::chrono::nanoseconds round_trip);
  // Timeout, 429, an overloaded service.
  void on_congestion();
  // An answer that says nothing of the load.
  void on_other() { count_answer(); }
  // Back after an absence: fast growth again.
  void restart();

 private:
  static constexpr std::uint32_t kStart = 4;
  void count_answer();
  bool round_trips_are_long() const;

  std::uint32_t max_ = 1;
  std::uint32_t allowed_ = kStart;
  bool fast_ = true;  // doubling
  std::uint32_t round_left_ = kStart;
  bool halved_in_round_ = false;
  std::uint32_t grown_ = 0;  // successes counted towards the next one allowed
  // Smoothed, and the shortest of late, in nanoseconds; 0: none yet.
  std::int64_t smoothed_ns_ = 0;
  std::int64_t shortest_ns_ = 0;
  std::uint32_t shortest_age_ = 0;  // answers since it was measured
};

// What the service admits, learnt from its answers. Free until the first 429; from then on at an
// even pace just below what it was seen to admit, tried slightly faster the longer none comes.
class RatePacer {
 public:
  void on_sent(std::int64_t now_ns);
  // A 201; `verdict` may hold what the service says is left.
  void on_admitted(const Verdict& verdict, std::int64_t now_ns);
  // A 429: the service admits nothing for `wait`.
  void on_limited(std::int64_t now_ns, std::chrono::nanoseconds wait);
  // The destination changed: nothing is known of it.
  void forget() { *this = RatePacer(); }

  // Whether one more may be sent now, beside the `under_way` that have no answer yet.
  bool may_send(std::int64_t now_ns, std::uint64_t under_way) const;
  // When the pace or the wait allows the next one; may be in the past.
  std::int64_t next_at() const { return std::max(wait_until_ns_, next_slot_ns_); }
  bool waiting(std::int64_t now_ns) const { return now_ns < wait_until_ns_; }
  // Between two requests; zero: not paced.
  std::chrono::nanoseconds interval() const {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(interval_ns_));
  }

 private:
  double interval_ns_ = 0;
  std::int64_t next_slot_ns_ = 0;
  std::int64_t wait_until_ns_ = 0;
  // How many were admitted since the last wait, and when that was looked at.
  struct Count {
    std::int64_t at_ns = 0;
    std::uint64_t admitted = 0;
  };
  // Looked at each 2^k seconds: `earlier` is between one and two such spans old, or the beginning.
  struct Span {
    Count earlier;
    Count later;
  };
  static constexpr int kShortestSpan = 5;  // 32 s
  static constexpr std::size_t kSpans = 9;
  Count since(std::chrono::nanoseconds age) const;

  // Since the last wait ended: when the first one was sent (0: none yet), how many were admitted.
  std::int64_t window_start_ns_ = 0;
  std::uint64_t admitted_ = 0;
  std::array<Span, kSpans> spans_{};
  std::int64_t limited_at_ns_ = 0;
  double period_ns_ = 0;  // of the limit, as far as it was seen
  std::int64_t grown_at_ns_ = 0;
  // What the service said is left, after the newest 201.
  std::optional<std::uint64_t> remaining_;
};

}  // namespace xased
