// Reading a small file that a person wrote.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "daemon/platform/status.hpp"

namespace xased {

struct SmallFile {
  std::string bytes;
  mode_t mode = 0;  // as stat() tells it
};

// The whole of a regular file of at most `size_max` bytes. Anything else is refused, without ever
// waiting: a fifo in the file's place must not stop the daemon.
Result<SmallFile> read_small_file(const std::string& path, std::size_t size_max);

}  // namespace xased
