// The bytes of a journal segment: a header page, then frames, then zeros.
//
// Segment header, 4096 bytes, zero after the first 256:
//
//   offset  size
//        0     8   "XASESEGM"
//        8     4   version (1)
//       12     4   header bytes (4096)
//       16    32   log id
//       48     8   sequence of the first entry
//       56    32   leaf hash of the entry before it; zero before the first
//       88     8   wall clock at its making, nanoseconds since the epoch
//       96  8x10   totals of the ledger before this segment, see LedgerTotals
//      176     4   flags: 1 = continues the segment before it after a failed sync, so that it does
//      not
//                  start with a PRODUCER entry for each ring
//      180    72   zero
//      252     4   CRC-32C of the bytes before
//
// Frame, at a multiple of 8 bytes:
//
//   offset  size
//        0     4   "XFRM"
//        4     2   version (1)
//        6     2   type: an entry's, or kFrameCommit
//        8     4   leaf bytes (288; 0 in a commit mark)
//       12     4   erasable bytes (0: erased, or none)
//       16     8   sequence
//       24     4   CRC-32C of the header, this word taken as zero, the leaf and the erasable part
//       28     4   zero
//       32     -   leaf, erasable part, zeros up to a multiple of 8
//
// A commit mark says that all entries up to its sequence were synced before it was written; its 8
// bytes of "erasable part" are the file position up to which they reach.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "proto/bytes.hpp"
#include "proto/crc32c.hpp"
#include "proto/erasable.hpp"
#include "proto/leaf.hpp"

namespace xase::proto {

inline constexpr std::array<char, 8> kSegmentMagic{'X', 'A', 'S', 'E', 'S', 'E', 'G', 'M'};
inline constexpr std::uint32_t kSegmentVersion = 1;
inline constexpr std::size_t kSegmentHeaderBytes = 4096;
inline constexpr std::size_t kSegmentHeaderCrcOffset = 252;
inline constexpr std::array<char, 4> kFrameMagic{'X', 'F', 'R', 'M'};
inline constexpr std::uint16_t kFrameVersion = 1;
inline constexpr std::uint16_t kFrameCommit = 0xffff;
inline constexpr std::size_t kFrameHeaderBytes = 32;
inline constexpr std::size_t kFrameAlignment = 8;
inline constexpr std::size_t kCommitMarkBytes = kFrameHeaderBytes + 8;
inline constexpr std::size_t kFrameBytesMax =
    kFrameHeaderBytes + kLeafBytes + kErasableBytesMax + 8;

// What the entries of a ledger add up to. Each segment starts with those before it, so that a
// restart counts one segment and not all of them.
struct LedgerTotals {
  std::uint64_t records = 0;
  std::uint64_t rejected = 0;
  std::uint64_t gaps = 0;     // gap entries
  std::uint64_t missing = 0;  // records that these say are missing
  std::uint64_t receipts = 0;
  std::uint64_t replayed = 0;  // receipts that are the answer to an earlier request
  std::uint64_t possible_duplicates = 0;
  std::uint64_t dead_letters = 0;  // times that a record was set aside
  std::uint64_t retries = 0;       // times that one of these was asked for again
  std::uint64_t reserved = 0;

  // Records that are set aside now.
  std::uint64_t open_dead_letters() const noexcept { return dead_letters - retries; }
  // Records that are neither delivered nor set aside.
  std::uint64_t undelivered() const noexcept { return records - receipts - open_dead_letters(); }
};
static_assert(sizeof(LedgerTotals) == 80);

struct SegmentHeader {
  Hash log_id{};
  std::uint64_t first_sequence = 0;
  Hash previous{};
  std::int64_t created_wall_ns = 0;
  LedgerTotals totals{};
  std::uint32_t flags = 0;
};
inline constexpr std::uint32_t kSegmentContinues = 1U << 0;

// Writes kSegmentHeaderBytes.
inline void encode_segment_header(const SegmentHeader& header, std::byte* to) noexcept {
  std::memset(to, 0, kSegmentHeaderBytes);
  store(to, kSegmentMagic);
  store(to + 8, kSegmentVersion);
  store(to + 12, static_cast<std::uint32_t>(kSegmentHeaderBytes));
  store(to + 16, header.log_id);
  store(to + 48, header.first_sequence);
  store(to + 56, header.previous);
  store(to + 88, header.created_wall_ns);
  store(to + 96, header.totals);
  store(to + 176, header.flags);
  store(to + kSegmentHeaderCrcOffset, crc32c({to, kSegmentHeaderCrcOffset}));
}

enum class SegmentFault { kNone, kNotASegment, kNewerVersion, kDamaged };

struct SegmentHeaderResult {
  SegmentFault fault = SegmentFault::kNone;
  SegmentHeader header;
};

inline SegmentHeaderResult decode_segment_header(Bytes bytes) noexcept {
  if (bytes.size() < kSegmentHeaderBytes) return {SegmentFault::kNotASegment, {}};
  const std::byte* from = bytes.data();
  if (load<std::array<char, 8>>(from) != kSegmentMagic) return {SegmentFault::kNotASegment, {}};
  const bool sound = load<std::uint32_t>(from + kSegmentHeaderCrcOffset) ==
                     crc32c(bytes.first(kSegmentHeaderCrcOffset));
  if (!sound) return {SegmentFault::kDamaged, {}};
  if (load<std::uint32_t>(from + 8) != kSegmentVersion) return {SegmentFault::kNewerVersion, {}};
  if (load<std::uint32_t>(from + 12) != kSegmentHeaderBytes) return {SegmentFault::kDamaged, {}};
  for (std::size_t i = 180; i < kSegmentHeaderBytes; ++i) {
    if (i == kSegmentHeaderCrcOffset) i += 4;
    if (from[i] != std::byte{0}) return {SegmentFault::kDamaged, {}};
  }
  return {SegmentFault::kNone,
          {load<Hash>(from + 16), load<std::uint64_t>(from + 48), load<Hash>(from + 56),
           load<std::int64_t>(from + 88), load<LedgerTotals>(from + 96),
           load<std::uint32_t>(from + 176)}};
}

constexpr std::size_t frame_bytes(std::size_t leaf_bytes, std::size_t erasable_bytes) noexcept {
  return align_up(kFrameHeaderBytes + leaf_bytes + erasable_bytes, kFrameAlignment);
}

// Completes a frame whose leaf and erasable part already lie behind `to`: writes the header and the
// padding.
inline void seal_frame(std::byte* to, std::uint16_t type, std::uint64_t sequence,
                       std::size_t leaf_bytes, std::size_t erasable_bytes) noexcept {
  store(to, kFrameMagic);
  store(to + 4, kFrameVersion);
  store(to + 6, type);
  store(to + 8, static_cast<std::uint32_t>(leaf_bytes));
  store(to + 12, static_cast<std::uint32_t>(erasable_bytes));
  store(to + 16, sequence);
  store(to + 24, std::uint64_t{0});
  const std::size_t used = kFrameHeaderBytes + leaf_bytes + erasable_bytes;
  std::memset(to + used, 0, frame_bytes(leaf_bytes, erasable_bytes) - used);
  store(to + 24, crc32c({to, used}));
}

inline void encode_commit_mark(std::uint64_t sequence, std::uint64_t position,
                               std::byte* to) noexcept {
  store(to + kFrameHeaderBytes, position);
  seal_frame(to, kFrameCommit, sequence, 0, 8);
}

struct Frame {
  std::uint16_t type = 0;
  std::uint64_t sequence = 0;
  Bytes leaf;
  Bytes erasable;
  std::size_t bytes = 0;  // of the whole frame, padding included

  bool is_commit_mark() const noexcept { return type == kFrameCommit; }
  std::uint64_t commit_position() const noexcept { return load<std::uint64_t>(erasable.data()); }
};

enum class FrameFault {
  kNone,
  kEnd,         // zeros: nothing was written here
  kIncomplete,  // goes on beyond the bytes given: `needed_bytes` of them would do
  kDamaged,
};

struct FrameResult {
  FrameFault fault = FrameFault::kNone;
  Frame frame;
  std::size_t needed_bytes = 0;
};

// What the header of the frame at the start of `bytes` says: views into them. Bounds are checked,
// CRC and leaf are not.
inline FrameResult outline_frame(Bytes bytes) noexcept {
  if (bytes.size() < kFrameHeaderBytes) return {FrameFault::kIncomplete, {}, kFrameHeaderBytes};
  const std::byte* from = bytes.data();
  if (load<std::uint32_t>(from) == 0) {
    for (std::size_t i = 4; i < kFrameHeaderBytes; ++i) {
      if (from[i] != std::byte{0}) return {FrameFault::kDamaged, {}, 0};
    }
    return {FrameFault::kEnd, {}, 0};
  }
  if (load<std::array<char, 4>>(from) != kFrameMagic) return {FrameFault::kDamaged, {}, 0};
  if (load<std::uint16_t>(from + 4) != kFrameVersion) return {FrameFault::kDamaged, {}, 0};
  Frame frame;
  frame.type = load<std::uint16_t>(from + 6);
  frame.sequence = load<std::uint64_t>(from + 16);
  const auto leaf_bytes = load<std::uint32_t>(from + 8);
  const auto erasable_bytes = load<std::uint32_t>(from + 12);
  const bool sizes_are_sound =
      frame.is_commit_mark() ? leaf_bytes == 0 && erasable_bytes == 8
                             : leaf_bytes == kLeafBytes && erasable_bytes <= kErasableBytesMax;
  if (!sizes_are_sound) return {FrameFault::kDamaged, {}, 0};
  if (load<std::uint32_t>(from + 28) != 0) return {FrameFault::kDamaged, {}, 0};
  frame.bytes = frame_bytes(leaf_bytes, erasable_bytes);
  if (bytes.size() < frame.bytes) return {FrameFault::kIncomplete, {}, frame.bytes};
  frame.leaf = bytes.subspan(kFrameHeaderBytes, leaf_bytes);
  frame.erasable = bytes.subspan(kFrameHeaderBytes + leaf_bytes, erasable_bytes);
  return {FrameFault::kNone, frame, 0};
}

// The frame at the start of `bytes`: views into them. Bounds and CRC are checked, the leaf is not.
inline FrameResult decode_frame(Bytes bytes) noexcept {
  const FrameResult outline = outline_frame(bytes);
  if (outline.fault != FrameFault::kNone) return outline;
  const Frame& frame = outline.frame;
  const std::byte* from = bytes.data();
  const std::size_t used = kFrameHeaderBytes + frame.leaf.size() + frame.erasable.size();
  std::array<std::byte, kFrameHeaderBytes> header{};
  std::memcpy(header.data(), from, kFrameHeaderBytes);
  store(header.data() + 24, std::uint32_t{0});
  const std::uint32_t crc =
      crc32c(bytes.subspan(kFrameHeaderBytes, used - kFrameHeaderBytes), crc32c(header));
  if (crc != load<std::uint32_t>(from + 24)) return {FrameFault::kDamaged, {}, 0};
  for (std::size_t i = used; i < frame.bytes; ++i) {
    if (from[i] != std::byte{0}) return {FrameFault::kDamaged, {}, 0};
  }
  return outline;
}

}  // namespace xase::proto
