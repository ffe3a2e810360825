#include "daemon/devapi/time_text.hpp"

#include <array>
#include <chrono>
#include <cstdio>

namespace xased::devapi {
namespace {

struct Parts {
  int year;
  unsigned month, day, weekday;
  int hour, minute, second, millisecond;
};

Parts parts(std::int64_t unix_ms) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(unix_ms)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          std::chrono::weekday(day).c_encoding(),
          static_cast<int>(clock.hours().count()),
          static_cast<int>(clock.minutes().count()),
          static_cast<int>(clock.seconds().count()),
          static_cast<int>(clock.subseconds().count())};
}

}  // namespace

std::string iso_time(std::int64_t unix_ms) {
  const Parts p = parts(unix_ms);
  std::array<char, 64> text{};
  (void)std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", p.year,
                      p.month, p.day, p.hour, p.minute, p.second, p.millisecond);
  return text.data();
}

std::string http_date(std::int64_t unix_ms) {
  constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const Parts p = parts(unix_ms);
  std::array<char, 64> text{};
  (void)std::snprintf(text.data(), text.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT",
                      kDays.at(p.weekday), p.day, kMonths.at(p.month - 1), p.year, p.hour, p.minute,
                      p.second);
  return text.data();
}

}  // namespace xased::devapi
