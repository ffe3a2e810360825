// The tiles of a growing tree, in memory: what is not full yet, and what a leaf makes full.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "daemon/platform/sha256_batch.hpp"
#include "proto/tiles.hpp"

namespace xased {

// Holds at most 255 hashes a level and at most 255 leaves, and hashes a level's nodes once they
// fill a tile. One owner.
class TileBuilder {
 public:
  // A tile that has just become full; `bytes` is what its file holds, and is gone after the call.
  using Full = std::function<void(const xase::proto::Tile& tile, xase::proto::Bytes bytes)>;

  // Takes leaf number size(), kLeafBytes of it, and its hash. Bundles become full before the tiles
  // with their hashes, those of lower levels before those of higher ones.
  void append(xase::proto::Bytes leaf, const xase::proto::Hash& leaf_hash, const Full& full);

  std::uint64_t size() const { return size_; }
  // Folds what the partial tiles hold: the caller keeps what it asked for.
  xase::proto::Hash root();

  // The tiles that are partial, bundle first and then by level; `bytes` until the next append().
  struct Part {
    xase::proto::Tile tile;
    xase::proto::Bytes bytes;
  };
  std::vector<Part> parts() const;

  // A builder that goes on from a tree with `size` leaves; read(tile) gives the bytes of its
  // partial tiles, of their right length, or nothing: then nothing comes of it. Looks at no hash:
  // root() is the caller's to compare.
  static std::optional<TileBuilder> restore(
      std::uint64_t size,
      const std::function<std::optional<std::vector<std::byte>>(const xase::proto::Tile&)>& read);

 private:
  std::optional<xase::proto::Hash> node(unsigned level, std::uint64_t index);

  std::uint64_t size_ = 0;
  Sha256 sha_;
  Sha256Batch batch_;
  std::array<std::vector<xase::proto::Hash>, xase::proto::kTileLevels> hashes_;
  std::vector<std::byte> bundle_;
};

}  // namespace xased
