// The bytes of a ring file, shared by one producer thread and the daemon.
//
//   0x0000  identity   written once, before the file gets its name
//   0x1000  producer   words that only the producer writes
//   0x2000  daemon     words that only the daemon writes
//   0x3000  results    a small ring, daemon to producer
//     ...   data       the ring of records, producer to daemon
//
// Positions are byte counts that only grow; `position & (capacity - 1)` is the index. Words of
// different writers, and words read at different times, lie 128 bytes apart, because processors
// fetch lines in pairs. Neither side trusts a word of the other: see RingReader.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "proto/bytes.hpp"

namespace xase::proto {

inline constexpr std::array<char, 8> kRingMagic{'X', 'A', 'S', 'E', 'R', 'I', 'N', 'G'};
inline constexpr std::uint32_t kRingVersion = 1;
inline constexpr std::uint64_t kRingIdentityOffset = 0x0000;
inline constexpr std::uint64_t kRingProducerOffset = 0x1000;
inline constexpr std::uint64_t kRingDaemonOffset = 0x2000;
inline constexpr std::uint64_t kRingResultsOffset = 0x3000;
inline constexpr std::uint64_t kRingPageBytes = 0x1000;

inline constexpr std::uint64_t kRingDataBytesMin = std::uint64_t{64} << 10;
inline constexpr std::uint64_t kRingDataBytesMax = std::uint64_t{1} << 30;
inline constexpr std::uint64_t kRingDataBytesDefault = std::uint64_t{4} << 20;
inline constexpr std::uint32_t kRingResultsBytesMin = 4U << 10;
inline constexpr std::uint32_t kRingResultsBytesMax = 16U << 20;
inline constexpr std::uint32_t kRingResultsBytesDefault = 64U << 10;
inline constexpr std::size_t kRingContextBytesMax = kRingPageBytes - 128;

// The ring that another one takes the place of, since its file had lost its name: no daemon that
// starts later finds what is in it. Zero where there is none.
struct RingBefore {
  Id ring_id;
  std::uint64_t committed;  // sequence of its last record
  std::uint64_t journaled;  // records up to this sequence were journaled, as far as was known
  // Records in rings before that one, of which no daemon was seen to take any.
  std::uint64_t earlier;
};
static_assert(sizeof(RingBefore) == 40);

// The runtime context (JSON text) follows at once.
struct RingIdentity {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t context_bytes;
  std::uint64_t file_bytes;
  std::uint64_t data_bytes;     // a power of two
  std::uint32_t results_bytes;  // a power of two
  std::uint32_t pid;            // as the producer sees it; information, never identity
  Id ring_id;                   // random
  std::int64_t created_wall_ns;
  RingBefore before;
  std::array<std::byte, 24> reserved;  // zero
};
static_assert(sizeof(RingIdentity) == 128);
static_assert(offsetof(RingIdentity, before) == 64);
static_assert(offsetof(RingIdentity, ring_id) == 40);
static_assert(offsetof(RingIdentity, created_wall_ns) == 56);

// More than ever will be; a larger count makes no sense.
inline constexpr std::uint64_t kRingRefusedMax = std::uint64_t{1} << 62;

struct RingProducerWords {
  // Data before this position may be read. Stored with release after the copy; the daemon loads it
  // with acquire.
  alignas(128) std::atomic<std::uint64_t> committed;
  // Sequence of the last record before `committed`; for status alone.
  std::atomic<std::uint64_t> committed_sequence;
  // Records refused so far because the ring was full.
  alignas(128) std::atomic<std::uint64_t> refused;
  // Threads that wait for `notify`: while not zero, the daemon hurries and wakes them.
  alignas(128) std::atomic<std::uint32_t> waiters;
  // Not zero: the producer reads the results ring.
  std::atomic<std::uint32_t> wants_results;
  // Results before this position are read; pairs with RingDaemonWords::results_committed.
  alignas(128) std::atomic<std::uint64_t> results_released;
};
static_assert(sizeof(RingProducerWords) <= kRingPageBytes);
static_assert(offsetof(RingProducerWords, committed_sequence) == 0x008);
static_assert(offsetof(RingProducerWords, refused) == 0x080);
static_assert(offsetof(RingProducerWords, waiters) == 0x100);
static_assert(offsetof(RingProducerWords, wants_results) == 0x104);
static_assert(offsetof(RingProducerWords, results_released) == 0x180);

inline constexpr std::uint32_t kRingGivenUp = 1;
inline constexpr std::uint32_t kRingMoved = 2;

struct RingDaemonWords {
  // Data before this position is journaled and its space is free. Stored with release after the
  // journal's write; the producer loads it with acquire before it writes over that space.
  alignas(128) std::atomic<std::uint64_t> released;
  // Records of this ring up to this sequence are journaled, durable, settled (delivered or set
  // aside). The counts say how the settled ones ended.
  alignas(128) std::atomic<std::uint64_t> journaled_sequence;
  std::atomic<std::uint64_t> durable_sequence;
  std::atomic<std::uint64_t> settled_sequence;
  std::atomic<std::uint64_t> delivered;
  std::atomic<std::uint64_t> failed;
  // Futex: changes whenever one of the words above or results_committed has, while someone waits.
  std::atomic<std::uint32_t> notify;
  // Not zero: the owner makes a new ring. kRingMoved: this one's file lost its name, and the daemon
  // goes on with it as long as both are there. Any other: the daemon has given it up.
  alignas(128) std::atomic<std::uint32_t> condemned;
  alignas(128) std::atomic<std::uint64_t> results_committed;
  // Results that found the results ring full. The ledger has them all.
  std::atomic<std::uint64_t> results_dropped;
};
static_assert(sizeof(RingDaemonWords) <= kRingPageBytes);
static_assert(offsetof(RingDaemonWords, journaled_sequence) == 0x080);
static_assert(offsetof(RingDaemonWords, durable_sequence) == 0x088);
static_assert(offsetof(RingDaemonWords, settled_sequence) == 0x090);
static_assert(offsetof(RingDaemonWords, delivered) == 0x098);
static_assert(offsetof(RingDaemonWords, failed) == 0x0a0);
static_assert(offsetof(RingDaemonWords, notify) == 0x0a8);
static_assert(offsetof(RingDaemonWords, condemned) == 0x100);
static_assert(offsetof(RingDaemonWords, results_committed) == 0x180);
static_assert(offsetof(RingDaemonWords, results_dropped) == 0x188);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

// A frame, in the data ring and in the results ring. Frames start at multiples of 32 bytes and are
// never split: where the room up to the end of the area is too small, a padding frame fills it.
struct RingFrameHeader {
  std::uint32_t payload_bytes;
  std::uint16_t type;
  std::uint16_t flags;
  std::uint64_t sequence;  // data: the record's, from 1 without holes; results: the record meant
  std::uint64_t word;      // data: records refused so far; results: see ResultWord
  std::int64_t stamp_ns;   // wall clock of the writer, nanoseconds since the epoch
};
static_assert(sizeof(RingFrameHeader) == 32);

inline constexpr std::uint64_t kRingFrameAlignment = 32;
inline constexpr std::uint16_t kRingFramePadding = 0x5041;
inline constexpr std::uint16_t kRingFrameRecord = 0x5243;
inline constexpr std::uint16_t kRingFrameResult = 0x5253;

// Data frames: the producer wants a result frame for this record.
inline constexpr std::uint16_t kRingFlagWantsResult = 1U << 0;
// Result frames.
inline constexpr std::uint16_t kResultReplayed = 1U << 0;
inline constexpr std::uint16_t kResultPossibleDuplicate = 1U << 1;

// RingFrameHeader::word of a result frame: ErrorCode in the low half, HTTP status (0: none) above.
// The payload is the API's answer or, where the daemon refused the record, a message.
constexpr std::uint64_t result_word(std::uint32_t error_code, std::uint16_t http_status) noexcept {
  return (std::uint64_t{http_status} << 32) | error_code;
}

constexpr std::uint64_t ring_frame_bytes(std::uint64_t payload_bytes) noexcept {
  return align_up(sizeof(RingFrameHeader) + payload_bytes, kRingFrameAlignment);
}

// The largest payload of an area: a quarter of it, so that padding can never make it unfit.
constexpr std::uint64_t ring_payload_bytes_max(std::uint64_t capacity_bytes) noexcept {
  return capacity_bytes / 4 - sizeof(RingFrameHeader);
}

constexpr std::uint64_t ring_file_bytes(std::uint64_t data_bytes,
                                        std::uint32_t results_bytes) noexcept {
  return kRingResultsOffset + results_bytes + data_bytes;
}

constexpr bool is_power_of_two(std::uint64_t value) noexcept {
  return value != 0 && (value & (value - 1)) == 0;
}

// Whether the identity describes a ring of `file_bytes`. For bytes copied out of the file.
inline bool ring_identity_is_sound(const RingIdentity& identity,
                                   std::uint64_t file_bytes) noexcept {
  return identity.magic == kRingMagic && identity.version == kRingVersion &&
         is_power_of_two(identity.data_bytes) && identity.data_bytes >= kRingDataBytesMin &&
         identity.data_bytes <= kRingDataBytesMax && is_power_of_two(identity.results_bytes) &&
         identity.results_bytes >= kRingResultsBytesMin &&
         identity.results_bytes <= kRingResultsBytesMax &&
         identity.context_bytes <= kRingContextBytesMax && identity.file_bytes == file_bytes &&
         ring_file_bytes(identity.data_bytes, identity.results_bytes) == file_bytes;
}

}  // namespace xase::proto
