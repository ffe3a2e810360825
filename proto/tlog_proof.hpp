// A proof of inclusion as text: C2SP tlog-proof, without its optional extra line.
//
//   c2sp.org/tlog-proof@v1
//   index <number of the leaf, from 0, decimal>
//   <base64 of a hash>
//   ...
//   <empty line>
//   <checkpoint, a signed note>
//
// The hashes are RFC 6962's path from the leaf to the root. Parsing takes nothing that has another
// spelling; it checks neither hashes nor signatures.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base64.hpp"
#include "proto/merkle.hpp"
#include "proto/note.hpp"

namespace xase::proto {

inline constexpr std::string_view kTlogProofHeader = "c2sp.org/tlog-proof@v1\n";

struct TlogProof {
  std::uint64_t index = 0;
  std::vector<Hash> path;
  std::string checkpoint;  // the note's bytes
};

// The checkpoint is a note that parse_note() takes.
inline std::string format_tlog_proof(const TlogProof& proof) {
  std::string text(kTlogProofHeader);
  text += "index " + std::to_string(proof.index) + "\n";
  for (const Hash& hash : proof.path) text += encode_base64(hash) + "\n";
  return text + "\n" + proof.checkpoint;
}

// Nothing unless format_tlog_proof() makes `text` of some proof; whether what is behind the empty
// line is a note is the caller's to ask.
inline std::optional<TlogProof> parse_tlog_proof(std::string_view text) {
  constexpr std::string_view kIndex = "index ";
  if (!text.starts_with(kTlogProofHeader)) return std::nullopt;
  text.remove_prefix(kTlogProofHeader.size());
  if (!text.starts_with(kIndex)) return std::nullopt;
  text.remove_prefix(kIndex.size());
  TlogProof proof;
  std::size_t end = text.find('\n');
  if (end == std::string_view::npos || (text.starts_with('0') && end > 1)) return std::nullopt;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + end, proof.index);
  if (error != std::errc() || stop != text.data() + end || proof.index >= kTreeSizeMax) {
    return std::nullopt;
  }
  for (text.remove_prefix(end + 1);; text.remove_prefix(end + 1)) {
    end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    if (end == 0) break;
    const auto hash = decode_base64(text.substr(0, end));
    if (!hash || hash->size() != sizeof(Hash) || proof.path.size() == kProofHashesMax) {
      return std::nullopt;
    }
    proof.path.push_back(load<Hash>(hash->data()));
  }
  text.remove_prefix(1);
  if (text.size() > kNoteBytesMax) return std::nullopt;
  proof.checkpoint = text;
  return proof;
}

}  // namespace xase::proto
