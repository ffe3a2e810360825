// Puts a new tree in the place of one that nothing vouches for any more.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/platform/file_system.hpp"
#include "daemon/platform/status.hpp"
#include "proto/checkpoint.hpp"

namespace xased {

// The tree's folder in STATE_DIR.
std::string tree_directory(const std::string& state_dir);

struct RenewedTree {
  std::string old_tree;  // where tree and head are now: evidence of what happened
  Status stopped;        // not ok: why the new tree has fewer leaves than were asked for
};

// STATE_DIR/tree goes to STATE_DIR/quarantine, named after `head`. In its place is, durably, a tree
// without a head, of the old one's first `leaves` leaves, or as many of them as are chained. It is
// made beside the old one and takes its place when it is whole: a process that dies meanwhile loses
// no leaf that is nowhere else. An error where the disk fails: then it can be called again.
Result<RenewedTree> renew_tree(FileSystem& fs, const std::string& state_dir,
                               const xase::proto::Checkpoint& head, std::uint64_t leaves);

// What a process that died in renew_tree() left to do. Before anything else looks at the tree.
Status finish_renewal(FileSystem& fs, const std::string& state_dir);

}  // namespace xased
