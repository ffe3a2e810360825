// xase-bench: what xase costs and how fast it is, on this machine, beside the machine's own limits
// and what an app would do instead, in the same run.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/bench/durable_bench.hpp"
#include "tests/bench/record_bench.hpp"

namespace {

using nlohmann::json;
using namespace xase::bench;  // NOLINT(google-build-using-namespace)

// A folder that goes with the run.
class Folder {
 public:
  explicit Folder(const std::string& parent) : path_(parent + "/xase-bench-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot write in " + parent);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

json json_of(const Spread& spread) {
  return {{"median", spread.median}, {"lowest", spread.lowest}, {"highest", spread.highest}};
}

json json_of(const RecordBenchResult& result) {
  json bursts = json::array();
  for (const BurstLine& line : result.bursts) {
    bursts.push_back({{"name", line.name},
                      {"ns_a_record", json_of(line.ns)},
                      {"against_copy", json_of(line.against_copy)}});
  }
  json calls = json::array();
  for (const CallLine& line : result.calls) {
    calls.push_back({{"name", line.name},
                     {"calls", line.calls},
                     {"median_ns", line.median_ns},
                     {"p99_ns", line.p99_ns},
                     {"highest_ns", line.highest_ns}});
  }
  return {{"machine", machine()},
          {"mean_record_bytes", result.mean_bytes},
          {"clock_ns", result.clock_ns},
          {"cache_line_round_trip_ns",
           {{"before", result.round_trip_before_ns}, {"after", result.round_trip_after_ns}}},
          {"bursts", bursts},
          {"calls", calls}};
}

json json_of(const DurableBenchResult& result) {
  return {{"machine", machine()},
          {"journal_bytes_a_record", result.bytes_a_record},
          {"cache_line_round_trip_ns",
           {{"before", result.round_trip_before_ns}, {"after", result.round_trip_after_ns}}},
          {"records_a_second",
           {{"limit_hashing", json_of(result.hashing)},
            {"limit_writing", json_of(result.writing)},
            {"one_producer", json_of(result.one_producer)},
            {"many_producers", json_of(result.many_producers)}}},
          {"against_limit", json_of(result.against_limit)},
          {"waited_us", json_of(result.waited_us)},
          {"sync_us", json_of(result.sync_us)},
          {"wake_up_us", json_of(result.wake_up_us)},
          {"alone_ms", json_of(result.alone_ms)}};
}

void print_head(double before_ns, double after_ns) {
  std::printf("%s\ncache line there and back: %.0f ns before, %.0f ns after\n\n", machine().c_str(),
              before_ns, after_ns);
}

void print(const RecordBenchResult& result) {
  print_head(result.round_trip_before_ns, result.round_trip_after_ns);
  std::printf(
      "a real decision, %.0f bytes, in bursts%*s ns a record   (lowest to highest)   "
      "x the copy\n",
      result.mean_bytes, 6, "");
  for (const BurstLine& line : result.bursts) {
    std::printf("  %-42s %9.1f   %9.1f to %9.1f   %9.2f (%.2f to %.2f)\n", line.name.c_str(),
                line.ns.median, line.ns.lowest, line.ns.highest, line.against_copy.median,
                line.against_copy.lowest, line.against_copy.highest);
  }
  std::printf("\nrecord(), each call on its own; %.0f ns of the clock's are taken off\n",
              result.clock_ns);
  for (const CallLine& line : result.calls) {
    std::printf("  %-42s median %8.0f ns   p99 %8.0f ns   highest %9.0f ns   of %zu\n",
                line.name.c_str(), line.median_ns, line.p99_ns, line.highest_ns, line.calls);
  }
}

void print(const DurableBenchResult& result) {
  print_head(result.round_trip_before_ns, result.round_trip_after_ns);
  const auto line = [](const char* name, const Spread& spread, const char* unit) {
    std::printf("  %-52s %12.0f   (%.0f to %.0f) %s\n", name, spread.median, spread.lowest,
                spread.highest, unit);
  };
  std::printf("real decisions, %.0f bytes each in the journal\n", result.bytes_a_record);
  line("limit: one core hashing what the ledger hashes", result.hashing, "a second");
  line("limit: writing and syncing what the journal writes", result.writing, "a second");
  line("ring to durable, one producer", result.one_producer, "a second");
  line("ring to durable, many producers", result.many_producers, "a second");
  std::printf("  %-52s %12.2f   (%.2f to %.2f)\n", "one producer, of the lower limit",
              result.against_limit.median, result.against_limit.lowest,
              result.against_limit.highest);
  std::printf("\na quiet daemon\n");
  line("limit: fdatasync of 4 KiB", result.sync_us, "us");
  line("limit: a thread's wake-up", result.wake_up_us, "us");
  line("record_sync() until durable", result.waited_us, "us");
  std::printf("  %-52s %12.1f   (%.1f to %.1f) ms\n", "record() to durable, nobody waits",
              result.alone_ms.median, result.alone_ms.lowest, result.alone_ms.highest);
}

template <class Result>
void show(const Result& result, bool as_json) {
  if (as_json) {
    std::printf("%s\n", json_of(result).dump(2).c_str());
  } else {
    print(result);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"What xase costs on this machine, beside the machine's own limits"};
  app.require_subcommand(1);
  std::string data = XASE_BENCH_DATA;
  std::string folder = std::filesystem::temp_directory_path();
  bool as_json = false;
  app.add_option("--data", data, "records, one JSON object a line")->check(CLI::ExistingFile);
  app.add_option("--folder", folder, "where the disk is that is measured")
      ->check(CLI::ExistingDirectory);
  app.add_flag("--json", as_json, "print JSON");
  RecordBenchOptions record;
  CLI::App* record_command =
      app.add_subcommand("record", "what one call of record() costs its caller")->fallthrough();
  record_command->add_option("--runs", record.runs, "runs, each of everything");
  record_command->add_option("--records", record.records, "records of each in a run");
  DurableBenchOptions durable;
  CLI::App* durable_command =
      app.add_subcommand("durable", "how fast records become durable")->fallthrough();
  durable_command->add_option("--runs", durable.runs, "runs, each of everything");
  durable_command->add_option("--records", durable.records, "records of each in a run");
  durable_command->add_option("--producers", durable.producers, "processes of the second line")
      ->check(CLI::Range(1, 256));
  CLI11_PARSE(app, argc, argv);
  try {
    const Decisions decisions(data);
    const Folder own(folder);
    record.folder = durable.folder = own.path();
    if (record_command->parsed()) show(bench_record(decisions, record), as_json);
    if (durable_command->parsed()) show(bench_durable(decisions, durable), as_json);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "xase-bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
