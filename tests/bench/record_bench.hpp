// What one call of record() costs its caller, beside the limit and what an app would do instead.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/decisions.hpp"
#include "tests/bench/measure.hpp"

namespace xase::bench {

struct RecordBenchOptions {
  std::size_t runs = 7;
  std::size_t records = 100'000;  // of each in a run
  std::string folder;             // for files and the daemon's state
};

// Nanoseconds a record.
struct BurstLine {
  std::string name;
  Spread ns;
  Spread against_copy;  // ratios, each of one run
};
struct CallLine {
  std::string name;
  std::size_t calls = 0;
  double median_ns = 0;
  double p99_ns = 0;
  double highest_ns = 0;
};

struct RecordBenchResult {
  double mean_bytes = 0;
  double clock_ns = 0;  // what measuring one call adds, taken off
  double round_trip_before_ns = 0;
  double round_trip_after_ns = 0;
  std::vector<BurstLine> bursts;  // the copy first, record() second
  std::vector<CallLine> calls;
};

// With a daemon of its own that drains. Throws std::runtime_error where something does not work.
RecordBenchResult bench_record(const Decisions& decisions, const RecordBenchOptions& options);

}  // namespace xase::bench
