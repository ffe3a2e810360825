// Instants as text, in UTC and in no locale. Pure functions.
#pragma once

#include <cstdint>
#include <string>

namespace xased::devapi {

// "2026-01-07T12:00:00.000Z", for the years 0 to 9999.
std::string iso_time(std::int64_t unix_ms);
// "Wed, 07 Jan 2026 12:00:00 GMT" (RFC 9110, section 5.6.7).
std::string http_date(std::int64_t unix_ms);

}  // namespace xased::devapi
