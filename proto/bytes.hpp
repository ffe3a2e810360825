// Little-endian loads and stores at any alignment.
//
// Every layout of ours is little-endian. A big-endian machine is refused at compile time: the rings
// are read in place, so no conversion would help there.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace xase::proto {

static_assert(std::endian::native == std::endian::little, "the layouts are little-endian");

using Bytes = std::span<const std::byte>;
using Hash = std::array<std::byte, 32>;
using Id = std::array<std::byte, 16>;

template <class T>
requires std::is_trivially_copyable_v<T> T load(const std::byte* from)
noexcept {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
requires std::is_trivially_copyable_v<T>
void store(std::byte* to, const T& value) noexcept { std::memcpy(to, &value, sizeof value); }

// `value` rounded up to a multiple of `unit`, a power of two. The caller excludes overflow.
constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t unit) noexcept {
  return (value + unit - 1) & ~(unit - 1);
}

inline Bytes as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::string_view as_text(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace xase::proto
