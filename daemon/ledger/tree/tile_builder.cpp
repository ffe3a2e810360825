#include "daemon/ledger/tree/tile_builder.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::Hash;
using xase::proto::kTileHeight;
using xase::proto::kTileLevels;
using xase::proto::kTileWidth;
using xase::proto::Tile;
using xase::proto::TreeFrontier;
using Kind = xase::proto::Tile::Kind;

void TileBuilder::append(Bytes leaf, const Hash& leaf_hash, const Full& full) {
  bundle_.resize(bundle_.size() + xase::proto::kBundleLeafBytes);
  xase::proto::encode_bundle_leaf(leaf,
                                  bundle_.data() + bundle_.size() - xase::proto::kBundleLeafBytes);
  if (bundle_.size() == kTileWidth * xase::proto::kBundleLeafBytes) {
    full({Kind::kEntries, 0, size() / kTileWidth, kTileWidth}, bundle_);
    bundle_.clear();
  }
  Hash node = leaf_hash;
  for (unsigned level = 0; level < kTileLevels; ++level) {
    std::vector<Hash>& hashes = hashes_[level];
    hashes.push_back(node);
    if (hashes.size() < kTileWidth) break;
    const std::uint64_t index = size_ >> (kTileHeight * (level + 1));
    full({Kind::kHashes, level, index, kTileWidth}, std::as_bytes(std::span(hashes)));
    node = fold_nodes(batch_, hashes);
    hashes.clear();
  }
  ++size_;
}

// Every node that the root is made of lies in a partial tile: what a full one holds is in a node
// above.
std::optional<Hash> TileBuilder::node(unsigned level, std::uint64_t index) {
  const auto place = xase::proto::place_of(level, index, size_);
  if (!place) return std::nullopt;
  const std::vector<Hash>& hashes = hashes_[place->tile.level];
  return xase::proto::fold_hashes(
      sha_, std::as_bytes(std::span(hashes)).data() + place->first * sizeof(Hash), place->count);
}

Hash TileBuilder::root() {
  auto frontier = TreeFrontier::of(
      size_, [this](unsigned level, std::uint64_t index) { return node(level, index); });
  return frontier->root(sha_);
}

std::vector<TileBuilder::Part> TileBuilder::parts() const {
  std::vector<Part> parts;
  const auto add = [&](Kind kind, unsigned level, Bytes bytes) {
    if (bytes.empty()) return;
    const std::uint64_t hashes = xase::proto::tile_hashes(level, size());
    parts.push_back(
        {{kind, level, hashes / kTileWidth, static_cast<unsigned>(hashes % kTileWidth)}, bytes});
  };
  add(Kind::kEntries, 0, bundle_);
  for (unsigned level = 0; level < kTileLevels; ++level) {
    add(Kind::kHashes, level, std::as_bytes(std::span(hashes_[level])));
  }
  return parts;
}

std::optional<TileBuilder> TileBuilder::restore(
    std::uint64_t size,
    const std::function<std::optional<std::vector<std::byte>>(const Tile&)>& read) {
  TileBuilder builder;
  builder.size_ = size;
  const auto take = [&](Kind kind, unsigned level) -> std::optional<std::vector<std::byte>> {
    const std::uint64_t hashes = xase::proto::tile_hashes(level, size);
    const auto width = static_cast<unsigned>(hashes % kTileWidth);
    if (width == 0) return std::vector<std::byte>();
    return read({kind, level, hashes / kTileWidth, width});
  };
  auto bundle = take(Kind::kEntries, 0);
  if (!bundle) return std::nullopt;
  builder.bundle_ = std::move(*bundle);
  for (unsigned level = 0; level < kTileLevels; ++level) {
    const auto bytes = take(Kind::kHashes, level);
    if (!bytes) return std::nullopt;
    for (std::size_t at = 0; at < bytes->size(); at += sizeof(Hash)) {
      builder.hashes_[level].push_back(xase::proto::load<Hash>(bytes->data() + at));
    }
  }
  return builder;
}

}  // namespace xased
