#include "daemon/config/small_file.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace xased {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

Result<SmallFile> read_small_file(const std::string& path, std::size_t size_max) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (fd.get() < 0) return os_status("cannot read " + path, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return os_status("cannot read " + path, errno);
  if (!S_ISREG(info.st_mode)) {
    return Status(Code::kInvalid, "cannot read " + path + ": not a regular file");
  }

  // One byte more than allowed, so that a file which grew meanwhile is noticed; allocated once, so
  // that no copy of a secret is left in memory that was let go.
  SmallFile file;
  file.mode = info.st_mode;
  file.bytes.resize(size_max + 1);
  std::size_t size = 0;
  while (size < file.bytes.size()) {
    const ssize_t n = ::read(fd.get(), file.bytes.data() + size, file.bytes.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      OPENSSL_cleanse(file.bytes.data(), file.bytes.size());
      return os_status("cannot read " + path, error);
    }
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  if (size > size_max) {
    OPENSSL_cleanse(file.bytes.data(), file.bytes.size());
    return Status(Code::kInvalid,
                  "cannot read " + path + ": larger than " + std::to_string(size_max) + " bytes");
  }
  file.bytes.resize(size);
  return file;
}

}  // namespace xased
