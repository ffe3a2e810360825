#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "daemon/ctl/control_client.hpp"
#include "tests/bench/benches.hpp"
#include "tests/bench/http.hpp"
#include "tests/bench/limited_api.hpp"
#include "tests/bench/producers.hpp"

namespace xase::bench {
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t kInFlight = 64;  // where the API takes its time
constexpr double kSlowSeconds = 0.05;
constexpr const char* kSlow = R"({"latency_ms":50})";
constexpr std::uint64_t kLimit = 100;  // records a second
constexpr std::int64_t kPatienceNs = 300'000'000'000;

// When the records that are delivered reached `count`.
std::int64_t when_delivered(const Client& client, std::uint64_t count) {
  const std::int64_t end = now_ns() + kPatienceNs;
  while (client.stats().delivered < count) {
    if (now_ns() > end) throw std::runtime_error("records are not delivered");
    std::this_thread::sleep_for(milliseconds(1));
  }
  return now_ns();
}

// Records delivered in a second, of so many recorded at once. The first fifth does not count: the
// pool of connections grows in it.
double delivered_rate(Client& client, const Decisions& decisions, std::size_t records) {
  const std::uint64_t before = client.stats().delivered;
  std::thread recorder([&] { record_all(client, decisions, records); });
  const std::int64_t start = when_delivered(client, before + records / 5);
  const std::int64_t end = when_delivered(client, before + records);
  recorder.join();
  return a_second(records - records / 5, end - start);
}

std::string body_of(const Record& record) {
  std::string body(R"({"policyId":")");
  body.append(record.policy).append(R"(","input":)").append(record.input);
  body.append(R"(,"output":)").append(record.output);
  if (!record.context.empty()) body.append(R"(,"context":)").append(record.context);
  if (!record.explanation.empty()) body.append(R"(,"explanation":)").append(record.explanation);
  return body.append("}");
}

// Records that so many clients post in a second, who do nothing else.
double posted_rate(int port, const Decisions& decisions, std::size_t records, unsigned clients,
                   bool keep_connections) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  const std::string headers = std::string("X-API-Key: ") + kApiKey + "\r\n";
  const std::string path = std::string(kRecordsRoot) + "/records";
  const auto post_all = [&] {
    std::unique_ptr<HttpConnection> connection;
    for (std::size_t i = next++; i < records; i = next++) {
      if (!connection || !keep_connections) connection = std::make_unique<HttpConnection>(port);
      if (connection->request("POST", path, headers, body_of(decisions[i])) != 201) failed = true;
    }
  };
  const std::int64_t start = now_ns();
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < clients; ++i) {
    threads.emplace_back([&] {
      try {
        post_all();
      } catch (const std::exception&) {
        failed = true;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (failed) throw std::runtime_error("the API took no record");
  return a_second(records, now_ns() - start);
}

void measure_quick(const Decisions& decisions, const Folders& folders,
                   const DeliveryOptions& options, Report& report) {
  constexpr unsigned kClients = 32;  // as many as the daemon may have under way
  std::vector<double> ours;
  std::vector<double> posted;
  std::vector<double> alone;
  std::vector<double> of_limit;
  const OwnApi api(folders);
  const OwnDaemon daemon(folders, {api.setting()});
  const auto client = open_client(daemon.run_dir());
  (void)delivered_rate(*client, decisions, 100);
  for (std::size_t run = 0; run < options.runs; ++run) {
    posted.push_back(posted_rate(api.port(), decisions, options.records, kClients, true));
    alone.push_back(posted_rate(api.port(), decisions, options.records / 20, 1, false));
    ours.push_back(delivered_rate(*client, decisions, options.records));
    of_limit.push_back(ours.back() / posted.back());
  }
  report.section("to an API that answers at once, on the same cores, each record synced twice");
  report.line("quick.posted", "limit: 32 clients that only post", "a second", spread_of(posted));
  report.line("quick.alone", "as the SDKs do: one worker, a connection each", "a second",
              spread_of(alone));
  report.line("quick", "delivered", "a second", spread_of(ours));
  report.line("quick.of_limit", "delivered, of the limit", "x", spread_of(of_limit));
}

void measure_slow(const Decisions& decisions, const Folders& folders,
                  const DeliveryOptions& options, Report& report) {
  const double limit = kInFlight / kSlowSeconds;
  const std::size_t records = options.records / 3;
  std::vector<double> ours;
  std::vector<double> posted;
  std::vector<double> of_limit;
  const OwnApi api(folders, kSlow);
  const OwnDaemon daemon(folders,
                         {api.setting(), "api.max_in_flight=" + std::to_string(kInFlight)});
  const auto client = open_client(daemon.run_dir());
  (void)delivered_rate(*client, decisions, 100);
  for (std::size_t run = 0; run < options.runs; ++run) {
    posted.push_back(posted_rate(api.port(), decisions, records, kInFlight, true));
    ours.push_back(delivered_rate(*client, decisions, records));
    of_limit.push_back(ours.back() / limit);
  }
  report.section("to an API that takes 50 ms, 64 in flight at most");
  report.line("slow.limit", "limit: in flight / latency", "a second", limit);
  report.line("slow.posted", "64 clients that only post", "a second", spread_of(posted));
  report.line("slow", "delivered", "a second", spread_of(ours));
  report.line("slow.of_limit", "delivered, of the limit", "x", spread_of(of_limit));
}

void measure_limited(const Decisions& decisions, const Folders& folders,
                     const DeliveryOptions& options, Report& report) {
  const LimitedApi api(kLimit);
  // Nothing is asked again of a service that keeps nothing.
  const OwnDaemon daemon(folders, {api.setting(), "audit.one_in=0"});
  const auto client = open_client(daemon.run_dir());
  const double seconds = options.limited_seconds;
  record_all(*client, decisions, static_cast<std::size_t>(1.5 * seconds * kLimit));
  while (api.admitted() == 0) std::this_thread::sleep_for(milliseconds(1));
  const std::int64_t start = now_ns();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  const auto admitted = static_cast<double>(api.admitted());
  const auto refused = static_cast<double>(api.refused());
  const double took = static_cast<double>(now_ns() - start) / 1e9;
  report.section("to an API that admits 100 a second");
  report.line("limited", "delivered, from the first record on", "a second", admitted / took);
  report.line("limited.of_limit", "delivered, of what it admits", "x",
              admitted / took / static_cast<double>(kLimit));
  report.line("limited.refused", "answers that were 429", "%",
              100 * refused / (admitted + refused));
}

}  // namespace

Report bench_delivery(const Decisions& decisions, const Folders& folders,
                      const DeliveryOptions& options) {
  Report report;
  report.command = "delivery";
  report.round_trip_before_ns = round_trip_ns();
  measure_quick(decisions, within(folders, "quick"), options, report);
  measure_slow(decisions, within(folders, "slow"), options, report);
  measure_limited(decisions, within(folders, "limited"), options, report);
  report.round_trip_after_ns = round_trip_ns();
  return report;
}

}  // namespace xase::bench
