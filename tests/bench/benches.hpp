// What xase-bench measures, a function each. All start daemons of their own with every safety
// feature on, use the folders given, and throw std::runtime_error where something does not work.
#pragma once

#include <cstddef>
#include <string>

#include "tests/bench/decisions.hpp"
#include "tests/bench/processes.hpp"
#include "tests/bench/report.hpp"

namespace xase::bench {

// What one call of record() costs its caller, beside the copy and what an app would do instead.
struct RecordOptions {
  std::size_t runs = 7;
  std::size_t records = 100'000;  // of each in a run
};
Report bench_record(const Decisions& decisions, const Folders& folders,
                    const RecordOptions& options);

// How fast records become durable, beside what the machine could do at most.
struct DurableOptions {
  std::size_t runs = 5;
  std::size_t records = 400'000;  // of all producers together, in a run
  unsigned producers = 16;        // of the second line
  std::size_t calls = 200;        // that wait for durable, of a quiet daemon
};
Report bench_durable(const Decisions& decisions, const Folders& folders,
                     const DurableOptions& options);

// The cost of a record up to durable as producers become more and as the ledger grows.
struct ScaleOptions {
  std::size_t runs = 3;
  std::size_t records = 200'000;   // of all producers together, in a run
  unsigned producers_max = 64;     // from 1, doubling
  std::size_t ledger = 1'000'000;  // records up to which the ledger grows
};
Report bench_scale(const Decisions& decisions, const Folders& folders, const ScaleOptions& options);

// Records delivered in a second: to an API that answers at once, to one that takes 50 ms, and to
// one that admits 100 a second; beside clients that do nothing but post.
struct DeliveryOptions {
  std::size_t runs = 3;
  std::size_t records = 20'000;  // in a run, to an API that answers at once
  double limited_seconds = 60;   // how long the limited one is posted to
};
Report bench_delivery(const Decisions& decisions, const Folders& folders,
                      const DeliveryOptions& options);

// What a daemon costs that has nothing to do: one producer, all delivered, the API there.
struct IdleOptions {
  std::size_t runs = 3;
  double seconds = 20;  // of each run
};
Report bench_idle(const Decisions& decisions, const Folders& folders, const IdleOptions& options);

// From a ring to private memory, nothing done with it: beside a plain copy of the same bytes.
struct DrainOptions {
  std::size_t runs = 7;
  std::size_t records = 2'000'000;  // in a run
  std::size_t record_bytes = 512;
};
Report bench_drain(const Folders& folders, const DrainOptions& options);

// What the library costs its app: bytes on disk, and the first record() of each thread.
struct LibraryOptions {
  std::size_t threads = 200;
};
Report bench_library(const Decisions& decisions, const Folders& folders,
                     const LibraryOptions& options);

// Records that wait for an API that is away: the memory they cost, and the time until the daemon is
// ready again after kill -9.
struct BacklogOptions {
  std::size_t records = 200'000;
  std::size_t restarts = 5;
};
Report bench_backlog(const Decisions& decisions, const Folders& folders,
                     const BacklogOptions& options);

// An API that goes away and comes back under a steady load.
struct OutageOptions {
  double seconds_before = 5;
  double seconds_away = 15;
  double rate = 1'000;  // records a second
};
Report bench_outage(const Decisions& decisions, const Folders& folders,
                    const OutageOptions& options);

}  // namespace xase::bench
