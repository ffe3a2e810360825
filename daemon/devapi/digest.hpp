// SHA-256 and random bytes, as the dev API needs them: in lowercase hex. The one file of this
// folder that uses OpenSSL. Safe from any thread.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

namespace xased::devapi {

// 64 hex characters: SHA-256 over the parts, one after the other.
std::string sha256_hex(std::initializer_list<std::string_view> parts);
inline std::string sha256_hex(std::string_view bytes) { return sha256_hex({bytes}); }

// 2 * bytes hex characters from the system's generator; bytes <= 64.
std::string random_hex(std::size_t bytes);

}  // namespace xased::devapi
