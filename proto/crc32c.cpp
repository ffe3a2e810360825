#include "proto/crc32c.hpp"

#include <array>

namespace xase::proto {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78U;  // 0x1edc6f41 with its bits reversed

constexpr std::array<std::array<std::uint32_t, 256>, 8> make_tables() {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? kPolynomial : 0U);
    tables[0][i] = crc;
  }
  for (std::size_t t = 1; t < 8; ++t) {
    for (std::size_t i = 0; i < 256; ++i) {
      tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 0xffU];
    }
  }
  return tables;
}

constexpr auto kTables = make_tables();

#if defined(__x86_64__)

// The instruction takes three cycles and can begin anew in each: three lanes of so many bytes go
// side by side.
constexpr std::size_t kLaneBytes = 128;

using ShiftTables = std::array<std::array<std::uint32_t, 256>, 4>;

// What a state becomes by kLaneBytes of zeros, a byte of it at a time.
constexpr ShiftTables make_shift_tables() {
  ShiftTables tables{};
  for (std::size_t t = 0; t < 4; ++t) {
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t state = i << (8 * t);
      for (std::size_t byte = 0; byte < kLaneBytes; ++byte) {
        state = (state >> 8) ^ kTables[0][state & 0xffU];
      }
      tables[t][i] = state;
    }
  }
  return tables;
}

// Made at the first use: at compile time it would take longer than a compiler likes.
const ShiftTables& shift_tables() noexcept {
  static const ShiftTables kShift = make_shift_tables();
  return kShift;
}

std::uint32_t shift_lane(const ShiftTables& tables, std::uint32_t state) noexcept {
  return tables[0][state & 0xffU] ^ tables[1][(state >> 8) & 0xffU] ^
         tables[2][(state >> 16) & 0xffU] ^ tables[3][state >> 24];
}

__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse42(Bytes bytes,
                                                             std::uint32_t crc) noexcept {
  std::uint64_t state = static_cast<std::uint32_t>(~crc);
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  if (left >= 3 * kLaneBytes) {
    const ShiftTables& tables = shift_tables();
    for (; left >= 3 * kLaneBytes; at += 3 * kLaneBytes, left -= 3 * kLaneBytes) {
      std::uint64_t second = 0;
      std::uint64_t third = 0;
      for (std::size_t i = 0; i < kLaneBytes; i += 8) {
        state = __builtin_ia32_crc32di(state, load<std::uint64_t>(at + i));
        second = __builtin_ia32_crc32di(second, load<std::uint64_t>(at + kLaneBytes + i));
        third = __builtin_ia32_crc32di(third, load<std::uint64_t>(at + 2 * kLaneBytes + i));
      }
      state = shift_lane(tables, static_cast<std::uint32_t>(state)) ^ second;
      state = shift_lane(tables, static_cast<std::uint32_t>(state)) ^ third;
    }
  }
  for (; left >= 8; at += 8, left -= 8) {
    state = __builtin_ia32_crc32di(state, load<std::uint64_t>(at));
  }
  auto narrow = static_cast<std::uint32_t>(state);
  for (; left != 0; ++at, --left) {
    narrow = __builtin_ia32_crc32qi(narrow, std::to_integer<unsigned char>(*at));
  }
  return ~narrow;
}

#endif

}  // namespace

std::uint32_t crc32c_portable(Bytes bytes, std::uint32_t crc) noexcept {
  std::uint32_t state = ~crc;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    const std::uint64_t word = load<std::uint64_t>(at) ^ state;
    state = 0;
    for (std::size_t i = 0; i < 8; ++i) state ^= kTables[7 - i][(word >> (8 * i)) & 0xffU];
  }
  for (; left != 0; ++at, --left) {
    state = (state >> 8) ^ kTables[0][(state ^ std::to_integer<std::uint32_t>(*at)) & 0xffU];
  }
  return ~state;
}

std::uint32_t crc32c(Bytes bytes, std::uint32_t crc) noexcept {
#if defined(__x86_64__)
  static const bool kHasInstruction = __builtin_cpu_supports("sse4.2");
  if (kHasInstruction) return crc32c_sse42(bytes, crc);
#endif
  return crc32c_portable(bytes, crc);
}

}  // namespace xase::proto
