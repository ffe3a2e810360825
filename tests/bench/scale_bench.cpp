#include <algorithm>
#include <stdexcept>

#include "tests/bench/benches.hpp"
#include "tests/bench/producers.hpp"

namespace xase::bench {
namespace {

constexpr const char* kRoom = "journal.max_bytes=1TiB";

void grow_producers(const Decisions& decisions, const Folders& folders, const ScaleOptions& options,
                    Report& report) {
  const OwnDaemon daemon(folders, {kRoom});
  (void)durable_rate(daemon.run_dir(), decisions, options.records, 1);
  Series series{"producers", "producers", "records a second, ring to durable", {}};
  report.section("ring to durable, by producers");
  double one = 0;
  double worst = 0;
  for (unsigned producers = 1; producers <= options.producers_max; producers *= 2) {
    std::vector<double> rates;
    for (std::size_t run = 0; run < options.runs; ++run) {
      rates.push_back(durable_rate(daemon.run_dir(), decisions, options.records, producers));
    }
    const Spread rate = spread_of(rates);
    if (producers == 1) one = rate.median;
    worst = std::max(worst, one / rate.median);
    report.line("producers." + std::to_string(producers),
                std::to_string(producers) + (producers == 1 ? " producer" : " producers"),
                "a second", rate);
    series.points.push_back({static_cast<double>(producers), rate.median});
  }
  report.line("producers.worst", "cost of a record at its worst, of that with one", "x", worst);
  report.series.push_back(series);
}

void grow_ledger(const Decisions& decisions, const Folders& folders, const ScaleOptions& options,
                 Report& report) {
  constexpr std::size_t kFirst = 10'000;
  const OwnDaemon daemon(folders, {kRoom});
  const auto client = open_client(daemon.run_dir());
  Series series{"ledger", "records in the ledger", "records a second, ring to durable", {}};
  report.section("ring to durable, by size of the ledger");
  std::size_t held = 0;
  double first = 0;
  double worst = 0;
  for (std::size_t size = kFirst; size <= options.ledger; size *= 10) {
    record_all(*client, decisions, size - held, held);
    held = size;
    daemon.let_tree_catch_up();
    std::vector<double> rates;
    // Not so many that the next size would be over.
    const std::size_t records = std::min(options.records / 2, size);
    for (std::size_t run = 0; run < options.runs; ++run) {
      const std::int64_t start = now_ns();
      record_all(*client, decisions, records, held);
      rates.push_back(a_second(records, now_ns() - start));
      held += records;
    }
    const Spread rate = spread_of(rates);
    if (size == kFirst) first = rate.median;
    worst = std::max(worst, first / rate.median);
    report.line("ledger." + std::to_string(size), "from " + std::to_string(size) + " records on",
                "a second", rate);
    series.points.push_back({static_cast<double>(size), rate.median});
    if (held > size * 10) throw std::runtime_error("more runs than the next size has records");
  }
  report.line("ledger.worst", "cost of a record at its worst, of that with the fewest", "x", worst);
  report.series.push_back(series);
}

}  // namespace

Report bench_scale(const Decisions& decisions, const Folders& folders,
                   const ScaleOptions& options) {
  Report report;
  report.command = "scale";
  report.round_trip_before_ns = round_trip_ns();
  grow_producers(decisions, within(folders, "producers"), options, report);
  grow_ledger(decisions, within(folders, "ledger"), options, report);
  report.round_trip_after_ns = round_trip_ns();
  return report;
}

}  // namespace xase::bench
