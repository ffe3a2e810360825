// Which keys are in force at the end of a journal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "daemon/ledger/tree/key_entry.hpp"
#include "daemon/platform/file_system.hpp"

namespace xased {

// What the last KEY entry up to `last` says that brings keys into force; nothing where none can be
// read. Reads segments from the last one back until there is one. The journal in `state_dir` is
// recovered, and holds entries up to `last` at least.
Result<std::optional<KeySet>> keys_in_force(FileSystem& fs, const std::string& state_dir,
                                            std::uint64_t last);

}  // namespace xased
