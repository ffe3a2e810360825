#include "daemon/delivery/pacing.hpp"

#include <array>
#include <bit>
#include <cmath>

namespace xased {
namespace {

using std::chrono::nanoseconds;

// Below what was seen to be admitted, so that the next limit is not met at once.
constexpr double kBelowLimit = 0.98;
// What a 429 at a known pace takes from it.
constexpr double kSlower = 1.02;
// How much faster at once after a pause of sending: so many requests' worth.
constexpr std::int64_t kBurst = 4;
constexpr double kNsPerSecond = 1e9;
// After a 429 the pace stays for this long at least, and then grows, ever faster.
constexpr double kSteadyNs = 30 * kNsPerSecond;
constexpr double kGrowthPerSecond = 0.0005;

// Round trips: long is this many times the shortest, and this much more.
constexpr std::int64_t kLongFactor = 3;
constexpr std::int64_t kLongNs = 2'000'000;
// The shortest round trip is measured anew after so many answers: the way may have changed.
constexpr std::uint32_t kShortestAnswersMax = 10'000;

}  // namespace

nanoseconds backoff(std::uint32_t failures, nanoseconds min, nanoseconds max, Random& random) {
  if (failures == 0) return nanoseconds{0};
  const std::uint32_t doublings = std::min<std::uint32_t>(failures - 1, 40);
  nanoseconds most = std::min(min, max);
  for (std::uint32_t i = 0; i < doublings && most < max; ++i) most = std::min(max, most * 2);
  std::array<std::byte, 8> bytes{};
  random.fill(bytes);
  const auto drawn = std::bit_cast<std::uint64_t>(bytes);
  return nanoseconds(
      static_cast<std::int64_t>(drawn % (static_cast<std::uint64_t>(most.count()) + 1)));
}

void FlightLimit::set_max(std::uint32_t max) {
  max_ = std::max<std::uint32_t>(max, 1);
  allowed_ = std::min(allowed_, max_);
}

void FlightLimit::count_answer() {
  if (round_left_ > 0) --round_left_;
  if (round_left_ > 0) return;
  round_left_ = allowed_;
  halved_in_round_ = false;
}

bool FlightLimit::round_trips_are_long() const {
  return shortest_ns_ > 0 && smoothed_ns_ > kLongFactor * shortest_ns_ + kLongNs;
}

void FlightLimit::on_success(nanoseconds round_trip) {
  const std::int64_t measured = std::max<std::int64_t>(round_trip.count(), 1);
  smoothed_ns_ = smoothed_ns_ == 0 ? measured : smoothed_ns_ + (measured - smoothed_ns_) / 8;
  if (shortest_ns_ == 0 || measured < shortest_ns_ || ++shortest_age_ > kShortestAnswersMax) {
    shortest_ns_ = measured;
    shortest_age_ = 0;
  }
  count_answer();
  if (round_trips_are_long()) {
    fast_ = false;
    return;
  }
  const std::uint32_t needed = fast_ ? 1 : allowed_;
  if (++grown_ < needed) return;
  grown_ = 0;
  allowed_ = std::min(max_, allowed_ + 1);
}

void FlightLimit::on_congestion() {
  if (!halved_in_round_) {
    halved_in_round_ = true;
    fast_ = false;
    grown_ = 0;
    allowed_ = std::max(std::min(kStart, max_), allowed_ / 2);
    round_left_ = allowed_ + 1;  // this answer is counted below
  }
  count_answer();
}

void FlightLimit::restart() {
  fast_ = true;
  allowed_ = std::min(max_, std::max(allowed_, kStart));
  round_left_ = allowed_;
  halved_in_round_ = false;
  grown_ = 0;
  smoothed_ns_ = 0;
  shortest_ns_ = 0;
}

// The count about that long ago, or at the window's start.
RatePacer::Count RatePacer::since(nanoseconds age) const {
  for (std::size_t i = 0; i < kSpans; ++i) {
    const nanoseconds span = std::chrono::seconds(std::int64_t{1} << (kShortestSpan + i));
    if (span >= age && spans_.at(i).earlier.at_ns != 0) return spans_.at(i).earlier;
  }
  return {window_start_ns_, 0};
}

void RatePacer::on_sent(std::int64_t now_ns) {
  if (window_start_ns_ == 0) {
    window_start_ns_ = now_ns;
    spans_.fill({{now_ns, 0}, {now_ns, 0}});
  }
  if (interval_ns_ <= 0) return;
  // What was not used is lost, but for a small burst: else a quiet hour would end in a flood.
  const auto interval = static_cast<std::int64_t>(interval_ns_);
  next_slot_ns_ = std::max(next_slot_ns_, now_ns - kBurst * interval) + interval;
}

void RatePacer::on_admitted(const Verdict& verdict, std::int64_t now_ns) {
  ++admitted_;
  for (std::size_t i = 0; i < kSpans; ++i) {
    Span& span = spans_.at(i);
    if (now_ns - span.later.at_ns < std::int64_t{1'000'000'000} << (kShortestSpan + i)) continue;
    span = {span.later, {now_ns, admitted_}};
  }
  remaining_ = verdict.rate_remaining;
  if (interval_ns_ <= 0) return;
  const auto since = static_cast<double>(now_ns - limited_at_ns_);
  const double steady = std::max(kSteadyNs, period_ns_);
  const auto elapsed = static_cast<double>(now_ns - grown_at_ns_) / kNsPerSecond;
  if (since < steady || elapsed < 1) return;
  grown_at_ns_ = now_ns;
  const double growth = kGrowthPerSecond * std::exp2(std::min(30.0, since / steady - 1));
  interval_ns_ /= 1 + growth * std::min(elapsed, 10.0);
  if (interval_ns_ < 1000) interval_ns_ = 0;  // a million a second: no limit is left
}

void RatePacer::on_limited(std::int64_t now_ns, nanoseconds wait) {
  const bool first = now_ns >= wait_until_ns_;  // the others were under way with it
  wait_until_ns_ = std::max(wait_until_ns_, now_ns + wait.count());
  remaining_.reset();
  if (!first) return;
  // Of late, not on the whole way up to this pace; but for long enough to hold what such a wait is
  // the rest of.
  const Count start = since(2 * wait);
  const double period =
      static_cast<double>(wait_until_ns_ - (start.at_ns == 0 ? now_ns : start.at_ns));
  if (admitted_ > start.admitted) {
    const double seen = period / static_cast<double>(admitted_ - start.admitted) / kBelowLimit;
    // A pace that was nearly right is corrected a little; else what was seen counts.
    const bool nearly = interval_ns_ > 0 && seen < 1.25 * interval_ns_;
    interval_ns_ = nearly ? interval_ns_ * kSlower : seen;
    period_ns_ = period;
  } else if (interval_ns_ > 0) {
    interval_ns_ *= 2;
  }
  limited_at_ns_ = now_ns;
  grown_at_ns_ = now_ns;
  next_slot_ns_ = wait_until_ns_;
  window_start_ns_ = 0;
  admitted_ = 0;
}

bool RatePacer::may_send(std::int64_t now_ns, std::uint64_t under_way) const {
  if (now_ns < next_at()) return false;
  // One goes even where nothing is left: only its answer tells when there is again.
  return !remaining_ || under_way < std::max<std::uint64_t>(*remaining_, 1);
}

}  // namespace xased
