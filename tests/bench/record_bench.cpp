#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <string>

#include "tests/bench/alternatives.hpp"
#include "tests/bench/benches.hpp"
#include "tests/bench/producers.hpp"

namespace xase::bench {
namespace {

using std::chrono::seconds;

// Records at once: they fit a quarter of the ring, so that no one rings the bell, as more would.
constexpr std::size_t kBurst = 1'000;
constexpr std::size_t kShortBurst = 100;
// More than the caches of one core hold, and more than any cache here does.
constexpr std::size_t kCoreCacheBytes = std::size_t{4} << 20;
constexpr std::size_t kAllCacheBytes = std::size_t{96} << 20;

// record() as an alternative, with the daemon at the other end.
class XaseRecord final : public Alternative {
 public:
  XaseRecord(const Decisions& decisions, const std::string& run_dir) : decisions_(decisions) {
    Options options;
    options.run_dir = run_dir;
    client_ = std::make_unique<Client>(options);
  }
  const char* name() const override { return "xase record()"; }
  void take(std::string_view /*record*/) override { record(next_++); }
  void record(std::size_t i) { must(client_->record(decisions_[i]), "record()"); }
  void settle() override { must(client_->flush(Until::kJournaled, seconds(30)), "flush()"); }

 private:
  const Decisions& decisions_;
  std::unique_ptr<Client> client_;
  std::size_t next_ = 0;
};

// Nanoseconds a record: the median of bursts with rests between them that do not count.
double burst_ns(Alternative& way, const Decisions& decisions, std::size_t records,
                std::size_t burst) {
  std::vector<double> took;
  for (std::size_t done = 0; done < records; done += burst) {
    const std::int64_t start = now_ns();
    for (std::size_t i = 0; i < burst; ++i) way.take(decisions.encoded(done + i));
    took.push_back(static_cast<double>(now_ns() - start) / static_cast<double>(burst));
    way.settle();
  }
  return spread_of(took).median;
}

// The same of record() into a ring that no daemon reads, and that is never a quarter full.
double alone_ns(const Decisions& decisions, const Folders& folders) {
  constexpr std::size_t kBursts = 15;
  Options options;
  options.run_dir = folders.memory + "/alone";
  options.ring_bytes = std::size_t{64} << 20;
  std::vector<double> took;
  {
    std::filesystem::create_directory(options.run_dir);
    Client client(options);
    must(client.record(decisions[0]), "record()");
    for (std::size_t burst = 0; burst < kBursts; ++burst) {
      const std::int64_t start = now_ns();
      for (std::size_t i = 0; i < kBurst; ++i) must(client.record(decisions[i]), "record()");
      took.push_back(static_cast<double>(now_ns() - start) / static_cast<double>(kBurst));
    }
  }
  std::filesystem::remove_all(options.run_dir);
  return spread_of(took).median;
}

struct Way {
  std::string key;
  std::string name;
  std::vector<double> ns;
  std::vector<double> of_copy;  // of the same run
};

void show(const std::string& title, const std::string& prefix, const std::vector<Way>& ways,
          Report& report) {
  report.section(title);
  for (const Way& way : ways) report.line(prefix + way.key, way.name, "ns", spread_of(way.ns));
  report.section(title + ", against the copy in the same run");
  for (const Way& way : ways) {
    if (way.key == "copy") continue;
    report.line(prefix + way.key + ".of_copy", way.name, "x", spread_of(way.of_copy));
  }
}

// One after the other in each run, so that a busy neighbour meets all of them.
void measure_bursts(XaseRecord& record, const Decisions& decisions, const Folders& folders,
                    const RecordOptions& options, Report& report) {
  using Make = std::function<std::unique_ptr<Alternative>()>;
  const std::vector<std::pair<const char*, Make>> others{
      {"shared_copy", [] { return std::make_unique<SharedCopy>(); }},
      {"boost", [] { return std::make_unique<BoostQueue>(); }},
      {"datagram", [] { return std::make_unique<Datagram>(); }},
      {"pipe", [] { return std::make_unique<Pipe>(); }},
      {"append", [&] { return std::make_unique<FileAppend>(folders.disk); }},
      {"spdlog", [&] { return std::make_unique<SpdlogAsync>(folders.disk); }}};
  std::vector<Way> ways(2 + others.size());
  std::vector<Way> short_ways(3);
  std::vector<double> of_shared;
  std::vector<double> datagram_of_record;
  std::vector<double> alone;
  PlainCopy plain;
  const auto note = [](Way& way, const char* key, const Alternative& of, double ns, double copy) {
    way.key = key;
    way.name = of.name();
    way.ns.push_back(ns);
    way.of_copy.push_back(ns / copy);
  };
  for (std::size_t run = 0; run < options.runs; ++run) {
    const double copy = burst_ns(plain, decisions, options.records, kBurst);
    note(ways[0], "copy", plain, copy, copy);
    const double ours = burst_ns(record, decisions, options.records, kBurst);
    note(ways[1], "record", record, ours, copy);
    alone.push_back(alone_ns(decisions, folders));
    const double short_copy = burst_ns(plain, decisions, options.records / 4, kShortBurst);
    note(short_ways[0], "copy", plain, short_copy, short_copy);
    note(short_ways[1], "record", record,
         burst_ns(record, decisions, options.records / 4, kShortBurst), short_copy);
    for (std::size_t i = 0; i < others.size(); ++i) {
      const std::string key = others[i].first;
      const auto other = others[i].second();
      // These take a microsecond and more: fewer of them tell as much.
      const double ns = burst_ns(*other, decisions, options.records / 5, kBurst);
      note(ways[2 + i], others[i].first, *other, ns, copy);
      if (key == "datagram") datagram_of_record.push_back(ns / ours);
      if (key != "shared_copy") continue;
      of_shared.push_back(ours / ns);
      note(short_ways[2], others[i].first, *other,
           burst_ns(*other, decisions, options.records / 4, kShortBurst), short_copy);
    }
  }
  show("bursts of " + std::to_string(kBurst), "burst.", ways, report);
  report.line("burst.record.alone", "record(), no daemon draining", "ns", spread_of(alone));
  report.line("burst.record.of_shared", "record(), against the copy with another core copying out",
              "x", spread_of(of_shared));
  report.line("burst.datagram.of_record", "Unix datagram, against record()", "x",
              spread_of(datagram_of_record));
  show("bursts of " + std::to_string(kShortBurst), "short.", short_ways, report);
}

void wait_until(std::int64_t when_ns) {
  while (now_ns() < when_ns) {
  }
}

// Reads a decision, as an app has that just made it.
void touch(const Decisions& decisions, std::size_t i) {
  unsigned sum = 0;
  for (const std::string_view of : {decisions.text(i), std::string_view(decisions.encoded(i))}) {
    for (const char byte : of) sum += static_cast<unsigned char>(byte);
  }
  asm volatile("" : : "r"(sum) : "memory");
}

using Before = std::function<void(std::size_t)>;

// An app that does something else between its calls.
class Rhythm {
 public:
  explicit Rhythm(const Decisions& decisions) : decisions_(decisions), cold_(kAllCacheBytes, 1) {}
  // Makes its decision, each at its time.
  Before every(std::int64_t interval_ns) {
    return [this, interval_ns](std::size_t i) {
      next_ = std::max(next_ + interval_ns, now_ns());
      wait_until(next_);
      touch(decisions_, i);
    };
  }
  // The same, and sleeps until then.
  Before asleep_for(std::int64_t interval_ns) {
    return [this, interval_ns](std::size_t i) {
      std::this_thread::sleep_for(std::chrono::nanoseconds(interval_ns));
      touch(decisions_, i);
    };
  }
  // Works on so many bytes of its own. `then_makes`: and then makes its decision.
  Before works_on(std::size_t bytes, bool then_makes) {
    return [this, bytes, then_makes](std::size_t i) {
      constexpr std::size_t kLine = 64;
      for (std::size_t at = 0; at < bytes; at += kLine) ++cold_[at];
      if (then_makes) touch(decisions_, i);
    };
  }

 private:
  const Decisions& decisions_;
  std::vector<char> cold_;
  std::int64_t next_ = now_ns();
};

// Each call on its own, with `before` ahead of each; nanoseconds, sorted.
template <class Call>
std::vector<double> measure_calls(std::size_t calls, double clock_ns, const Before& before,
                                  const Call& call) {
  std::vector<double> took;
  took.reserve(calls);
  for (std::size_t i = 0; i < calls; ++i) {
    before(i);
    const std::int64_t start = now_ns();
    call(i);
    took.push_back(std::max(static_cast<double>(now_ns() - start) - clock_ns, 0.0));
  }
  std::sort(took.begin(), took.end());
  return took;
}

// Nanoseconds until a line of memory is there, where nothing could be done meanwhile: each says
// which is next, in an order that nobody guesses, within so many bytes.
double line_ns(std::size_t bytes) {
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kSteps = 200'000;
  struct alignas(kLine) Line {
    std::size_t next;
  };
  std::vector<Line> lines(bytes / kLine);
  std::vector<std::size_t> order(lines.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::shuffle(order.begin(), order.end(), std::minstd_rand(1));
  for (std::size_t i = 0; i < order.size(); ++i) {
    lines[order[i]].next = order[(i + 1) % order.size()];
  }
  std::size_t at = 0;
  const auto walk = [&] {
    for (std::size_t i = 0; i < kSteps; ++i) at = lines[at].next;
  };
  walk();
  const std::int64_t start = now_ns();
  walk();
  const auto took = static_cast<double>(now_ns() - start);
  asm volatile("" : : "r"(at) : "memory");
  return took / static_cast<double>(kSteps);
}

// How long so many of all calls take at most: the picture of their distribution.
Series distribution(const std::string& key, const std::vector<double>& sorted) {
  Series series{"distribution." + key, "share of the calls, %", "at most, ns", {}};
  for (const double percent :
       {0.0, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 100.0}) {
    series.points.push_back({percent, of_sorted(sorted, percent / 100)});
  }
  return series;
}

void measure_single_calls(XaseRecord& record, const Decisions& decisions, std::size_t records,
                          Report& report) {
  struct Case {
    const char* key;
    const char* name;
    std::size_t calls;
    Before before;
  };
  Rhythm rhythm(decisions);
  constexpr std::int64_t kPacedNs = 10'000;
  constexpr std::int64_t kMillisecondNs = 1'000'000;
  const std::vector<Case> cases{
      {"paced", "one every 10 us", records / 2, rhythm.every(kPacedNs)},
      {"sparse", "one a millisecond", records / 20, rhythm.every(kMillisecondNs)},
      {"asleep", "the same, the app asleep between", records / 50,
       rhythm.asleep_for(kMillisecondNs)},
      {"cold", "the core's caches evicted before each", records / 20,
       rhythm.works_on(kCoreCacheBytes, true)},
      {"colder", "all caches evicted before each, decision made", records / 200,
       rhythm.works_on(kAllCacheBytes, true)},
      {"coldest", "all caches evicted before each, decision too", records / 200,
       rhythm.works_on(kAllCacheBytes, false)}};
  const double clock_ns = clock_cost_ns();
  report.section("one by one, the clock's " + std::to_string(static_cast<int>(clock_ns)) +
                 " ns taken off");
  PlainCopy plain;
  for (const Case& one : cases) {
    const std::vector<double> copies = measure_calls(
        one.calls, clock_ns, one.before, [&](std::size_t i) { plain.take(decisions.encoded(i)); });
    const std::vector<double> calls =
        measure_calls(one.calls, clock_ns, one.before, [&](std::size_t i) { record.record(i); });
    record.settle();
    const std::string key = std::string("call.") + one.key;
    const std::string name = one.name;
    report.line(key + ".copy", name + ": the copy, median", "ns", of_sorted(copies, 0.5));
    report.line(key + ".copy.p99", name + ": the copy, p99", "ns", of_sorted(copies, 0.99));
    report.line(key + ".median", name + ": record(), median", "ns", of_sorted(calls, 0.5));
    report.line(key + ".p99", name + ": record(), p99", "ns", of_sorted(calls, 0.99));
    report.series.push_back(distribution(one.key, calls));
  }
}

}  // namespace

Report bench_record(const Decisions& decisions, const Folders& folders,
                    const RecordOptions& options) {
  Report report;
  report.command = "record";
  report.round_trip_before_ns = round_trip_ns();
  const OwnDaemon daemon(folders);
  XaseRecord record(decisions, daemon.run_dir());
  measure_bursts(record, decisions, folders, options, report);
  measure_single_calls(record, decisions, options.records, report);
  report.section("one line of memory that is waited for");
  report.line("limit.line.core", "from the core's second cache", "ns",
              line_ns(kCoreCacheBytes / 8));
  report.line("limit.line.shared", "from the cache of all cores", "ns",
              line_ns(2 * kCoreCacheBytes));
  report.line("limit.line.memory", "from memory", "ns", line_ns(2 * kAllCacheBytes));
  report.round_trip_after_ns = round_trip_ns();
  return report;
}

}  // namespace xase::bench
