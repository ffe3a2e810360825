#include "daemon/intake/doorbell.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "proto/run_dir.hpp"

namespace xased {
namespace {

constexpr mode_t kMode = 0660;

// Made under another name, so that nobody meets a page that is too short.
int make_page(const std::string& path) {
  const std::string temporary = path + ".xased";
  ::unlink(temporary.c_str());
  const int fd =
      ::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kMode);
  if (fd < 0) return -1;
  // Real space, so that a full file system fails here and not at the first ring.
  int error = ::posix_fallocate(fd, 0, static_cast<off_t>(xase::proto::kDoorbellBytes));
  if (error == 0) {
    if (::fchmod(fd, kMode) == 0 && ::rename(temporary.c_str(), path.c_str()) == 0) return fd;
    error = errno;
  }
  ::close(fd);
  ::unlink(temporary.c_str());
  errno = error;
  return -1;
}

}  // namespace

Status DoorbellFile::ensure(Wake& wake) {
  const std::string path = path_ + "/" + std::string(xase::proto::kDoorbellFile);
  struct stat info {};
  const bool is_cut = !pages_.empty() && pages_.back().guard->faulted();
  if (::lstat(path.c_str(), &info) == 0 && info.st_ino == inode_ && !is_cut) return {};
  if (pages_.size() == kPagesMax) return {Code::kNoSpace, "the doorbell was replaced too often"};
  int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd >= 0 && (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) ||
                  info.st_size != static_cast<off_t>(xase::proto::kDoorbellBytes))) {
    ::close(fd);
    fd = -1;
  }
  if (fd < 0) fd = make_page(path);
  if (fd < 0) return os_status("make " + path, errno);
  Page page;
  const int error = page.mapping.map(fd, xase::proto::kDoorbellBytes);
  const bool known = ::fstat(fd, &info) == 0;
  ::close(fd);
  if (error != 0 || !known) return os_status("map " + path, error != 0 ? error : EIO);
  page.guard =
      std::make_unique<BusGuard>(page.mapping.data(), std::size_t{xase::proto::kDoorbellBytes});
  if (!page.guard->ok()) return {Code::kNoSpace, "too many mappings to guard " + path};
  inode_ = info.st_ino;
  auto* words = reinterpret_cast<xase::proto::Doorbell*>(page.mapping.data());
  wake.use_words(&words->bell, &words->sleeping);
  pages_.push_back(std::move(page));
  return {};
}

}  // namespace xased
