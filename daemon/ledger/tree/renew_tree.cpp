#include "daemon/ledger/tree/renew_tree.hpp"

#include "daemon/ledger/tree/kept_keys.hpp"
#include "daemon/ledger/tree/leaf_walk.hpp"
#include "daemon/ledger/tree/tile_writer.hpp"
#include "proto/hex.hpp"
#include "proto/merkle.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::Checkpoint;
using xase::proto::Hash;

namespace {

constexpr mode_t kPrivate = 0700;

std::string new_tree_directory(const std::string& state_dir) { return state_dir + "/tree.new"; }

// What an earlier try left there is written over: the tiles of the same leaves have the same names.
Status build(FileSystem& fs, const std::string& state_dir, std::uint64_t leaves, Status& stopped) {
  const std::string from = tree_directory(state_dir);
  Sha256 sha;
  auto opened =
      TileWriter::open(fs, new_tree_directory(state_dir), 0, xase::proto::TreeFrontier().root(sha));
  if (!opened.ok()) return opened.status();
  TileWriter& writer = *opened->writer;
  Status status = walk_leaves(
      fs, from, size_of_tree_with(fs, from, leaves), leaves,
      [&writer](Bytes leaf, const Hash& hash) {
        return writer.append(writer.size() + 1, leaf, hash);
      },
      stopped);
  if (status.ok()) status = copy_kept_keys(fs, from, new_tree_directory(state_dir), leaves);
  return status.ok() ? writer.publish() : status;
}

// Into a name that nobody has; durable there before it is gone from where it was.
Result<std::string> set_aside(FileSystem& fs, const std::string& state_dir,
                              const Checkpoint& head) {
  constexpr std::size_t kRootDigits = 16;
  const std::string quarantine = state_dir + "/quarantine";
  if (Status status = fs.make_directory(quarantine, kPrivate); !status.ok()) return status;
  if (Status status = fs.sync_directory(state_dir); !status.ok()) return status;
  const std::string name = quarantine + "/tree-" + std::to_string(head.size) + "-" +
                           xase::proto::to_hex(head.root).substr(0, kRootDigits);
  std::string to = name;
  for (int i = 1; fs.exists(to); ++i) to = name + "." + std::to_string(i);
  if (Status status = fs.rename(tree_directory(state_dir), to); !status.ok()) return status;
  if (Status status = fs.sync_directory(quarantine); !status.ok()) return status;
  if (Status status = fs.sync_directory(state_dir); !status.ok()) return status;
  return to;
}

}  // namespace

std::string tree_directory(const std::string& state_dir) { return state_dir + "/tree"; }

Result<RenewedTree> renew_tree(FileSystem& fs, const std::string& state_dir, const Checkpoint& head,
                               std::uint64_t leaves) {
  RenewedTree renewed;
  if (Status status = build(fs, state_dir, leaves, renewed.stopped); !status.ok()) return status;
  auto old_tree = set_aside(fs, state_dir, head);
  if (!old_tree.ok()) return old_tree.status();
  renewed.old_tree = std::move(*old_tree);
  if (Status status = finish_renewal(fs, state_dir); !status.ok()) return status;
  return renewed;
}

Status finish_renewal(FileSystem& fs, const std::string& state_dir) {
  const std::string made = new_tree_directory(state_dir);
  // While the old one is there, the new one may be half made.
  if (fs.exists(tree_directory(state_dir)) || !fs.exists(made)) return {};
  if (Status status = fs.rename(made, tree_directory(state_dir)); !status.ok()) return status;
  return fs.sync_directory(state_dir);
}

}  // namespace xased
