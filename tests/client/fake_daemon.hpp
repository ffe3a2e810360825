// The daemon's side of a ring, played by a test in the same process.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xase/xase.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "proto/error_code.hpp"
#include "proto/mapping.hpp"
#include "proto/record.hpp"
#include "proto/ring_layout.hpp"
#include "proto/ring_reader.hpp"
#include "proto/ring_writer.hpp"
#include "proto/run_dir.hpp"
#include "tests/support/sanitized.hpp"

namespace xase::test {

// A runtime directory that goes with the test.
class TempDir {
 public:
  TempDir() {
    std::string pattern = std::filesystem::temp_directory_path() / "xase-client-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::vector<std::string> files_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

inline std::vector<std::string> ring_paths(const std::string& run_dir) {
  std::vector<std::string> paths;
  for (const std::string& name : files_in(run_dir + "/rings")) {
    if (name.front() != '.') paths.push_back(run_dir + "/rings/" + name);
  }
  return paths;
}

// A record as the daemon would take it.
struct SeenRecord {
  std::uint64_t sequence;
  std::uint16_t flags;
  std::uint64_t refused;
  std::int64_t stamp_ns;
  std::vector<std::byte> bytes;

  proto::RecordFields fields() const { return proto::decode_record(bytes).value(); }
  std::string text(proto::Span span) const { return std::string(fields().span(span)); }
};

// One ring, mapped as the daemon maps it.
class FakeRing {
 public:
  explicit FakeRing(const std::string& path) {
    fd_ = open(path.c_str(), O_RDWR | O_CLOEXEC);
    struct stat status {};
    if (fd_ < 0 || fstat(fd_, &status) != 0 ||
        mapping_.map(fd_, static_cast<std::uint64_t>(status.st_size)) != 0) {
      ADD_FAILURE() << "cannot map " << path;
      return;
    }
    identity_ = proto::load<proto::RingIdentity>(mapping_.data());
    EXPECT_TRUE(
        proto::ring_identity_is_sound(identity_, static_cast<std::uint64_t>(status.st_size)));
    reader_ = proto::RingReader(data(), identity_.data_bytes, &producer().committed);
    results_ =
        proto::RingWriter(mapping_.data() + proto::kRingResultsOffset, identity_.results_bytes,
                          &daemon().results_committed, &producer().results_released);
  }
  FakeRing(const FakeRing&) = delete;
  FakeRing& operator=(const FakeRing&) = delete;
  ~FakeRing() { close(fd_); }

  const proto::RingIdentity& identity() const { return identity_; }
  std::string context() const {
    return std::string(reinterpret_cast<const char*>(mapping_.data()) + sizeof identity_,
                       identity_.context_bytes);
  }
  proto::RingProducerWords& producer() const {
    return *reinterpret_cast<proto::RingProducerWords*>(mapping_.data() +
                                                        proto::kRingProducerOffset);
  }
  proto::RingDaemonWords& daemon() const {
    return *reinterpret_cast<proto::RingDaemonWords*>(mapping_.data() + proto::kRingDaemonOffset);
  }

  // Takes what is committed, without giving its space back. Checks order.
  std::vector<SeenRecord> read() {
    std::vector<SeenRecord> seen;
    std::vector<std::byte> buffer(identity_.data_bytes);
    while (true) {
      const auto chunk = reader_.copy_out(position_, buffer);
      EXPECT_EQ(chunk.fault, proto::RingFault::kNone);
      if (chunk.bytes == 0) return seen;
      proto::RingFrames frames(proto::Bytes(buffer).first(chunk.bytes), position_,
                               identity_.data_bytes);
      while (const auto frame = frames.next(proto::kRingFrameRecord)) {
        EXPECT_EQ(frame->header.sequence, ++last_sequence_) << "a hole, or a record twice";
        EXPECT_TRUE(proto::decode_record(frame->payload).has_value()) << "a torn record";
        seen.push_back({frame->header.sequence,
                        frame->header.flags,
                        frame->header.word,
                        frame->header.stamp_ns,
                        {frame->payload.begin(), frame->payload.end()}});
      }
      EXPECT_EQ(frames.fault(), proto::RingFault::kNone);
      if (frames.position() == position_) return seen;
      position_ = frames.position();
    }
  }
  // Gives the space of what was read back.
  void release() { daemon().released.store(position_, std::memory_order_release); }
  std::uint64_t last_sequence() const { return last_sequence_; }

  void set_journaled(std::uint64_t to) { daemon().journaled_sequence.store(to); }
  void set_durable(std::uint64_t to) { daemon().durable_sequence.store(to); }
  void set_settled(std::uint64_t to) { daemon().settled_sequence.store(to); }

  bool send_result(std::uint64_t sequence, proto::ErrorCode code, std::uint16_t http,
                   std::uint16_t flags, const std::string& payload) {
    if (!results_.fits(payload.size())) return false;
    std::byte* to = results_.reserve(payload.size());
    if (to == nullptr) {
      daemon().results_dropped.fetch_add(1);
      return false;
    }
    std::memcpy(to, payload.data(), payload.size());
    results_.commit({static_cast<std::uint32_t>(payload.size()), proto::kRingFrameResult, flags,
                     sequence, proto::result_word(static_cast<std::uint32_t>(code), http), 0});
    return true;
  }

  void notify() {
    daemon().notify.fetch_add(1);
    syscall(SYS_futex, &daemon().notify, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }

  // Whether some process still lives that owns this ring.
  bool has_owner() const {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (fcntl(fd_, F_OFD_GETLK, &lock) != 0) ADD_FAILURE() << "F_OFD_GETLK failed";
    return lock.l_type != F_UNLCK;
  }

 private:
  std::byte* data() const {
    return mapping_.data() + proto::kRingResultsOffset + identity_.results_bytes;
  }

  int fd_ = -1;
  proto::Mapping mapping_;
  proto::RingIdentity identity_{};
  proto::RingReader reader_;
  proto::RingWriter results_;
  std::uint64_t position_ = 0;
  std::uint64_t last_sequence_ = 0;
};

// Serves every ring of a directory from a thread of its own, until stopped.
class FakeDaemon {
 public:
  // Called for each record, in its ring's order; whatever it does to the ring is seen by the client
  // at the end of the round.
  using Handler = std::function<void(FakeRing&, const SeenRecord&)>;

  // Settles everything at once: durable, and delivered with `answer` where a result is wanted.
  static Handler deliver_all(const std::string& answer = "{\"success\":true}") {
    return [answer](FakeRing& ring, const SeenRecord& record) {
      if ((record.flags & proto::kRingFlagWantsResult) != 0) {
        ring.send_result(record.sequence, proto::ErrorCode::kOk, 201, 0, answer);
      }
      ring.set_journaled(record.sequence);
      ring.set_durable(record.sequence);
      ring.daemon().delivered.fetch_add(1);
      ring.set_settled(record.sequence);
    };
  }

  FakeDaemon(std::string run_dir, Handler handler)
      : run_dir_(std::move(run_dir)), handler_(std::move(handler)), thread_([this] { run(); }) {}
  FakeDaemon(const FakeDaemon&) = delete;
  FakeDaemon& operator=(const FakeDaemon&) = delete;
  ~FakeDaemon() { stop(); }

  // Takes what is there, then ends.
  void stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }

  std::size_t taken() const { return taken_; }
  // After stop(): how often each transaction id was seen.
  const std::map<std::string, int>& transactions() const { return transactions_; }
  std::size_t rings() const { return rings_.size(); }

 private:
  void run() {
    while (true) {
      const bool last = stopping_;
      for (const std::string& path : ring_paths(run_dir_)) {
        auto& ring = rings_[path];
        if (ring == nullptr) ring = std::make_unique<FakeRing>(path);
        const auto seen = ring->read();
        for (const SeenRecord& record : seen) {
          ++transactions_[record.text(proto::Span::kTransactionId)];
          handler_(*ring, record);
        }
        if (seen.empty()) continue;
        ring->release();
        taken_ += seen.size();
        ring->notify();
      }
      if (last) return;
      std::this_thread::yield();
    }
  }

  std::string run_dir_;
  Handler handler_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> taken_{0};
  std::map<std::string, std::unique_ptr<FakeRing>> rings_;
  std::map<std::string, int> transactions_;
  std::thread thread_;
};

// The id is the caller's, and must live until the record is made.
inline xase_record_fields some_record(std::string_view transaction_id = {}) {
  xase_record_fields record = XASE_RECORD_INIT;
  record.policy = xase_str("credit_policy_v4");
  record.input = xase_str("{\"amount\":1169}");
  record.output = xase_str("{\"decision\":\"APPROVED\"}");
  record.transaction_id = {transaction_id.data(), transaction_id.size()};
  return record;
}

// Closes and frees at the end of the scope.
struct ClientFree {
  void operator()(xase_client* client) const { xase_client_free(client); }
};
using ClientPtr = std::unique_ptr<xase_client, ClientFree>;

inline ClientPtr open_client(const std::string& run_dir,
                             const std::function<void(xase_client_options&)>& adjust = {}) {
  xase_client_options options = XASE_CLIENT_OPTIONS_INIT;
  options.run_dir = run_dir.c_str();
  options.ring_bytes = 64 << 10;
  if (adjust) adjust(options);
  xase_client* client = nullptr;
  EXPECT_EQ(xase_client_open(&options, &client), XASE_OK) << xase_last_error_message();
  return ClientPtr(client);
}

// Waits for a condition that another thread or process brings about; the limit only ends a test
// that would hang.
template <class Condition>
bool eventually(Condition condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::yield();
  }
  return true;
}

inline xase_counts counts_of(const ClientPtr& client) {
  xase_counts counts = XASE_COUNTS_INIT;
  EXPECT_EQ(xase_stats(client.get(), &counts), XASE_OK);
  return counts;
}

}  // namespace xase::test
