// What the fuzz targets share: taking an input apart, and saying what must hold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

#include "proto/bytes.hpp"

// libFuzzer's entry point, which replay.cpp calls too. Each target defines it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace xase::fuzz {

// Ends the program where an invariant does not hold: the fuzzer keeps the input.
inline void require(bool holds, const char* what, const char* file = __builtin_FILE(),
                    int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
  std::abort();
}

// An input from its front to its end. What it no longer has reads as zeros.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size)
      : bytes_(reinterpret_cast<const std::byte*>(data), size) {}

  template <class T>
  T take() {
    T value{};
    const proto::Bytes from = bytes(sizeof value);
    if (!from.empty()) std::memcpy(&value, from.data(), from.size());
    return value;
  }
  // At most `count` bytes: views into the input.
  proto::Bytes bytes(std::size_t count) {
    const proto::Bytes taken = bytes_.first(std::min(count, bytes_.size()));
    bytes_ = bytes_.subspan(taken.size());
    return taken;
  }
  proto::Bytes rest() { return bytes(bytes_.size()); }
  bool empty() const { return bytes_.empty(); }

 private:
  proto::Bytes bytes_;
};

inline bool same(proto::Bytes a, proto::Bytes b) { return std::ranges::equal(a, b); }

}  // namespace xase::fuzz
