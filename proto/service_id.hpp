// Names that the service gives.
#pragma once

#include <algorithm>
#include <string_view>

namespace xase::proto {

inline constexpr std::size_t kServiceIdBytesMax = 128;

// Whether `text` is one that may become part of an address or be shown to a person: letters,
// digits, _ and - alone, and not too many of them.
inline bool is_service_id(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kServiceIdBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '_' || c == '-';
         });
}

}  // namespace xase::proto
