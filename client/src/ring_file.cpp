#include "client/src/ring_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "client/src/clock.hpp"

namespace xase::client {
namespace {

constexpr mode_t kFileMode = 0660;

int lock_for_life(int fd) noexcept {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
}

// Real space, so that a full file system fails here and not as SIGBUS later.
int allocate(int fd, std::uint64_t bytes) noexcept {
  // Beyond this limit the kernel would send SIGXFSZ, which kills by default.
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < bytes) return EFBIG;
  int error = 0;
  do {
    error = posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  } while (error == EINTR);
  return error;
}

Failure cannot_make(const RingFileOptions& options, std::uint64_t bytes, int error) {
  std::string text = system_text("a ring of " + std::to_string(bytes) +
                                     " bytes cannot be made in " + options.run_dir + "/rings",
                                 error);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EFBIG:
      text += "; make room there, or ask for smaller rings (ring_bytes)";
      break;
    case EACCES:
    case EPERM:
      text += "; run the app in the daemon's group, or set XASE_RUN_DIR";
      break;
    default:
      break;
  }
  return {ErrorCode::kRunDirUnavailable, std::move(text)};
}

}  // namespace

std::uint64_t sound_ring_bytes(std::uint64_t bytes) noexcept {
  if (bytes == 0) return proto::kRingDataBytesDefault;
  return std::bit_ceil(std::clamp(bytes, proto::kRingDataBytesMin, proto::kRingDataBytesMax));
}

Failure RingFile::create(const RingFileOptions& options, const Fd& root, const Fd& rings,
                         std::shared_ptr<RingFile>& made) {
  proto::Id id{};
  Failure failure = random_id(id);
  if (!failure.ok()) return failure;
  auto ring = std::make_shared<RingFile>();
  ring->data_bytes_ =
      sound_ring_bytes(options.ring_bytes != 0 ? options.ring_bytes : settings_ring_bytes(root));
  ring->results_bytes_ = options.results_bytes;
  ring->id_ = proto::to_hex(id);
  ring->before_ = options.left.before;
  const std::string temporary = "." + ring->id_ + std::string(proto::kRingTemporarySuffix);
  const std::string name = proto::ring_file_name(id);
  ring->path_ = options.run_dir + "/" + std::string(proto::kRingsFolder) + "/" + name;

  const std::uint64_t bytes = proto::ring_file_bytes(ring->data_bytes_, ring->results_bytes_);
  const Fd file(openat(rings.get(), temporary.c_str(),
                       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!file) return cannot_make(options, bytes, errno);
  failure = ring->fill(file.get(), options, id);
  if (failure.ok() && renameat(rings.get(), temporary.c_str(), rings.get(), name.c_str()) != 0) {
    failure = cannot_make(options, bytes, errno);
  }
  if (!failure.ok()) {
    unlinkat(rings.get(), temporary.c_str(), 0);
    return failure;
  }
  made = std::move(ring);
  return {};
}

Failure RingFile::fill(int fd, const RingFileOptions& options, const proto::Id& id) {
  const std::uint64_t bytes = proto::ring_file_bytes(data_bytes_, results_bytes_);
  struct stat status {};
  // The umask must not keep the daemon's group out.
  int error = fchmod(fd, kFileMode) == 0 ? 0 : errno;
  if (error == 0) error = lock_for_life(fd);
  if (error == 0) error = allocate(fd, bytes);
  if (error == 0) error = fstat(fd, &status) == 0 ? 0 : errno;
  if (error == 0) error = mapping_.map(fd, bytes);
  if (error != 0) return cannot_make(options, bytes, error);
  inode_ = status.st_ino;
  madvise(mapping_.data(), bytes, MADV_DONTFORK);
  // The first lap should not fault page by page inside record(). Where the kernel does not know
  // this, it does.
  madvise(mapping_.data(), bytes, MADV_POPULATE_WRITE);

  proto::RingIdentity identity{};
  identity.magic = proto::kRingMagic;
  identity.version = proto::kRingVersion;
  identity.context_bytes = static_cast<std::uint32_t>(options.context.size());
  identity.file_bytes = bytes;
  identity.data_bytes = data_bytes_;
  identity.results_bytes = results_bytes_;
  identity.pid = static_cast<std::uint32_t>(getpid());
  identity.ring_id = id;
  identity.created_wall_ns = clock_ns(CLOCK_REALTIME);
  identity.before = before_;
  std::byte* start = at(proto::kRingIdentityOffset);
  proto::store(start, identity);
  std::memcpy(start + sizeof identity, options.context.data(), options.context.size());
  producer().refused.store(options.refused_before + options.left.refused,
                           std::memory_order_relaxed);
  return {};
}

bool RingFile::is_in_place() const noexcept {
  struct stat status {};
  // Where we cannot look, nothing is known against it.
  if (stat(path_.c_str(), &status) != 0) return errno != ENOENT;
  return status.st_ino == inode_;
}

}  // namespace xase::client
