// A ring's file: made by its producer, found by the daemon, gone when the daemon has read it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "client/src/failure.hpp"
#include "client/src/run_dir.hpp"
#include "proto/mapping.hpp"
#include "proto/ring_layout.hpp"

namespace xase::client {

// What a ring left whose file lost its name: the next one of its thread tells.
struct LeftBehind {
  proto::RingBefore before{};
  std::uint64_t refused = 0;  // records that no daemon can have heard of
};

struct RingFileOptions {
  std::string run_dir;
  std::uint64_t ring_bytes = 0;  // 0: what the settings say, else the default
  std::uint32_t results_bytes = proto::kRingResultsBytesDefault;
  std::string context;               // JSON; see runtime_context()
  std::uint64_t refused_before = 0;  // without a ring
  LeftBehind left;
};

// A mapped ring. Shared by its producer thread and by those who look at its words; unmapped, and by
// that given up to the daemon, when the last one lets go.
//
// The lock that tells the daemon of our life belongs to the open file description, and the mapping
// keeps that alive: no file descriptor stays open, so that an app which closes all it does not know
// cannot give its rings up by mistake. A child of fork() does not inherit the mapping.
class RingFile {
 public:
  // Makes RUN_DIR/rings/<id>.ring. On failure nothing is left behind and the text says what to do.
  static Failure create(const RingFileOptions& options, const Fd& root, const Fd& rings,
                        std::shared_ptr<RingFile>& made);

  proto::RingProducerWords& producer() const noexcept {
    return *reinterpret_cast<proto::RingProducerWords*>(at(proto::kRingProducerOffset));
  }
  proto::RingDaemonWords& daemon() const noexcept {
    return *reinterpret_cast<proto::RingDaemonWords*>(at(proto::kRingDaemonOffset));
  }
  std::byte* results() const noexcept { return at(proto::kRingResultsOffset); }
  std::uint32_t results_bytes() const noexcept { return results_bytes_; }
  std::byte* data() const noexcept { return at(proto::kRingResultsOffset + results_bytes_); }
  std::uint64_t data_bytes() const noexcept { return data_bytes_; }
  // 32 hexadecimal digits.
  const std::string& id() const noexcept { return id_; }
  // What it took the place of.
  const proto::RingBefore& before() const noexcept { return before_; }
  // How far the results are read. Belongs to Results, under its lock.
  struct ResultsCursor {
    std::uint64_t position = 0;
    bool broken = false;
  };
  ResultsCursor results_cursor;

  // Whether the file still has its name, so that a daemon that starts now would find it.
  bool is_in_place() const noexcept;

 private:
  std::byte* at(std::uint64_t offset) const noexcept { return mapping_.data() + offset; }
  Failure fill(int fd, const RingFileOptions& options, const proto::Id& id);

  proto::Mapping mapping_;
  std::uint64_t data_bytes_ = 0;
  std::uint32_t results_bytes_ = 0;
  std::uint64_t inode_ = 0;
  std::string id_;
  proto::RingBefore before_{};
  std::string path_;
};

// `bytes` made a power of two within the layout's limits.
std::uint64_t sound_ring_bytes(std::uint64_t bytes) noexcept;

}  // namespace xase::client
