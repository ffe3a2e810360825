#include "daemon/control/unix_listener.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>
#include <vector>

namespace xased {
namespace {

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Status(Code::kInvalid, path + ": too long for a socket's name");
  }
  std::copy(path.begin(), path.end(), address.sun_path);
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

Result<gid_t> group_id(const std::string& group) {
  gid_t number = 0;
  const char* end = group.data() + group.size();
  const auto parsed = std::from_chars(group.data(), end, number);
  if (!group.empty() && parsed.ec == std::errc{} && parsed.ptr == end) return number;
  std::vector<char> buffer(4096);
  struct group entry {};
  struct group* found = nullptr;
  int error = 0;
  while ((error = getgrnam_r(group.c_str(), &entry, buffer.data(), buffer.size(), &found)) ==
             ERANGE &&
         buffer.size() < (std::size_t{1} << 20)) {
    buffer.resize(buffer.size() * 2);
  }
  if (found == nullptr) {
    return Status(Code::kInvalid, "control.socket_group: there is no group \"" + group +
                                      "\" on this host; see getent group");
  }
  return entry.gr_gid;
}

}  // namespace

std::string short_socket_path(int directory_fd, const std::string& name) {
  return "/proc/self/fd/" + std::to_string(directory_fd) + "/" + name;
}

Result<UnixListener> UnixListener::open(const std::string& directory, const std::string& name,
                                        const UnixListenerOptions& options) {
  UnixListener listener;
  listener.name_ = name;
  listener.shown_path_ = directory + "/" + name;
  listener.directory_fd_ = ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (listener.directory_fd_ < 0) return os_status("cannot open " + directory, errno);
  if (Status status = listener.refuse_if_served(short_socket_path(listener.directory_fd_, name));
      !status.ok()) {
    return status;
  }
  if (Status status = listener.bind_and_publish(options); !status.ok()) return status;
  return listener;
}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : directory_fd_(std::exchange(other.directory_fd_, -1)),
      fd_(std::exchange(other.fd_, -1)),
      name_(std::move(other.name_)),
      shown_path_(std::move(other.shown_path_)),
      published_(std::exchange(other.published_, false)),
      device_(other.device_),
      inode_(other.inode_) {}

UnixListener::~UnixListener() {
  if (published_) {
    struct stat found {};
    if (fstatat(directory_fd_, name_.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
        found.st_dev == device_ && found.st_ino == inode_) {
      unlinkat(directory_fd_, name_.c_str(), 0);
    }
  }
  if (fd_ >= 0) close(fd_);
  if (directory_fd_ >= 0) close(directory_fd_);
}

bool UnixListener::is_in_place() const {
  struct stat found {};
  return lstat(shown_path_.c_str(), &found) == 0 && found.st_dev == device_ &&
         found.st_ino == inode_;
}

Status UnixListener::refuse_if_served(const std::string& path) const {
  struct stat found {};
  if (fstatat(directory_fd_, name_.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? Status() : os_status("cannot look at " + shown_path_, errno);
  }
  if (!S_ISSOCK(found.st_mode)) {
    return {Code::kExists, shown_path_ + " is in the way and is no socket: remove it"};
  }
  const Result<sockaddr_un> address = address_of(path);
  if (!address.ok()) return address.status();
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return os_status("cannot make a socket", errno);
  const bool connected = connect(probe, generic(*address), sizeof(*address)) == 0;
  // EAGAIN: its queue is full, so it is served, if slowly.
  const bool served = connected || errno == EAGAIN;
  ucred peer{};
  socklen_t size = sizeof(peer);
  const bool known =
      connected && getsockopt(probe, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0;
  close(probe);
  if (!served) return {};
  return {Code::kExists,
          "another daemon" + (known ? " (pid " + std::to_string(peer.pid) + ")" : std::string()) +
              " serves " + shown_path_ + ": stop it, or give this one another run_dir"};
}

Status UnixListener::set_access(const std::string& temporary,
                                const UnixListenerOptions& options) const {
  if (options.group) {
    const Result<gid_t> gid = group_id(*options.group);
    if (!gid.ok()) return gid.status();
    if (fchownat(directory_fd_, temporary.c_str(), static_cast<uid_t>(-1), *gid,
                 AT_SYMLINK_NOFOLLOW) != 0) {
      return os_status("cannot give " + shown_path_ + " to group \"" + *options.group +
                           "\" (the daemon must be root or a member of it)",
                       errno);
    }
  }
  if (fchmodat(directory_fd_, temporary.c_str(), static_cast<mode_t>(options.mode & 0777U), 0) !=
      0) {
    return os_status("cannot set the mode of " + shown_path_, errno);
  }
  return {};
}

Status UnixListener::bind_and_publish(const UnixListenerOptions& options) {
  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return os_status("cannot make a socket", errno);
  // What bind() makes takes its mode from the socket's: nobody gets in before set_access().
  if (fchmod(fd_, 0) != 0) return os_status("cannot set the mode of a socket", errno);
  const std::string temporary = "." + name_ + "." + std::to_string(getpid()) + ".tmp";
  if (unlinkat(directory_fd_, temporary.c_str(), 0) != 0 && errno != ENOENT) {
    return os_status("cannot remove an old " + temporary, errno);
  }
  const Result<sockaddr_un> address = address_of(short_socket_path(directory_fd_, temporary));
  if (!address.ok()) return address.status();
  if (bind(fd_, generic(*address), sizeof(*address)) != 0) {
    return os_status("cannot make " + shown_path_, errno);
  }
  const auto give_up = [&](Status status) {
    unlinkat(directory_fd_, temporary.c_str(), 0);
    return status;
  };
  struct stat made {};
  if (fstatat(directory_fd_, temporary.c_str(), &made, AT_SYMLINK_NOFOLLOW) != 0) {
    return give_up(os_status("cannot look at " + temporary, errno));
  }
  device_ = made.st_dev;
  inode_ = made.st_ino;
  // Listens before it has its name: whoever finds the name is answered.
  if (listen(fd_, options.backlog) != 0) {
    return give_up(os_status("cannot listen on " + shown_path_, errno));
  }
  if (Status status = set_access(temporary, options); !status.ok()) return give_up(status);
  if (renameat(directory_fd_, temporary.c_str(), directory_fd_, name_.c_str()) != 0) {
    return give_up(os_status("cannot make " + shown_path_, errno));
  }
  published_ = true;
  return {};
}

}  // namespace xased
