// The entries that the bundles hold, from the first on.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "daemon/platform/file_system.hpp"
#include "proto/tiles.hpp"

namespace xased {

// Calls `take` with leaf and leaf hash of the entries 1, 2, … at_most, for as long as each is
// there, is a leaf, has its sequence and holds the hash of the one before; ends early where `take`
// fails, and gives that failure. `size`, no less than at_most, is that of the tree whose last
// bundle is read. Then `stopped` says why there was no more; ok where all were there. An error
// where reading fails for a reason that is not the files' content.
Status walk_leaves(
    FileSystem& fs, const std::string& directory, std::uint64_t size, std::uint64_t at_most,
    const std::function<Status(xase::proto::Bytes leaf, const xase::proto::Hash& leaf_hash)>& take,
    Status& stopped);

// The size of a tree of at least `leaves` leaves whose last bundle is in `directory`: where nobody
// knows how large the tree was whose files lie there. `leaves` where there is no such bundle.
std::uint64_t size_of_tree_with(FileSystem& fs, const std::string& directory, std::uint64_t leaves);

}  // namespace xased
