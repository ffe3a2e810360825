// A proof: what decodes has one encoding, says the same decoded again, and never passes with a part
// that its leaf does not commit to, nor without a pinned key.
#include <algorithm>
#include <string>

#include "daemon/evidence/verify_proof.hpp"
#include "daemon/platform/sha256.hpp"
#include "proto/hashing.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/json_model.hpp"

namespace {

using xase::fuzz::require;

// RFC 8032, section 7.1, test 2: nobody here has made it up.
const xased::Policy& pinned() {
  static const auto policy = [] {
    xased::Sha256 sha;
    const auto key = xase::proto::parse_verifier_key(
        sha, "host-1/loans/8d5b8a7e+7c386215+AT1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYM");
    require(key.ok(), "the key is one");
    xased::Policy made;
    made.logs.push_back(*key);
    return made;
  }();
  return policy;
}

void check_parts(const xased::Proof& proof, const xased::ProofReport& report) {
  xased::Sha256 sha;
  for (const xased::DisclosedPart& part : proof.entry.disclosed) {
    const auto verdict = report.property(xased::part_name(part.part)).verdict;
    if (verdict != xased::VerifyVerdict::kProven) continue;
    require(part.random && xase::proto::commitment(sha, part.part, *part.random, part.bytes) ==
                               report.leaf.commitments[part.part],
            "a part that is proven is what the leaf commits to");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto proof = xased::decode_proof(text);
  if (!proof.ok()) {
    require(proof.status().message().size() < 400, "a refusal is brief");
    return 0;
  }
  require(xase::fuzz::read_json(text).has_value(), "another reader takes it for JSON too");
  const std::string encoded = xased::encode_proof(*proof);
  const auto again = xased::decode_proof(encoded);
  require(again.ok(), "what was decoded is encoded as a proof");
  require(xased::encode_proof(*again) == encoded, "a proof has one encoding");
  require(again->entry.disclosed == proof->entry.disclosed, "the parts stay what they are");
  const auto report = xased::verify_proof(*proof, {});
  if (!report.ok()) return 0;
  require(report->exit_code() != 0, "no proof passes without a pinned key");
  require(report->signed_by.empty(), "nobody that is not pinned has signed");
  check_parts(*proof, *report);
  const auto with_key = xased::verify_proof(*proof, pinned());
  require(with_key.ok(), "a key changes nothing about the form");
  check_parts(*proof, *with_key);
  return 0;
}
