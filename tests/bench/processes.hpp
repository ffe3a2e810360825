// The processes that a benchmark measures: each its own, gone with the benchmark.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace xase::bench {

// Where a benchmark writes.
struct Folders {
  std::string disk;    // the daemon's state, files: the disk that is measured
  std::string memory;  // rings; in a tmpfs, as /run is
};
// A new folder of that name in each.
Folders within(const Folders& folders, const std::string& name);

// A program of ours that runs until it is stopped; killed with this process. One thread.
class Child {
 public:
  // `program` lies beside this one. Throws std::runtime_error where it cannot be started.
  Child(const std::string& program, const std::vector<std::string>& arguments);
  ~Child() { stop(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  // Throws std::runtime_error where it has ended by itself.
  void must_run();
  void stop();  // SIGTERM; returns once it is gone
  void kill();  // SIGKILL, likewise

 private:
  void end(int signal);

  const std::string program_;
  pid_t pid_ = -1;
};

// xased, everything on. Settings are "key=value" as its --set takes them.
class OwnDaemon {
 public:
  // Ready when it returns. Without "api.base_url" among the settings nothing is delivered.
  explicit OwnDaemon(const Folders& folders, const std::vector<std::string>& settings = {});
  ~OwnDaemon();
  OwnDaemon(const OwnDaemon&) = delete;
  OwnDaemon& operator=(const OwnDaemon&) = delete;

  const std::string& run_dir() const { return run_dir_; }
  pid_t pid() const { return child_->pid(); }
  void kill() { child_->kill(); }
  // Starts it again: seconds until /readyz said 200.
  double start();
  // Returns once the tree holds all that is durable, or a minute is over.
  void let_tree_catch_up() const;

 private:
  const std::string run_dir_;
  std::vector<std::string> arguments_;
  std::unique_ptr<Child> child_;
};

// xase-devapi without a limit.
class OwnApi {
 public:
  // Listens when it returns. `faults`: as its --faults takes them; empty: none.
  explicit OwnApi(const Folders& folders, const std::string& faults = {});

  int port() const { return port_; }
  std::string setting() const;                 // "api.base_url=..."
  void set_faults(const std::string& faults);  // "{}" lifts all

 private:
  int port_;
  std::unique_ptr<Child> child_;
};

// What a process has cost so far.
struct ProcessCost {
  std::int64_t cpu_ns = 0;
  // By thread: voluntary context switches, which is how often it has slept; and CPU.
  std::map<std::string, std::uint64_t> sleeps;
  std::map<std::string, std::int64_t> threads_ns;
};
ProcessCost cost_of(pid_t pid);
// How often its threads were woken between the two. What a thread that ended in between did last is
// not known.
std::uint64_t wake_ups_between(const ProcessCost& before, const ProcessCost& after);
// CPU of the thread that took most of it.
std::int64_t busiest_ns_between(const ProcessCost& before, const ProcessCost& after);

struct ProcessMemory {
  double resident_mib = 0;
  double anonymous_mib = 0;  // its own
  double files_mib = 0;      // program, libraries
  double shared_mib = 0;     // rings
  double peak_mib = 0;       // resident, so far
};
ProcessMemory memory_of(pid_t pid);

}  // namespace xase::bench
