// The entries that the bundles hold, from the first on.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "daemon/platform/file_system.hpp"
#include "proto/tiles.hpp"

namespace xased {

// The sequence that a leaf gives, or a lost leaf; 0: it is neither.
std::uint64_t leaf_sequence(xase::proto::Bytes leaf);

// Whether the leaf, or lost leaf, holds the hash of the one before it. What comes behind a lost
// leaf holds the hash of what that entry was.
bool is_chained(xase::proto::Bytes leaf, const xase::proto::Hash& before, bool is_behind_lost);

// Calls `take` with leaf and leaf hash of the entries 1, 2, … at_most, for as long as each is
// there, is a leaf or a lost one, has its sequence and is chained to the one before; ends early
// where `take` fails, and gives that failure. `size`, no less than at_most, is that of the tree
// whose last bundle is read. Then `stopped` says why there was no more; ok where all were there. An
// error where reading fails for a reason that is not the files' content.
Status walk_leaves(
    FileSystem& fs, const std::string& directory, std::uint64_t size, std::uint64_t at_most,
    const std::function<Status(xase::proto::Bytes leaf, const xase::proto::Hash& leaf_hash)>& take,
    Status& stopped);

// The size of a tree of at least `leaves` leaves whose last bundle is in `directory`: where nobody
// knows how large the tree was whose files lie there. `leaves` where there is no such bundle.
std::uint64_t size_of_tree_with(FileSystem& fs, const std::string& directory, std::uint64_t leaves);

}  // namespace xased
