#include "daemon/ledger/tree/check_tiles.hpp"

#include <algorithm>

#include "daemon/ledger/tree/leaf_walk.hpp"
#include "daemon/ledger/tree/tile_builder.hpp"
#include "daemon/ledger/tree/tile_files.hpp"
#include "proto/lost_leaf.hpp"

namespace xased {
namespace {

constexpr std::uint64_t kEntriesPerProgress = 4096;

using xase::proto::Bytes;
using xase::proto::Hash;
using xase::proto::Tile;

class Comparison {
 public:
  Comparison(FileSystem& fs, const std::string& directory, TilesFound& found)
      : fs_(fs), directory_(directory), found_(found) {}

  // The file of `tile` must hold `expected`.
  void compare(const Tile& tile, Bytes expected) {
    // Bundles are where the expected bytes come from.
    if (tile.kind == Tile::Kind::kEntries || !failure_.ok()) return;
    const auto bytes = read_tile(fs_, directory_, tile);
    if (!bytes.ok()) {
      note(tile, bytes.status());
    } else if (!std::equal(bytes->begin(), bytes->end(), expected.begin(), expected.end())) {
      note(tile, {Code::kCorrupt, "holds other hashes than its bundles lead to"});
    }
  }

  void note(const Tile& tile, const Status& status) {
    if (status.code() != Code::kNotFound && status.code() != Code::kCorrupt) {
      failure_ = status;
      return;
    }
    ++found_.damage_count;
    if (found_.damages.size() < TilesFound::kDamagesMax) {
      found_.damages.push_back({tile_path(tile), status.message()});
    }
  }

  const Status& failure() const { return failure_; }

 private:
  FileSystem& fs_;
  const std::string& directory_;
  TilesFound& found_;
  Status failure_;
};

}  // namespace

Result<TilesFound> check_tiles(FileSystem& fs, const std::string& directory, std::uint64_t size,
                               const Hash& root,
                               const std::function<void(std::uint64_t entries)>& progress) {
  TilesFound found;
  Comparison comparison(fs, directory, found);
  TileBuilder builder;
  Status stopped;
  const Status walked = walk_leaves(
      fs, directory, size, size,
      [&](Bytes leaf, const Hash& hash) {
        builder.append(leaf, hash,
                       [&](const Tile& tile, Bytes bytes) { comparison.compare(tile, bytes); });
        if (xase::proto::decode_lost_leaf(leaf)) {
          ++found.lost;
          if (found.first_lost == 0) found.first_lost = builder.size();
        }
        if (progress && builder.size() % kEntriesPerProgress == 0) progress(builder.size());
        return comparison.failure();
      },
      stopped);
  if (!walked.ok()) return walked;
  found.entries = builder.size();
  if (!stopped.ok()) {
    comparison.note(xase::proto::bundle_of(builder.size(), size), stopped);
  } else {
    for (const TileBuilder::Part& part : builder.parts()) comparison.compare(part.tile, part.bytes);
    found.has_root = builder.root() == root;
  }
  if (!comparison.failure().ok()) return comparison.failure();
  return found;
}

}  // namespace xased
