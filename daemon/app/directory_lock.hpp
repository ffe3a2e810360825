// One daemon a directory.
#pragma once

#include <memory>
#include <string>

#include "daemon/platform/file_system.hpp"

namespace xased {

// Holds a directory's lock file for as long as it lives. The lock is the kernel's, so a dead
// daemon's is gone with it; the file's text only tells others who holds it.
class DirectoryLock {
 public:
  // kExists where another daemon holds it: the message names that one. `who` describes this one.
  static Result<std::unique_ptr<DirectoryLock>> take(FileSystem& fs, const std::string& path,
                                                     const std::string& who);

 private:
  explicit DirectoryLock(std::unique_ptr<File> file) : file_(std::move(file)) {}
  std::unique_ptr<File> file_;
};

}  // namespace xased
