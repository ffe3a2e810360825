// Makes the directories that producers and the daemon meet in.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "daemon/app/directory_lock.hpp"
#include "daemon/platform/status.hpp"

namespace xased {

// Makes RUN_DIR (0750) and RUN_DIR/rings (sticky, setgid, writable for all who get in) where they
// are missing, parents included; what is there keeps its mode. Writes RUN_DIR/settings, which tells
// clients how large a ring should be.
Status make_run_dir(const std::string& run_dir, std::uint64_t ring_bytes);

// An open file, closed with this.
class OpenFile {
 public:
  OpenFile() = default;
  explicit OpenFile(int fd) noexcept : fd_(fd) {}
  OpenFile(OpenFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OpenFile& operator=(OpenFile&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OpenFile();
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

// Makes `path` and its missing parents.
Status make_directories(const std::string& path, unsigned mode);

// RUN_DIR as one daemon's, for as long as this lives. Owned by one thread.
class RunDir {
 public:
  // `who` describes this daemon to others that want the directory.
  RunDir(FileSystem& fs, std::string path, std::uint64_t ring_bytes, std::string who);

  // Makes what is missing and takes the lock. kExists: another daemon has it.
  Status take();
  // The same, where someone removed any of it since; `made`: it was so. Cheap where nobody did.
  Status keep(bool& made);
  // Has the settings say these further `name=value` lines. Writes them where they are others than
  // before; what cannot be written is tried again at the next call.
  Status tell(const std::string& lines);
  const std::string& path() const { return path_; }

 private:
  bool is_whole() const;
  Status take_lock();
  Status write();

  FileSystem& fs_;
  const std::string path_;
  const std::uint64_t ring_bytes_;
  const std::string who_;
  std::string told_;
  OpenFile settings_;  // its lock tells apps that we live
  std::unique_ptr<DirectoryLock> lock_;
  dev_t lock_device_ = 0;
  ino_t lock_inode_ = 0;
};

}  // namespace xased
