// The ledger's KEY entries, beside its tree: what signs today must be linked with a key that was
// pinned years ago, when retention has long removed the segments in which the key changed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/platform/file_system.hpp"
#include "proto/bytes.hpp"
#include "proto/leaf.hpp"

namespace xased {

// In `tree`, the directory with the tree's files: one file for each, with the entry's frame. They
// vouch for nothing: whoever reads one asks the tree whether the entry is in it.

// Durable on success; may be repeated.
Status keep_key(FileSystem& fs, const std::string& tree, std::uint64_t sequence,
                xase::proto::Bytes leaf, xase::proto::Bytes erasable);

// Sequences of those that are kept, ascending; none where there is no such directory.
Result<std::vector<std::uint64_t>> list_kept_keys(FileSystem& fs, const std::string& tree);

struct KeptKey {
  xase::proto::Leaf leaf;
  std::vector<std::byte> leaf_bytes;
  std::vector<std::byte> body;  // what the leaf commits to
};
// kCorrupt where the file does not hold that entry, with what its leaf commits to.
Result<KeptKey> read_kept_key(FileSystem& fs, const std::string& tree, std::uint64_t sequence);

// Copies those up to `last` to another tree, durably.
Status copy_kept_keys(FileSystem& fs, const std::string& from, const std::string& to,
                      std::uint64_t last);

}  // namespace xased
