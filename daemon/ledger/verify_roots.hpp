// The tree's roots, computed from the leaves that a walk over the ledger meets.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/platform/file_system.hpp"
#include "daemon/platform/sha256_batch.hpp"
#include "proto/merkle.hpp"
#include "proto/tiles.hpp"

namespace xased {

// One pass, constant memory, one thread. Of entries that are not in the journal, or cannot be read
// there, it takes the hashes that the tree's tiles have: where the root comes out as it was signed,
// they were the right ones.
class VerifyRoots {
 public:
  // `directory` holds `tile/`, or nothing.
  VerifyRoots(FileSystem& fs, std::string directory) : fs_(fs), directory_(std::move(directory)) {}

  // Before the first leaf: the root at `size` will be wanted.
  void ask(std::uint64_t size) { roots_.try_emplace(size); }
  // Before the first leaf: the tiles are those of a tree with `size` leaves.
  void use_tiles(std::uint64_t size) { tiles_size_ = size; }

  // The journal begins with entry `first`.
  void begin_at(std::uint64_t first);
  // The next entry's leaf hash.
  void take(const xase::proto::Hash& leaf_hash);
  // Entries up to `through` cannot be read.
  void lose(std::uint64_t through);

  std::uint64_t begin() const { return begin_; }
  // Entries met or lost.
  std::uint64_t last() const { return last_; }
  // Whether an entry that should be in the journal was lost.
  bool has_holes() const { return has_holes_; }
  // Of a size that was asked for; nothing where the ledger is shorter, or hashes are missing.
  std::optional<xase::proto::Hash> root_at(std::uint64_t size) const;
  // The first entry whose hash is to be had nowhere; 0: there is none.
  std::uint64_t unknown_from() const { return unknown_from_; }
  // How many of the first `size` hashes came out of tiles.
  std::uint64_t borrowed(std::uint64_t size) const;
  // The first entry that is another in the journal than in the tiles; 0: there is none.
  std::uint64_t first_difference() const { return first_difference_; }

 private:
  using Hash = xase::proto::Hash;
  std::optional<Hash> tile_node(unsigned level, std::uint64_t index);
  void add(const Hash& leaf_hash);
  void keep_root();

  FileSystem& fs_;
  const std::string directory_;
  std::uint64_t tiles_size_ = 0;
  Sha256 sha_;
  Sha256Batch batch_;
  // Of the leaves before leaves_, which are hashed into it once they fill a tile.
  std::optional<xase::proto::TreeFrontier> frontier_ = xase::proto::TreeFrontier();
  std::vector<Hash> leaves_;
  std::map<std::uint64_t, std::optional<Hash>> roots_;
  std::uint64_t begin_ = 1;
  std::uint64_t last_ = 0;
  bool has_holes_ = false;
  std::uint64_t unknown_from_ = 0;
  std::uint64_t borrowed_ = 0;
  // How many were borrowed when the root was kept.
  std::map<std::uint64_t, std::uint64_t> borrowed_at_;
  std::uint64_t first_difference_ = 0;
  // The tile that was read last; empty bytes: it could not be.
  std::optional<xase::proto::Tile> tile_;
  std::vector<std::byte> tile_bytes_;
};

}  // namespace xased
