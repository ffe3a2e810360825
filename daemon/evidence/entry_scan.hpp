// Reads a stretch of the journal to find something in it, offline or beside a daemon that writes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "daemon/ledger/entry.hpp"
#include "daemon/platform/file_system.hpp"

namespace xased {

// Calls `take` for the sound entries from `first` to `last`, in order, until it returns false.
// Reads only the segments that hold them. What is damaged is passed over: who looks for something
// has to check what he finds. `last` may be beyond the journal's end.
Status scan_entries(FileSystem& fs, const std::string& journal, std::uint64_t first,
                    std::uint64_t last, const std::function<bool(const Entry&)>& take);

}  // namespace xased
