#include "tests/bench/record_bench.hpp"

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "tests/bench/alternatives.hpp"
#include "tests/bench/own_daemon.hpp"

namespace xase::bench {
namespace {

using std::chrono::seconds;

// Records at once: they fit the ring, so that no one finds it full.
constexpr std::size_t kBurst = 2'000;
constexpr std::size_t kRingBytes = std::size_t{8} << 20;
// More than any cache here holds.
constexpr std::size_t kEvictBytes = std::size_t{64} << 20;

// record() as an alternative, with the daemon at the other end.
class XaseRecord final : public Alternative {
 public:
  XaseRecord(const Decisions& decisions, const std::string& run_dir) : decisions_(decisions) {
    Options options;
    options.run_dir = run_dir;
    options.ring_bytes = kRingBytes;
    client_ = std::make_unique<Client>(options);
  }
  const char* name() const override { return "xase record()"; }
  void take(std::string_view /*record*/) override { call(next_++); }
  void call(std::size_t i) {
    if (const Error error = client_->record(decisions_[i]); !ok(error)) {
      throw std::runtime_error(std::string("record(): ") + xase::name(error) + ", " +
                               last_error_message());
    }
  }
  void settle() override {
    if (const Error error = client_->flush(Until::kJournaled, seconds(30)); !ok(error)) {
      throw std::runtime_error(std::string("flush(): ") + xase::name(error));
    }
  }

 private:
  const Decisions& decisions_;
  std::unique_ptr<Client> client_;
  std::size_t next_ = 0;
};

// Nanoseconds a record, in bursts with rests between them that do not count.
double burst_ns(Alternative& way, const Decisions& decisions, std::size_t records) {
  std::int64_t took = 0;
  std::size_t done = 0;
  while (done < records) {
    const std::int64_t start = now_ns();
    for (std::size_t i = 0; i < kBurst; ++i) way.take(decisions.encoded(done + i));
    took += now_ns() - start;
    done += kBurst;
    way.settle();
  }
  return static_cast<double>(took) / static_cast<double>(done);
}

void wait_until(std::int64_t when_ns) {
  while (now_ns() < when_ns) {
  }
}

// Each call on its own, with `before` ahead of each.
CallLine measure_calls(const std::string& name, XaseRecord& way, std::size_t calls, double clock_ns,
                       const std::function<void()>& before) {
  std::vector<double> took;
  took.reserve(calls);
  for (std::size_t i = 0; i < calls; ++i) {
    before();
    const std::int64_t start = now_ns();
    way.call(i);
    took.push_back(std::max(static_cast<double>(now_ns() - start) - clock_ns, 0.0));
  }
  way.settle();
  CallLine line{name, calls, percentile(took, 0.5), percentile(took, 0.99), 0};
  line.highest_ns = percentile(took, 1);
  return line;
}

}  // namespace

RecordBenchResult bench_record(const Decisions& decisions, const RecordBenchOptions& options) {
  RecordBenchResult result;
  result.mean_bytes = decisions.mean_bytes();
  result.clock_ns = clock_cost_ns();
  result.round_trip_before_ns = round_trip_ns();
  OwnDaemon daemon(options.folder);
  XaseRecord record(decisions, daemon.run_dir());

  // One after the other in each run, so that a busy neighbour meets all of them.
  std::vector<std::function<std::unique_ptr<Alternative>()>> others{
      [] { return std::make_unique<BoostQueue>(); }, [] { return std::make_unique<Datagram>(); },
      [] { return std::make_unique<Pipe>(); },
      [&] { return std::make_unique<FileAppend>(options.folder); },
      [&] { return std::make_unique<SpdlogAsync>(options.folder); }};
  std::vector<std::string> names;
  std::vector<std::vector<double>> ns;
  std::vector<std::vector<double>> ratios;
  const auto note = [&](std::size_t line, const char* name, double value, double copy) {
    if (names.size() <= line) {
      names.emplace_back(name);
      ns.emplace_back();
      ratios.emplace_back();
    }
    ns[line].push_back(value);
    ratios[line].push_back(value / copy);
  };
  PlainCopy plain;
  for (std::size_t run = 0; run < options.runs; ++run) {
    const double copy = burst_ns(plain, decisions, options.records);
    note(0, plain.name(), copy, copy);
    note(1, record.name(), burst_ns(record, decisions, options.records), copy);
    for (std::size_t i = 0; i < others.size(); ++i) {
      const auto other = others[i]();
      // These take a microsecond and more: fewer of them tell as much.
      const double value = burst_ns(*other, decisions, options.records / 5);
      note(2 + i, other->name(), value, copy);
    }
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    result.bursts.push_back({names[i], spread_of(ns[i]), spread_of(ratios[i])});
  }

  std::int64_t next = now_ns();
  const auto every = [&next](std::int64_t interval_ns) {
    return [&next, interval_ns] {
      next = std::max(next + interval_ns, now_ns());
      wait_until(next);
    };
  };
  constexpr std::int64_t kPacedNs = 10'000;
  constexpr std::int64_t kMillisecondNs = 1'000'000;
  result.calls.push_back(measure_calls("one every 10 us", record, options.records / 2,
                                       result.clock_ns, every(kPacedNs)));
  result.calls.push_back(measure_calls("one a millisecond", record, options.records / 50,
                                       result.clock_ns, every(kMillisecondNs)));
  std::vector<char> cold(kEvictBytes, '\1');
  result.calls.push_back(measure_calls("the caches evicted before each", record,
                                       options.records / 300, result.clock_ns, [&cold] {
                                         for (std::size_t i = 0; i < cold.size(); i += 64)
                                           ++cold[i];
                                       }));
  result.round_trip_after_ns = round_trip_ns();
  return result;
}

}  // namespace xase::bench
