#include "daemon/ledger/tree/tile_builder.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::Hash;
using xase::proto::kTileHeight;
using xase::proto::kTileLevels;
using xase::proto::kTileWidth;
using xase::proto::Tile;
using Kind = xase::proto::Tile::Kind;

void TileBuilder::append(Bytes leaf, const Hash& leaf_hash, const Full& full) {
  bundle_.resize(bundle_.size() + xase::proto::kBundleLeafBytes);
  xase::proto::encode_bundle_leaf(leaf,
                                  bundle_.data() + bundle_.size() - xase::proto::kBundleLeafBytes);
  if (bundle_.size() == kTileWidth * xase::proto::kBundleLeafBytes) {
    full({Kind::kEntries, 0, size() / kTileWidth, kTileWidth}, bundle_);
    bundle_.clear();
  }
  frontier_.append(sha_, leaf_hash, [&](unsigned level, std::uint64_t index, const Hash& hash) {
    if (level % kTileHeight != 0) return;
    std::vector<std::byte>& hashes = hashes_[level / kTileHeight];
    hashes.insert(hashes.end(), hash.begin(), hash.end());
    if (hashes.size() < kTileWidth * sizeof(Hash)) return;
    full({Kind::kHashes, level / kTileHeight, index / kTileWidth, kTileWidth}, hashes);
    hashes.clear();
  });
}

std::vector<TileBuilder::Part> TileBuilder::parts() const {
  std::vector<Part> parts;
  const auto add = [&](Kind kind, unsigned level, const std::vector<std::byte>& bytes) {
    if (bytes.empty()) return;
    const std::uint64_t hashes = xase::proto::tile_hashes(level, size());
    parts.push_back(
        {{kind, level, hashes / kTileWidth, static_cast<unsigned>(hashes % kTileWidth)}, bytes});
  };
  add(Kind::kEntries, 0, bundle_);
  for (unsigned level = 0; level < kTileLevels; ++level) add(Kind::kHashes, level, hashes_[level]);
  return parts;
}

std::optional<TileBuilder> TileBuilder::restore(
    std::uint64_t size,
    const std::function<std::optional<std::vector<std::byte>>(const Tile&)>& read) {
  TileBuilder builder;
  const auto take = [&](Kind kind, unsigned level, std::vector<std::byte>& to) {
    const std::uint64_t hashes = xase::proto::tile_hashes(level, size);
    const auto width = static_cast<unsigned>(hashes % kTileWidth);
    if (width == 0) return true;
    auto bytes = read({kind, level, hashes / kTileWidth, width});
    if (bytes) to = std::move(*bytes);
    return bytes.has_value();
  };
  if (!take(Kind::kEntries, 0, builder.bundle_)) return std::nullopt;
  for (unsigned level = 0; level < kTileLevels; ++level) {
    if (!take(Kind::kHashes, level, builder.hashes_[level])) return std::nullopt;
  }
  // Every node of the frontier lies in a partial tile: what a full one holds is in a node above.
  const auto frontier = xase::proto::TreeFrontier::of(
      size, [&](unsigned level, std::uint64_t index) -> std::optional<Hash> {
        const auto place = xase::proto::place_of(level, index, size);
        if (!place) return std::nullopt;
        const std::vector<std::byte>& hashes = builder.hashes_[place->tile.level];
        return xase::proto::fold_hashes(builder.sha_, hashes.data() + place->first * sizeof(Hash),
                                        place->count);
      });
  if (!frontier) return std::nullopt;
  builder.frontier_ = *frontier;
  return builder;
}

}  // namespace xased
