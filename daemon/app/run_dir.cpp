#include "daemon/app/run_dir.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "proto/run_dir.hpp"

namespace xased {
namespace {

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

}  // namespace xased
