#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

#include "proto/mapping.hpp"
#include "proto/ring_reader.hpp"
#include "proto/ring_writer.hpp"
#include "tests/bench/benches.hpp"
#include "tests/bench/producers.hpp"

namespace xase::bench {
namespace {

constexpr std::uint64_t kAreaBytes = proto::kRingDataBytesDefault;
constexpr std::size_t kBatchBytes = std::size_t{256} << 10;  // what intake takes at a time

// A ring's data area in a file that is mapped, as the daemon maps it, and one thread at both ends.
class Ring {
 public:
  explicit Ring(const std::string& folder) {
    const std::string path = folder + "/area";
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd_ < 0 || ::posix_fallocate(fd_, 0, kAreaBytes) != 0 ||
        mapping_.map(fd_, kAreaBytes) != 0) {
      throw std::runtime_error("cannot make " + path);
    }
    writer_ = proto::RingWriter(mapping_.data(), kAreaBytes, &committed_, &released_);
    reader_ = proto::RingReader(mapping_.data(), kAreaBytes, &committed_);
  }
  ~Ring() { ::close(fd_); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Writes records until no more fit.
  void fill(const std::vector<std::byte>& record) {
    while (std::byte* to = writer_.reserve(record.size())) {
      std::memcpy(to, record.data(), record.size());
      writer_.commit({static_cast<std::uint32_t>(record.size()), proto::kRingFrameRecord, 0,
                      ++sequence_, 0, 0});
    }
  }

  // Copies all out and finds each record; how many.
  std::size_t drain(std::vector<std::byte>& to) {
    std::size_t records = 0;
    for (;;) {
      const auto chunk = reader_.copy_out(position_, to);
      if (chunk.fault != proto::RingFault::kNone) throw std::runtime_error("a broken ring");
      if (chunk.bytes == 0) break;
      proto::RingFrames frames({to.data(), chunk.bytes}, position_, kAreaBytes);
      while (frames.next(proto::kRingFrameRecord)) ++records;
      position_ = frames.position();
    }
    released_.store(position_, std::memory_order_release);
    return records;
  }

  // As many bytes, and nothing looked at.
  void copy(std::vector<std::byte>& to) const {
    for (std::uint64_t at = 0; at < kAreaBytes; at += kBatchBytes) {
      std::memcpy(to.data(), mapping_.data() + at, kBatchBytes);
      asm volatile("" : : "r"(to.data()) : "memory");
    }
  }
  void read_file(std::vector<std::byte>& to) const {
    for (std::uint64_t at = 0; at < kAreaBytes; at += kBatchBytes) {
      if (::pread(fd_, to.data(), kBatchBytes, static_cast<off_t>(at)) !=
          static_cast<ssize_t>(kBatchBytes)) {
        throw std::runtime_error("short read");
      }
    }
  }

 private:
  int fd_ = -1;
  proto::Mapping mapping_;
  alignas(128) std::atomic<std::uint64_t> committed_{0};
  alignas(128) std::atomic<std::uint64_t> released_{0};
  std::uint64_t position_ = 0;
  std::uint64_t sequence_ = 0;
  proto::RingWriter writer_;
  proto::RingReader reader_;
};

}  // namespace

Report bench_drain(const Folders& folders, const DrainOptions& options) {
  Report report;
  report.command = "drain";
  report.round_trip_before_ns = round_trip_ns();
  Ring ring(folders.memory);
  const std::vector<std::byte> record(options.record_bytes, std::byte{'x'});
  std::vector<std::byte> batch(kBatchBytes);
  std::vector<double> drains;
  std::vector<double> copies;
  std::vector<double> reads;
  std::vector<double> of_copy;
  for (std::size_t run = 0; run < options.runs; ++run) {
    std::size_t records = 0;
    std::int64_t draining = 0;
    std::int64_t copying = 0;
    std::int64_t reading = 0;
    while (records < options.records) {
      // All three find the ring as its producer left it.
      ring.fill(record);
      std::int64_t start = now_ns();
      const std::size_t found = ring.drain(batch);
      draining += now_ns() - start;
      if (found == 0) throw std::runtime_error("no record in a full ring");
      records += found;
      ring.fill(record);
      start = now_ns();
      ring.copy(batch);
      copying += now_ns() - start;
      (void)ring.drain(batch);
      ring.fill(record);
      start = now_ns();
      ring.read_file(batch);
      reading += now_ns() - start;
      (void)ring.drain(batch);
    }
    drains.push_back(a_second(records, draining));
    copies.push_back(a_second(records, copying));
    reads.push_back(a_second(records, reading));
    of_copy.push_back(drains.back() / copies.back());
  }
  report.section("records of " + std::to_string(options.record_bytes) +
                 " bytes, from a ring of 4 MiB to private memory");
  report.line("limit.copy", "limit: one memcpy of the same bytes", "a second", spread_of(copies));
  report.line("limit.pread", "pread of the same bytes", "a second", spread_of(reads));
  report.line("drain", "drained, each record found and bounded", "a second", spread_of(drains));
  report.line("drain.of_limit", "drained, of the limit", "x", spread_of(of_copy));
  report.round_trip_after_ns = round_trip_ns();
  return report;
}

}  // namespace xase::bench
