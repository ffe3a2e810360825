// xase-bench: what xase costs and how fast it is, on this machine, beside the machine's own limits
// and what an app would do instead, in the same run.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>

#include "tests/bench/benches.hpp"

namespace {

using namespace xase::bench;  // NOLINT(google-build-using-namespace)

// Gives back what a run took of the disk; small files stay.
void empty_large_files(const std::string& folder) {
  constexpr std::uintmax_t kLarge = std::uintmax_t{1} << 20;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, ignored)) {
    if (entry.is_regular_file(ignored) && entry.file_size(ignored) >= kLarge) {
      std::filesystem::resize_file(entry.path(), 0, ignored);
    }
  }
}

// A folder that goes with the run, or stays without its large files. However the run ends, by
// Ctrl-C or kill -9 too: a process of its own waits for that.
class Folder {
 public:
  Folder(const std::string& parent, bool stays)
      : path_(parent + "/xase-bench-XXXXXX"), stays_(stays) {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot write in " + parent);
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe");
    cleaner_ = ::fork();
    if (cleaner_ == 0) {
      ::close(ends[1]);
      clean_after(ends[0]);
    }
    ::close(ends[0]);
    life_ = ends[1];
  }
  ~Folder() {
    ::close(life_);
    if (cleaner_ > 0) {
      (void)::waitpid(cleaner_, nullptr, 0);
    } else {
      (void)clean();  // it could not be started
    }
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  // Returns false where something still writes into it.
  bool clean() const {
    std::error_code error;
    if (stays_) {
      empty_large_files(path_);
      return true;
    }
    std::filesystem::remove_all(path_, error);
    return !error;
  }
  [[noreturn]] void clean_after(int life) const {
    (void)::setpgid(0, 0);  // what the terminal sends is for the run
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) (void)::signal(signal, SIG_IGN);
    char nothing = 0;
    while (::read(life, &nothing, 1) < 0 && errno == EINTR) {
    }
    constexpr int kTries = 100;
    for (int i = 0; i < kTries && !clean(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ::_exit(0);
  }

  std::string path_;
  const bool stays_;
  int life_ = -1;  // closed when the run is over
  pid_t cleaner_ = -1;
};

// Where rings are small change, memory; else the disk.
std::string default_run_folder(const std::string& disk) {
  constexpr const char* kShared = "/dev/shm";
  constexpr std::uintmax_t kEnough = std::uintmax_t{1} << 30;
  std::error_code error;
  const auto space = std::filesystem::space(kShared, error);
  const bool fits = !error && space.available >= kEnough && ::access(kShared, W_OK) == 0;
  return fits ? kShared : disk;
}

// The commands, each with its options.
class Program {
 public:
  Program() {
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.add_option("--data", data_, "records, one JSON object a line")->check(CLI::ExistingFile);
    app_.add_option("--folder", disk_, "where the disk is that is measured")
        ->check(CLI::ExistingDirectory);
    app_.add_option("--run-folder", memory_, "where rings are: a tmpfs, as /run is")
        ->check(CLI::ExistingDirectory);
    app_.add_flag("--leave-files", leaves_files_,
                  "leave its files in --folder, empty: removing many slows the next run down");
    app_.add_flag("--json", as_json_, "print JSON");
    add_recording();
    add_delivering();
    add_resting();
  }

  int run(int argc, char** argv) {
    CLI11_PARSE(app_, argc, argv);
    const Decisions decisions(data_);
    const Folder disk(disk_, leaves_files_);
    const Folder memory(memory_.empty() ? default_run_folder(disk_) : memory_, false);
    const Report report = chosen_(decisions, {disk.path(), memory.path()});
    if (as_json_) {
      print_json(report);
    } else {
      print_table(report);
    }
    return 0;
  }

 private:
  using Bench = std::function<Report(const Decisions&, const Folders&)>;

  CLI::App& command(const char* name, const char* what, Bench bench) {
    CLI::App& made = *app_.add_subcommand(name, what);
    made.callback([this, bench = std::move(bench)] { chosen_ = bench; });
    return made;
  }

  // Options of a size.
  static void size(CLI::App& of, const char* name, std::size_t& to, const char* what) {
    of.add_option(name, to, what)->check(CLI::Range(std::size_t{1}, std::size_t{1} << 40));
  }
  static void seconds(CLI::App& of, const char* name, double& to, const char* what) {
    of.add_option(name, to, what)->check(CLI::Range(0.1, 1e6));
  }

  void add_recording() {
    CLI::App& record =
        command("record", "what one call of record() costs its caller",
                [this](const auto& of, const auto& in) { return bench_record(of, in, record_); });
    size(record, "--runs", record_.runs, "runs, each of everything");
    size(record, "--records", record_.records, "records of each in a run, 1,000 at least");
    CLI::App& durable =
        command("durable", "how fast records become durable",
                [this](const auto& of, const auto& in) { return bench_durable(of, in, durable_); });
    size(durable, "--runs", durable_.runs, "runs, each of everything");
    size(durable, "--records", durable_.records, "records of each in a run");
    durable.add_option("--producers", durable_.producers, "processes of the second line")
        ->check(CLI::Range(1, 256));
    size(durable, "--calls", durable_.calls, "calls that wait for durable, of a quiet daemon");
    CLI::App& drain =
        command("drain", "from a ring to private memory",
                [this](const auto&, const auto& in) { return bench_drain(in, drain_); });
    size(drain, "--runs", drain_.runs, "runs, each of everything");
    size(drain, "--records", drain_.records, "records in a run");
    drain.add_option("--bytes", drain_.record_bytes, "bytes of a record")
        ->check(CLI::Range(1, 1 << 18));
    CLI::App& scale =
        command("scale", "the cost of a record by producers and by size of the ledger",
                [this](const auto& of, const auto& in) { return bench_scale(of, in, scale_); });
    size(scale, "--runs", scale_.runs, "runs, each of everything");
    size(scale, "--records", scale_.records, "records in a run, of all producers together");
    scale.add_option("--producers", scale_.producers_max, "processes at most, from 1, doubling")
        ->check(CLI::Range(1, 1024));
    size(scale, "--ledger", scale_.ledger, "records up to which the ledger grows, 1.3 KB each");
  }

  void add_delivering() {
    CLI::App& delivery = command(
        "delivery", "records delivered in a second",
        [this](const auto& of, const auto& in) { return bench_delivery(of, in, delivery_); });
    size(delivery, "--runs", delivery_.runs, "runs, each of everything");
    size(delivery, "--records", delivery_.records, "records in a run, 300 at least");
    seconds(delivery, "--limited-seconds", delivery_.limited_seconds,
            "how long one is posted to that admits 100 a second");
    CLI::App& backlog =
        command("backlog", "what records cost that wait for an API that is away",
                [this](const auto& of, const auto& in) { return bench_backlog(of, in, backlog_); });
    size(backlog, "--records", backlog_.records, "records that wait, 2,000 at least, 1.3 KB each");
    size(backlog, "--restarts", backlog_.restarts, "how often the daemon is killed");
    CLI::App& outage =
        command("outage", "backlog and latency while an API is away, and after",
                [this](const auto& of, const auto& in) { return bench_outage(of, in, outage_); });
    seconds(outage, "--before", outage_.seconds_before, "seconds until it goes");
    seconds(outage, "--away", outage_.seconds_away, "seconds until it comes back");
    outage.add_option("--rate", outage_.rate, "records a second")->check(CLI::Range(1, 100'000));
  }

  void add_resting() {
    CLI::App& idle =
        command("idle", "what a daemon costs that has nothing to do",
                [this](const auto& of, const auto& in) { return bench_idle(of, in, idle_); });
    size(idle, "--runs", idle_.runs, "runs");
    seconds(idle, "--seconds", idle_.seconds, "seconds of a run");
    CLI::App& library =
        command("library", "what the library costs its app",
                [this](const auto& of, const auto& in) { return bench_library(of, in, library_); });
    size(library, "--threads", library_.threads, "threads that record for the first time");
  }

  CLI::App app_{"What xase costs on this machine, beside the machine's own limits"};
  std::string data_ = XASE_BENCH_DATA;
  std::string disk_ = std::filesystem::temp_directory_path();
  std::string memory_;
  bool as_json_ = false;
  bool leaves_files_ = false;
  RecordOptions record_;
  DurableOptions durable_;
  DrainOptions drain_;
  ScaleOptions scale_;
  DeliveryOptions delivery_;
  BacklogOptions backlog_;
  OutageOptions outage_;
  IdleOptions idle_;
  LibraryOptions library_;
  Bench chosen_;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    return Program().run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "xase-bench: %s\n", error.what());
    return 1;
  }
}
