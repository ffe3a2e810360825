// The body of an ERASE entry: what the daemon is about to remove from the journal, and why. It is
// durable before anything goes.
//
//   0   2  reason, EraseReason
//   2   6  zero
//   8   8  first sequence that goes
//  16   8  last sequence that goes
//  24  32  leaf hash of that last entry: the chain goes on from it
//  56   8  records among them
//  64   8  wall clock since which none was written among them
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "proto/bytes.hpp"

namespace xase::proto {

// A number never gets another meaning.
enum class EraseReason : std::uint16_t {
  kAge = 1,   // they were kept for as long as is configured
  kRoom = 2,  // there was no room for new ones: they go before their time
};

constexpr std::string_view erase_reason_name(EraseReason reason) noexcept {
  switch (reason) {
    case EraseReason::kAge:
      return "age";
    case EraseReason::kRoom:
      return "room";
  }
  return "unknown";
}

struct EraseBody {
  EraseReason reason = EraseReason::kAge;
  std::uint64_t first_sequence = 0;
  std::uint64_t last_sequence = 0;
  Hash last_leaf_hash{};
  std::uint64_t records = 0;
  std::int64_t until_wall_ns = 0;
};

inline constexpr std::size_t kEraseBodyBytes = 72;

inline std::array<std::byte, kEraseBodyBytes> encode(const EraseBody& body) {
  std::array<std::byte, kEraseBodyBytes> out{};
  store(out.data(), static_cast<std::uint16_t>(body.reason));
  store(out.data() + 8, body.first_sequence);
  store(out.data() + 16, body.last_sequence);
  store(out.data() + 24, body.last_leaf_hash);
  store(out.data() + 56, body.records);
  store(out.data() + 64, body.until_wall_ns);
  return out;
}

// Nothing where it is malformed: of another size, of a reason that is not known, or of no entry.
inline std::optional<EraseBody> decode_erase_body(Bytes bytes) noexcept {
  if (bytes.size() != kEraseBodyBytes) return std::nullopt;
  const std::byte* from = bytes.data();
  const auto reason = load<std::uint16_t>(from);
  if (reason != static_cast<std::uint16_t>(EraseReason::kAge) &&
      reason != static_cast<std::uint16_t>(EraseReason::kRoom)) {
    return std::nullopt;
  }
  for (std::size_t i = 2; i < 8; ++i) {
    if (from[i] != std::byte{0}) return std::nullopt;
  }
  EraseBody body;
  body.reason = static_cast<EraseReason>(reason);
  body.first_sequence = load<std::uint64_t>(from + 8);
  body.last_sequence = load<std::uint64_t>(from + 16);
  body.last_leaf_hash = load<Hash>(from + 24);
  body.records = load<std::uint64_t>(from + 56);
  body.until_wall_ns = load<std::int64_t>(from + 64);
  if (body.first_sequence == 0 || body.first_sequence > body.last_sequence) return std::nullopt;
  return body;
}

}  // namespace xase::proto
