// A proof of one entry, as a file that stands alone: see "Proof" in proto/FORMATS.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/platform/status.hpp"
#include "proto/erasable.hpp"
#include "proto/leaf.hpp"
#include "proto/tlog_proof.hpp"

namespace xased {

inline constexpr std::string_view kProofFormat = "xase-proof/1";
// The largest record, all of it disclosed, twice as long in JSON's escapes, with room to spare.
inline constexpr std::size_t kProofBytesMax = std::size_t{64} << 20;

// "input", "output", "context", "rest": kParts of them.
std::string_view part_name(std::size_t part);
std::optional<std::size_t> parse_part_name(std::string_view name);

// A part of an entry, shown.
struct DisclosedPart {
  std::size_t part = 0;
  // Of its commitment. Nothing: someone took them away, and the bytes show nothing any more.
  std::optional<xase::proto::Id> random;
  std::vector<std::byte> bytes;

  friend bool operator==(const DisclosedPart&, const DisclosedPart&) = default;
};

// An entry with the way from its leaf to a signed head.
struct ProvenEntry {
  std::uint64_t sequence = 0;
  std::array<std::byte, xase::proto::kLeafBytes> leaf{};
  xase::proto::TlogProof inclusion;
  std::vector<DisclosedPart> disclosed;  // of each part one at most
};

struct Proof {
  ProvenEntry entry;
  std::optional<ProvenEntry> receipt;  // the entry with the API's answer to it
};

// JSON, indented, its members in the format's order.
std::string encode_proof(const Proof& proof);

// Whether a file that starts so is meant to be a proof, rather than anything else.
bool looks_like_a_proof(std::string_view text);

// kInvalid where `text` is no proof, and why; kUnsupported where it is one of another version.
// Nothing in it is believed: that is verify_proof()'s.
Result<Proof> decode_proof(std::string_view text);

}  // namespace xased
