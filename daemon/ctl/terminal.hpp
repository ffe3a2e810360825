// Text for people: what the terminal can show, and numbers as one reads them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace xased::ctl {

struct Style {
  bool terminal = false;  // someone looks at it
  bool color = false;     // NO_COLOR is not set, TERM is not dumb
  bool unicode = false;   // the locale is UTF-8
  int columns = 80;
  int rows = 24;
};

// Of an open file descriptor.
Style style_of(int fd);

enum class Ink { kPlain, kBold, kDim, kGreen, kYellow, kRed, kCyan };
// `text` in that ink, where there is colour.
std::string paint(const Style& style, Ink ink, std::string_view text);

// Columns that `text` takes: escape sequences none, each character one.
std::size_t shown_width(std::string_view text);
// Padded to `width` columns.
std::string left(std::string_view text, std::size_t width);
std::string right(std::string_view text, std::size_t width);
// Cut to `width` columns, escape sequences kept whole.
std::string clipped(std::string_view text, std::size_t width);

// Text from apps and from the API must not steer the terminal: control characters and bytes that
// are not UTF-8 become '?'. Newlines become spaces.
std::string printable(std::string_view text);

std::string with_commas(std::uint64_t number);  // 1,284,112
std::string short_seconds(double seconds);      // "850 ms", "12 s", "4m 12s", "3h 7m", "12d 4h"
std::string short_bytes(std::uint64_t bytes);   // "412 B", "2.3 GiB"
std::string short_rate(double per_second);      // "0", "3.4", "28,411"
std::string local_time(std::int64_t wall_ns);   // "2026-01-07 12:00:00.120"
std::string bar(const Style& style, double fraction, std::size_t width);

// Writes all of it; false where nobody reads any more.
bool write_all(int fd, std::string_view text);

}  // namespace xased::ctl
