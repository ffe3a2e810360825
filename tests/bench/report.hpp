// What a benchmark found, as a table for people and as JSON for programs.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/measure.hpp"

namespace xase::bench {

// One figure: the median of its runs, with the lowest and the highest.
struct Line {
  std::string key;   // never changes: what programs look for
  std::string name;  // for people
  std::string unit;  // "ns", "a second", "x", ...
  Spread value;
};

struct Section {
  std::string title;
  std::vector<Line> lines;
};

// Something over something else, for a picture.
struct Series {
  std::string key;
  std::string x;  // what the first number of a point is, with its unit
  std::string y;
  std::vector<std::array<double, 2>> points;
};

struct Report {
  std::string command;
  // A cache line's way to the other core and back, before and after; see round_trip_ns().
  double round_trip_before_ns = 0;
  double round_trip_after_ns = 0;
  std::vector<Section> sections;
  std::vector<Series> series;

  void section(std::string title) { sections.push_back({std::move(title), {}}); }
  // Into the last section.
  void line(std::string key, std::string name, std::string unit, const Spread& value) {
    sections.back().lines.push_back({std::move(key), std::move(name), std::move(unit), value});
  }
  void line(std::string key, std::string name, std::string unit, double value) {
    line(std::move(key), std::move(name), std::move(unit), Spread{value, value, value});
  }
};

// To standard output.
void print_table(const Report& report);
void print_json(const Report& report);

}  // namespace xase::bench
