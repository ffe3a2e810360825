// SHA-256 (FIPS 180-4) and PBKDF2 with it (RFC 8018), for the one value that a client hashes: it
// links no library for that.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace xase::client {

using Digest = std::array<std::uint8_t, 32>;

Digest sha256(std::string_view message);

// The first 32 bytes.
Digest pbkdf2_hmac_sha256(std::string_view password, std::string_view salt, unsigned iterations);

}  // namespace xase::client
