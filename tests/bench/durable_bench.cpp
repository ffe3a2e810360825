#include "tests/bench/durable_bench.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>

#include "daemon/platform/sha256.hpp"
#include "proto/erasable.hpp"
#include "proto/frame.hpp"
#include "proto/hashing.hpp"
#include "proto/merkle.hpp"
#include "tests/bench/own_daemon.hpp"

namespace xase::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

double a_second(std::size_t count, std::int64_t took_ns) {
  return static_cast<double>(count) * 1e9 / static_cast<double>(took_ns);
}

std::unique_ptr<Client> open_client(const std::string& run_dir) {
  Options options;
  options.run_dir = run_dir;
  options.on_full = OnFull::kBlock;
  options.block_timeout = seconds(30);
  return std::make_unique<Client>(options);
}

void must(Error error, const char* what) {
  if (!ok(error)) throw std::runtime_error(std::string(what) + ": " + name(error));
}

void record_all(Client& client, const Decisions& decisions, std::size_t records) {
  for (std::size_t i = 0; i < records; ++i) must(client.record(decisions[i]), "record()");
  must(client.flush(Until::kDurable, seconds(120)), "flush()");
}

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

// Each producer a process; they begin at once.
double many_rate(const std::string& run_dir, const Decisions& decisions, std::size_t records,
                 unsigned producers) {
  std::array<int, 2> gate{};
  if (::pipe(gate.data()) != 0) throw std::runtime_error("no pipe");
  std::vector<pid_t> children;
  for (unsigned i = 0; i < producers; ++i) {
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("cannot fork");
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    int code = 0;
    try {
      ::close(gate[1]);
      const auto client = open_client(run_dir);
      must(client->record(decisions[0]), "record()");
      must(client->flush(Until::kDurable, seconds(30)), "flush()");
      char byte = 0;
      (void)!::read(gate[0], &byte, 1);  // until the gate opens
      record_all(*client, decisions, records / producers);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "xase-bench: a producer failed: %s\n", error.what());
      code = 1;
    }
    ::_exit(code);
  }
  ::close(gate[0]);
  std::this_thread::sleep_for(milliseconds(500));  // all stand at the gate
  const std::int64_t start = now_ns();
  ::close(gate[1]);
  bool failed = false;
  for (const pid_t child : children) {
    int status = 0;
    failed = ::waitpid(child, &status, 0) != child || status != 0 || failed;
  }
  if (failed) throw std::runtime_error("a producer failed");
  return a_second(records / producers * producers, now_ns() - start);
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

Spread waited_us(Client& client, const Decisions& decisions) {
  std::vector<double> took;
  for (std::size_t i = 0; i < 200; ++i) {
    std::this_thread::sleep_for(milliseconds(10));
    const std::int64_t start = now_ns();
    must(client.record_sync(decisions[i], Until::kDurable).code, "record_sync()");
    took.push_back(static_cast<double>(now_ns() - start) / 1e3);
  }
  return spread_of(took);
}

Spread alone_ms(Client& client, const Decisions& decisions) {
  std::vector<double> took;
  for (std::size_t i = 0; i < 40; ++i) {
    std::this_thread::sleep_for(milliseconds(100 + 7 * (i % 8)));
    const std::uint64_t before = client.stats().durable;
    const std::int64_t start = now_ns();
    must(client.record(decisions[i]), "record()");
    while (client.stats().durable == before) std::this_thread::sleep_for(milliseconds(1));
    took.push_back(static_cast<double>(now_ns() - start) / 1e6);
  }
  return spread_of(took);
}

}  // namespace

DurableBenchResult bench_durable(const Decisions& decisions, const DurableBenchOptions& options) {
  DurableBenchResult result;
  result.bytes_a_record =
      decisions.mean_bytes() + static_cast<double>(proto::kFrameHeaderBytes + proto::kLeafBytes +
                                                   proto::kErasableHeaderBytes);
  result.round_trip_before_ns = round_trip_ns();
  OwnDaemon daemon(options.folder);
  const auto client = open_client(daemon.run_dir());
  record_all(*client, decisions, decisions.size());

  std::vector<double> hashing;
  std::vector<double> writing;
  std::vector<double> one;
  std::vector<double> many;
  std::vector<double> against;
  for (std::size_t run = 0; run < options.runs; ++run) {
    hashing.push_back(hash_rate(decisions, options.records / 4));
    writing.push_back(write_rate(options.folder, result.bytes_a_record, options.records / 4));
    const std::int64_t start = now_ns();
    record_all(*client, decisions, options.records);
    one.push_back(a_second(options.records, now_ns() - start));
    against.push_back(one.back() / std::min(hashing.back(), writing.back()));
    many.push_back(many_rate(daemon.run_dir(), decisions, options.records, options.producers));
  }
  result.hashing = spread_of(hashing);
  result.writing = spread_of(writing);
  result.one_producer = spread_of(one);
  result.many_producers = spread_of(many);
  result.against_limit = spread_of(against);
  // Quiet again: the tree and the index come behind.
  std::this_thread::sleep_for(seconds(3));
  result.sync_us = sync_us(options.folder);
  result.wake_up_us = wake_up_us();
  result.waited_us = waited_us(*client, decisions);
  result.alone_ms = alone_ms(*client, decisions);
  result.round_trip_after_ns = round_trip_ns();
  return result;
}

}  // namespace xase::bench
