// A stretch of the ledger, as a file that stands alone: see "Bundle" in proto/FORMATS.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/evidence/proof.hpp"
#include "daemon/platform/status.hpp"
#include "proto/merkle.hpp"

namespace xased {

inline constexpr std::string_view kBundleFormat = "xase-bundle/1";
// It is made and checked in memory.
inline constexpr std::uint64_t kBundleEntriesMax = 1'000'000;
inline constexpr std::size_t kBundleBytesMax = std::size_t{1} << 30;

struct BundlePart {
  std::uint64_t sequence = 0;
  DisclosedPart part;
};

struct Bundle {
  std::uint64_t first = 0;        // sequence of the first entry
  std::vector<std::byte> leaves;  // one behind the other: at least one
  xase::proto::RangeProof proof;
  std::string checkpoint;             // the note's bytes
  std::vector<BundlePart> disclosed;  // by sequence, then by part: no two alike

  std::uint64_t entries() const { return leaves.size() / xase::proto::kLeafBytes; }
  std::uint64_t last() const { return first + entries() - 1; }
};

// A tar archive: of the same bundle always the same bytes.
std::string encode_bundle(const Bundle& bundle);

// Whether a file that starts so is meant to be a bundle, rather than anything else.
bool looks_like_a_bundle(std::string_view bytes);

// kInvalid where `bytes` are no bundle, and why; kUnsupported where they are one of another
// version. Nothing in it is believed: that is verify_bundle()'s.
Result<Bundle> decode_bundle(std::string_view bytes);

}  // namespace xased
