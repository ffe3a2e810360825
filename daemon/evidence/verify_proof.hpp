// Checks a proof with nothing but itself and keys from elsewhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/evidence/proof.hpp"
#include "daemon/ledger/verify.hpp"
#include "proto/leaf.hpp"
#include "proto/verifier_key.hpp"

namespace xased {

// One thing that the proof shows or does not.
struct ProofProperty {
  // Stable, lower case: leaf, inclusion, ledger, signer, input, output, context, rest, receipt.
  std::string name;
  VerifyVerdict verdict = VerifyVerdict::kNotEstablished;
  // Whether it must be PROVEN for the proof to pass: all that the proof claims to show, and the
  // signer. What was left out is not required.
  bool required = false;
  std::string text;  // a sentence for people
};

struct ProofReport {
  std::vector<ProofProperty> properties;  // in the order above
  std::string origin;                     // of the signed head
  std::uint64_t size = 0;                 // entries that it covers
  std::string root;                       // hex
  std::vector<std::string> signed_by;     // verifier keys, of the pinned ones
  xase::proto::Leaf leaf;
  std::string leaf_hash;                     // hex
  std::optional<xase::proto::Leaf> receipt;  // of the entry with the answer

  const ProofProperty& property(std::string_view name) const;
  // 0 all that is required is proven, 1 something is refuted, 2 there is not enough to say.
  int exit_code() const;
};

// `pinned`: keys from outside, trusted. No key in the proof counts, and without a pinned one no
// proof passes. kInvalid where a leaf or the head is malformed.
Result<ProofReport> verify_proof(const Proof& proof,
                                 const std::vector<xase::proto::VerifierKey>& pinned);

}  // namespace xased
