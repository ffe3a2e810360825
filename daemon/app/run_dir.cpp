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

std::string ring_bytes_line(std::uint64_t ring_bytes) {
  return std::string(xase::proto::kSettingRingBytes) + "=" + std::to_string(ring_bytes) + "\n";
}

// Of the open file description, so that it lasts as long as `fd` and holds in every pid namespace.
bool lock_for_reading(int fd) {
  struct flock lock {};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  return ::fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

Status write_settings(const std::string& run_dir, const std::string& text, OpenFile& written) {
  const std::string path = run_dir + "/" + std::string(xase::proto::kSettingsFile);
  const std::string temporary = path + ".tmp";
  ::unlink(temporary.c_str());
  OpenFile file(
      ::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kSettingsMode));
  if (file.fd() < 0) return os_status("write " + temporary, errno);
  if (::write(file.fd(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::fchmod(file.fd(), kSettingsMode) != 0 || !lock_for_reading(file.fd()) ||
      ::rename(temporary.c_str(), path.c_str()) != 0) {
    return os_status("write " + path, errno);
  }
  written = std::move(file);
  return {};
}

Status make_folders(const std::string& run_dir) {
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
  return {};
}

}  // namespace

OpenFile::~OpenFile() {
  if (fd_ >= 0) ::close(fd_);
}

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
  if (Status status = make_folders(run_dir); !status.ok()) return status;
  OpenFile file;
  return write_settings(run_dir, ring_bytes_line(ring_bytes), file);
}

RunDir::RunDir(FileSystem& fs, std::string path, std::uint64_t ring_bytes, std::string who)
    : fs_(fs), path_(std::move(path)), ring_bytes_(ring_bytes), who_(std::move(who)) {}

Status RunDir::take() {
  if (Status status = make_folders(path_); !status.ok()) return status;
  if (Status status = take_lock(); !status.ok()) return status;
  // Only now: the settings of a daemon that is there already are its own.
  return write();
}

Status RunDir::take_lock() {
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

Status RunDir::write() {
  std::string text = ring_bytes_line(ring_bytes_) + told_;
  if (text.size() > xase::proto::kSettingsBytesMax) text = ring_bytes_line(ring_bytes_);
  return write_settings(path_, text, settings_);
}

Status RunDir::tell(const std::string& lines) {
  if (lines == told_) return {};
  std::string before = std::exchange(told_, lines);
  Status status = write();
  if (!status.ok()) told_ = std::move(before);
  return status;
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
