// Apps that record as fast as the daemon takes it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "tests/bench/decisions.hpp"
#include "xase/xase.hpp"

namespace xase::bench {

// Throws std::runtime_error where a call failed.
void must(Error error, const char* what);

// A client that waits for room where its ring is full.
std::unique_ptr<Client> open_client(const std::string& run_dir);

// Records so many, the first being number `first`, and returns once they are durable.
void record_all(Client& client, const Decisions& decisions, std::size_t records,
                std::size_t first = 0);

// Records a second from ring to durable, of so many producers together, each a process. They begin
// at once; each has a ring that the daemon knows.
double durable_rate(const std::string& run_dir, const Decisions& decisions, std::size_t records,
                    unsigned producers);

inline double a_second(std::size_t count, std::int64_t took_ns) {
  return static_cast<double>(count) * 1e9 / static_cast<double>(took_ns);
}

}  // namespace xase::bench
