// The signature of a witness on a checkpoint: C2SP tlog-cosignature, version 1 with Ed25519.
//
//   line in the note   key id (4 bytes) ‖ time (8 bytes, big-endian, seconds of Unix) ‖ signature
//   what is signed     "cosignature/v1\ntime <the same, decimal>\n" and the note's text
//
// A witness cosigns a checkpoint only where it goes on from the last one that it cosigned of that
// log, at the time that it gives.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/bytes.hpp"

namespace xase::proto {

inline constexpr std::size_t kCosignatureBytes = 8 + 64;

struct Cosignature {
  std::uint64_t unix_seconds = 0;
  Bytes signature;  // of the line that it was split from
};

// Nothing where a line's bytes, without the key id, have not the form of one.
inline std::optional<Cosignature> split_cosignature(Bytes line) noexcept {
  if (line.size() != kCosignatureBytes) return std::nullopt;
  Cosignature cosignature;
  for (const std::byte b : line.first(8)) {
    cosignature.unix_seconds = cosignature.unix_seconds << 8U | std::to_integer<unsigned>(b);
  }
  // Its times are int64 in the formats of others.
  if (cosignature.unix_seconds >> 63U != 0) return std::nullopt;
  cosignature.signature = line.subspan(8);
  return cosignature;
}

inline std::string cosigned_message(std::uint64_t unix_seconds, std::string_view note_text) {
  return "cosignature/v1\ntime " + std::to_string(unix_seconds) + "\n" + std::string(note_text);
}

}  // namespace xase::proto
