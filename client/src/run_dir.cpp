#include "client/src/run_dir.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>

namespace xase::client {
namespace {

constexpr const char* kSystemRunDir = "/run/xased";
// The umask must not keep the daemon's group out; a set-group-id parent hands its group down.
constexpr mode_t kDirectoryMode = 0770;
constexpr mode_t kFileMode = 0660;

std::string environment(const char* name) {
  const char* value = secure_getenv(name);
  return value != nullptr ? value : "";
}

bool is_directory(const char* path) {
  struct stat status {};
  return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

Failure unavailable(const std::string& path, int error) {
  std::string text = system_text("the runtime directory " + path + " cannot be used", error);
  switch (error) {
    case EACCES:
    case EPERM:
      text += "; run the app in the daemon's group, or set XASE_RUN_DIR";
      break;
    case ENOENT:
      text += "; its parent directory must exist: create it, or set XASE_RUN_DIR";
      break;
    case EROFS:
      text += "; it must be on a file system that can be written, best a tmpfs";
      break;
    case ELOOP:
    case ENOTDIR:
      text += "; it must be a real directory and not a link";
      break;
    default:
      break;
  }
  return {ErrorCode::kRunDirUnavailable, std::move(text)};
}

// Opens the directory `name` in `parent`; makes it where it is missing. As a place to start from
// alone: the folder of the rings may be one that nobody but the daemon reads.
Failure open_or_make(int parent, const char* name, int flags, const std::string& path, Fd& opened) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    opened = Fd(openat(parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC | flags));
    if (opened) return {};
    if (errno != ENOENT) return unavailable(path, errno);
    if (mkdirat(parent, name, kDirectoryMode) == 0) {
      opened = Fd(openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
      struct stat status {};
      if (!opened || fstat(opened.get(), &status) != 0) return unavailable(path, errno);
      if (fchmod(opened.get(), kDirectoryMode | (status.st_mode & S_ISGID)) != 0) {
        return unavailable(path, errno);
      }
      return {};
    }
    if (errno != EEXIST) return unavailable(path, errno);
  }
  return unavailable(path, ENOENT);
}

Fd open_doorbell_file(const Fd& root) {
  return Fd(openat(root.get(), proto::kDoorbellFile.data(),
                   O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
}

// Under a temporary name first: whoever finds the file finds all of it.
void make_doorbell_file(const Fd& root) {
  proto::Id id{};
  if (!random_id(id).ok()) return;
  const std::string name = "." + proto::to_hex(id) + ".doorbell.tmp";
  const Fd file(openat(root.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       kFileMode));
  if (!file) return;
  if (fchmod(file.get(), kFileMode) == 0 &&
      posix_fallocate(file.get(), 0, static_cast<off_t>(proto::kDoorbellBytes)) == 0) {
    // Fails where another was faster: then that one is the doorbell.
    static_cast<void>(linkat(root.get(), name.c_str(), root.get(), proto::kDoorbellFile.data(), 0));
  }
  unlinkat(root.get(), name.c_str(), 0);
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

Failure choose_run_dir(const std::string& given, std::string& run_dir) {
  run_dir = given;
  if (run_dir.empty()) run_dir = environment("XASE_RUN_DIR");
  if (!run_dir.empty()) return {};
  // Only a directory that exists or can be made counts; whether we may write there is another
  // matter, and going elsewhere would hand the records to nobody.
  if (is_directory(kSystemRunDir) || mkdir(kSystemRunDir, kDirectoryMode) == 0 ||
      is_directory(kSystemRunDir)) {
    run_dir = kSystemRunDir;
    return {};
  }
  run_dir = environment("XDG_RUNTIME_DIR");
  if (run_dir.empty()) {
    return {ErrorCode::kRunDirUnavailable,
            "there is no runtime directory: /run/xased is missing and cannot be made, and neither "
            "XASE_RUN_DIR nor XDG_RUNTIME_DIR is set; start xased, or set XASE_RUN_DIR to the "
            "directory it uses"};
  }
  run_dir += "/xased";
  return {};
}

Failure open_run_dir(const std::string& run_dir, Fd& root, Fd& rings) {
  Failure failure = open_or_make(AT_FDCWD, run_dir.c_str(), 0, run_dir, root);
  if (!failure.ok()) return failure;
  return open_or_make(root.get(), proto::kRingsFolder.data(), O_NOFOLLOW,
                      run_dir + "/" + std::string(proto::kRingsFolder), rings);
}

Fd open_settings(const Fd& root) {
  return Fd(openat(root.get(), proto::kSettingsFile.data(),
                   O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
}

std::string read_settings(const Fd& file) {
  std::string text(proto::kSettingsBytesMax, '\0');
  const ssize_t got = file ? read(file.get(), text.data(), text.size()) : -1;
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

std::uint64_t settings_ring_bytes(const Fd& root) {
  const std::string text = read_settings(open_settings(root));
  const std::string_view value = proto::setting(text, proto::kSettingRingBytes);
  std::uint64_t bytes = 0;
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), bytes);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == value.data() + value.size();
  return whole ? bytes : 0;
}

std::unique_ptr<DoorbellPage> open_doorbell(const Fd& root) {
  Fd file = open_doorbell_file(root);
  if (!file && errno == ENOENT) {
    make_doorbell_file(root);
    file = open_doorbell_file(root);
  }
  struct stat status {};
  if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size < static_cast<off_t>(proto::kDoorbellBytes)) {
    return nullptr;
  }
  auto page = std::make_unique<DoorbellPage>();
  if (page->mapping.map(file.get(), proto::kDoorbellBytes) != 0) return nullptr;
  // A child of fork() opens its own.
  madvise(page->mapping.data(), proto::kDoorbellBytes, MADV_DONTFORK);
  page->inode = status.st_ino;
  return page;
}

Failure random_id(proto::Id& id) {
  ssize_t got = 0;
  do {
    got = getrandom(id.data(), id.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(id.size())) return {};
  return {ErrorCode::kSystemError, system_text("no random numbers", errno)};
}

}  // namespace xase::client
