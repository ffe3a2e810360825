// Durations, sizes and permission bits as people write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/platform/status.hpp"

namespace xased {

// A name or a value from outside, as a message may repeat it: in quotes, on one line (control
// characters become '?'), cut after 100 bytes, and where an API key would begin.
std::string quote_value(std::string_view text);

// "5ms", "30s", "15m", "24h", "30d", "1m30s" (units in falling order, each once), or "0". No
// fractions; nothing below a millisecond. A failure's message follows the name of what was read:
// "has no unit: write "5ms" or "5s"".
Result<std::chrono::milliseconds> parse_duration(std::string_view text);
// The same notation: "1m30s", "24h", "30d", "0s".
std::string format_duration(std::chrono::milliseconds duration);

// "4194304", "512KiB", "64MiB", "1GiB". No fractions, no decimal units.
Result<std::uint64_t> parse_bytes(std::string_view text);
// The largest unit that divides it: "64MiB", "1000" for 1000 bytes.
std::string format_bytes(std::uint64_t bytes);

// "0660": one to four octal digits.
Result<std::uint32_t> parse_mode(std::string_view text);
std::string format_mode(std::uint32_t mode);

// A whole decimal number, "1000" or "1_000".
Result<std::uint64_t> parse_count(std::string_view text);

}  // namespace xased
