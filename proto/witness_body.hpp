// The bodies of entries that tell what the service, as a witness of the ledger, was found to say.
//
// AUDIT
//   0   8  sequence of the record
//   8  32  leaf hash of the record
//  40   2  what was found, AuditKind
//  42   2  zero
//  44   4  HTTP status of the answer (0: none)
//  48   8  sequence of the other record that it concerns (0: none)
//  56   8  wall clock of the answer
//  64   -  the service's answer
//
// ANCHOR
//   0   8  entries that the head covers
//   8  32  root of the tree over them
//  40   2  HTTP status
//  42   2  flags, as of a RECEIPT
//  44   4  attempts
//  48   8  wall clock of the first attempt
//  56   8  wall clock of the answer
//  64   4  length of the signed note
//  68   4  zero
//  72   -  the note, and behind it the service's answer
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "proto/entry_body.hpp"

namespace xase::proto {

// What the service says of a record that it acknowledged, and cannot be so. A number never gets
// another meaning.
enum class AuditKind : std::uint16_t {
  kLost = 1,           // it knows no such record
  kHashDiffers = 2,    // its record_hash is not the receipt's
  kNotOurBytes = 3,    // the bytes that were posted cannot have made its record_hash
  kTampered = 4,       // it says itself that the record is not what it was
  kFork = 5,           // two records on one predecessor, one posted after the other was answered
  kRace = 6,           // the same of two that may have been under way at once
  kGoesBack = 7,       // its predecessor is a later record, or there is none for a second time
  kAnotherWriter = 8,  // the receipt's record_hash goes on from no record of ours
};
inline constexpr std::uint16_t kAuditKinds = 8;

constexpr std::string_view audit_kind_name(AuditKind kind) noexcept {
  switch (kind) {
    case AuditKind::kLost:
      return "lost";
    case AuditKind::kHashDiffers:
      return "hash_differs";
    case AuditKind::kNotOurBytes:
      return "not_our_bytes";
    case AuditKind::kTampered:
      return "tampered";
    case AuditKind::kFork:
      return "fork";
    case AuditKind::kRace:
      return "race";
    case AuditKind::kGoesBack:
      return "goes_back";
    case AuditKind::kAnotherWriter:
      return "another_writer";
  }
  return "unknown";
}

// For people: what it means.
constexpr std::string_view audit_kind_words(AuditKind kind) noexcept {
  switch (kind) {
    case AuditKind::kLost:
      return "the service no longer has the record that it gave a receipt for";
    case AuditKind::kHashDiffers:
      return "the service's record_hash is no longer the receipt's";
    case AuditKind::kNotOurBytes:
      return "a record_hash that our bytes cannot have produced";
    case AuditKind::kTampered:
      return "the service says that the record was tampered with";
    case AuditKind::kFork:
      return "a second record on one predecessor: the service's chain is forked";
    case AuditKind::kRace:
      return "a second record on one predecessor, both under way at once: the service's known race";
    case AuditKind::kGoesBack:
      return "the service's chain goes back: its history was replaced or lost";
    case AuditKind::kAnotherWriter:
      return "a receipt goes on from no record of ours: another writer, or a fork";
  }
  return "unknown";
}

struct AuditBody {
  std::uint64_t record_sequence = 0;
  Hash record_leaf_hash{};
  AuditKind kind = AuditKind::kLost;
  std::uint32_t http_status = 0;
  std::uint64_t other_sequence = 0;
  std::int64_t answered_wall_ns = 0;
  std::string_view answer;
};

inline BodyBuffer encode(const AuditBody& body) {
  BodyBuffer out = body_detail::fixed(64, body.answer);
  store(out.data(), body.record_sequence);
  store(out.data() + 8, body.record_leaf_hash);
  store(out.data() + 40, static_cast<std::uint16_t>(body.kind));
  store(out.data() + 44, body.http_status);
  store(out.data() + 48, body.other_sequence);
  store(out.data() + 56, body.answered_wall_ns);
  return out;
}

inline std::optional<AuditBody> decode_audit_body(Bytes bytes) noexcept {
  if (bytes.size() < 64) return std::nullopt;
  const std::byte* from = bytes.data();
  const auto kind = load<std::uint16_t>(from + 40);
  if (kind < 1 || kind > kAuditKinds || load<std::uint16_t>(from + 42) != 0) return std::nullopt;
  AuditBody body;
  body.record_sequence = load<std::uint64_t>(from);
  body.record_leaf_hash = load<Hash>(from + 8);
  body.kind = static_cast<AuditKind>(kind);
  body.http_status = load<std::uint32_t>(from + 44);
  body.other_sequence = load<std::uint64_t>(from + 48);
  body.answered_wall_ns = load<std::int64_t>(from + 56);
  body.answer = as_text(bytes.subspan(64));
  return body;
}

// The service took the ledger's signed head.
struct AnchorBody {
  std::uint64_t size = 0;
  Hash root{};
  std::uint16_t http_status = 0;
  std::uint16_t flags = 0;
  std::uint32_t attempts = 0;
  std::int64_t first_attempt_wall_ns = 0;
  std::int64_t answered_wall_ns = 0;
  std::string_view note;  // the head, as it was posted; at most kNoteBytesMax
  std::string_view answer;
};

inline BodyBuffer encode(const AnchorBody& body) {
  BodyBuffer out = body_detail::fixed(72 + body.note.size(), body.answer);
  store(out.data(), body.size);
  store(out.data() + 8, body.root);
  store(out.data() + 40, body.http_status);
  store(out.data() + 42, body.flags);
  store(out.data() + 44, body.attempts);
  store(out.data() + 48, body.first_attempt_wall_ns);
  store(out.data() + 56, body.answered_wall_ns);
  store(out.data() + 64, static_cast<std::uint32_t>(body.note.size()));
  const Bytes note = as_bytes(body.note);
  std::copy(note.begin(), note.end(), out.begin() + 72);
  return out;
}

inline std::optional<AnchorBody> decode_anchor_body(Bytes bytes) noexcept {
  if (bytes.size() < 72) return std::nullopt;
  const std::byte* from = bytes.data();
  const auto note_bytes = load<std::uint32_t>(from + 64);
  if (note_bytes > bytes.size() - 72 || load<std::uint32_t>(from + 68) != 0) return std::nullopt;
  AnchorBody body;
  body.size = load<std::uint64_t>(from);
  body.root = load<Hash>(from + 8);
  body.http_status = load<std::uint16_t>(from + 40);
  body.flags = load<std::uint16_t>(from + 42);
  body.attempts = load<std::uint32_t>(from + 44);
  body.first_attempt_wall_ns = load<std::int64_t>(from + 48);
  body.answered_wall_ns = load<std::int64_t>(from + 56);
  body.note = as_text(bytes.subspan(72, note_bytes));
  body.answer = as_text(bytes.subspan(72 + note_bytes));
  return body;
}

}  // namespace xase::proto
