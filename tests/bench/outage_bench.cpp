#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "daemon/ctl/control_client.hpp"
#include "tests/bench/benches.hpp"
#include "tests/bench/producers.hpp"

namespace xase::bench {
namespace {

constexpr double kSampleSeconds = 0.25;
constexpr double kPatienceSeconds = 180;

double seconds_since(std::int64_t start_ns) {
  return static_cast<double>(now_ns() - start_ns) / 1e9;
}

// An app that records at a steady rate, and times each call.
class SteadyApp {
 public:
  SteadyApp(Client& client, const Decisions& decisions, double rate)
      : client_(client), thread_([this, &decisions, rate](const std::stop_token& stop) {
          run(decisions, rate, stop);
        }) {}
  // Nanoseconds of the calls since the last time, sorted.
  std::vector<double> take_calls() {
    std::vector<double> calls;
    {
      const std::lock_guard lock(mutex_);
      calls.swap(calls_);
    }
    std::sort(calls.begin(), calls.end());
    return calls;
  }
  std::uint64_t recorded() const { return recorded_; }
  std::uint64_t refused() const { return refused_; }
  void stop() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run(const Decisions& decisions, double rate, const std::stop_token& stop) {
    const auto interval = std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 / rate));
    auto next = std::chrono::steady_clock::now();
    for (std::size_t i = 0; !stop.stop_requested(); ++i) {
      std::this_thread::sleep_until(next += interval);
      const std::int64_t start = now_ns();
      const Error error = client_.record(decisions[i]);
      const auto took = static_cast<double>(now_ns() - start);
      ++(ok(error) ? recorded_ : refused_);
      const std::lock_guard lock(mutex_);
      calls_.push_back(took);
    }
  }

  Client& client_;
  std::mutex mutex_;
  std::vector<double> calls_;  // under mutex_
  std::atomic<std::uint64_t> recorded_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::jthread thread_;  // last: it stops first
};

// What is seen of it all, a sample each quarter of a second.
class Watch {
 public:
  Watch(SteadyApp& app, const Client& client, const std::string& run_dir)
      : app_(app), client_(client), control_(run_dir) {}

  // Samples until `over`, told the time and the backlog; the calls that were made meanwhile.
  template <class Over>
  std::vector<double> until(const Over& over) {
    std::vector<double> calls;
    for (;;) {
      std::this_thread::sleep_for(std::chrono::duration<double>(kSampleSeconds));
      const std::vector<double> some = app_.take_calls();
      calls.insert(calls.end(), some.begin(), some.end());
      const double at = seconds_since(start_ns_);
      const std::uint64_t delivered = client_.stats().delivered;
      const auto waiting =
          static_cast<double>(app_.recorded() - std::min(delivered, app_.recorded()));
      const auto stats = control_.snapshot();
      backlog_.points.push_back({at, waiting});
      age_.points.push_back({at, stats.ok() ? stats->oldest_undelivered_seconds : 0});
      rate_.points.push_back(
          {at, static_cast<double>(delivered - last_delivered_) / (at - last_at_)});
      if (!some.empty()) {
        median_.points.push_back({at, of_sorted(some, 0.5)});
        p99_.points.push_back({at, of_sorted(some, 0.99)});
      }
      last_at_ = at;
      last_delivered_ = delivered;
      peak_ = std::max(peak_, waiting);
      if (over(at, waiting, delivered)) break;
      if (at > kPatienceSeconds) throw std::runtime_error("the backlog does not go");
    }
    std::sort(calls.begin(), calls.end());
    return calls;
  }
  double at() const { return last_at_; }
  double peak() const { return peak_; }
  std::uint64_t delivered() const { return last_delivered_; }
  std::vector<Series> series() const { return {backlog_, rate_, age_, median_, p99_}; }

 private:
  SteadyApp& app_;
  const Client& client_;
  xased::ctl::ControlClient control_;
  const std::int64_t start_ns_ = now_ns();
  double last_at_ = 0;
  std::uint64_t last_delivered_ = 0;
  double peak_ = 0;
  Series backlog_{"backlog", "s", "records that wait", {}};
  Series rate_{"delivered", "s", "delivered a second", {}};
  Series age_{"age", "s", "age of the oldest that waits, s", {}};
  Series median_{"record.median", "s", "record(), median, ns", {}};
  Series p99_{"record.p99", "s", "record(), p99, ns", {}};
};

}  // namespace

Report bench_outage(const Decisions& decisions, const Folders& folders,
                    const OutageOptions& options) {
  Report report;
  report.command = "outage";
  report.round_trip_before_ns = round_trip_ns();
  OwnApi api(folders);
  const OwnDaemon daemon(folders, {api.setting()});
  const auto client = open_client(daemon.run_dir());
  SteadyApp app(*client, decisions, options.rate);
  Watch watch(app, *client, daemon.run_dir());

  const std::vector<double> before =
      watch.until([&](double at, double, std::uint64_t) { return at >= options.seconds_before; });
  api.set_faults(R"({"down":true})");
  const double away_at = watch.at();
  const std::vector<double> away = watch.until([&](double at, double, std::uint64_t) {
    return at >= options.seconds_before + options.seconds_away;
  });
  api.set_faults("{}");
  const double back_at = watch.at();
  const std::uint64_t delivered_at_return = watch.delivered();
  (void)watch.until(
      [&](double, double, std::uint64_t delivered) { return delivered > delivered_at_return; });
  const double resumed_at = watch.at();
  // What a second brings is no backlog.
  (void)watch.until([&](double, double waiting, std::uint64_t) { return waiting < options.rate; });
  const double drained_at = watch.at();
  const auto drained = static_cast<double>(watch.delivered() - delivered_at_return);
  app.stop();
  must(client->flush(Until::kDelivered, std::chrono::seconds(60)), "flush()");
  const std::uint64_t delivered = client->stats().delivered;

  report.section("records at a steady rate, and an API that goes away and comes back");
  report.line("recorded", "recorded in all", "records", static_cast<double>(app.recorded()));
  report.line("refused", "of these refused", "records", static_cast<double>(app.refused()));
  report.line("missing", "recorded and not delivered in the end", "records",
              static_cast<double>(app.recorded() - delivered));
  report.line("away", "the API is away for", "s", back_at - away_at);
  report.line("peak", "records that wait, at most", "records", watch.peak());
  report.line("record.before", "record() while it is there, median", "ns", of_sorted(before, 0.5));
  report.line("record.away", "record() while it is away, median", "ns", of_sorted(away, 0.5));
  report.line("record.before.p99", "record() while it is there, p99", "ns",
              of_sorted(before, 0.99));
  report.line("record.away.p99", "record() while it is away, p99", "ns", of_sorted(away, 0.99));
  report.line("resumed", "from its return to the first record delivered", "s",
              resumed_at - back_at);
  report.line("drained", "from then on until nothing waits", "s", drained_at - resumed_at);
  report.line("rate", "delivered meanwhile", "a second",
              drained / std::max(drained_at - resumed_at, kSampleSeconds));
  report.series = watch.series();
  report.series.push_back(
      {"away", "s", "the API goes and comes back", {{away_at, 0}, {back_at, 0}}});
  report.round_trip_after_ns = round_trip_ns();
  return report;
}

}  // namespace xase::bench
