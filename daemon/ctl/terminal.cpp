#include "daemon/ctl/terminal.hpp"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace xased::ctl {
namespace {

template <class... Args>
std::string format(const char* pattern, Args... args) {
  std::array<char, 128> text{};
  const int size = std::snprintf(text.data(), text.size(), pattern, args...);
  return {text.data(), static_cast<std::size_t>(std::clamp(size, 0, 127))};
}

// Length of the escape sequence or the character at the front; `columns` it takes.
std::size_t next_unit(std::string_view text, std::size_t& columns) {
  columns = 1;
  const auto first = static_cast<unsigned char>(text[0]);
  if (first == 0x1b) {
    columns = 0;
    const std::size_t end = text.find('m');
    return end == std::string_view::npos ? text.size() : end + 1;
  }
  std::size_t size = 1;
  while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80) ++size;
  return size;
}

// Length of the well-formed UTF-8 character at the front; 0: there is none.
std::size_t character_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xf0 && first <= 0xf4   ? 4
                           : first >= 0xe0 && first <= 0xef ? 3
                           : first >= 0xc2 && first <= 0xdf ? 2
                                                            : 0;
  if (size == 0 || size > text.size()) return 0;
  std::uint32_t code = first & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return 0;
    code = (code << 6) | (byte(i) & 0x3fU);
  }
  constexpr std::array<std::uint32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return 0;
  return size;
}

// C1 controls and the marks that turn the direction of writing steer a terminal too.
bool is_steering(std::string_view character) {
  if (character.size() == 1)
    return static_cast<unsigned char>(character[0]) < 0x20 || character[0] == 0x7f;
  if (character[0] == '\xc2') return static_cast<unsigned char>(character[1]) < 0xa0;
  if (!character.starts_with("\xe2\x80") && !character.starts_with("\xe2\x81")) return false;
  const auto last = static_cast<unsigned char>(character[2]);
  return character[1] == '\x80' ? (last >= 0xa8 && last <= 0xae) || last == 0x8e || last == 0x8f
                                : last >= 0xa6 && last <= 0xa9;
}

}  // namespace

Style style_of(int fd) {
  Style style;
  style.terminal = isatty(fd) == 1;
  style.unicode = std::string_view(nl_langinfo(CODESET)) == "UTF-8";
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  style.color = style.terminal && (no_color == nullptr || *no_color == '\0') && term != nullptr &&
                std::string_view(term) != "dumb";
  winsize size{};
  if (style.terminal && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    style.columns = size.ws_col;
    style.rows = std::max<int>(size.ws_row, 8);
  }
  return style;
}

std::string paint(const Style& style, Ink ink, std::string_view text) {
  if (!style.color || ink == Ink::kPlain) return std::string(text);
  constexpr std::array<std::string_view, 7> kCodes{"", "1", "2", "32", "33", "31", "36"};
  std::string painted = "\x1b[";
  painted.append(kCodes[static_cast<std::size_t>(ink)]).append("m").append(text);
  return painted + "\x1b[0m";
}

std::size_t shown_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    std::size_t columns = 0;
    text.remove_prefix(next_unit(text, columns));
    width += columns;
  }
  return width;
}

std::string left(std::string_view text, std::size_t width) {
  std::string padded(text);
  const std::size_t shown = shown_width(text);
  if (shown < width) padded.append(width - shown, ' ');
  return padded;
}

std::string right(std::string_view text, std::size_t width) {
  const std::size_t shown = shown_width(text);
  return std::string(shown < width ? width - shown : 0, ' ').append(text);
}

std::string clipped(std::string_view text, std::size_t width) {
  std::string kept;
  std::size_t shown = 0;
  while (!text.empty()) {
    std::size_t columns = 0;
    const std::size_t size = next_unit(text, columns);
    if (shown + columns <= width) {
      kept.append(text.substr(0, size));
      shown += columns;
    }
    text.remove_prefix(size);
  }
  return kept;
}

std::string printable(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = character_bytes(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(size, 1));
    if (character == "\n" || character == "\t") {
      clean += ' ';
    } else if (size == 0 || is_steering(character)) {
      clean += '?';
    } else {
      clean += character;
    }
    text.remove_prefix(character.size());
  }
  return clean;
}

std::string with_commas(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

std::string short_seconds(double seconds) {
  if (!(seconds > 0)) return "0 s";
  if (seconds < 0.001) return format("%.0f µs", seconds * 1e6);
  if (seconds < 0.01) return format("%.1f ms", seconds * 1e3);
  if (seconds < 1) return format("%.0f ms", seconds * 1e3);
  if (seconds < 60) return format("%.0f s", std::floor(seconds));
  const auto whole = static_cast<long long>(std::min(seconds, 1e15));
  if (whole < 3600) return format("%lldm %llds", whole / 60, whole % 60);
  if (whole < 86400) return format("%lldh %lldm", whole / 3600, whole / 60 % 60);
  return format("%lldd %lldh", whole / 86400, whole / 3600 % 24);
}

std::string short_bytes(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  if (unit == 0) return std::to_string(bytes) + " B";
  return format(value < 10 ? "%.1f %s" : "%.0f %s", value, kUnits[unit]);
}

std::string short_rate(double per_second) {
  if (!(per_second > 0)) return "0";
  if (per_second < 9.95) return format("%.1f", per_second);
  return with_commas(static_cast<std::uint64_t>(std::llround(std::min(per_second, 1e15))));
}

std::string local_time(std::int64_t wall_ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::int64_t nanoseconds = wall_ns % kSecond;
  if (nanoseconds < 0) nanoseconds += kSecond;
  const auto seconds = static_cast<std::time_t>((wall_ns - nanoseconds) / kSecond);
  std::tm parts{};
  if (localtime_r(&seconds, &parts) == nullptr) return "?";
  std::array<char, 64> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  return std::string(text.data(), size) +
         format(".%03d", static_cast<int>(nanoseconds / 1'000'000));
}

std::string bar(const Style& style, double fraction, std::size_t width) {
  constexpr std::array<const char*, 8> kEighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const double clamped = std::isfinite(fraction) ? std::clamp(fraction, 0.0, 1.0) : 0.0;
  const auto eighths = static_cast<std::size_t>(clamped * static_cast<double>(width) * 8);
  std::string text;
  std::size_t used = eighths / 8;
  for (std::size_t i = 0; i < used; ++i) text += style.unicode ? "█" : "#";
  if (style.unicode && eighths % 8 != 0) {
    text += kEighths[eighths % 8];
    ++used;
  }
  for (; used < width; ++used) text += style.unicode ? "·" : ".";
  return text;
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace xased::ctl
