// The randomness seam.
#pragma once

#include <cstddef>
#include <span>

namespace xased {

// Any thread.
class Random {
 public:
  virtual ~Random() = default;
  // Fills `bytes` with bytes that nobody can guess. Ends the process where the system has none:
  // commitments with guessable salts must never be made.
  virtual void fill(std::span<std::byte> bytes) = 0;
};

// OpenSSL's generator. Lives as long as the process.
Random& system_random();

}  // namespace xased
