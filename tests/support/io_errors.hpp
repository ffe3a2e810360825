// What a disk's calls fail with, for tests that let each of them fail.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <string>

#include "tests/support/fake_file_system.hpp"

namespace xased::test {

struct IoError {
  int number;
  const char* name;
};
inline constexpr std::array<IoError, 5> kIoErrors{
    {{EIO, "EIO"}, {ENOSPC, "ENOSPC"}, {EDQUOT, "EDQUOT"}, {EROFS, "EROFS"}, {EACCES, "EACCES"}}};

inline void PrintTo(const IoError& error, std::ostream* to) { *to << error.name; }

inline const char* name_of(FsCall call) {
  constexpr std::array<const char*, 13> kNames{
      "Open",   "Read",          "Write",         "Sync", "Truncate", "Preallocate", "Rename",
      "Remove", "SyncDirectory", "MakeDirectory", "List", "Lock",     "Any"};
  return kNames.at(static_cast<std::size_t>(call));
}

// One line a test: what the campaigns in tests/faults add up.
inline void print_failed_calls(std::uint64_t calls, const IoError& error, bool for_good) {
  std::printf("%llu calls failed with %s, each %s\n", static_cast<unsigned long long>(calls),
              error.name, for_good ? "and all after it" : "once");
}

}  // namespace xased::test
