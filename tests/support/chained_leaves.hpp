// Leaves of a made-up ledger, each with the hash of the one before.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "daemon/platform/sha256.hpp"
#include "proto/hashing.hpp"
#include "proto/leaf.hpp"
#include "proto/merkle.hpp"

namespace xased::test {

// The same `seed` gives the same ledger; a longer one begins as a shorter one does.
class ChainedLeaves {
 public:
  using LeafBytes = std::array<std::byte, xase::proto::kLeafBytes>;

  explicit ChainedLeaves(std::size_t count, std::uint64_t seed = 1) {
    Sha256 sha;
    xase::proto::Leaf leaf;
    leaf.log_id.fill(static_cast<std::byte>(seed));
    roots_.push_back(frontier_.root(sha));
    for (std::uint64_t sequence = 1; sequence <= count; ++sequence) {
      leaf.type = xase::proto::EntryType::kRecord;
      leaf.sequence = sequence;
      leaf.wall_ns = static_cast<std::int64_t>(1000 * sequence + seed);
      leaf.commitments[0][0] = static_cast<std::byte>(sequence);
      LeafBytes bytes{};
      encode_leaf(leaf, bytes.data());
      leaf.previous = xase::proto::leaf_hash(sha, bytes);
      frontier_.append(sha, leaf.previous);
      leaves_.push_back(bytes);
      hashes_.push_back(leaf.previous);
      roots_.push_back(frontier_.root(sha));
    }
  }

  std::uint64_t size() const { return leaves_.size(); }
  // Sequences start from 1.
  const LeafBytes& leaf(std::uint64_t sequence) const { return leaves_.at(sequence - 1); }
  const xase::proto::Hash& hash(std::uint64_t sequence) const { return hashes_.at(sequence - 1); }
  // Of the tree with `size` leaves.
  const xase::proto::Hash& root(std::uint64_t size) const { return roots_.at(size); }

 private:
  xase::proto::TreeFrontier frontier_;
  std::vector<LeafBytes> leaves_;
  std::vector<xase::proto::Hash> hashes_;
  std::vector<xase::proto::Hash> roots_;
};

}  // namespace xased::test
