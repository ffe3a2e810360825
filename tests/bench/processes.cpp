#include "tests/bench/processes.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "daemon/ctl/control_client.hpp"
#include "tests/bench/http.hpp"
#include "tests/bench/measure.hpp"

namespace xase::bench {
namespace {

constexpr double kMib = 1024;  // /proc counts KiB
constexpr std::int64_t kPatienceNs = 120'000'000'000;

// Calls `done` until it says so. Throws when that takes too long, or `child` has ended.
template <class Done>
void wait_for(Child& child, const char* what, const Done& done) {
  const std::int64_t end = now_ns() + kPatienceNs;
  while (!done()) {
    child.must_run();
    if (now_ns() > end) throw std::runtime_error(std::string(what) + ": not in time");
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

// The number behind "NAME:" in /proc/PID/status or in a thread's.
double status_number(const std::filesystem::path& folder, const std::string& name) {
  std::ifstream in(folder / "status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name + ":")) return std::stod(line.substr(name.size() + 1));
  }
  return 0;
}

}  // namespace

Folders within(const Folders& folders, const std::string& name) {
  const Folders made{folders.disk + "/" + name, folders.memory + "/" + name};
  std::filesystem::create_directory(made.disk);
  std::filesystem::create_directory(made.memory);
  return made;
}

Child::Child(const std::string& program, const std::vector<std::string>& arguments)
    : program_(std::filesystem::read_symlink("/proc/self/exe").parent_path() / program) {
  std::vector<std::string> words{program_};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ != 0) return;
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Ours holds the figures.
  if (const int nowhere = ::open("/dev/null", O_WRONLY); nowhere >= 0) {
    (void)::dup2(nowhere, STDOUT_FILENO);
  }
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

void Child::must_run() {
  if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
  if (pid_ <= 0) throw std::runtime_error(program_ + " has ended");
}

void Child::stop() { end(SIGTERM); }
void Child::kill() { end(SIGKILL); }

void Child::end(int signal) {
  if (pid_ <= 0) return;
  (void)::kill(pid_, signal);
  (void)::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

OwnDaemon::OwnDaemon(const Folders& folders, const std::vector<std::string>& settings)
    : run_dir_(folders.memory + "/run"),
      arguments_{"--run-dir", run_dir_, "--state-dir", folders.disk + "/state"} {
  std::vector<std::string> all{"ledger.origin=bench/xased", "log.level=error",
                               "delivery.drain_timeout=0"};
  const bool delivers = std::any_of(settings.begin(), settings.end(), [](const std::string& one) {
    return one.starts_with("api.base_url=");
  });
  if (!delivers) {
    all.emplace_back("delivery.enabled=false");
    all.emplace_back("api.base_url=http://127.0.0.1:9/");
  }
  all.insert(all.end(), settings.begin(), settings.end());
  for (const std::string& setting : all) {
    arguments_.emplace_back("--set");
    arguments_.push_back(setting);
  }
  (void)::setenv("XASE_API_KEY", kApiKey, 1);
  (void)start();
}

OwnDaemon::~OwnDaemon() {
  // Its rings with it: the next benchmark starts from nothing.
  child_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(run_dir_, ignored);
}

double OwnDaemon::start() {
  const std::int64_t start = now_ns();
  child_ = std::make_unique<Child>("xased", arguments_);
  xased::ctl::ControlClient control(run_dir_);
  wait_for(*child_, "xased gets ready", [&] {
    const auto answer = control.get("/readyz");
    return answer.ok() && answer->status == 200;
  });
  return static_cast<double>(now_ns() - start) / 1e9;
}

void OwnDaemon::let_tree_catch_up() const {
  xased::ctl::ControlClient control(run_dir_);
  constexpr int kLooks = 600;
  for (int i = 0; i < kLooks; ++i) {
    const auto now = control.snapshot();
    if (now.ok() && now->tree_size >= now->durable_sequence) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

OwnApi::OwnApi(const Folders& folders, const std::string& faults) : port_(free_port()) {
  std::vector<std::string> arguments{
      "--port", std::to_string(port_), "--dir", folders.disk + "/api", "--rate-limit", "0"};
  if (!faults.empty()) {
    arguments.emplace_back("--faults");
    arguments.push_back(faults);
  }
  child_ = std::make_unique<Child>("xase-devapi", arguments);
  wait_for(*child_, "xase-devapi listens", [this] { return listens(port_); });
}

std::string OwnApi::setting() const {
  return "api.base_url=http://127.0.0.1:" + std::to_string(port_) + kRecordsRoot;
}

void OwnApi::set_faults(const std::string& faults) {
  HttpConnection connection(port_);
  if (connection.request("PUT", "/dev/faults", {}, faults) != 200) {
    throw std::runtime_error("xase-devapi refuses faults: " + faults);
  }
}

ProcessCost cost_of(pid_t pid) {
  ProcessCost cost;
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) {
    throw std::runtime_error("no such process");
  }
  cost.cpu_ns = used.tv_sec * std::int64_t{1'000'000'000} + used.tv_nsec;
  const auto tasks = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    const std::string thread = task.path().filename();
    cost.sleeps[thread] =
        static_cast<std::uint64_t>(status_number(task.path(), "voluntary_ctxt_switches"));
    std::ifstream(task.path() / "schedstat") >> cost.threads_ns[thread];
  }
  return cost;
}

std::uint64_t wake_ups_between(const ProcessCost& before, const ProcessCost& after) {
  std::uint64_t all = 0;
  for (const auto& [thread, sleeps] : after.sleeps) {
    const auto earlier = before.sleeps.find(thread);
    all += sleeps - (earlier == before.sleeps.end() ? 0 : std::min(earlier->second, sleeps));
  }
  return all;
}

std::int64_t busiest_ns_between(const ProcessCost& before, const ProcessCost& after) {
  std::int64_t most = 0;
  for (const auto& [thread, ns] : after.threads_ns) {
    const auto earlier = before.threads_ns.find(thread);
    most = std::max(most, ns - (earlier == before.threads_ns.end() ? 0 : earlier->second));
  }
  return most;
}

ProcessMemory memory_of(pid_t pid) {
  const std::filesystem::path folder = "/proc/" + std::to_string(pid);
  return {status_number(folder, "VmRSS") / kMib, status_number(folder, "RssAnon") / kMib,
          status_number(folder, "RssFile") / kMib, status_number(folder, "RssShmem") / kMib,
          status_number(folder, "VmHWM") / kMib};
}

}  // namespace xase::bench
