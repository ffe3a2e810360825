// Asks the daemon, over its stats socket.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "daemon/control/snapshot.hpp"
#include "daemon/platform/status.hpp"

namespace xased::ctl {

struct ControlReply {
  int status = 0;
  std::string body;
};

// One thread. Keeps a connection and makes a new one where the old has gone, so it lives through
// the daemon's restarts.
class ControlClient {
 public:
  // `run_dir` may be of any length and need not exist.
  explicit ControlClient(std::string run_dir,
                         std::chrono::milliseconds timeout = std::chrono::seconds(15));
  ~ControlClient();
  ControlClient(const ControlClient&) = delete;
  ControlClient& operator=(const ControlClient&) = delete;

  // Whatever the daemon answers. kTimeout: no daemon answers there, or not in time; kDenied: this
  // user may not connect.
  Result<ControlReply> get(const std::string& path_and_query);
  Result<ControlReply> post(const std::string& path);

  // As above, where anything but 200 is a failure with the daemon's own message.
  Result<std::string> get_ok(const std::string& path_and_query);
  Result<std::string> post_ok(const std::string& path);

  // fresh: the rings as they are now, also those made a moment ago; costs the daemon a look.
  Result<Snapshot> snapshot(bool fresh = false);

 private:
  class Connection;
  Result<ControlReply> request(bool is_post, const std::string& path);

  const std::string run_dir_;
  const std::chrono::milliseconds timeout_;
  std::unique_ptr<Connection> connection_;
};

// The snapshot in an answer of /stats; names that are missing keep their defaults.
Result<Snapshot> parse_snapshot(const std::string& json);

}  // namespace xased::ctl
