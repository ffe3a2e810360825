// A lost leaf: what the tree holds in the place of an entry that the journal lost before the tree
// had it. It lies in the tree alone, never in the journal, and says nothing of what the entry was.
//
//   offset  size
//        0     8   "XASELOST"
//        8     2   version (1)
//       10     6   zero
//       16    32   log id
//       48     8   sequence
//       56    32   hash of the leaf before it in the tree
//       88   200   zero
//
// As many bytes as a leaf, and hashed like one. The leaf behind it holds the hash of what the lost
// entry was, not of this.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "proto/bytes.hpp"
#include "proto/leaf.hpp"

namespace xase::proto {

inline constexpr std::array<char, 8> kLostLeafDomain{'X', 'A', 'S', 'E', 'L', 'O', 'S', 'T'};
inline constexpr std::uint16_t kLostLeafVersion = 1;

struct LostLeaf {
  Hash log_id{};
  std::uint64_t sequence = 0;
  Hash previous{};
};

// Writes kLeafBytes.
inline void encode_lost_leaf(const LostLeaf& lost, std::byte* to) noexcept {
  std::fill_n(to, kLeafBytes, std::byte{0});
  store(to, kLostLeafDomain);
  store(to + 8, kLostLeafVersion);
  store(to + 16, lost.log_id);
  store(to + 48, lost.sequence);
  store(to + kLeafPreviousOffset, lost.previous);
}

// Nothing unless the bytes are a lost leaf of this version, in its one encoding.
inline std::optional<LostLeaf> decode_lost_leaf(Bytes bytes) noexcept {
  if (bytes.size() != kLeafBytes) return std::nullopt;
  if (load<std::array<char, 8>>(bytes.data()) != kLostLeafDomain) return std::nullopt;
  LostLeaf lost;
  lost.log_id = load<Hash>(bytes.data() + 16);
  lost.sequence = load<std::uint64_t>(bytes.data() + 48);
  lost.previous = load<Hash>(bytes.data() + kLeafPreviousOffset);
  std::array<std::byte, kLeafBytes> same{};
  encode_lost_leaf(lost, same.data());
  if (!std::equal(bytes.begin(), bytes.end(), same.begin())) return std::nullopt;
  return lost;
}

}  // namespace xase::proto
