// The runtime directory, as a client finds or makes it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "client/src/failure.hpp"
#include "proto/mapping.hpp"
#include "proto/run_dir.hpp"

namespace xase::client {

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Fd& operator=(Fd&& other) noexcept;
  ~Fd();

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// `given` where not empty; else $XASE_RUN_DIR where set and not empty; else /run/xased where it
// exists or can be made; else $XDG_RUNTIME_DIR/xased.
Failure choose_run_dir(const std::string& given, std::string& run_dir);

// Opens RUN_DIR and RUN_DIR/rings; makes what is missing, but not RUN_DIR's parent.
Failure open_run_dir(const std::string& run_dir, Fd& root, Fd& rings);

// RUN_DIR/settings, and its text: empty where it cannot be read.
Fd open_settings(const Fd& root);
std::string read_settings(const Fd& file);

// `ring_bytes` of RUN_DIR/settings, 0 where nothing sound is there.
std::uint64_t settings_ring_bytes(const Fd& root);

// The doorbell page, mapped.
struct DoorbellPage {
  proto::Mapping mapping;
  std::uint64_t inode = 0;

  proto::Doorbell& words() const noexcept {
    return *reinterpret_cast<proto::Doorbell*>(mapping.data());
  }
};

// Opens the doorbell, or makes it where it is missing. Null: goes without, which costs the daemon's
// polling interval and nothing else.
std::unique_ptr<DoorbellPage> open_doorbell(const Fd& root);

// 16 random bytes.
Failure random_id(proto::Id& id);

}  // namespace xase::client
