// A bundle: what decodes has one encoding, says the same decoded again, and passes neither without
// a pinned key nor with a part that its leaf does not commit to.
#include <string>

#include "daemon/evidence/verify_bundle.hpp"
#include "daemon/platform/sha256.hpp"
#include "proto/hashing.hpp"
#include "tests/fuzz/fuzz.hpp"

using xase::fuzz::require;

namespace {

void check_parts(const xased::Bundle& bundle, const xased::BundleReport& report) {
  if (report.property("disclosed").verdict != xased::VerifyVerdict::kProven) return;
  xased::Sha256 sha;
  for (const xased::BundlePart& one : bundle.disclosed) {
    const std::size_t at = (one.sequence - bundle.first) * xase::proto::kLeafBytes;
    const auto leaf = xase::proto::decode_leaf(
        xase::proto::Bytes(bundle.leaves).subspan(at, xase::proto::kLeafBytes));
    require(leaf && one.part.random &&
                xase::proto::commitment(sha, one.part.part, *one.part.random, one.part.bytes) ==
                    leaf->commitments[one.part.part],
            "a part that is proven is what the leaf commits to");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto bundle = xased::decode_bundle(bytes);
  if (!bundle.ok()) {
    require(bundle.status().message().size() < 400, "a refusal is brief");
    return 0;
  }
  require(xased::looks_like_a_bundle(bytes), "a bundle looks like one");
  require(bundle->first != 0 && bundle->entries() != 0, "it has entries");
  const std::string encoded = xased::encode_bundle(*bundle);
  const auto again = xased::decode_bundle(encoded);
  require(again.ok(), "what was decoded is encoded as a bundle");
  require(xased::encode_bundle(*again) == encoded, "a bundle has one encoding");
  const auto report = xased::verify_bundle(*bundle, {});
  if (!report.ok()) return 0;
  require(report->exit_code() != 0, "no bundle passes without a pinned key");
  require(report->signed_by.empty(), "nobody that is not pinned has signed");
  check_parts(*bundle, *report);
  return 0;
}
