// A listening Unix socket with a name in a directory, put there in one step.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "daemon/platform/status.hpp"

namespace xased {

struct UnixListenerOptions {
  std::uint32_t mode = 0660;
  std::optional<std::string> group;  // by name or number
  int backlog = 64;
};

// Owned by one thread.
class UnixListener {
 public:
  // Listens on `directory`/`name`: under a temporary name first, until group and mode are as asked.
  // The path may be longer than a socket address holds. A socket that nobody serves any more is
  // replaced; kExists, with the pid, where one is served.
  static Result<UnixListener> open(const std::string& directory, const std::string& name,
                                   const UnixListenerOptions& options);
  UnixListener(UnixListener&& other) noexcept;
  UnixListener& operator=(UnixListener&&) = delete;
  // Closes, and removes the name where it is still that of this socket.
  ~UnixListener();

  int fd() const { return fd_; }
  // Whether the name still leads here.
  bool is_in_place() const;

 private:
  UnixListener() = default;
  Status bind_and_publish(const UnixListenerOptions& options);
  Status refuse_if_served(const std::string& path) const;
  Status set_access(const std::string& temporary, const UnixListenerOptions& options) const;

  int directory_fd_ = -1;
  int fd_ = -1;
  std::string name_;
  std::string shown_path_;
  bool published_ = false;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// "/proc/self/fd/<directory_fd>/<name>": short whatever the directory's path is.
std::string short_socket_path(int directory_fd, const std::string& name);

}  // namespace xased
