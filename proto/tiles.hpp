// Where the nodes and the leaves of the tree lie in files: C2SP tlog-tiles, tiles of height 8.
//
//   tile/<L>/<N>[.p/<W>]        hashes: the nodes of level 8 * L from 256 * N on, 32 bytes each
//   tile/entries/<N>[.p/<W>]    leaves from 256 * N on, each behind its length, big-endian 16 bit
//
// A full one holds 256, a partial one W of them, 1 to 255. N is in groups of three digits, all but
// the last behind an "x": 1234067 is x001/x234/067. The nodes of the levels between derive from
// those. Leaf number i, from 0, is the ledger's entry i + 1.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/leaf.hpp"
#include "proto/merkle.hpp"

namespace xase::proto {

inline constexpr unsigned kTileHeight = 8;
inline constexpr unsigned kTileWidth = 256;
inline constexpr unsigned kTileLevels = kTreeLevels / kTileHeight;
inline constexpr std::size_t kBundleLeafBytes = 2 + kLeafBytes;

struct Tile {
  enum class Kind { kHashes, kEntries };

  Kind kind = Kind::kHashes;
  unsigned level = 0;  // of entries: 0
  std::uint64_t index = 0;
  unsigned width = kTileWidth;

  // Of the file.
  std::size_t bytes() const noexcept {
    return width * (kind == Kind::kHashes ? sizeof(Hash) : kBundleLeafBytes);
  }
  friend bool operator==(const Tile&, const Tile&) = default;
};

// Hashes that the tiles of `level` hold together in a tree with `size` leaves.
constexpr std::uint64_t tile_hashes(unsigned level, std::uint64_t size) noexcept {
  return level < kTileLevels ? size >> (kTileHeight * level) : 0;
}

// How wide tile `index` of `level` is in a tree with `size` leaves; 0: there is none.
constexpr unsigned tile_width(unsigned level, std::uint64_t index, std::uint64_t size) noexcept {
  const std::uint64_t hashes = tile_hashes(level, size);
  if (index < hashes / kTileWidth) return kTileWidth;
  return index == hashes / kTileWidth ? static_cast<unsigned>(hashes % kTileWidth) : 0;
}

// The bundle that holds leaf `index` of a tree with `size` leaves, index < size.
constexpr Tile bundle_of(std::uint64_t index, std::uint64_t size) noexcept {
  const std::uint64_t n = index / kTileWidth;
  return {Tile::Kind::kEntries, 0, n, tile_width(0, n, size)};
}

// The hashes from which a node derives: `count`, a power of two, from `first` on.
struct NodePlace {
  Tile tile;
  unsigned first = 0;
  unsigned count = 1;
};

// Where the node (level, index) lies in a tree with `size` leaves; nothing where that has no such
// node.
constexpr std::optional<NodePlace> place_of(unsigned level, std::uint64_t index,
                                            std::uint64_t size) noexcept {
  if (level >= kTreeLevels || size > kTreeSizeMax || index >= size >> level) return std::nullopt;
  const unsigned tile_level = level / kTileHeight;
  const unsigned above = level % kTileHeight;
  const std::uint64_t first = index << above;
  NodePlace place;
  place.tile.level = tile_level;
  place.tile.index = first / kTileWidth;
  place.tile.width = tile_width(tile_level, place.tile.index, size);
  place.first = static_cast<unsigned>(first % kTileWidth);
  place.count = 1U << above;
  return place;
}

// The hash over the `count` hashes from `hashes` on, count being a power of two up to 256; these
// are nodes of one level, 32 bytes each.
template <Sha256Hasher Hasher>
Hash fold_hashes(Hasher& hasher, const std::byte* hashes, std::size_t count) {
  if (count == 1) return load<Hash>(hashes);
  std::array<Hash, kTileWidth> level{};
  for (std::size_t i = 0; i < count; ++i) level[i] = load<Hash>(hashes + sizeof(Hash) * i);
  for (; count > 1; count /= 2) {
    for (std::size_t i = 0; i < count / 2; ++i) {
      level[i] = node_hash(hasher, level[2 * i], level[2 * i + 1]);
    }
  }
  return level[0];
}

// The tiles that a tree with `size` leaves adds to those of one with `old_size`, bundles first and
// then by level; with old_size 0 all of them. A partial tile counts anew whenever it is wider.
inline std::vector<Tile> new_tiles(std::uint64_t old_size, std::uint64_t size) {
  std::vector<Tile> tiles;
  const auto add = [&](Tile::Kind kind, unsigned level) {
    const std::uint64_t hashes = tile_hashes(level, size);
    const std::uint64_t old_hashes = tile_hashes(level, old_size);
    if (hashes == old_hashes) return;
    std::uint64_t index = old_hashes / kTileWidth;
    for (; index < hashes / kTileWidth; ++index) tiles.push_back({kind, level, index, kTileWidth});
    const auto width = static_cast<unsigned>(hashes % kTileWidth);
    if (width != 0) tiles.push_back({kind, level, index, width});
  };
  if (old_size > size || size > kTreeSizeMax) return tiles;
  add(Tile::Kind::kEntries, 0);
  for (unsigned level = 0; level < kTileLevels; ++level) add(Tile::Kind::kHashes, level);
  return tiles;
}

// "x001/x234/067".
inline std::string tile_index_text(std::uint64_t index) {
  const auto three = [](std::uint64_t number) {
    const std::string digits = std::to_string(number);
    return std::string(3 - digits.size(), '0') + digits;
  };
  std::string text = three(index % 1000);
  for (index /= 1000; index > 0; index /= 1000) {
    text.insert(0, "x" + three(index % 1000) + "/");
  }
  return text;
}

// "tile/0/x001/234", "tile/entries/000.p/7".
inline std::string tile_path(const Tile& tile) {
  std::string path = "tile/";
  path += tile.kind == Tile::Kind::kEntries ? "entries" : std::to_string(tile.level);
  path += "/" + tile_index_text(tile.index);
  if (tile.width != kTileWidth) path += ".p/" + std::to_string(tile.width);
  return path;
}

// Nothing unless `path` is the one way to write the path of a tile of a tree that can be.
inline std::optional<Tile> parse_tile_path(std::string_view path) {
  constexpr std::size_t kPathBytesMax = 64;
  const auto number = [](std::string_view digits, std::uint64_t& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  const std::string whole(path.substr(0, kPathBytesMax));
  if (!path.starts_with("tile/") || path.size() > kPathBytesMax) return std::nullopt;
  path.remove_prefix(5);
  Tile tile;
  std::uint64_t value = 0;
  std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  if (path.substr(0, slash) == "entries") {
    tile.kind = Tile::Kind::kEntries;
  } else {
    if (!number(path.substr(0, slash), value) || value >= kTileLevels) return std::nullopt;
    tile.level = static_cast<unsigned>(value);
  }
  path.remove_prefix(slash + 1);
  if (const std::size_t partial = path.find(".p/"); partial != std::string_view::npos) {
    if (!number(path.substr(partial + 3), value) || value == 0 || value >= kTileWidth) {
      return std::nullopt;
    }
    tile.width = static_cast<unsigned>(value);
    path = path.substr(0, partial);
  }
  const std::uint64_t index_max = kTreeSizeMax >> (kTileHeight * (tile.level + 1) - 1) >> 1U;
  while (!path.empty()) {
    slash = std::min(path.find('/'), path.size());
    std::string_view group = path.substr(0, slash);
    if (group.starts_with('x')) group.remove_prefix(1);
    if (group.size() != 3 || !number(group, value)) return std::nullopt;
    if (tile.index > index_max / 1000) return std::nullopt;
    tile.index = tile.index * 1000 + value;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  // One test for all that has more than one spelling: leading zeros, a missing "x", a slash behind.
  if (tile.index > index_max || tile_path(tile) != whole) return std::nullopt;
  return tile;
}

// Writes kBundleLeafBytes: a leaf as a bundle holds it.
inline void encode_bundle_leaf(Bytes leaf, std::byte* to) noexcept {
  to[0] = std::byte{kLeafBytes >> 8U};
  to[1] = std::byte{kLeafBytes & 0xffU};
  std::memcpy(to + 2, leaf.data(), kLeafBytes);
}

// Leaf number `offset` of a bundle with `width` leaves; nothing where the bundle is not exactly
// that.
inline std::optional<Bytes> bundle_leaf(Bytes bundle, unsigned width, unsigned offset) noexcept {
  if (offset >= width || bundle.size() != width * kBundleLeafBytes) return std::nullopt;
  const Bytes framed = bundle.subspan(offset * kBundleLeafBytes, kBundleLeafBytes);
  if (framed[0] != std::byte{kLeafBytes >> 8U} || framed[1] != std::byte{kLeafBytes & 0xffU}) {
    return std::nullopt;
  }
  return framed.subspan(2);
}

}  // namespace xase::proto
