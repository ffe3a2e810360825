// Leaves out of damaged frames.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/ledger/journal_reader.hpp"
#include "daemon/platform/file_system.hpp"
#include "proto/leaf.hpp"

namespace xased {

using LeafBytes = std::array<std::byte, xase::proto::kLeafBytes>;

// Of the entries that `damage` names, the leaves of the last ones, oldest first and up to
// `damage.last`, that can be shown to be right: each has the hash that the entry behind it names,
// `behind` being what the one behind the damage does. A frame is as damaged by a wrong bit in a
// payload, and then its leaf is whole.
//
// Searches the segment of the damage, in `journal`, from there up to the position `end`, and the
// bundles of `trees`, directories that nothing vouches for. Memory: a few megabytes, and at most
// kSalvagedMax leaves. An error where the disk fails.
Result<std::vector<LeafBytes>> salvage_leaves(FileSystem& fs, const std::string& journal,
                                              const JournalDamage& damage, std::uint64_t end,
                                              const xase::proto::Hash& behind,
                                              const std::vector<std::string>& trees);
inline constexpr std::size_t kSalvagedMax = 4096;

}  // namespace xased
