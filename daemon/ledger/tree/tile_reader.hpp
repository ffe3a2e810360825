// Leaves and proofs out of the tree's files.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/platform/file_system.hpp"
#include "daemon/platform/sha256.hpp"
#include "proto/tiles.hpp"

namespace xased {

// The tree of a checkpoint, read-only: files that a TileWriter adds meanwhile change nothing here.
// Reads what it needs and keeps the last 16 files of it. One thread.
//
// Everything it gives is checked against the root before it is given: kCorrupt where the files hold
// something else, kNotFound where they are not there, kInvalid where the tree has no such leaf.
class TileReader {
 public:
  // `size` and `root`: as the checkpoint says. `directory` holds `tile/`.
  TileReader(FileSystem& fs, std::string directory, std::uint64_t size,
             const xase::proto::Hash& root);

  std::uint64_t size() const { return size_; }
  const xase::proto::Hash& root() const { return root_; }

  // Entry `sequence`, 1 to size(): its leaf, with the path from its hash to the root.
  struct ProvenLeaf {
    std::array<std::byte, xase::proto::kLeafBytes> leaf{};
    xase::proto::Hash leaf_hash{};
    std::vector<xase::proto::Hash> path;
  };
  Result<ProvenLeaf> leaf(std::uint64_t sequence);

  // That leaf `index`, from 0, is in the tree; without its bundle.
  Result<std::vector<xase::proto::Hash>> prove_inclusion(std::uint64_t index);

  // Leaves [begin, end), one behind the other, and that they are in the tree. Memory: all of them.
  struct ProvenRange {
    std::vector<std::byte> leaves;
    std::vector<xase::proto::Hash> hashes;  // theirs
    xase::proto::RangeProof proof;
  };
  Result<ProvenRange> range(std::uint64_t begin, std::uint64_t end);

  // That the tree with `first` leaves, whose root comes with it, is the beginning of this one.
  struct Consistency {
    xase::proto::Hash first_root{};
    std::vector<xase::proto::Hash> proof;
  };
  Result<Consistency> prove_consistency(std::uint64_t first);

 private:
  struct Kept {
    xase::proto::Tile tile;
    std::vector<std::byte> bytes;
    std::uint64_t used = 0;
  };

  Result<const std::vector<std::byte>*> bytes_of(const xase::proto::Tile& tile);
  // A node as the files have it, unchecked; where there is none, failure_ says why.
  std::optional<xase::proto::Hash> node(unsigned level, std::uint64_t index);
  Status failure_or(Code code, const std::string& message) const;

  FileSystem& fs_;
  std::string directory_;
  std::uint64_t size_;
  xase::proto::Hash root_;
  Sha256 sha_;
  std::vector<Kept> kept_;
  std::uint64_t uses_ = 0;
  Status failure_;
};

}  // namespace xased
