// Randomness that can be had again.
#pragma once

#include <cstdint>
#include <random>

#include "daemon/platform/random.hpp"

namespace xased::test {

// One thread. The same seed gives the same bytes.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed = 1) : engine_(seed) {}

  void fill(std::span<std::byte> bytes) override {
    for (std::byte& b : bytes) b = static_cast<std::byte>(engine_() >> 56U);
  }

  std::uint64_t next() { return engine_(); }
  // At most `last`, at least `first`.
  std::uint64_t between(std::uint64_t first, std::uint64_t last) {
    return first + engine_() % (last - first + 1);
  }
  bool coin() { return (engine_() >> 40U) % 2 == 0; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace xased::test
