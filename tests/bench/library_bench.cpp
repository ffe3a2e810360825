#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "proto/ring_layout.hpp"
#include "tests/bench/benches.hpp"
#include "tests/bench/producers.hpp"

namespace xase::bench {
namespace {

double stripped_kib(const std::string& library, const std::string& folder) {
  constexpr double kKib = 1024;
  const std::string to = folder + "/stripped.so";
  const std::string command = "strip -o '" + to + "' '" + library + "'";
  // NOLINTNEXTLINE(cert-env33-c): of binutils, which built this program.
  if (std::system(command.c_str()) != 0) throw std::runtime_error("strip failed: " + command);
  return static_cast<double>(std::filesystem::file_size(to)) / kKib;
}

std::string library_path() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&xase_version), &info) == 0) {
    throw std::runtime_error("the library cannot be found");
  }
  return std::filesystem::canonical(info.dli_fname);
}

// What a ring cannot do without: a file with its space, mapped, under its name. `whole`: mapped to
// its last page, so that no later access faults. Microseconds.
double file_us(const std::string& folder, std::size_t number, bool whole) {
  const auto bytes = static_cast<off_t>(
      proto::ring_file_bytes(proto::kRingDataBytesDefault, proto::kRingResultsBytesDefault));
  const std::string temporary = folder + "/.file-" + std::to_string(number);
  const std::string path = folder + "/file-" + std::to_string(number);
  const std::int64_t start = now_ns();
  const int fd = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 || ::posix_fallocate(fd, 0, bytes) != 0) throw std::runtime_error("no room");
  void* memory =
      ::mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("cannot map");
  if (whole) (void)::madvise(memory, static_cast<std::size_t>(bytes), MADV_POPULATE_WRITE);
  *static_cast<volatile char*>(memory) = 'x';
  std::filesystem::rename(temporary, path);
  const auto took = static_cast<double>(now_ns() - start) / 1e3;
  ::munmap(memory, static_cast<std::size_t>(bytes));
  ::close(fd);
  std::filesystem::remove(path);
  return took;
}

struct Calls {
  std::vector<double> first_us;
  std::vector<double> second_us;
};

// Threads that all live at once, so that none takes over another's ring; their calls one after the
// other.
Calls calls_of(Client& client, const Decisions& decisions, std::size_t threads) {
  Calls calls;
  std::mutex mutex;
  std::condition_variable changed;
  bool over = false;
  std::vector<std::thread> all;
  std::string trouble;
  for (std::size_t i = 0; i < threads && trouble.empty(); ++i) {
    std::unique_lock lock(mutex);
    all.emplace_back([&, i] {
      const auto timed = [&] {
        const std::int64_t start = now_ns();
        const Error error = client.record(decisions[i]);
        const auto took = static_cast<double>(now_ns() - start) / 1e3;
        must(error, "record()");
        return took;
      };
      std::unique_lock mine(mutex);
      try {
        calls.first_us.push_back(timed());
        calls.second_us.push_back(timed());
      } catch (const std::exception& error) {
        trouble = error.what();
      }
      changed.notify_all();
      changed.wait(mine, [&] { return over; });
    });
    changed.wait(lock, [&] { return calls.second_us.size() > i || !trouble.empty(); });
  }
  {
    const std::lock_guard lock(mutex);
    over = true;
  }
  changed.notify_all();
  for (std::thread& thread : all) thread.join();
  if (!trouble.empty()) throw std::runtime_error(trouble);
  return calls;
}

}  // namespace

Report bench_library(const Decisions& decisions, const Folders& folders,
                     const LibraryOptions& options) {
  Report report;
  report.command = "library";
  report.round_trip_before_ns = round_trip_ns();
  const OwnDaemon daemon(folders);
  const auto client = open_client(daemon.run_dir());
  std::vector<double> files;
  std::vector<double> whole_files;
  for (std::size_t i = 0; i < options.threads; ++i) {
    files.push_back(file_us(folders.memory, i, false));
    whole_files.push_back(file_us(folders.memory, i, true));
  }
  Calls calls = calls_of(*client, decisions, options.threads);
  must(client->flush(Until::kDurable, std::chrono::seconds(60)), "flush()");
  std::sort(calls.first_us.begin(), calls.first_us.end());
  report.section("the library");
  report.line("size", "the shared object, stripped", "KiB",
              stripped_kib(library_path(), folders.disk));
  report.line("limit.file", "limit: a file of a ring's size made, mapped, renamed", "us",
              spread_of(files));
  report.line("limit.whole", "the same, every page of it mapped", "us", spread_of(whole_files));
  report.line("first", "the first record() of a thread, of " + std::to_string(options.threads),
              "us", spread_of(calls.first_us));
  report.line("first.p99", "the same, p99", "us", of_sorted(calls.first_us, 0.99));
  report.line("second", "the second", "us", spread_of(calls.second_us));
  report.round_trip_after_ns = round_trip_ns();
  return report;
}

}  // namespace xase::bench
