// UTF-8, strictly (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace xase::proto {

// Takes the first character off `text`, which is not empty; nothing where the text does not start
// with one.
inline std::optional<char32_t> take_utf8(std::string_view& text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  std::size_t length = 1;
  char32_t character = lead;
  if (lead >= 0x80) {
    if (lead < 0xc2 || lead > 0xf4) return std::nullopt;
    length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    character = lead & (0x7fU >> length);
  }
  if (text.size() < length) return std::nullopt;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return std::nullopt;
    character = character << 6U | (byte(i) & 0x3fU);
  }
  constexpr std::array<char32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  if (character < kLeast[length] || character > 0x10ffff) return std::nullopt;
  if (character >= 0xd800 && character <= 0xdfff) return std::nullopt;
  text.remove_prefix(length);
  return character;
}

// U+0000 to U+001F, and U+007F to U+009F.
constexpr bool is_control(char32_t character) noexcept {
  return character < 0x20 || (character >= 0x7f && character <= 0x9f);
}

// The property White_Space of Unicode.
constexpr bool is_white_space(char32_t character) noexcept {
  return character == 0x20 || (character >= 0x09 && character <= 0x0d) || character == 0x85 ||
         character == 0xa0 || character == 0x1680 || (character >= 0x2000 && character <= 0x200a) ||
         character == 0x2028 || character == 0x2029 || character == 0x202f || character == 0x205f ||
         character == 0x3000;
}

}  // namespace xase::proto
