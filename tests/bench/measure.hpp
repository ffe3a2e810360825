// What benchmarks share: clocks, medians with their spread, and how far the cores are apart.
#pragma once

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace xase::bench {

inline std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Of several runs. Empty: all zero.
struct Spread {
  double median = 0;
  double lowest = 0;
  double highest = 0;
};
inline Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

// The value that `share` (0 to 1) of all lie at or below; `sorted` is not empty.
inline double of_sorted(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

// What two calls of the clock one after the other cost: the lowest of many.
inline double clock_cost_ns() {
  double lowest = 1e9;
  for (int i = 0; i < 10'000; ++i) {
    const std::int64_t start = now_ns();
    lowest = std::min(lowest, static_cast<double>(now_ns() - start));
  }
  return lowest;
}

inline void pin_to(unsigned cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  (void)pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

// A cache line to the other core and back, nanoseconds: about 70 where the two are threads of one
// core, 250 where they are not, and far more where a neighbour has one of them.
inline double round_trip_ns() {
  constexpr int kTrips = 20'000;
  struct alignas(128) Word {
    std::atomic<int> value{0};
  };
  static std::array<Word, 2> words;
  words[0].value = words[1].value = 0;
  std::thread other([] {
    pin_to(1);
    for (int i = 1; i <= kTrips; ++i) {
      while (words[0].value.load(std::memory_order_acquire) != i) {
      }
      words[1].value.store(i, std::memory_order_release);
    }
  });
  double took = 0;
  std::thread self([&took] {
    pin_to(0);
    const std::int64_t start = now_ns();
    for (int i = 1; i <= kTrips; ++i) {
      words[0].value.store(i, std::memory_order_release);
      while (words[1].value.load(std::memory_order_acquire) != i) {
      }
    }
    took = static_cast<double>(now_ns() - start);
  });
  self.join();
  other.join();
  return took / kTrips;
}

// "AMD EPYC, 2 cores".
inline std::string machine() {
  std::ifstream info("/proc/cpuinfo");
  std::string name = "unknown processor";
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name")) continue;
    name = line.substr(std::min(line.find(": ") + 2, line.size()));
    break;
  }
  return name + ", " + std::to_string(std::thread::hardware_concurrency()) + " cores";
}

}  // namespace xase::bench
