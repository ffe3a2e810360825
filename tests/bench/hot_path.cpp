// The hot path alone, for instruments: records each real decision once into a ring that no daemon
// reads, or copies the same bytes. Between two marks, system calls that do nothing, it does nothing
// else.
//
//   bench-hot-path record|copy DECISIONS.jsonl RUN_DIR COUNT
//
// Prints where things lie in memory, for who traces it.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include "tests/bench/decisions.hpp"

namespace {

// A function of its own, so that instruments find it.
extern "C" [[gnu::noinline]] void hot_copy(const char* from, std::size_t bytes, char* to) {
  std::memcpy(to, from, bytes);
  asm volatile("" : : "r"(to) : "memory");
}

// xase_record() for all calls but the first, which makes the ring.
extern "C" [[gnu::noinline]] bool hot_record(xase::Client& client, const xase::Record& record) {
  return ok(client.record(record));
}

void mark(const char* text) { (void)!::write(-1, text, std::strlen(text)); }

// What instruments count between: the marks of one call.
volatile int inside = 0;

// "NAME BEGIN-END" for each part of memory that is told apart. `on_stack` lies in the frame of who
// calls the hot path.
void print_places(const int* on_stack) {
  std::ifstream in("/proc/self/maps");
  for (std::string line; std::getline(in, line);) {
    const char* name = line.find("/rings/") != std::string::npos      ? "ring"
                       : line.find("libxase.so") != std::string::npos ? "library"
                                                                      : nullptr;
    if (name != nullptr) std::printf("%s %s\n", name, line.substr(0, line.find(' ')).c_str());
  }
  constexpr std::uintptr_t kNear = 32 << 10;  // more than the hot path's frames take
  const auto here = reinterpret_cast<std::uintptr_t>(on_stack);
  std::printf("stack %zx-%zx\n", here - kNear, here + kNear);
  std::printf("inside %p\n", static_cast<const void*>(const_cast<int*>(&inside)));
  (void)std::fflush(stdout);
}

int record_each(const xase::bench::Decisions& decisions, const std::string& run_dir,
                std::size_t count) {
  xase::Options options;
  options.run_dir = run_dir;
  xase::Client client(options);
  if (!ok(client.record(decisions[0]))) return 1;  // makes the thread's ring
  const int here = 0;
  print_places(&here);
  bool failed = false;
  mark("hot path begins");
  for (std::size_t i = 0; i < count; ++i) {
    const xase::Record& record = decisions[i];
    inside = 1;
    failed = !hot_record(client, record) || failed;
    inside = 0;
  }
  mark("hot path ends");
  return failed ? 1 : 0;
}

int copy_each(const xase::bench::Decisions& decisions, std::size_t count) {
  std::vector<char> to(std::size_t{4} << 20, '\1');
  std::size_t at = 0;
  mark("hot path begins");
  for (std::size_t i = 0; i < count; ++i) {
    const std::string& from = decisions.encoded(i);
    if (at + from.size() > to.size()) at = 0;
    hot_copy(from.data(), from.size(), to.data() + at);
    at += from.size();
  }
  mark("hot path ends");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    constexpr int kArguments = 5;
    if (argc != kArguments) {
      std::fputs("usage: bench-hot-path record|copy DECISIONS.jsonl RUN_DIR COUNT\n", stderr);
      return 2;
    }
    const xase::bench::Decisions decisions(argv[2]);
    const std::size_t count = std::strtoull(argv[4], nullptr, 10);
    const bool copies = std::strcmp(argv[1], "copy") == 0;
    return copies ? copy_each(decisions, count) : record_each(decisions, argv[3], count);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench-hot-path: %s\n", error.what());
    return 1;
  }
}
