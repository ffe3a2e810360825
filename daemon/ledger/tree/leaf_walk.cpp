#include "daemon/ledger/tree/leaf_walk.hpp"

#include <array>

#include "daemon/ledger/tree/tile_files.hpp"
#include "daemon/platform/sha256_batch.hpp"
#include "proto/lost_leaf.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::Hash;
using xase::proto::kTileWidth;

std::uint64_t leaf_sequence(Bytes leaf) {
  if (const auto whole = xase::proto::decode_leaf(leaf)) return whole->sequence;
  const auto lost = xase::proto::decode_lost_leaf(leaf);
  return lost ? lost->sequence : 0;
}

bool is_chained(Bytes leaf, const Hash& before, bool is_behind_lost) {
  const auto previous = xase::proto::load<Hash>(leaf.data() + xase::proto::kLeafPreviousOffset);
  return previous == before || (is_behind_lost && !xase::proto::decode_lost_leaf(leaf));
}

Status walk_leaves(FileSystem& fs, const std::string& directory, std::uint64_t size,
                   std::uint64_t at_most,
                   const std::function<Status(Bytes leaf, const Hash& leaf_hash)>& take,
                   Status& stopped) {
  Sha256Batch batch;
  std::array<Hash, kTileWidth> hashes{};
  Hash previous{};
  bool is_behind_lost = false;
  stopped = {};
  for (std::uint64_t index = 0; index < at_most;) {
    const xase::proto::Tile bundle = xase::proto::bundle_of(index, size);
    const auto bytes = read_tile(fs, directory, bundle);
    if (!bytes.ok()) {
      const Code code = bytes.status().code();
      if (code != Code::kNotFound && code != Code::kCorrupt) return bytes.status();
      stopped = bytes.status();
      return {};
    }
    for (unsigned offset = 0; offset < bundle.width; ++offset) {
      const auto leaf = xase::proto::bundle_leaf(*bytes, bundle.width, offset);
      if (!leaf) continue;  // told below, where it is its turn
      batch.start(hashes[offset]);
      xase::proto::add_leaf(batch, *leaf);
    }
    batch.run();
    for (unsigned offset = 0; offset < bundle.width && index < at_most; ++offset, ++index) {
      const auto bytes_of_leaf = xase::proto::bundle_leaf(*bytes, bundle.width, offset);
      const std::uint64_t sequence = bytes_of_leaf ? leaf_sequence(*bytes_of_leaf) : 0;
      if (sequence != index + 1 || !is_chained(*bytes_of_leaf, previous, is_behind_lost)) {
        stopped = {Code::kCorrupt, tile_file(directory, bundle) + " does not hold entry " +
                                       std::to_string(index + 1) +
                                       (sequence != 0 ? ", chained to the one before" : "")};
        return {};
      }
      previous = hashes[offset];
      is_behind_lost = xase::proto::decode_lost_leaf(*bytes_of_leaf).has_value();
      if (Status status = take(*bytes_of_leaf, previous); !status.ok()) return status;
    }
  }
  return {};
}

std::uint64_t size_of_tree_with(FileSystem& fs, const std::string& directory,
                                std::uint64_t leaves) {
  if (leaves == 0) return 0;
  const std::uint64_t index = (leaves - 1) / kTileWidth;
  const std::uint64_t full = (index + 1) * kTileWidth;
  for (std::uint64_t size = leaves; size <= full; ++size) {
    if (fs.exists(tile_file(directory, xase::proto::bundle_of(leaves - 1, size)))) return size;
  }
  return leaves;
}

}  // namespace xased
