// Checks a proof with nothing but itself and keys from elsewhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/evidence/policy.hpp"
#include "daemon/evidence/proof.hpp"
#include "daemon/evidence/signed_head.hpp"
#include "proto/leaf.hpp"
#include "proto/verifier_key.hpp"

namespace xased {

struct ProofReport {
  // leaf, inclusion, ledger, signer, witnesses, input, output, context, rest, receipt: in that
  // order.
  std::vector<EvidenceProperty> properties;
  std::string origin;                  // of the signed head
  std::uint64_t size = 0;              // entries that it covers
  std::string root;                    // hex
  std::vector<std::string> signed_by;  // verifier keys, of the pinned ones
  xase::proto::Leaf leaf;
  std::string leaf_hash;                     // hex
  std::optional<xase::proto::Leaf> receipt;  // of the entry with the answer

  const EvidenceProperty& property(std::string_view name) const {
    return property_of(properties, name);
  }
  int exit_code() const { return exit_code_of(properties); }
};

// `policy` is from outside, and trusted. No key in the proof counts, and without one of a log in
// the policy no proof passes. kInvalid where a leaf or the head is malformed.
Result<ProofReport> verify_proof(const Proof& proof, const Policy& policy);

}  // namespace xased
