#include "daemon/app/run_dir.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "proto/run_dir.hpp"

namespace xased {
namespace {

constexpr const char* kLockFile = "xased.lock";
constexpr mode_t kRunDirMode = 0750;
constexpr mode_t kRingsMode = 03733;
// Where the setgid bit is not ours to set.
constexpr mode_t kRingsModePlain = 01733;
constexpr mode_t kSettingsMode = 0640;

// Of this mode whatever the umask; a set-group-id parent hands that bit down. The error's number,
// or 0.
int make_directory(const std::string& path, mode_t mode) {
  struct stat info {};
  const bool made = ::mkdir(path.c_str(), mode) == 0 && ::stat(path.c_str(), &info) == 0 &&
                    ::chmod(path.c_str(), mode | (info.st_mode & S_ISGID)) == 0;
  return made ? 0 : errno;
}

Status write_settings(const std::string& run_dir, std::uint64_t ring_bytes) {
  const std::string path = run_dir + "/" + std::string(xase::proto::kSettingsFile);
  const std::string temporary = path + ".tmp";
  const std::string text =
      std::string(xase::proto::kSettingRingBytes) + "=" + std::to_string(ring_bytes) + "\n";
  ::unlink(temporary.c_str());
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                        kSettingsMode);
  if (fd < 0) return os_status("write " + temporary, errno);
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fchmod(fd, kSettingsMode) == 0;
  const int error = errno;
  ::close(fd);
  if (!written || ::rename(temporary.c_str(), path.c_str()) != 0) {
    return os_status("write " + path, written ? errno : error);
  }
  return {};
}

}  // namespace

Status make_directories(const std::string& path, unsigned mode) {
  int error = make_directory(path, mode);
  if (error == 0) return {};
  struct stat info {};
  if (error == EEXIST && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};
  const std::size_t slash = path.find_last_of('/');
  if (error != ENOENT || slash == std::string::npos || slash == 0) {
    return os_status("make directory " + path, error);
  }
  if (Status status = make_directories(path.substr(0, slash), mode); !status.ok()) return status;
  error = make_directory(path, mode);
  if (error == 0 || error == EEXIST) return {};
  return os_status("make directory " + path, error);
}

Status make_run_dir(const std::string& run_dir, std::uint64_t ring_bytes) {
  if (Status status = make_directories(run_dir, kRunDirMode); !status.ok()) return status;
  const std::string rings = run_dir + "/" + std::string(xase::proto::kRingsFolder);
  if (::mkdir(rings.c_str(), kRunDirMode) == 0) {
    // Not by mkdir's mode, which the umask cuts.
    if (::chmod(rings.c_str(), kRingsMode) != 0 && ::chmod(rings.c_str(), kRingsModePlain) != 0) {
      return os_status("set the mode of " + rings, errno);
    }
  } else if (errno != EEXIST) {
    return os_status("make directory " + rings, errno);
  }
  return write_settings(run_dir, ring_bytes);
}

RunDir::RunDir(FileSystem& fs, std::string path, std::uint64_t ring_bytes, std::string who)
    : fs_(fs), path_(std::move(path)), ring_bytes_(ring_bytes), who_(std::move(who)) {}

Status RunDir::take() {
  if (Status status = make_run_dir(path_, ring_bytes_); !status.ok()) return status;
  const std::string lock_path = path_ + "/" + kLockFile;
  struct stat info {};
  if (lock_ != nullptr && ::stat(lock_path.c_str(), &info) == 0 && info.st_dev == lock_device_ &&
      info.st_ino == lock_inode_) {
    return {};
  }
  auto lock = DirectoryLock::take(fs_, lock_path, who_);
  if (!lock.ok()) return lock.status();
  if (::stat(lock_path.c_str(), &info) != 0) return os_status("look at " + lock_path, errno);
  // Only now the old one goes: until then no other file can have its number.
  lock_ = std::move(*lock);
  lock_device_ = info.st_dev;
  lock_inode_ = info.st_ino;
  return {};
}

Status RunDir::keep(bool& made) {
  if (is_whole()) return {};
  Status status = take();
  made = status.ok();
  return status;
}

bool RunDir::is_whole() const {
  struct stat info {};
  const std::string rings = path_ + "/" + std::string(xase::proto::kRingsFolder);
  const std::string settings = path_ + "/" + std::string(xase::proto::kSettingsFile);
  return ::stat(rings.c_str(), &info) == 0 && ::stat(settings.c_str(), &info) == 0 &&
         ::stat((path_ + "/" + kLockFile).c_str(), &info) == 0 && info.st_dev == lock_device_ &&
         info.st_ino == lock_inode_;
}

}  // namespace xased
