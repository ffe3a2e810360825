#include "daemon/ctl/rate_history.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace xased::ctl {
namespace {

double seconds_between(RateHistory::Time from, RateHistory::Time to) {
  return std::max(std::chrono::duration<double>(to - from).count(), 1e-3);
}

std::string sparkline(const Style& style, const std::deque<double>& values, std::size_t width) {
  constexpr std::array<const char*, 8> kBlocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  constexpr std::array<const char*, 8> kPlain{"_", ".", ".", "-", "-", "=", "=", "#"};
  const std::size_t count = std::min(values.size(), width);
  const auto begin = values.end() - static_cast<std::ptrdiff_t>(count);
  const double peak = count == 0 ? 0 : *std::max_element(begin, values.end());
  std::string line(width - count, ' ');
  for (auto value = begin; value != values.end(); ++value) {
    const double share = peak > 0 ? *value / peak : 0;
    // Whatever is not nothing must not look like nothing.
    const auto level = *value > 0 ? static_cast<std::size_t>(std::ceil(share * 7)) : 0;
    line += style.unicode ? kBlocks[std::min<std::size_t>(level, 7)]
                          : kPlain[std::min<std::size_t>(level, 7)];
  }
  return line;
}

double peak_of(const std::deque<double>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

}  // namespace

void RateHistory::add(const Snapshot& snapshot, Time at) {
  const Look look{at,
                  {static_cast<double>(snapshot.committed), static_cast<double>(snapshot.journaled),
                   static_cast<double>(snapshot.durable), static_cast<double>(snapshot.delivered),
                   static_cast<double>(snapshot.attempts)}};
  if (!looks_.empty() && (look.counts.journaled < looks_.back().counts.journaled ||
                          look.counts.attempts < looks_.back().counts.attempts)) {
    looks_.clear();
  }
  looks_.push_back(look);
  if (looks_.size() > kLooksMax + 1) looks_.pop_front();
}

std::optional<Rates> RateHistory::rates() const {
  if (looks_.size() < 2) return std::nullopt;
  const Look& last = looks_.back();
  const Look& first = looks_[looks_.size() - std::min(looks_.size(), kSmoothedOver + 1)];
  const double seconds = seconds_between(first.at, last.at);
  const auto rate = [&](double Rates::*member) {
    return std::max(0.0, (last.counts.*member - first.counts.*member) / seconds);
  };
  return Rates{rate(&Rates::committed), rate(&Rates::journaled), rate(&Rates::durable),
               rate(&Rates::delivered), rate(&Rates::attempts)};
}

std::deque<double> RateHistory::rates_of(double Rates::*member) const {
  std::deque<double> rates;
  for (std::size_t i = 1; i < looks_.size(); ++i) {
    const double grown = looks_[i].counts.*member - looks_[i - 1].counts.*member;
    rates.push_back(std::max(0.0, grown / seconds_between(looks_[i - 1].at, looks_[i].at)));
  }
  return rates;
}

std::string RateHistory::committed_sparkline(const Style& style, std::size_t width) const {
  return sparkline(style, rates_of(&Rates::committed), width);
}
std::string RateHistory::delivered_sparkline(const Style& style, std::size_t width) const {
  return sparkline(style, rates_of(&Rates::delivered), width);
}
double RateHistory::committed_peak() const { return peak_of(rates_of(&Rates::committed)); }
double RateHistory::delivered_peak() const { return peak_of(rates_of(&Rates::delivered)); }

}  // namespace xased::ctl
