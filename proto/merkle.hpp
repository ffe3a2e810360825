// The Merkle tree of RFC 6962, section 2.1 (unchanged in RFC 9162): roots, proofs and their checks.
//
// A node (level, index) is the hash over the 2^level leaves from index * 2^level on, all of them
// there. Every other hash of the tree derives from those, and those alone are ever stored.
//
// Nothing here allocates, apart from the proofs that are made; nothing throws apart from that.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/hashing.hpp"

namespace xase::proto {

// Leaves of one tree at most: public tools keep sizes in signed 64-bit numbers.
inline constexpr std::uint64_t kTreeSizeMax = 0x7fffffffffffffffU;
// Levels from the leaves to the root of the largest tree.
inline constexpr unsigned kTreeLevels = 64;
// Hashes of a proof at most; a longer one is malformed.
inline constexpr std::size_t kProofHashesMax = 64;

// The root of the tree without leaves: SHA-256 of nothing.
template <Sha256Hasher Hasher>
Hash empty_root(Hasher& hasher) {
  hasher.start();
  return hasher.finish();
}

// Gives the node at (level, index), or nothing where it cannot be had; asked only for nodes that
// the tree has.
template <class T>
concept NodeReader = requires(T read, unsigned level, std::uint64_t index) {
  { read(level, index) } -> std::same_as<std::optional<Hash>>;
};

// The right edge of a growing tree: the roots of the complete subtrees that it falls into, one for
// each bit that is set in its size ("compact range"). One owner.
class TreeFrontier {
 public:
  std::uint64_t size() const noexcept { return size_; }

  // Takes the hash of leaf number size(). At kTreeSizeMax it must not be called any more.
  template <Sha256Hasher Hasher>
  void append(Hasher& hasher, const Hash& leaf) {
    append(hasher, leaf, [](unsigned, std::uint64_t, const Hash&) {});
  }

  // The same, and tells of every node that this leaf completes, from the leaf itself upwards:
  // completed(level, index, hash).
  template <Sha256Hasher Hasher, class Completed>
  void append(Hasher& hasher, const Hash& leaf, Completed&& completed) {
    Hash node = leaf;
    unsigned level = 0;
    completed(level, size_, node);
    for (; ((size_ >> level) & 1U) != 0; ++level) {
      node = node_hash(hasher, nodes_[level], node);
      completed(level + 1, size_ >> (level + 1), node);
    }
    nodes_[level] = node;
    ++size_;
  }

  // Takes the node over the 2^level leaves from number size() on, of which that must be a multiple.
  template <Sha256Hasher Hasher>
  void append_node(Hasher& hasher, unsigned level, const Hash& hash) {
    Hash node = hash;
    size_ += std::uint64_t{1} << level;
    for (std::uint64_t before = size_ - (std::uint64_t{1} << level); ((before >> level) & 1U) != 0;
         ++level) {
      node = node_hash(hasher, nodes_[level], node);
    }
    nodes_[level] = node;
  }

  template <Sha256Hasher Hasher>
  Hash root(Hasher& hasher) const {
    if (size_ == 0) return empty_root(hasher);
    auto level = static_cast<unsigned>(std::countr_zero(size_));
    Hash hash = nodes_[level];
    for (++level; level < kTreeLevels; ++level) {
      if (((size_ >> level) & 1U) != 0) hash = node_hash(hasher, nodes_[level], hash);
    }
    return hash;
  }

  // The frontier of the tree with `size` leaves, from its nodes; nothing where one cannot be had.
  template <NodeReader Read>
  static std::optional<TreeFrontier> of(std::uint64_t size, Read&& read) {
    if (size > kTreeSizeMax) return std::nullopt;
    TreeFrontier frontier;
    frontier.size_ = size;
    for (unsigned level = 0; level < kTreeLevels; ++level) {
      if (((size >> level) & 1U) == 0) continue;
      // All leaves left of this subtree are in larger ones.
      const std::optional<Hash> node = read(level, (size >> level) - 1);
      if (!node) return std::nullopt;
      frontier.nodes_[level] = *node;
    }
    return frontier;
  }

 private:
  std::uint64_t size_ = 0;
  std::array<Hash, kTreeLevels> nodes_{};  // valid where the bit of size_ is set
};

// The hash over the leaves [begin, end), begin being a place where the tree's recursion cuts: 0, or
// a multiple of a power of two that is no less than end - begin. Not for an empty range.
template <Sha256Hasher Hasher, NodeReader Read>
std::optional<Hash> range_hash(Hasher& hasher, Read&& read, std::uint64_t begin,
                               std::uint64_t end) {
  // Complete subtrees from the largest to the smallest, folded from the right.
  std::array<Hash, kTreeLevels> nodes;
  std::size_t count = 0;
  while (begin < end) {
    const auto level = static_cast<unsigned>(std::bit_width(end - begin) - 1);
    const std::optional<Hash> node = read(level, begin >> level);
    if (!node) return std::nullopt;
    nodes[count++] = *node;
    begin += std::uint64_t{1} << level;
  }
  if (count == 0) return std::nullopt;
  Hash hash = nodes[--count];
  while (count > 0) hash = node_hash(hasher, nodes[--count], hash);
  return hash;
}

// The root of the tree with `size` leaves.
template <Sha256Hasher Hasher, NodeReader Read>
std::optional<Hash> tree_root(Hasher& hasher, Read&& read, std::uint64_t size) {
  if (size == 0) return empty_root(hasher);
  if (size > kTreeSizeMax) return std::nullopt;
  return range_hash(hasher, read, 0, size);
}

namespace merkle_detail {

// Where the recursion of RFC 6962 cuts [begin, end), which holds two leaves or more.
constexpr std::uint64_t cut(std::uint64_t begin, std::uint64_t end) noexcept {
  return begin + std::bit_floor(end - begin - 1);
}

// A range of leaves whose hash belongs into a proof.
struct Range {
  std::uint64_t begin;
  std::uint64_t end;
};

// A proof lists the ranges from the leaves to the root; the recursion finds them the other way.
template <Sha256Hasher Hasher, NodeReader Read>
std::optional<std::vector<Hash>> hash_upwards(Hasher& hasher, Read&& read,
                                              std::span<const Range> downwards) {
  std::vector<Hash> proof;
  proof.reserve(downwards.size());
  for (auto range = downwards.rbegin(); range != downwards.rend(); ++range) {
    const std::optional<Hash> hash = range_hash(hasher, read, range->begin, range->end);
    if (!hash) return std::nullopt;
    proof.push_back(*hash);
  }
  return proof;
}

}  // namespace merkle_detail

// PATH(index, D[size]) of RFC 6962, section 2.1.1: that leaf `index` is in the tree with `size`
// leaves. Nothing where index >= size, or where a node cannot be had.
template <Sha256Hasher Hasher, NodeReader Read>
std::optional<std::vector<Hash>> prove_inclusion(Hasher& hasher, Read&& read, std::uint64_t index,
                                                 std::uint64_t size) {
  if (index >= size || size > kTreeSizeMax) return std::nullopt;
  std::array<merkle_detail::Range, kProofHashesMax> siblings{};
  std::size_t count = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = size;
  while (end - begin > 1) {
    const std::uint64_t cut = merkle_detail::cut(begin, end);
    if (index < cut) {
      siblings[count++] = {cut, end};
      end = cut;
    } else {
      siblings[count++] = {begin, cut};
      begin = cut;
    }
  }
  return merkle_detail::hash_upwards(hasher, read, std::span(siblings).first(count));
}

// PROOF(first, D[second]) of RFC 6962, section 2.1.2: that the tree with `first` leaves is the
// beginning of the one with `second`. Of no hash where first is 0 or second. Nothing where
// first > second, or where a node cannot be had.
template <Sha256Hasher Hasher, NodeReader Read>
std::optional<std::vector<Hash>> prove_consistency(Hasher& hasher, Read&& read, std::uint64_t first,
                                                   std::uint64_t second) {
  if (first > second || second > kTreeSizeMax) return std::nullopt;
  if (first == 0 || first == second) return std::vector<Hash>{};
  std::array<merkle_detail::Range, kProofHashesMax> ranges{};
  std::size_t count = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = second;
  while (first != end) {
    const std::uint64_t cut = merkle_detail::cut(begin, end);
    if (first <= cut) {
      ranges[count++] = {cut, end};
      end = cut;
    } else {
      ranges[count++] = {begin, cut};
      begin = cut;
    }
  }
  // [begin, first) is a node of the first tree. Where that is the whole of it, who checks has it.
  if (begin != 0) ranges[count++] = {begin, end};
  return merkle_detail::hash_upwards(hasher, read, std::span(ranges).first(count));
}

// The root that leaf and proof lead to (RFC 9162, section 2.1.3.2); nothing where the proof has not
// the number of hashes that index and size ask for.
template <Sha256Hasher Hasher>
std::optional<Hash> root_by_inclusion(Hasher& hasher, const Hash& leaf, std::uint64_t index,
                                      std::uint64_t size, std::span<const Hash> proof) {
  if (index >= size || size > kTreeSizeMax || proof.size() > kProofHashesMax) return std::nullopt;
  std::uint64_t fn = index;
  std::uint64_t sn = size - 1;
  Hash hash = leaf;
  for (const Hash& sibling : proof) {
    if (sn == 0) return std::nullopt;
    if ((fn & 1U) != 0 || fn == sn) {
      hash = node_hash(hasher, sibling, hash);
      while ((fn & 1U) == 0 && fn != 0) {
        fn >>= 1U;
        sn >>= 1U;
      }
    } else {
      hash = node_hash(hasher, hash, sibling);
    }
    fn >>= 1U;
    sn >>= 1U;
  }
  if (sn != 0) return std::nullopt;
  return hash;
}

// Whether `proof` shows that leaf `index` of the tree with `size` leaves and `root` is `leaf`.
template <Sha256Hasher Hasher>
[[nodiscard]] bool verify_inclusion(Hasher& hasher, const Hash& leaf, std::uint64_t index,
                                    std::uint64_t size, const Hash& root,
                                    std::span<const Hash> proof) {
  return root_by_inclusion(hasher, leaf, index, size, proof) == root;
}

// Whether `proof` shows that the tree of `first` leaves and `first_root` is the beginning of the
// one of `second` leaves and `second_root` (RFC 9162, section 2.1.4.2). What extends the empty tree
// needs no proof, and what equals itself none either: there a proof must be empty.
template <Sha256Hasher Hasher>
[[nodiscard]] bool verify_consistency(Hasher& hasher, std::uint64_t first, const Hash& first_root,
                                      std::uint64_t second, const Hash& second_root,
                                      std::span<const Hash> proof) {
  if (first > second || second > kTreeSizeMax || proof.size() > kProofHashesMax) return false;
  if (first == second) {
    if (first == 0 && first_root != empty_root(hasher)) return false;
    return proof.empty() && first_root == second_root;
  }
  if (first == 0) return proof.empty() && first_root == empty_root(hasher);
  if (proof.empty()) return false;
  std::uint64_t fn = first - 1;
  std::uint64_t sn = second - 1;
  const auto shift = static_cast<unsigned>(std::countr_one(fn));
  fn >>= shift;
  sn >>= shift;
  // Where the first tree is one node, the proof leaves that out.
  Hash first_hash = first_root;
  if (!std::has_single_bit(first)) {
    first_hash = proof.front();
    proof = proof.subspan(1);
  }
  Hash second_hash = first_hash;
  for (const Hash& node : proof) {
    if (sn == 0) return false;
    if ((fn & 1U) != 0 || fn == sn) {
      first_hash = node_hash(hasher, node, first_hash);
      second_hash = node_hash(hasher, node, second_hash);
      while ((fn & 1U) == 0 && fn != 0) {
        fn >>= 1U;
        sn >>= 1U;
      }
    } else {
      second_hash = node_hash(hasher, second_hash, node);
    }
    fn >>= 1U;
    sn >>= 1U;
  }
  return sn == 0 && first_hash == first_root && second_hash == second_root;
}

// That leaves [begin, end) are in a tree: the nodes over all that lies left of them, and over all
// that lies right, each the largest that ends or begins there; from left to right ("compact
// ranges" of transparency-dev's merkle).
struct RangeProof {
  std::vector<Hash> left;
  std::vector<Hash> right;
};

// Calls `take(level, index)` for the nodes over [begin, end), from left to right; no two neighbours
// have a common parent inside of the range. Ends where `take` returns false, and says so.
template <class Take>
bool walk_nodes(std::uint64_t begin, std::uint64_t end, Take&& take) {
  while (begin < end) {
    const auto fits = static_cast<unsigned>(std::bit_width(end - begin) - 1);
    const auto aligned = begin == 0 ? fits : static_cast<unsigned>(std::countr_zero(begin));
    const unsigned level = aligned < fits ? aligned : fits;
    if (!take(level, begin >> level)) return false;
    begin += std::uint64_t{1} << level;
  }
  return true;
}

// Nothing unless begin <= end <= size, or where a node cannot be had.
template <NodeReader Read>
std::optional<RangeProof> prove_range(Read&& read, std::uint64_t begin, std::uint64_t end,
                                      std::uint64_t size) {
  if (begin > end || end > size || size > kTreeSizeMax) return std::nullopt;
  RangeProof proof;
  const auto to = [&](std::vector<Hash>& hashes) {
    return [&](unsigned level, std::uint64_t index) {
      const std::optional<Hash> node = read(level, index);
      if (node) hashes.push_back(*node);
      return node.has_value();
    };
  };
  if (!walk_nodes(0, begin, to(proof.left)) || !walk_nodes(end, size, to(proof.right))) {
    return std::nullopt;
  }
  return proof;
}

// The root that the hashes of the leaves from number `begin` on lead to with the proof; nothing
// where the proof has not the numbers of hashes that range and size ask for.
template <Sha256Hasher Hasher>
std::optional<Hash> root_by_range(Hasher& hasher, std::uint64_t begin, std::span<const Hash> leaves,
                                  std::uint64_t size, const RangeProof& proof) {
  if (size > kTreeSizeMax || begin > size || leaves.size() > size - begin) return std::nullopt;
  TreeFrontier frontier;
  const auto from = [&](std::span<const Hash> hashes, std::size_t& next) {
    return [&hasher, &frontier, &next, hashes](unsigned level, std::uint64_t) {
      if (next == hashes.size()) return false;
      frontier.append_node(hasher, level, hashes[next++]);
      return true;
    };
  };
  std::size_t left = 0;
  std::size_t right = 0;
  if (!walk_nodes(0, begin, from(proof.left, left))) return std::nullopt;
  for (const Hash& leaf : leaves) frontier.append(hasher, leaf);
  if (!walk_nodes(begin + leaves.size(), size, from(proof.right, right))) return std::nullopt;
  if (left != proof.left.size() || right != proof.right.size()) return std::nullopt;
  return frontier.root(hasher);
}

}  // namespace xase::proto
