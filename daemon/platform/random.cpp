#include "daemon/platform/random.hpp"

#include <openssl/rand.h>

#include <climits>
#include <cstdlib>

namespace xased {
namespace {

class OpensslRandom final : public Random {
 public:
  void fill(std::span<std::byte> bytes) override {
    while (!bytes.empty()) {
      const std::size_t part = bytes.size() < INT_MAX ? bytes.size() : INT_MAX;
      if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(part)) != 1) {
        std::abort();
      }
      bytes = bytes.subspan(part);
    }
  }
};

}  // namespace

Random& system_random() {
  static OpensslRandom random;
  return random;
}

}  // namespace xased
