// A producer with a real ring file, as the client library makes it, that can also misbehave.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "proto/mapping.hpp"
#include "proto/record.hpp"
#include "proto/ring_layout.hpp"
#include "proto/ring_reader.hpp"
#include "proto/ring_writer.hpp"
#include "proto/run_dir.hpp"

namespace xased::test {

// Owns its file's lock until die().
class RingProducer {
 public:
  struct Options {
    std::uint8_t id = 1;                      // fills the ring id
    std::optional<xase::proto::Id> whole_id;  // is the ring id instead
    std::uint64_t data_bytes = xase::proto::kRingDataBytesMin;
    std::uint32_t results_bytes = xase::proto::kRingResultsBytesMin;
    std::uint32_t pid = 4242;
    std::string context = R"({"runtime":"test"})";
    xase::proto::RingBefore before{};
  };

  // Makes the ring in `run_dir`/rings under its temporary name and renames it into place.
  RingProducer(const std::string& run_dir, Options options)
      : directory_(run_dir + "/" + std::string(xase::proto::kRingsFolder)),
        options_(std::move(options)) {
    id_.fill(static_cast<std::byte>(options_.id));
    if (options_.whole_id) id_ = *options_.whole_id;
    const std::string temporary = directory_ + "/." + xase::proto::to_hex(id_) +
                                  std::string(xase::proto::kRingTemporarySuffix);
    fd_ = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    EXPECT_GE(fd_, 0) << std::strerror(errno);
    take_lock();
    const std::uint64_t bytes =
        xase::proto::ring_file_bytes(options_.data_bytes, options_.results_bytes);
    EXPECT_EQ(::posix_fallocate(fd_, 0, static_cast<off_t>(bytes)), 0);
    EXPECT_EQ(mapping_.map(fd_, bytes), 0);
    xase::proto::RingIdentity identity{};
    identity.magic = xase::proto::kRingMagic;
    identity.version = xase::proto::kRingVersion;
    identity.context_bytes = static_cast<std::uint32_t>(options_.context.size());
    identity.file_bytes = bytes;
    identity.data_bytes = options_.data_bytes;
    identity.results_bytes = options_.results_bytes;
    identity.pid = options_.pid;
    identity.ring_id = id_;
    identity.before = options_.before;
    identity.created_wall_ns = 1'600'000'000'000'000'000;
    xase::proto::store(mapping_.data(), identity);
    std::memcpy(mapping_.data() + sizeof identity, options_.context.data(),
                options_.context.size());
    writer_ = {data(), options_.data_bytes, &words().committed, &daemon().released};
    EXPECT_EQ(::rename(temporary.c_str(), path().c_str()), 0);
  }
  RingProducer(const std::string& run_dir, std::uint8_t id) : RingProducer(run_dir, with_id(id)) {}
  ~RingProducer() { die(); }
  RingProducer(const RingProducer&) = delete;
  RingProducer& operator=(const RingProducer&) = delete;

  static Options with_id(std::uint8_t id) {
    Options options;
    options.id = id;
    return options;
  }

  const xase::proto::Id& id() const { return id_; }
  std::string name() const { return xase::proto::ring_file_name(id_); }
  std::string path() const { return directory_ + "/" + name(); }

  // --- Behaving ---

  // Commits a record; false where the ring is full, which is then counted as refused.
  bool record(const std::vector<std::byte>& payload, std::uint16_t flags = 0) {
    std::byte* to = writer_.reserve(payload.size());
    if (to == nullptr) {
      words().refused.store(++refused_);
      return false;
    }
    if (!payload.empty()) std::memcpy(to, payload.data(), payload.size());
    commit(payload.size(), flags);
    return true;
  }
  // Refuses `count` records, as if the ring were full.
  void refuse(std::uint64_t count) { words().refused.store(refused_ += count); }
  void wait_for_notify(bool waits = true) { words().waiters.store(waits ? 1 : 0); }
  void want_results() { words().wants_results.store(1); }
  // Reads the results so far.
  struct ReadResult {
    xase::proto::RingFrameHeader header;
    std::string text;
  };
  std::vector<ReadResult> results() {
    std::vector<ReadResult> out;
    const xase::proto::RingReader reader(mapping_.data() + xase::proto::kRingResultsOffset,
                                         options_.results_bytes, &daemon().results_committed);
    std::vector<std::byte> copy(options_.results_bytes);
    for (;;) {
      const auto chunk = reader.copy_out(results_position_, copy);
      if (chunk.bytes == 0) break;
      xase::proto::RingFrames frames({copy.data(), chunk.bytes}, results_position_,
                                     options_.results_bytes);
      while (const auto frame = frames.next(xase::proto::kRingFrameResult)) {
        out.push_back({frame->header, std::string(xase::proto::as_text(frame->payload))});
      }
      results_position_ = frames.position();
    }
    words().results_released.store(results_position_);
    return out;
  }
  // The process is gone: its mapping, which holds the file open too, and so its lock.
  void die() {
    mapping_ = xase::proto::Mapping();
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  // --- Misbehaving ---

  // Commits a frame whose header is as given, sequence and refused count included.
  void commit_raw(const xase::proto::RingFrameHeader& header,
                  const std::vector<std::byte>& payload = {}) {
    std::byte* to = writer_.reserve(payload.size());
    ASSERT_NE(to, nullptr);
    if (!payload.empty()) std::memcpy(to, payload.data(), payload.size());
    writer_.commit(header);
  }
  xase::proto::RingFrameHeader next_header(std::size_t payload_bytes) const {
    xase::proto::RingFrameHeader header{};
    header.payload_bytes = static_cast<std::uint32_t>(payload_bytes);
    header.type = xase::proto::kRingFrameRecord;
    header.sequence = sequence_ + 1;
    header.word = refused_;
    header.stamp_ns = 1'650'000'000'000'000'000;
    return header;
  }
  void truncate(std::uint64_t bytes) {
    EXPECT_EQ(::truncate(path().c_str(), static_cast<off_t>(bytes)), 0);
  }

  xase::proto::RingProducerWords& words() {
    return *reinterpret_cast<xase::proto::RingProducerWords*>(mapping_.data() +
                                                              xase::proto::kRingProducerOffset);
  }
  xase::proto::RingDaemonWords& daemon() {
    return *reinterpret_cast<xase::proto::RingDaemonWords*>(mapping_.data() +
                                                            xase::proto::kRingDaemonOffset);
  }
  std::byte* data() {
    return mapping_.data() + xase::proto::kRingResultsOffset + options_.results_bytes;
  }
  std::uint64_t sequence() const { return sequence_; }
  std::uint64_t position() const { return writer_.position(); }

 private:
  void take_lock() {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    EXPECT_EQ(::fcntl(fd_, F_OFD_SETLK, &lock), 0);
  }
  void commit(std::size_t bytes, std::uint16_t flags) {
    auto header = next_header(bytes);
    header.flags = flags;
    words().committed_sequence.store(++sequence_);
    writer_.commit(header);
  }

  const std::string directory_;
  const Options options_;
  xase::proto::Id id_{};
  int fd_ = -1;
  xase::proto::Mapping mapping_;
  xase::proto::RingWriter writer_;
  std::uint64_t sequence_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t results_position_ = 0;
};

}  // namespace xased::test
