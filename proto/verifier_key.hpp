// The public keys of note signers, in text: "name+<key id, 8 hex digits>+base64(algorithm ‖ key)".
//
//   algorithm   key                                    key id: the first 4 bytes of
//   1  Ed25519  32 bytes (RFC 8032)                    SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key)
//   2  ECDSA    SubjectPublicKeyInfo, DER (RFC 5480),  SHA-256(key)
//      P-256    91 bytes, point not compressed
//   4  witness  32 bytes (RFC 8032)                    SHA-256(name ‖ 0x0A ‖ 0x04 ‖ key)
//
// All as C2SP signed-note lists them; 4 is of those who cosign: see proto/cosignature.hpp. The key
// id of 2 is the one that transparency-dev's formats and Sigstore's clients look for (the beginning
// of RFC 6962's log id); a name does not enter it. Signatures are over the note's text: of 1 the 64
// bytes of RFC 8032, of 2 the DER of Ecdsa-Sig-Value over its SHA-256.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "proto/hashing.hpp"
#include "proto/note.hpp"

namespace xase::proto {

enum class KeyAlgorithm : std::uint8_t { kEd25519 = 1, kEcdsaP256 = 2, kCosignatureV1 = 4 };

inline constexpr std::size_t kEd25519KeyBytes = 32;
inline constexpr std::size_t kEcdsaP256KeyBytes = 91;
// Of every DER-encoded P-256 key whose point is not compressed.
inline constexpr std::array<std::uint8_t, 27> kEcdsaP256KeyStart{
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
    0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};

struct VerifierKey {
  std::string name;
  KeyAlgorithm algorithm = KeyAlgorithm::kEd25519;
  std::vector<std::byte> key;

  friend bool operator==(const VerifierKey&, const VerifierKey&) = default;
};

// Whether the bytes have the form of their algorithm's keys; not whether the point is on the curve.
inline bool has_key_form(const VerifierKey& key) noexcept {
  if (key.algorithm == KeyAlgorithm::kEd25519 || key.algorithm == KeyAlgorithm::kCosignatureV1) {
    return key.key.size() == kEd25519KeyBytes;
  }
  return key.algorithm == KeyAlgorithm::kEcdsaP256 && key.key.size() == kEcdsaP256KeyBytes &&
         std::equal(
             kEcdsaP256KeyStart.begin(), kEcdsaP256KeyStart.end(), key.key.begin(),
             [](std::uint8_t want, std::byte is) { return std::to_integer<unsigned>(is) == want; });
}

template <Sha256Hasher Hasher>
KeyId key_id(Hasher& hasher, const VerifierKey& key) {
  hasher.start();
  if (key.algorithm != KeyAlgorithm::kEcdsaP256) {
    const std::array<std::byte, 2> between{std::byte{'\n'}, static_cast<std::byte>(key.algorithm)};
    hasher.add(as_bytes(key.name));
    hasher.add(between);
  }
  hasher.add(key.key);
  return load<KeyId>(hasher.finish().data());
}

// Eight lower-case hex digits.
inline std::string key_id_text(const KeyId& id) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte b : id) {
    text += kDigits[std::to_integer<unsigned>(b) >> 4U];
    text += kDigits[std::to_integer<unsigned>(b) & 15U];
  }
  return text;
}

template <Sha256Hasher Hasher>
std::string format_verifier_key(Hasher& hasher, const VerifierKey& key) {
  std::vector<std::byte> bytes{static_cast<std::byte>(key.algorithm)};
  bytes.insert(bytes.end(), key.key.begin(), key.key.end());
  return key.name + "+" + key_id_text(key_id(hasher, key)) + "+" + encode_base64(bytes);
}

namespace internal {

template <Sha256Hasher Hasher>
Parsed<VerifierKey> parse_key(Hasher& hasher, std::string_view text,
                              std::initializer_list<KeyAlgorithm> algorithms) {
  constexpr std::size_t kTextBytesMax = kNoteNameBytesMax + 256;
  if (text.size() > kTextBytesMax) return NoteFault::kTooLong;
  const std::size_t first = text.find('+');
  if (first == std::string_view::npos || text.size() < first + 10 || text[first + 9] != '+') {
    return NoteFault::kVerifierKey;
  }
  VerifierKey key;
  key.name = text.substr(0, first);
  if (!is_note_name(key.name)) return NoteFault::kName;
  const auto bytes = decode_base64(text.substr(first + 10));
  if (!bytes) return NoteFault::kBase64;
  if (bytes->empty()) return NoteFault::kVerifierKey;
  key.algorithm = static_cast<KeyAlgorithm>((*bytes)[0]);
  if (std::find(algorithms.begin(), algorithms.end(), key.algorithm) == algorithms.end()) {
    return NoteFault::kAlgorithm;
  }
  key.key.assign(bytes->begin() + 1, bytes->end());
  if (!has_key_form(key)) return NoteFault::kKeyBytes;
  if (text.substr(first + 1, 8) != key_id_text(key_id(hasher, key))) return NoteFault::kKeyId;
  return key;
}

}  // namespace internal

// A ledger's key. Without a newline behind it.
template <Sha256Hasher Hasher>
Parsed<VerifierKey> parse_verifier_key(Hasher& hasher, std::string_view text) {
  return internal::parse_key(hasher, text, {KeyAlgorithm::kEd25519, KeyAlgorithm::kEcdsaP256});
}

// The key of a witness, which cosigns or, as older ones do, signs the note itself.
template <Sha256Hasher Hasher>
Parsed<VerifierKey> parse_witness_key(Hasher& hasher, std::string_view text) {
  return internal::parse_key(hasher, text, {KeyAlgorithm::kCosignatureV1, KeyAlgorithm::kEd25519});
}

}  // namespace xase::proto
