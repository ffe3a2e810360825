#include "client/src/sha256.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

namespace xase::client {
namespace {

constexpr std::size_t kBlockBytes = 64;
using State = std::array<std::uint32_t, 8>;

// FIPS 180-4, sections 5.3.3 and 4.2.2.
constexpr State kInitial{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
constexpr std::array<std::uint32_t, 64> kRound{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

void compress(State& state, const std::uint8_t* block) {
  std::array<std::uint32_t, 64> w{};
  for (std::size_t i = 0; i < 16; ++i) {
    w[i] = std::uint32_t{block[4 * i]} << 24U | std::uint32_t{block[4 * i + 1]} << 16U |
           std::uint32_t{block[4 * i + 2]} << 8U | std::uint32_t{block[4 * i + 3]};
  }
  for (std::size_t i = 16; i < 64; ++i) {
    const std::uint32_t a = w[i - 15];
    const std::uint32_t b = w[i - 2];
    w[i] = w[i - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ (a >> 3U)) + w[i - 7] +
           (std::rotr(b, 17) ^ std::rotr(b, 19) ^ (b >> 10U));
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (std::size_t i = 0; i < 64; ++i) {
    const std::uint32_t t1 = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) +
                             ((e & f) ^ (~e & g)) + kRound[i] + w[i];
    const std::uint32_t t2 =
        (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  const State add{a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < state.size(); ++i) state[i] += add[i];
}

// Goes on from `state`, which has taken `before` bytes (whole blocks).
Digest finish(State state, std::size_t before, std::string_view message) {
  std::array<std::uint8_t, 2 * kBlockBytes> tail{};
  const std::uint64_t bits = 8 * std::uint64_t{before + message.size()};
  while (message.size() >= kBlockBytes) {
    compress(state, reinterpret_cast<const std::uint8_t*>(message.data()));
    message.remove_prefix(kBlockBytes);
  }
  std::memcpy(tail.data(), message.data(), message.size());
  tail[message.size()] = 0x80;
  const std::size_t end = message.size() + 9 <= kBlockBytes ? kBlockBytes : 2 * kBlockBytes;
  for (std::size_t i = 0; i < 8; ++i) {
    tail[end - 1 - i] = static_cast<std::uint8_t>(bits >> (8 * i));
  }
  for (std::size_t at = 0; at < end; at += kBlockBytes) compress(state, tail.data() + at);
  Digest digest{};
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
  }
  return digest;
}

std::string_view as_text(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// HMAC (RFC 2104) with a key whose two blocks are hashed once.
class Hmac {
 public:
  explicit Hmac(std::string_view key) {
    const Digest hashed = key.size() > kBlockBytes ? sha256(key) : Digest{};
    if (key.size() > kBlockBytes) key = as_text(hashed);
    inner_ = start(key, 0x36);
    outer_ = start(key, 0x5c);
  }
  Digest of(std::string_view message) const {
    const Digest inner = finish(inner_, kBlockBytes, message);
    return finish(outer_, kBlockBytes, as_text(inner));
  }

 private:
  static State start(std::string_view key, std::uint8_t pad) {
    std::array<std::uint8_t, kBlockBytes> block{};
    std::memcpy(block.data(), key.data(), key.size());
    for (std::uint8_t& byte : block) byte = static_cast<std::uint8_t>(byte ^ pad);
    State state = kInitial;
    compress(state, block.data());
    return state;
  }

  State inner_{};
  State outer_{};
};

}  // namespace

Digest sha256(std::string_view message) { return finish(kInitial, 0, message); }

Digest pbkdf2_hmac_sha256(std::string_view password, std::string_view salt, unsigned iterations) {
  const Hmac hmac(password);
  const std::string first = std::string(salt).append({'\0', '\0', '\0', '\1'});
  Digest last = hmac.of(first);
  Digest all = last;
  for (unsigned i = 1; i < iterations; ++i) {
    last = hmac.of(as_text(last));
    for (std::size_t k = 0; k < all.size(); ++k)
      all[k] = static_cast<std::uint8_t>(all[k] ^ last[k]);
  }
  return all;
}

}  // namespace xase::client
