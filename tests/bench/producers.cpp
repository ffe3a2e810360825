#include "tests/bench/producers.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <vector>

#include "tests/bench/measure.hpp"

namespace xase::bench {
namespace {

using std::chrono::seconds;

// What one producer does, in a process of its own; its exit code.
int produce(const std::string& run_dir, const Decisions& decisions, std::size_t records, int ready,
            int gate) {
  try {
    const auto client = open_client(run_dir);
    record_all(*client, decisions, 1);
    char byte = 'r';
    if (::write(ready, &byte, 1) != 1) return 1;
    (void)!::read(gate, &byte, 1);  // until it opens
    record_all(*client, decisions, records);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "xase-bench: a producer failed: %s\n", error.what());
    return 1;
  }
}

}  // namespace

void must(Error error, const char* what) {
  if (ok(error)) return;
  throw std::runtime_error(std::string(what) + ": " + name(error) + ", " + last_error_message());
}

std::unique_ptr<Client> open_client(const std::string& run_dir) {
  Options options;
  options.run_dir = run_dir;
  options.on_full = OnFull::kBlock;
  options.block_timeout = seconds(60);
  return std::make_unique<Client>(options);
}

void record_all(Client& client, const Decisions& decisions, std::size_t records,
                std::size_t first) {
  for (std::size_t i = 0; i < records; ++i) must(client.record(decisions[first + i]), "record()");
  must(client.flush(Until::kDurable, seconds(120)), "flush()");
}

double durable_rate(const std::string& run_dir, const Decisions& decisions, std::size_t records,
                    unsigned producers) {
  std::array<int, 2> gate{};
  std::array<int, 2> ready{};
  if (::pipe(gate.data()) != 0 || ::pipe(ready.data()) != 0) throw std::runtime_error("no pipe");
  std::vector<pid_t> children;
  for (unsigned i = 0; i < producers; ++i) {
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("cannot fork");
    if (child == 0) {
      ::close(gate[1]);
      ::close(ready[0]);
      ::_exit(produce(run_dir, decisions, records / producers, ready[1], gate[0]));
    }
    children.push_back(child);
  }
  ::close(gate[0]);
  ::close(ready[1]);
  bool failed = false;
  for (unsigned i = 0; i < producers; ++i) {
    char byte = 0;
    failed = ::read(ready[0], &byte, 1) != 1 || failed;
  }
  const std::int64_t start = now_ns();
  ::close(gate[1]);
  for (const pid_t child : children) {
    int status = 0;
    failed = ::waitpid(child, &status, 0) != child || status != 0 || failed;
  }
  const std::int64_t took = now_ns() - start;
  ::close(ready[0]);
  if (failed) throw std::runtime_error("a producer failed");
  return a_second(records / producers * producers, took);
}

}  // namespace xase::bench
