// CRC-32C (Castagnoli), as in RFC 3720 appendix B.4: guards frames against damage, not against
// people; those meet the hashes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "proto/bytes.hpp"

namespace xase::proto {

// The CRC of `bytes` appended to data whose CRC is `crc` (0: none yet). Uses the processor's
// instruction where there is one.
std::uint32_t crc32c(Bytes bytes, std::uint32_t crc = 0) noexcept;

// The same without that instruction; for tests and for processors that lack it.
std::uint32_t crc32c_portable(Bytes bytes, std::uint32_t crc = 0) noexcept;

}  // namespace xase::proto
