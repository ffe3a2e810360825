#include "daemon/config/values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "daemon/config/api_key.hpp"

namespace xased {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// In falling order, as they may be combined.
constexpr std::array<Unit, 5> kDurationUnits{{
    {"d", 24ULL * 3600 * 1000},
    {"h", 3600ULL * 1000},
    {"m", 60ULL * 1000},
    {"s", 1000},
    {"ms", 1},
}};

constexpr std::array<Unit, 4> kByteUnits{{
    {"TiB", 1ULL << 40U},
    {"GiB", 1ULL << 30U},
    {"MiB", 1ULL << 20U},
    {"KiB", 1ULL << 10U},
}};

// Far above every bound of the table, far below the range of chrono's nanoseconds.
constexpr std::uint64_t kDurationMax = 100ULL * 366 * 24 * 3600 * 1000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string_view take(std::string_view& text, bool (*wanted)(char)) {
  std::size_t n = 0;
  while (n < text.size() && wanted(text[n])) n++;
  const std::string_view taken = text.substr(0, n);
  text.remove_prefix(n);
  return taken;
}

// Digits alone, or nothing; no sign, no overflow.
std::optional<std::uint64_t> to_number(std::string_view digits, int base = 10) {
  std::uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

Status invalid(std::string message) { return {Code::kInvalid, std::move(message)}; }

}  // namespace

std::string quote_value(std::string_view text) {
  constexpr std::size_t kBytesMax = 100;
  std::string shown = "\"";
  const std::size_t secret = text.find(ApiKey::kPrefix);
  const std::size_t end = secret == text.npos ? text.size() : secret + ApiKey::kPrefix.size();
  for (const char c : text.substr(0, std::min(end, kBytesMax))) {
    shown += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  return shown + (text.size() > std::min(end, kBytesMax) ? "...\"" : "\"");
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const std::string_view whole = text;
  const Status malformed =
      invalid(quote_value(whole) + " is not a duration: write a whole number and its unit " +
              "(ms, s, m, h or d), such as \"5ms\", \"30s\" or \"1m30s\"");
  const Status too_long = invalid(quote_value(whole) + " is longer than any duration allowed here");
  if (text == "0") return std::chrono::milliseconds(0);
  if (text.empty()) return malformed;

  std::uint64_t total_ms = 0;
  std::size_t next_unit = 0;
  while (!text.empty()) {
    const std::string_view digits = take(text, is_digit);
    const std::string_view name = take(text, is_letter);
    if (digits.empty()) return malformed;
    if (name.empty()) {
      if (!text.empty()) return malformed;
      return invalid(quote_value(whole) + " has no unit: write " +
                     quote_value(std::string(whole) + "ms") + " or " +
                     quote_value(std::string(whole) + "s"));
    }
    std::size_t unit = 0;
    while (unit < kDurationUnits.size() && kDurationUnits[unit].name != name) unit++;
    if (unit == kDurationUnits.size() || unit < next_unit) return malformed;
    next_unit = unit + 1;

    const auto number = to_number(digits);
    const std::uint64_t factor = kDurationUnits[unit].factor;
    if (!number || *number > kDurationMax / factor) return too_long;
    total_ms += *number * factor;
    if (total_ms > kDurationMax) return too_long;
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(total_ms));
}

std::string format_duration(std::chrono::milliseconds duration) {
  auto rest = static_cast<std::uint64_t>(duration.count());
  if (rest == 0) return "0s";
  // "24h" reads better than "1d", and is what people write.
  const std::uint64_t day = kDurationUnits[0].factor;
  std::string text;
  for (const Unit& unit : kDurationUnits) {
    if (unit.factor == day && rest < 2 * day) continue;
    const std::uint64_t number = rest / unit.factor;
    if (number == 0) continue;
    text += std::to_string(number);
    text += unit.name;
    rest %= unit.factor;
  }
  return text;
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  const std::string_view whole = text;
  const std::string_view digits = take(text, is_digit);
  const std::string_view name = text;
  if (digits.empty()) {
    return invalid(quote_value(whole) +
                   " is not a size: write bytes, or a whole number and KiB, MiB " +
                   "or GiB, such as \"64MiB\"");
  }
  std::uint64_t factor = name.empty() ? 1 : 0;
  for (const Unit& unit : kByteUnits) {
    if (unit.name == name) factor = unit.factor;
  }
  if (factor == 0) {
    // "64MB" and "64M" mean two things to two people; a ring's size must not depend on which.
    for (const Unit& unit : kByteUnits) {
      if ((name[0] | 0x20) != (unit.name[0] | 0x20)) continue;
      return invalid(quote_value(whole) + " has a unit that is not known here: did you mean " +
                     quote_value(std::string(digits) + std::string(unit.name)) + "?");
    }
    return invalid(quote_value(whole) + " is not a size: its unit must be KiB, MiB or GiB");
  }
  const auto number = to_number(digits);
  if (!number || *number > std::numeric_limits<std::int64_t>::max() / factor) {
    return invalid(quote_value(whole) + " is larger than any size allowed here");
  }
  return *number * factor;
}

std::string format_bytes(std::uint64_t bytes) {
  for (const Unit& unit : kByteUnits) {
    if (bytes != 0 && bytes % unit.factor == 0) {
      return std::to_string(bytes / unit.factor) + std::string(unit.name);
    }
  }
  return std::to_string(bytes);
}

Result<std::uint32_t> parse_mode(std::string_view text) {
  const auto number = text.size() <= 4 ? to_number(text, 8) : std::nullopt;
  if (!number) {
    return invalid(quote_value(text) +
                   " is not a mode: write permission bits in octal, such as \"0660\"");
  }
  return static_cast<std::uint32_t>(*number);
}

std::string format_mode(std::uint32_t mode) {
  std::string text = "0000";
  for (std::size_t i = 4; i-- > 0; mode >>= 3U) text[i] = static_cast<char>('0' + (mode & 7U));
  return text;
}

Result<std::uint64_t> parse_count(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != '_') digits += c;
  }
  const auto number = to_number(digits);
  if (!number) return invalid(quote_value(text) + " is not a whole number");
  return *number;
}

}  // namespace xased
