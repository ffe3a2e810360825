// What is hashed, and how; by whom is the caller's choice, so that this folder links no library.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proto/bytes.hpp"
#include "proto/erasable.hpp"
#include "proto/leaf.hpp"

namespace xase::proto {

// SHA-256 (FIPS 180-4) over pieces: start(), add()..., finish().
template <class T>
concept Sha256Hasher = requires(T hasher, Bytes bytes) {
  hasher.start();
  hasher.add(bytes);
  { hasher.finish() } -> std::same_as<Hash>;
};

// Takes the pieces of a message.
template <class T>
concept MessageSink = requires(T sink, Bytes bytes) {
  sink.add(bytes);
};

// What is hashed of a leaf, of a node and of a part: the message alone.
template <MessageSink Sink>
void add_leaf(Sink& to, Bytes leaf) {
  constexpr std::array<std::byte, 1> kPrefix{std::byte{0x00}};
  to.add(kPrefix);
  to.add(leaf);
}

template <MessageSink Sink>
void add_node(Sink& to, const Hash& left, const Hash& right) {
  constexpr std::array<std::byte, 1> kPrefix{std::byte{0x01}};
  to.add(kPrefix);
  to.add(left);
  to.add(right);
}

template <MessageSink Sink>
void add_part(Sink& to, std::size_t part, const Id& salt, Bytes bytes) {
  constexpr std::string_view kDomain = "XASECMT1";
  std::array<std::byte, 33> prefix{};
  std::memcpy(prefix.data(), kDomain.data(), kDomain.size());
  prefix[8] = static_cast<std::byte>(part);
  store(prefix.data() + 9, salt);
  store(prefix.data() + 25, std::uint64_t{bytes.size()});
  to.add(prefix);
  to.add(bytes);
}

// SHA-256(0x00 ‖ leaf): RFC 6962, section 2.1.
template <Sha256Hasher Hasher>
Hash leaf_hash(Hasher& hasher, Bytes leaf) {
  hasher.start();
  add_leaf(hasher, leaf);
  return hasher.finish();
}

// SHA-256(0x01 ‖ left ‖ right): RFC 6962, section 2.1.
template <Sha256Hasher Hasher>
Hash node_hash(Hasher& hasher, const Hash& left, const Hash& right) {
  hasher.start();
  add_node(hasher, left, right);
  return hasher.finish();
}

// SHA-256("XASECMT1" ‖ field (1 byte) ‖ random bytes (16) ‖ length (8) ‖ bytes), field being the
// part's index. An absent part, one without bytes, is committed to as zero.
template <Sha256Hasher Hasher>
Hash commitment(Hasher& hasher, std::size_t part, const Id& salt, Bytes bytes) {
  if (bytes.empty()) return Hash{};
  hasher.start();
  add_part(hasher, part, salt, bytes);
  return hasher.finish();
}

template <Sha256Hasher Hasher>
std::array<Hash, kParts> commitments(Hasher& hasher, const Erasable& erasable) {
  std::array<Hash, kParts> all{};
  for (std::size_t i = 0; i < kParts; ++i) {
    all[i] = commitment(hasher, i, erasable.salts[i], erasable.parts[i]);
  }
  return all;
}

// SHA-256("XASELOG1" ‖ nonce (32) ‖ origin): names one ledger for ever.
template <Sha256Hasher Hasher>
Hash log_id(Hasher& hasher, const Hash& nonce, std::string_view origin) {
  hasher.start();
  hasher.add(as_bytes("XASELOG1"));
  hasher.add(nonce);
  hasher.add(as_bytes(origin));
  return hasher.finish();
}

}  // namespace xase::proto
