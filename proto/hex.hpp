// Hexadecimal text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proto/bytes.hpp"

namespace xase::proto {

// Lower-case hexadecimal of `bytes`.
inline std::string to_hex(Bytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    text += kDigits[std::to_integer<unsigned>(b) >> 4];
    text += kDigits[std::to_integer<unsigned>(b) & 15U];
  }
  return text;
}

// The hash that to_hex() gives `text` of; nothing where it gives that of none: upper case is not
// taken either, so that a hash has one text.
inline std::optional<Hash> hash_of_hex(std::string_view text) noexcept {
  constexpr std::string_view kDigits = "0123456789abcdef";
  Hash hash{};
  if (text.size() != 2 * hash.size()) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t digit = kDigits.find(text[i]);
    if (digit == std::string_view::npos) return std::nullopt;
    hash[i / 2] = static_cast<std::byte>((std::to_integer<std::size_t>(hash[i / 2]) << 4U) | digit);
  }
  return hash;
}

}  // namespace xase::proto
