// Makes the directories that producers and the daemon meet in.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/platform/status.hpp"

namespace xased {

// Makes RUN_DIR (0750) and RUN_DIR/rings (sticky, setgid, writable for all who get in) where they
// are missing, parents included; what is there keeps its mode. Writes RUN_DIR/settings, which tells
// clients how large a ring should be.
Status make_run_dir(const std::string& run_dir, std::uint64_t ring_bytes);

// Makes `path` and its missing parents.
Status make_directories(const std::string& path, unsigned mode);

}  // namespace xased
