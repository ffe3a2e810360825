#include "tests/bench/report.hpp"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace xase::bench {
namespace {

// Three digits that say something.
std::string figure(double value) {
  const double size = std::fabs(value);
  const int decimals = size >= 100 || size == 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  std::array<char, 64> text{};
  (void)std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return text.data();
}

}  // namespace

void print_table(const Report& report) {
  std::printf("%s\ncache line there and back: %.0f ns before, %.0f ns after\n", machine().c_str(),
              report.round_trip_before_ns, report.round_trip_after_ns);
  for (const Section& section : report.sections) {
    std::printf("\n%s\n", section.title.c_str());
    for (const Line& line : section.lines) {
      const Spread& value = line.value;
      std::string spread;
      if (value.lowest != value.highest) {
        spread = "   (" + figure(value.lowest) + " to " + figure(value.highest) + ")";
      }
      std::printf("  %-56s %11s %s%s\n", line.name.c_str(), figure(value.median).c_str(),
                  line.unit.c_str(), spread.c_str());
    }
  }
}

void print_json(const Report& report) {
  using nlohmann::json;
  json lines = json::array();
  for (const Section& section : report.sections) {
    for (const Line& line : section.lines) {
      lines.push_back({{"section", section.title},
                       {"key", line.key},
                       {"name", line.name},
                       {"unit", line.unit},
                       {"median", line.value.median},
                       {"lowest", line.value.lowest},
                       {"highest", line.value.highest}});
    }
  }
  json series = json::array();
  for (const Series& one : report.series) {
    series.push_back({{"key", one.key}, {"x", one.x}, {"y", one.y}, {"points", one.points}});
  }
  const json whole = {
      {"command", report.command},
      {"machine", machine()},
      {"cache_line_round_trip_ns",
       {{"before", report.round_trip_before_ns}, {"after", report.round_trip_after_ns}}},
      {"lines", lines},
      {"series", series}};
  std::printf("%s\n", whole.dump(1).c_str());
}

}  // namespace xase::bench
