#include "daemon/devapi/digest.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace xased::devapi {
namespace {

// Neither hashing nor the random generator can fail for a reason that a caller could handle.
void require(bool ok, const char* what) {
  if (!ok) {
    (void)std::fprintf(stderr, "devapi: OpenSSL failed: %s\n", what);
    std::abort();
  }
}

std::string hex(const unsigned char* bytes, std::size_t count) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(count * 2, '0');
  for (std::size_t i = 0; i < count; ++i) {
    text[2 * i] = kDigits[bytes[i] >> 4U];
    text[2 * i + 1] = kDigits[bytes[i] & 0xFU];
  }
  return text;
}

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// Looked up once: a look-up by name costs more than hashing a record.
const EVP_MD* sha256() {
  static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  require(algorithm != nullptr, "SHA256 is not available");
  return algorithm;
}

}  // namespace

std::string sha256_hex(std::initializer_list<std::string_view> parts) {
  thread_local const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  require(context != nullptr, "out of memory");
  require(EVP_DigestInit_ex2(context.get(), sha256(), nullptr) == 1, "digest init");
  for (const std::string_view part : parts) {
    require(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1, "digest update");
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  require(EVP_DigestFinal_ex(context.get(), digest.data(), &size) == 1, "digest final");
  return hex(digest.data(), size);
}

std::string random_hex(std::size_t bytes) {
  std::array<unsigned char, 64> buffer{};
  require(bytes <= buffer.size(), "too many random bytes asked for");
  require(RAND_bytes(buffer.data(), static_cast<int>(bytes)) == 1, "random bytes");
  return hex(buffer.data(), bytes);
}

}  // namespace xased::devapi
