#include "daemon/platform/file_system.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <string_view>

namespace xased {
namespace {

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;
  // What matters was synced before; an error of close() tells nothing that can be acted on.
  ~PosixFile() override { ::close(fd_); }

  Result<std::size_t> read_at(std::span<std::byte> to, std::uint64_t offset) const override {
    std::size_t done = 0;
    while (done < to.size()) {
      const ssize_t got =
          ::pread(fd_, to.data() + done, to.size() - done, static_cast<off_t>(offset + done));
      if (got == 0) break;
      if (got < 0) {
        if (errno == EINTR) continue;
        return os_status("read " + path_, errno);
      }
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Status write_at(xase::proto::Bytes bytes, std::uint64_t offset) override {
    while (!bytes.empty()) {
      const ssize_t put = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (put < 0) {
        if (errno == EINTR) continue;
        return os_status("write " + path_, errno);
      }
      if (put == 0) return os_status("write " + path_, ENOSPC);
      bytes = bytes.subspan(static_cast<std::size_t>(put));
      offset += static_cast<std::uint64_t>(put);
    }
    return {};
  }

  Status sync_data() override {
    // Not retried, EINTR apart: after a failure the kernel may have dropped the pages.
    while (::fdatasync(fd_) != 0) {
      if (errno != EINTR) return os_status("sync " + path_, errno);
    }
    return {};
  }

  Status truncate(std::uint64_t bytes) override {
    while (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0) {
      if (errno != EINTR) return os_status("truncate " + path_, errno);
    }
    return {};
  }

  Status preallocate(std::uint64_t bytes) override {
    while (::fallocate(fd_, 0, 0, static_cast<off_t>(bytes)) != 0) {
      if (errno == EINTR) continue;
      // Else it is the call that is not to be had: file systems and sandboxes refuse in many ways.
      constexpr std::array kOfTheDisk{ENOSPC, EDQUOT, EIO, EROFS};
      const bool is_disk = std::ranges::find(kOfTheDisk, errno) != kOfTheDisk.end();
      if (is_disk) return os_status("preallocate " + path_, errno);
      return {Code::kUnsupported, "preallocate " + path_, errno};
    }
    return {};
  }

  Result<std::uint64_t> size() const override {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) return os_status("stat " + path_, errno);
    return static_cast<std::uint64_t>(info.st_size);
  }

  // All that was written to the file system that it is on.
  Status sync_file_system() {
    while (::syncfs(fd_) != 0) {
      if (errno != EINTR) return os_status("sync the file system of " + path_, errno);
    }
    return {};
  }
  // Whether the kernel failed to write anything of this file since it was opened: of other files
  // than the one it is called for, and on older kernels of that one too, syncfs() does not say.
  Status check_writes() {
    while (::sync_file_range(fd_, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE) != 0) {
      if (errno != EINTR) return os_status("sync " + path_, errno);
    }
    return {};
  }

  void release_cache() override { (void)::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED); }

  Status lock() override {
    if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return {};
    if (errno == EWOULDBLOCK) {
      return {Code::kExists, path_ + " is locked by another process", errno};
    }
    return os_status("lock " + path_, errno);
  }

 private:
  int fd_;
  std::string path_;
};

int open_flags(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY;
    case OpenMode::kWrite:
      return O_RDWR;
    case OpenMode::kCreate:
      return O_RDWR | O_CREAT | O_EXCL;
    case OpenMode::kCreateOrWrite:
      return O_RDWR | O_CREAT;
  }
  return O_RDONLY;
}

// From so many on, one sync of the whole file system is faster. It also waits for what others have
// written there: not where that is much, which may take minutes.
constexpr std::size_t kManyFiles = 16;
constexpr std::uint64_t kMuchUnwrittenKib = std::uint64_t{512} << 10;

// What the host has yet to write to its disks.
bool much_is_unwritten() {
  std::array<char, 4096> text{};
  const int fd = ::open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return true;
  const ssize_t got = ::read(fd, text.data(), text.size());
  ::close(fd);
  const std::string_view all(text.data(), got < 0 ? 0 : static_cast<std::size_t>(got));
  std::uint64_t sum = 0;
  for (const std::string_view name : {"\nDirty:", "\nWriteback:"}) {
    std::size_t at = all.find(name);
    if (at == std::string_view::npos) return true;
    at = all.find_first_not_of(' ', at + name.size());
    std::uint64_t kib = 0;
    if (at == std::string_view::npos) return true;
    if (std::from_chars(all.data() + at, all.data() + all.size(), kib).ec != std::errc())
      return true;
    sum += kib;
  }
  return sum > kMuchUnwrittenKib;
}

class PosixFileSystem final : public FileSystem {
 public:
  Status sync_all(std::span<const std::unique_ptr<File>> files) override {
    if (files.size() < kManyFiles || much_is_unwritten()) return FileSystem::sync_all(files);
    // Every file here was opened by open().
    if (Status status = dynamic_cast<PosixFile&>(*files[0]).sync_file_system(); !status.ok()) {
      return status;
    }
    for (const auto& file : files) {
      if (Status status = dynamic_cast<PosixFile&>(*file).check_writes(); !status.ok()) {
        return status;
      }
    }
    return {};
  }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     mode_t permissions) override {
    int fd = -1;
    do {
      fd = ::open(path.c_str(), open_flags(mode) | O_CLOEXEC | O_NOFOLLOW, permissions);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) return os_status("open " + path, errno);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(fd, path));
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    return os_status("rename " + from + " to " + to, errno);
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) == 0) return {};
    return os_status("remove " + path, errno);
  }

  Status sync_directory(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return os_status("open " + path, errno);
    Status status;
    while (::fsync(fd) != 0) {
      if (errno == EINTR) continue;
      status = os_status("sync " + path, errno);
      break;
    }
    ::close(fd);
    return status;
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) return os_status("list " + path, errno);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(directory)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
      errno = 0;
    }
    const int error = errno;
    ::closedir(directory);
    if (error != 0) return os_status("list " + path, error);
    std::sort(names.begin(), names.end());
    return names;
  }

  Status make_directory(const std::string& path, mode_t permissions) override {
    if (::mkdir(path.c_str(), permissions) == 0) return {};
    const int error = errno;
    struct stat info {};
    if (error == EEXIST && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};
    return os_status("make directory " + path, error);
  }

  bool exists(const std::string& path) override {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0;
  }

  Status remove_directory(const std::string& path) override {
    if (::rmdir(path.c_str()) == 0) return {};
    return os_status("remove directory " + path, errno);
  }
};

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

FileSystem& system_file_system() {
  static PosixFileSystem fs;
  return fs;
}

Status FileSystem::sync_all(std::span<const std::unique_ptr<File>> files) {
  for (const auto& file : files) {
    if (Status status = file->sync_data(); !status.ok()) return status;
  }
  return {};
}

Status write_file_atomically(FileSystem& fs, const std::string& path, xase::proto::Bytes bytes,
                             mode_t permissions) {
  const std::string temporary = path + ".tmp";
  if (fs.exists(temporary)) {
    if (Status status = fs.remove(temporary); !status.ok()) return status;
  }
  auto file = fs.open(temporary, OpenMode::kCreate, permissions);
  if (!file.ok()) return file.status();
  Status status = (*file)->write_at(bytes, 0);
  if (status.ok()) status = (*file)->sync_data();
  file->reset();
  if (status.ok()) status = fs.rename(temporary, path);
  if (!status.ok()) {
    // A full disk is not to be kept full by half a file.
    static_cast<void>(fs.remove(temporary));
    return status;
  }
  return fs.sync_directory(parent_of(path));
}

Result<std::vector<std::byte>> read_file(FileSystem& fs, const std::string& path,
                                         std::size_t bytes_max) {
  auto file = fs.open(path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  const auto size = (*file)->size();
  if (!size.ok()) return size.status();
  if (*size > bytes_max) {
    return Status(Code::kInvalid, path + " is larger than " + std::to_string(bytes_max) + " bytes");
  }
  std::vector<std::byte> bytes(*size);
  const auto got = (*file)->read_at(bytes, 0);
  if (!got.ok()) return got.status();
  bytes.resize(*got);
  return bytes;
}

}  // namespace xased
