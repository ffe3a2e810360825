#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>

#include "tests/bench/benches.hpp"
#include "tests/bench/producers.hpp"

namespace xase::bench {
namespace {

using std::chrono::seconds;

struct Idleness {
  std::vector<double> cpu_percent;
  std::vector<double> wake_ups;  // a second
};

void measure(pid_t pid, double run_seconds, Idleness& to) {
  const ProcessCost before = cost_of(pid);
  const std::int64_t start = now_ns();
  std::this_thread::sleep_for(std::chrono::duration<double>(run_seconds));
  const ProcessCost after = cost_of(pid);
  const auto took_ns = static_cast<double>(now_ns() - start);
  to.cpu_percent.push_back(100 * static_cast<double>(after.cpu_ns - before.cpu_ns) / took_ns);
  to.wake_ups.push_back(static_cast<double>(wake_ups_between(before, after)) * 1e9 / took_ns);
}

// A process that sleeps, 50 ms at a time, and does nothing else.
pid_t start_sleeper() {
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("cannot fork");
  if (child != 0) return child;
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (;;) std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

}  // namespace

Report bench_idle(const Decisions& decisions, const Folders& folders, const IdleOptions& options) {
  Report report;
  report.command = "idle";
  report.round_trip_before_ns = round_trip_ns();
  const OwnApi api(folders);
  const OwnDaemon daemon(folders, {api.setting()});
  const auto client = open_client(daemon.run_dir());
  const ProcessMemory at_start = memory_of(daemon.pid());
  record_all(*client, decisions, decisions.size());
  must(client->flush(Until::kDelivered, seconds(60)), "flush()");
  // The tree and the index come behind.
  std::this_thread::sleep_for(std::chrono::duration<double>(std::min(5.0, options.seconds / 2)));
  const pid_t sleeper = start_sleeper();
  Idleness ours;
  Idleness limit;
  for (std::size_t run = 0; run < options.runs; ++run) {
    measure(daemon.pid(), options.seconds, ours);
    measure(sleeper, options.seconds / 4, limit);
  }
  (void)::kill(sleeper, SIGKILL);
  (void)::waitpid(sleeper, nullptr, 0);
  const ProcessMemory memory = memory_of(daemon.pid());
  report.section("one producer, all delivered, nothing to do");
  report.line("limit.cpu", "limit: a process that sleeps 50 ms at a time, CPU", "% of a core",
              spread_of(limit.cpu_percent));
  report.line("limit.wake_ups", "the same, wake-ups", "a second", spread_of(limit.wake_ups));
  report.line("cpu", "CPU", "% of a core", spread_of(ours.cpu_percent));
  report.line("wake_ups", "wake-ups, all threads", "a second", spread_of(ours.wake_ups));
  report.line("resident", "resident memory", "MiB", memory.resident_mib);
  report.line("resident.own", "of this its own", "MiB", memory.anonymous_mib);
  report.line("resident.files", "of this program and libraries", "MiB", memory.files_mib);
  report.line("resident.shared", "of this the producer's ring", "MiB", memory.shared_mib);
  report.line("resident.start", "resident memory before the first record", "MiB",
              at_start.resident_mib);
  report.round_trip_after_ns = round_trip_ns();
  return report;
}

}  // namespace xase::bench
