#include <fcntl.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "daemon/platform/sha256.hpp"
#include "proto/erasable.hpp"
#include "proto/frame.hpp"
#include "proto/hashing.hpp"
#include "proto/merkle.hpp"
#include "tests/bench/benches.hpp"
#include "tests/bench/producers.hpp"

namespace xase::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

// Payloads, leaves and tree nodes of as many records, by one core.
double hash_rate(const Decisions& decisions, std::size_t records) {
  std::vector<std::vector<std::byte>> erasable;
  for (std::size_t i = 0; i < decisions.size(); ++i) {
    const proto::Bytes record = proto::as_bytes(decisions.encoded(i));
    auto& bytes = erasable.emplace_back(proto::record_erasable_bytes(record.size()));
    proto::encode_record_erasable(record, {}, bytes.data());
  }
  xased::Sha256 sha;
  proto::TreeFrontier tree;
  proto::Leaf leaf;
  std::array<std::byte, proto::kLeafBytes> encoded{};
  const std::int64_t start = now_ns();
  for (std::size_t i = 0; i < records; ++i) {
    const auto parts = proto::decode_erasable(erasable[i % erasable.size()]);
    leaf.commitments = proto::commitments(sha, *parts);
    leaf.sequence = i + 1;
    proto::encode_leaf(leaf, encoded.data());
    leaf.previous = proto::leaf_hash(sha, encoded);
    tree.append(sha, leaf.previous);
  }
  return a_second(records, now_ns() - start);
}

// Records whose bytes in the journal one core hashes in a second, as one long message.
double pass_rate(double bytes_a_record, std::size_t records) {
  const std::vector<std::byte> piece(kPieceBytes, std::byte{'x'});
  const auto pieces =
      static_cast<std::size_t>(bytes_a_record * static_cast<double>(records)) / kPieceBytes + 1;
  xased::Sha256 sha;
  const std::int64_t start = now_ns();
  sha.start();
  for (std::size_t i = 0; i < pieces; ++i) sha.add(piece);
  (void)sha.finish();
  return static_cast<double>(pieces * kPieceBytes) / bytes_a_record * 1e9 /
         static_cast<double>(now_ns() - start);
}

class File {
 public:
  explicit File(const std::string& path)
      : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) {
    if (fd_ < 0) throw std::runtime_error("cannot write " + path);
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  void write(const std::vector<char>& piece, std::size_t bytes, std::size_t at) {
    if (::pwrite(fd_, piece.data(), bytes, static_cast<off_t>(at)) != static_cast<ssize_t>(bytes)) {
      throw std::runtime_error("short write");
    }
  }
  void sync() {
    if (::fdatasync(fd_) != 0) throw std::runtime_error("fdatasync failed");
  }

 private:
  int fd_;
};

// Records whose bytes in the journal are written and synced in a second, and nothing else done.
double write_rate(const std::string& folder, double bytes_a_record, std::size_t records) {
  const auto bytes = static_cast<std::size_t>(bytes_a_record * static_cast<double>(records));
  const std::vector<char> piece(kPieceBytes, 'x');
  File file(folder + "/limit");
  const std::int64_t start = now_ns();
  for (std::size_t at = 0; at < bytes; at += kPieceBytes) {
    file.write(piece, kPieceBytes, at);
    file.sync();
  }
  return a_second(records, now_ns() - start);
}

void futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value) {
  (void)::syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

Spread wake_up_us() {
  std::vector<double> took;
  std::atomic<std::uint32_t> word{0};
  std::atomic<std::int64_t> woken{0};
  constexpr std::uint32_t kTimes = 200;
  std::thread sleeper([&] {
    for (std::uint32_t i = 0; i < kTimes; ++i) {
      while (word.load() == i) futex(word, FUTEX_WAIT_PRIVATE, i);
      woken = now_ns();
      woken.notify_one();
    }
  });
  for (std::uint32_t i = 0; i < kTimes; ++i) {
    std::this_thread::sleep_for(milliseconds(1));
    woken = 0;
    const std::int64_t start = now_ns();
    word.store(i + 1);
    futex(word, FUTEX_WAKE_PRIVATE, 1);
    woken.wait(0);
    took.push_back(static_cast<double>(woken.load() - start) / 1e3);
  }
  sleeper.join();
  return spread_of(took);
}

Spread sync_us(const std::string& folder) {
  constexpr std::size_t kSyncBytes = 4096;
  constexpr std::size_t kTimes = 200;
  const std::vector<char> zeros(kSyncBytes * kTimes, '\0');
  const std::vector<char> piece(kSyncBytes, 'x');
  File file(folder + "/synced");
  file.write(zeros, zeros.size(), 0);
  file.sync();
  std::vector<double> took;
  for (std::size_t i = 0; i < kTimes; ++i) {
    std::this_thread::sleep_for(milliseconds(2));
    const std::int64_t start = now_ns();
    file.write(piece, kSyncBytes, i * kSyncBytes);
    file.sync();
    took.push_back(static_cast<double>(now_ns() - start) / 1e3);
  }
  return spread_of(took);
}

Spread waited_us(Client& client, const Decisions& decisions, std::size_t calls) {
  std::vector<double> took;
  for (std::size_t i = 0; i < calls; ++i) {
    std::this_thread::sleep_for(milliseconds(10));
    const std::int64_t start = now_ns();
    must(client.record_sync(decisions[i], Until::kDurable).code, "record_sync()");
    took.push_back(static_cast<double>(now_ns() - start) / 1e3);
  }
  return spread_of(took);
}

Spread alone_ms(Client& client, const Decisions& decisions, std::size_t calls) {
  std::vector<double> took;
  for (std::size_t i = 0; i < calls; ++i) {
    std::this_thread::sleep_for(milliseconds(100 + 7 * (i % 8)));
    const std::uint64_t before = client.stats().durable;
    const std::int64_t start = now_ns();
    must(client.record(decisions[i]), "record()");
    while (client.stats().durable == before) std::this_thread::sleep_for(milliseconds(1));
    took.push_back(static_cast<double>(now_ns() - start) / 1e6);
  }
  return spread_of(took);
}

// What the cores do meanwhile: whether they, or one thread, are what holds everything up.
struct Cores {
  std::vector<double> in_use;
  std::vector<double> busiest;
  std::vector<double> daemon_ns;  // a record

  // Records a second of `work`, which makes so many.
  template <class Work>
  double watch(pid_t daemon, std::size_t records, const Work& work) {
    const ProcessCost before = cost_of(daemon);
    const ProcessCost own_before = cost_of(::getpid());
    const std::int64_t start = now_ns();
    work();
    const auto took = static_cast<double>(now_ns() - start);
    const ProcessCost after = cost_of(daemon);
    const auto of_daemon = static_cast<double>(after.cpu_ns - before.cpu_ns);
    const auto own = static_cast<double>(cost_of(::getpid()).cpu_ns - own_before.cpu_ns);
    in_use.push_back((of_daemon + own) / took);
    busiest.push_back(static_cast<double>(busiest_ns_between(before, after)) / took);
    daemon_ns.push_back(of_daemon / static_cast<double>(records));
    return static_cast<double>(records) * 1e9 / took;
  }
};

// What a caller waits for, and what one that does not wait gets, with nothing else going on.
void measure_quiet(const OwnDaemon& daemon, Client& client, const Decisions& decisions,
                   const Folders& folders, std::size_t calls, Report& report) {
  record_all(client, decisions, decisions.size());
  daemon.let_tree_catch_up();
  std::this_thread::sleep_for(seconds(2));  // the index comes behind the tree
  const Spread sync = sync_us(folders.disk);
  const Spread wake_up = wake_up_us();
  const Spread waited = waited_us(client, decisions, calls);
  report.section("a quiet daemon");
  report.line("limit.sync", "limit: fdatasync of 4 KiB", "us", sync);
  report.line("limit.wake_up", "limit: a thread's wake-up", "us", wake_up);
  report.line("waited", "record_sync() until durable", "us", waited);
  report.line("waited.of_limit", "the same, of one sync and one wake-up", "x",
              waited.median / (sync.median + wake_up.median));
  report.line("alone", "record() to durable, nobody waits", "ms",
              alone_ms(client, decisions, calls / 5 + 1));
}

}  // namespace

Report bench_durable(const Decisions& decisions, const Folders& folders,
                     const DurableOptions& options) {
  const double journal_bytes =
      decisions.mean_bytes() + static_cast<double>(proto::kFrameHeaderBytes + proto::kLeafBytes +
                                                   proto::kErasableHeaderBytes);
  Report report;
  report.command = "durable";
  report.round_trip_before_ns = round_trip_ns();
  const OwnDaemon daemon(folders);
  const auto client = open_client(daemon.run_dir());
  measure_quiet(daemon, *client, decisions, folders, options.calls, report);

  std::vector<double> passing;
  std::vector<double> hashing;
  std::vector<double> writing;
  std::vector<double> one;
  std::vector<double> many;
  std::vector<double> of_limit;
  std::vector<double> of_one;
  Cores cores;
  for (std::size_t run = 0; run < options.runs; ++run) {
    passing.push_back(pass_rate(journal_bytes, options.records));
    hashing.push_back(hash_rate(decisions, options.records / 4));
    writing.push_back(write_rate(folders.disk, journal_bytes, options.records / 2));
    one.push_back(cores.watch(daemon.pid(), options.records,
                              [&] { record_all(*client, decisions, options.records); }));
    of_limit.push_back(one.back() / std::min(hashing.back(), writing.back()));
    many.push_back(durable_rate(daemon.run_dir(), decisions, options.records, options.producers));
    of_one.push_back(many.back() / one.back());
  }
  report.section("ring to durable; a record is " + std::to_string(static_cast<int>(journal_bytes)) +
                 " bytes in the journal");
  report.line("limit.hashing", "limit: a core hashing what the ledger hashes", "a second",
              spread_of(hashing));
  report.line("limit.write", "limit: write and sync of the same bytes", "a second",
              spread_of(writing));
  report.line("limit.pass", "one SHA-256 pass over the same bytes", "a second", spread_of(passing));
  report.line("durable.one", "one producer", "a second", spread_of(one));
  report.line("durable.many", std::to_string(options.producers) + " producers", "a second",
              spread_of(many));
  report.line("durable.one.of_limit", "one producer, of the lower limit", "x", spread_of(of_limit));
  report.line("durable.one.cores", "one producer: cores in use, by it and the daemon", "cores",
              spread_of(cores.in_use));
  report.line("durable.one.busiest", "of these by the daemon's busiest thread", "cores",
              spread_of(cores.busiest));
  report.line("durable.one.daemon_ns", "CPU of all the daemon's threads, a record", "ns",
              spread_of(cores.daemon_ns));
  report.line("durable.many.of_one", "many producers, of one", "x", spread_of(of_one));

  report.section("the same daemon, while tree and index come behind");
  report.line("behind.waited", "record_sync() until durable", "us",
              waited_us(*client, decisions, options.calls));
  report.round_trip_after_ns = round_trip_ns();
  return report;
}

}  // namespace xase::bench
