// Tar archives in one form only: POSIX.1-2017 ustar, regular files without owner, time or links, so
// that the same members always make the same bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/platform/status.hpp"

namespace xased {

struct TarMember {
  std::string name;  // at most 99 bytes
  std::string bytes;
};

std::string write_tar(const std::vector<TarMember>& members);

struct TarView {
  std::string_view name;
  std::string_view bytes;
};
// Views into `tar`, at most `members_max`. kInvalid unless write_tar() makes just these bytes.
Result<std::vector<TarView>> read_tar(std::string_view tar, std::size_t members_max);

}  // namespace xased
