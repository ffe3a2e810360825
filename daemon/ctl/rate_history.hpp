// How fast things go, from one look to the next.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>

#include "daemon/control/snapshot.hpp"
#include "daemon/ctl/status_view.hpp"

namespace xased::ctl {

class RateHistory {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Rates are those since the look before, over a few of them so that they can be read. Counts that
  // fall belong to another ledger: it begins anew.
  void add(const Snapshot& snapshot, Time at);
  // Nothing before the second look.
  std::optional<Rates> rates() const;
  // The last `width` looks, newest at the right.
  std::string committed_sparkline(const Style& style, std::size_t width) const;
  std::string delivered_sparkline(const Style& style, std::size_t width) const;
  double committed_peak() const;
  double delivered_peak() const;

 private:
  static constexpr std::size_t kLooksMax = 120;
  static constexpr std::size_t kSmoothedOver = 3;
  struct Look {
    Time at;
    Rates counts;  // totals, not rates
  };
  std::deque<double> rates_of(double Rates::*member) const;

  std::deque<Look> looks_;
};

}  // namespace xased::ctl
