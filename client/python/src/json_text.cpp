#include "src/json_text.hpp"

#include <charconv>
#include <cmath>
#include <cstring>

namespace xase::python {
namespace {

constexpr std::size_t kIntBytesMax = 24;
// 17 digits, a sign, a point, an exponent; or the 16 digits before the point and ".0".
constexpr std::size_t kDoubleBytesMax = 32;
constexpr std::size_t kEscapeBytesMax = 6;
constexpr std::uint64_t kOnes = 0x0101010101010101U;
constexpr std::uint64_t kTops = 0x8080808080808080U;

// Not zero where one of the eight bytes is zero.
constexpr std::uint64_t zero_bytes(std::uint64_t v) noexcept { return (v - kOnes) & ~v & kTops; }

// Where one of them is a quote, a backslash or below 0x20: never missed; some that are none may be
// told, beside one that is.
constexpr std::uint64_t special_bytes(std::uint64_t v) noexcept {
  const std::uint64_t below = (v - kOnes * 0x20) & ~v & kTops;
  return below | zero_bytes(v ^ (kOnes * '"')) | zero_bytes(v ^ (kOnes * '\\'));
}

constexpr bool is_special(char c) noexcept {
  return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
}

// Bytes at the start of `text` that need no escape.
std::size_t plain_bytes(std::string_view text) noexcept {
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, text.data() + i, sizeof eight);
    if (special_bytes(eight) != 0) break;
  }
  while (i < text.size() && !is_special(text[i])) ++i;
  return i;
}

void put_escaped(Buffer& buffer, char c) noexcept {
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr std::string_view kMeanings = "\"\\\b\f\n\r\t";
  constexpr std::string_view kNames = "\"\\bfnrt";
  buffer.put('\\');
  const std::size_t index = kMeanings.find(c);
  if (index != kMeanings.npos) {
    buffer.put(kNames[index]);
    return;
  }
  const auto byte = static_cast<unsigned char>(c);
  for (const char d : {'u', '0', '0', kDigits[byte >> 4U], kDigits[byte & 15U]}) buffer.put(d);
}

}  // namespace

bool append_string(Buffer& buffer, std::string_view utf8) noexcept {
  if (!buffer.ensure(utf8.size() + 2)) return false;
  buffer.put('"');
  while (true) {
    const std::size_t plain = plain_bytes(utf8);
    std::memcpy(buffer.at(), utf8.data(), plain);
    buffer.advance(plain);
    if (plain == utf8.size()) break;
    const char special = utf8[plain];
    utf8.remove_prefix(plain + 1);
    if (!buffer.ensure(kEscapeBytesMax + utf8.size() + 1)) return false;
    put_escaped(buffer, special);
  }
  buffer.put('"');
  return true;
}

bool append_int(Buffer& buffer, long long value) noexcept {
  if (!buffer.ensure(kIntBytesMax)) return false;
  const auto end = std::to_chars(buffer.at(), buffer.at() + kIntBytesMax, value).ptr;
  buffer.advance(static_cast<std::size_t>(end - buffer.at()));
  return true;
}

bool append_double(Buffer& buffer, double value) noexcept {
  if (!buffer.ensure(kDoubleBytesMax)) return false;
  // repr()'s limits between the two ways of writing.
  constexpr double kFixedFrom = 1e-4;
  constexpr double kFixedBelow = 1e16;
  const double size = std::fabs(value);
  const bool fixed = size == 0 || (size >= kFixedFrom && size < kFixedBelow);
  char* begin = buffer.at();
  const char* end = std::to_chars(begin, begin + kDoubleBytesMax, value,
                                  fixed ? std::chars_format::fixed : std::chars_format::scientific)
                        .ptr;
  const auto bytes = static_cast<std::size_t>(end - begin);
  buffer.advance(bytes);
  if (fixed && std::memchr(begin, '.', bytes) == nullptr) {
    buffer.put('.');
    buffer.put('0');
  }
  return true;
}

}  // namespace xase::python
