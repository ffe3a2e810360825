#include <chrono>
#include <thread>

#include "daemon/ctl/control_client.hpp"
#include "tests/bench/benches.hpp"
#include "tests/bench/http.hpp"
#include "tests/bench/producers.hpp"

namespace xase::bench {
namespace {

std::uint64_t undelivered(const std::string& run_dir) {
  xased::ctl::ControlClient control(run_dir);
  const auto now = control.snapshot(true);
  if (!now.ok()) throw std::runtime_error(now.status().message());
  return now->undelivered;
}

Spread restarts(OwnDaemon& daemon, std::size_t count) {
  std::vector<double> took;
  for (std::size_t i = 0; i < count; ++i) {
    daemon.kill();
    took.push_back(daemon.start());
  }
  return spread_of(took);
}

}  // namespace

Report bench_backlog(const Decisions& decisions, const Folders& folders,
                     const BacklogOptions& options) {
  Report report;
  report.command = "backlog";
  report.round_trip_before_ns = round_trip_ns();
  OwnDaemon daemon(folders, {"api.base_url=http://127.0.0.1:" + std::to_string(free_port()) + "/",
                             "journal.max_bytes=1TiB", "anchor.interval=0"});
  const auto client = open_client(daemon.run_dir());
  record_all(*client, decisions, decisions.size());
  const Spread empty = restarts(daemon, options.restarts);
  must(client->flush(Until::kDurable, std::chrono::seconds(60)), "flush()");
  std::this_thread::sleep_for(std::chrono::seconds(2));
  const ProcessMemory idle = memory_of(daemon.pid());

  const std::int64_t start = now_ns();
  record_all(*client, decisions, options.records - decisions.size());
  const double rate = a_second(options.records, now_ns() - start);
  daemon.let_tree_catch_up();
  const ProcessMemory full = memory_of(daemon.pid());
  const std::uint64_t waiting = undelivered(daemon.run_dir());
  const Spread ready = restarts(daemon, options.restarts);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  const ProcessMemory restarted = memory_of(daemon.pid());
  const std::uint64_t waiting_after = undelivered(daemon.run_dir());

  report.section("an API that is away, and a backlog");
  report.line("records", "undelivered", "records", static_cast<double>(waiting));
  report.line("records.after", "undelivered after the last kill -9", "records",
              static_cast<double>(waiting_after));
  report.line("rate", "recorded up to durable", "a second", rate);
  report.line("memory.idle", "resident memory with the first thousand", "MiB", idle.resident_mib);
  report.line("memory.full", "resident memory with all", "MiB", full.resident_mib);
  report.line("memory.after", "resident memory with all, after the last kill -9", "MiB",
              restarted.resident_mib);
  report.line("memory.more", "with all, before it: more than idle", "MiB",
              full.resident_mib - idle.resident_mib);
  report.line("memory.peak", "resident memory at its most, while they came", "MiB", full.peak_mib);
  report.line("ready.empty", "kill -9 to ready again, with the first thousand", "s", empty);
  report.line("ready", "kill -9 to ready again, with all", "s", ready);
  report.round_trip_after_ns = round_trip_ns();
  return report;
}

}  // namespace xase::bench
