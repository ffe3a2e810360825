// A leaf: what the ledger hashes of an entry, for ever. Fixed fields, so there is one way to write
// it.
//
//   offset  size
//        0     8   "XASELEAF"
//        8     2   version (1)
//       10     2   entry type
//       12     4   flags (0)
//       16    32   log id
//       48     8   sequence: from 1, without holes
//       56    32   hash of the previous leaf; zero for the first
//       88     8   wall clock of the daemon, nanoseconds since the epoch
//       96    16   boot id
//      112     8   boot clock, nanoseconds
//      120    16   ring id; zero where no producer is meant
//      136     8   ring sequence of the record meant; zero for none
//      144     8   wall clock of the producer, nanoseconds since the epoch; zero for none
//      152     4   uid that owns the ring, as the kernel tells it; 0xffffffff for none
//      156     4   pid that the producer gave; zero for none
//      160  4x32   commitments: input, output, context, the rest; zero where the part is absent
//
// Entries other than records have one part, their body, committed as "the rest".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "proto/bytes.hpp"

namespace xase::proto {

enum class EntryType : std::uint16_t {
  kProducer = 1,
  kRecord = 2,
  kRejected = 3,
  kGap = 4,
  kReceipt = 5,
  kDeadLetter = 6,
  kSeal = 7,
  kStart = 8,
  kStop = 9,
  kRecovered = 10,
  kKey = 11,
  kAnchor = 12,
  kErase = 13,
  kAudit = 14,
};
inline constexpr std::uint16_t kEntryTypes = 14;  // numbered from 1 on

constexpr std::string_view entry_type_name(EntryType type) noexcept {
  constexpr std::array<std::string_view, kEntryTypes + 1> kNames{
      "UNKNOWN", "PRODUCER", "RECORD",    "REJECTED", "GAP",    "RECEIPT", "DEAD_LETTER", "SEAL",
      "START",   "STOP",     "RECOVERED", "KEY",      "ANCHOR", "ERASE",   "AUDIT"};
  const auto index = static_cast<std::size_t>(type);
  return kNames[index < kNames.size() ? index : 0];
}

inline constexpr std::size_t kParts = 4;
inline constexpr std::size_t kRestPart = 3;
inline constexpr std::size_t kLeafBytes = 288;
inline constexpr std::uint16_t kLeafVersion = 1;
inline constexpr std::array<char, 8> kLeafDomain{'X', 'A', 'S', 'E', 'L', 'E', 'A', 'F'};
inline constexpr std::uint32_t kNoUid = 0xffffffffU;
// The leaf's fixed places that others read alone.
inline constexpr std::size_t kLeafPreviousOffset = 56;

struct Leaf {
  EntryType type = EntryType::kStart;
  Hash log_id{};
  std::uint64_t sequence = 0;
  Hash previous{};
  std::int64_t wall_ns = 0;
  Id boot_id{};
  std::int64_t boot_ns = 0;
  Id ring_id{};
  std::uint64_t ring_sequence = 0;
  std::int64_t stamp_ns = 0;
  std::uint32_t uid = kNoUid;
  std::uint32_t pid = 0;
  std::array<Hash, kParts> commitments{};
};

// Writes kLeafBytes.
inline void encode_leaf(const Leaf& leaf, std::byte* to) noexcept {
  store(to, kLeafDomain);
  store(to + 8, kLeafVersion);
  store(to + 10, static_cast<std::uint16_t>(leaf.type));
  store(to + 12, std::uint32_t{0});
  store(to + 16, leaf.log_id);
  store(to + 48, leaf.sequence);
  store(to + kLeafPreviousOffset, leaf.previous);
  store(to + 88, leaf.wall_ns);
  store(to + 96, leaf.boot_id);
  store(to + 112, leaf.boot_ns);
  store(to + 120, leaf.ring_id);
  store(to + 136, leaf.ring_sequence);
  store(to + 144, leaf.stamp_ns);
  store(to + 152, leaf.uid);
  store(to + 156, leaf.pid);
  store(to + 160, leaf.commitments);
}

// Nothing unless the bytes are a leaf of this version, in its one encoding.
inline std::optional<Leaf> decode_leaf(Bytes bytes) noexcept {
  if (bytes.size() != kLeafBytes) return std::nullopt;
  const std::byte* from = bytes.data();
  if (load<std::array<char, 8>>(from) != kLeafDomain) return std::nullopt;
  if (load<std::uint16_t>(from + 8) != kLeafVersion) return std::nullopt;
  const auto type = load<std::uint16_t>(from + 10);
  if (type < 1 || type > kEntryTypes || load<std::uint32_t>(from + 12) != 0) return std::nullopt;
  Leaf leaf;
  leaf.type = static_cast<EntryType>(type);
  leaf.log_id = load<Hash>(from + 16);
  leaf.sequence = load<std::uint64_t>(from + 48);
  leaf.previous = load<Hash>(from + kLeafPreviousOffset);
  leaf.wall_ns = load<std::int64_t>(from + 88);
  leaf.boot_id = load<Id>(from + 96);
  leaf.boot_ns = load<std::int64_t>(from + 112);
  leaf.ring_id = load<Id>(from + 120);
  leaf.ring_sequence = load<std::uint64_t>(from + 136);
  leaf.stamp_ns = load<std::int64_t>(from + 144);
  leaf.uid = load<std::uint32_t>(from + 152);
  leaf.pid = load<std::uint32_t>(from + 156);
  leaf.commitments = load<std::array<Hash, kParts>>(from + 160);
  return leaf;
}

}  // namespace xase::proto
