// The bodies of entries that are not records. Fixed fields first, then text; START, STOP, RECOVERED
// and the other rare ones are JSON text.
//
// PRODUCER                                     GAP
//   0   8  first ring sequence to come           0   8  records missing
//   8   8  refused records accounted for         8   8  after this sequence (0: from the start)
//  16   8  wall clock at the ring's making      16   8  before this one (0: not known)
//  24   -  runtime context, JSON text           24   8  refused records accounted for, this
//  included
//                                               32   4  reason, GapReason
// RECEIPT and DEAD_LETTER                       36   4  zero
//   0   8  sequence of the record               40   -  text
//   8  32  leaf hash of the record
//  40   2  HTTP status (0: no answer)         REJECTED
//  42   2  flags                                0   4  error code
//  44   4  attempts                             4   4  bytes of text
//  48   8  wall clock of the first attempt      8   8  mask
//  56   8  wall clock of the answer            16   -  text, then the record, masked
//  64   4  error code (0 in a receipt)
//  68   4  action: 0 the answer, 1 an operator asked for another try
//  72   -  the answer's body
//
// A GAP's sequences are the ring's, or the ledger's where the leaf names no ring.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "proto/bytes.hpp"

namespace xase::proto {

// A body's text is cut to this, at a character's edge, by whoever makes it.
inline constexpr std::size_t kBodyTextBytesMax = 64U << 10;

enum class GapReason : std::uint32_t {
  kQueueFull = 1,        // the ring was full: the caller was told
  kRingCondemned = 2,    // the ring's content made no sense from there on
  kRingDisappeared = 3,  // the ring went away with records that were never read
  kJournalDamaged = 4,   // entries of the ledger can no longer be read
};

constexpr std::string_view gap_reason_name(GapReason reason) noexcept {
  switch (reason) {
    case GapReason::kQueueFull:
      return "queue_full";
    case GapReason::kRingCondemned:
      return "ring_condemned";
    case GapReason::kRingDisappeared:
      return "ring_disappeared";
    case GapReason::kJournalDamaged:
      return "journal_damaged";
  }
  return "unknown";
}

inline constexpr std::uint16_t kReceiptReplayed = 1U << 0;
inline constexpr std::uint16_t kReceiptPossibleDuplicate = 1U << 1;

struct ProducerBody {
  std::uint64_t next_ring_sequence = 1;
  std::uint64_t refused_accounted = 0;
  std::int64_t created_wall_ns = 0;
  std::uint64_t last_record_sequence = 0;
  std::string_view context;
};

struct GapBody {
  std::uint64_t count = 0;
  std::uint64_t after_sequence = 0;
  std::uint64_t before_sequence = 0;
  std::uint64_t refused_accounted = 0;
  GapReason reason = GapReason::kQueueFull;
  std::string_view text;
};

enum class ReceiptAction : std::uint32_t { kAnswer = 0, kRetryRequested = 1 };

struct ReceiptBody {
  std::uint64_t record_sequence = 0;
  Hash record_leaf_hash{};
  std::uint16_t http_status = 0;
  std::uint16_t flags = 0;
  std::uint32_t attempts = 0;
  std::int64_t first_attempt_wall_ns = 0;
  std::int64_t answered_wall_ns = 0;
  std::uint32_t error_code = 0;
  ReceiptAction action = ReceiptAction::kAnswer;
  std::string_view answer;
};

// Random, so that no app can choose what lies in the journal: bytes that are no record could be
// those of a frame.
using RecordMask = std::array<std::byte, 8>;

struct RejectedBody {
  std::uint32_t error_code = 0;
  RecordMask mask{};
  std::string_view text;
  Bytes masked_record;  // see masked()
};

using BodyBuffer = std::vector<std::byte>;

// `bytes` XOR the mask, over and over: its own inverse.
inline BodyBuffer masked(Bytes bytes, const RecordMask& mask) {
  BodyBuffer out(bytes.begin(), bytes.end());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] ^= mask[i % mask.size()];
  return out;
}

namespace body_detail {

inline void append(BodyBuffer& to, Bytes bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

inline BodyBuffer fixed(std::size_t bytes, std::string_view text) {
  BodyBuffer body(bytes);
  append(body, as_bytes(text));
  return body;
}

}  // namespace body_detail

inline BodyBuffer encode(const ProducerBody& body) {
  BodyBuffer out = body_detail::fixed(32, body.context);
  store(out.data(), body.next_ring_sequence);
  store(out.data() + 8, body.refused_accounted);
  store(out.data() + 16, body.created_wall_ns);
  store(out.data() + 24, body.last_record_sequence);
  return out;
}

inline std::optional<ProducerBody> decode_producer_body(Bytes bytes) noexcept {
  if (bytes.size() < 32) return std::nullopt;
  return ProducerBody{load<std::uint64_t>(bytes.data()), load<std::uint64_t>(bytes.data() + 8),
                      load<std::int64_t>(bytes.data() + 16), load<std::uint64_t>(bytes.data() + 24),
                      as_text(bytes.subspan(32))};
}

inline BodyBuffer encode(const GapBody& body) {
  BodyBuffer out = body_detail::fixed(40, body.text);
  store(out.data(), body.count);
  store(out.data() + 8, body.after_sequence);
  store(out.data() + 16, body.before_sequence);
  store(out.data() + 24, body.refused_accounted);
  store(out.data() + 32, static_cast<std::uint32_t>(body.reason));
  return out;
}

inline std::optional<GapBody> decode_gap_body(Bytes bytes) noexcept {
  if (bytes.size() < 40) return std::nullopt;
  const auto reason = load<std::uint32_t>(bytes.data() + 32);
  if (reason < 1 || reason > 4 || load<std::uint32_t>(bytes.data() + 36) != 0) return std::nullopt;
  return GapBody{load<std::uint64_t>(bytes.data()),      load<std::uint64_t>(bytes.data() + 8),
                 load<std::uint64_t>(bytes.data() + 16), load<std::uint64_t>(bytes.data() + 24),
                 static_cast<GapReason>(reason),         as_text(bytes.subspan(40))};
}

inline BodyBuffer encode(const ReceiptBody& body) {
  BodyBuffer out = body_detail::fixed(72, body.answer);
  store(out.data(), body.record_sequence);
  store(out.data() + 8, body.record_leaf_hash);
  store(out.data() + 40, body.http_status);
  store(out.data() + 42, body.flags);
  store(out.data() + 44, body.attempts);
  store(out.data() + 48, body.first_attempt_wall_ns);
  store(out.data() + 56, body.answered_wall_ns);
  store(out.data() + 64, body.error_code);
  store(out.data() + 68, static_cast<std::uint32_t>(body.action));
  return out;
}

inline std::optional<ReceiptBody> decode_receipt_body(Bytes bytes) noexcept {
  if (bytes.size() < 72) return std::nullopt;
  const std::byte* from = bytes.data();
  const auto action = load<std::uint32_t>(from + 68);
  if (action > 1) return std::nullopt;
  ReceiptBody body;
  body.record_sequence = load<std::uint64_t>(from);
  body.record_leaf_hash = load<Hash>(from + 8);
  body.http_status = load<std::uint16_t>(from + 40);
  body.flags = load<std::uint16_t>(from + 42);
  body.attempts = load<std::uint32_t>(from + 44);
  body.first_attempt_wall_ns = load<std::int64_t>(from + 48);
  body.answered_wall_ns = load<std::int64_t>(from + 56);
  body.error_code = load<std::uint32_t>(from + 64);
  body.action = static_cast<ReceiptAction>(action);
  body.answer = as_text(bytes.subspan(72));
  return body;
}

inline BodyBuffer encode(const RejectedBody& body) {
  BodyBuffer out = body_detail::fixed(16, body.text);
  store(out.data(), body.error_code);
  store(out.data() + 4, static_cast<std::uint32_t>(body.text.size()));
  store(out.data() + 8, body.mask);
  body_detail::append(out, body.masked_record);
  return out;
}

inline std::optional<RejectedBody> decode_rejected_body(Bytes bytes) noexcept {
  if (bytes.size() < 16) return std::nullopt;
  const auto text_bytes = load<std::uint32_t>(bytes.data() + 4);
  if (text_bytes > bytes.size() - 16) return std::nullopt;
  return RejectedBody{load<std::uint32_t>(bytes.data()), load<RecordMask>(bytes.data() + 8),
                      as_text(bytes.subspan(16, text_bytes)),
                      bytes.subspan(std::size_t{16} + text_bytes)};
}

}  // namespace xase::proto
