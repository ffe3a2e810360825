// How fast records become durable, beside what the machine could do at most.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/decisions.hpp"
#include "tests/bench/measure.hpp"

namespace xase::bench {

struct DurableBenchOptions {
  std::size_t runs = 5;
  std::size_t records = 400'000;  // of all producers together, in a run
  unsigned producers = 16;        // of the second line
  std::string folder;             // on the disk that is measured
};

struct DurableBenchResult {
  double bytes_a_record = 0;  // in the journal
  double round_trip_before_ns = 0;
  double round_trip_after_ns = 0;
  // Records a second.
  Spread hashing;  // one core, exactly what the ledger hashes
  Spread writing;  // what the journal writes, with a sync each mebibyte
  Spread one_producer;
  Spread many_producers;
  // One producer against the slower of the two limits, each of one run.
  Spread against_limit;
  // Microseconds: a caller that waits for durable, quiet daemon; and what that cannot do without.
  Spread waited_us;
  Spread sync_us;     // fdatasync of 4 KiB, on space written ahead
  Spread wake_up_us;  // of a thread that sleeps on a futex
  // Milliseconds from record() to durable where nobody waits.
  Spread alone_ms;
};

// With a daemon of its own. Throws std::runtime_error where something does not work.
DurableBenchResult bench_durable(const Decisions& decisions, const DurableBenchOptions& options);

}  // namespace xase::bench
