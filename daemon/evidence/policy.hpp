// What someone asks of evidence before believing it: a file of their own, from outside of the
// ledger. See "Policy" in proto/FORMATS.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/ledger/verify_anchors.hpp"
#include "daemon/ledger/verify_witnesses.hpp"
#include "daemon/platform/status.hpp"
#include "proto/verifier_key.hpp"

namespace xased {

inline constexpr std::size_t kPolicyBytesMax = std::size_t{1} << 20;

struct Policy {
  std::vector<xase::proto::VerifierKey> logs;  // pinned: one of them must have signed
  WitnessPolicy witnesses;
  std::vector<PinnedAnchor> anchors;  // the service must stand by these
  // Names of properties that must be PROVEN, of a ledger, a proof or a bundle.
  std::vector<std::string> required;
};

// `file` is for messages: "<file>:<line>: ...". kInvalid where a line is none of a policy's, where
// a name is used before it is there or is there twice, or where nothing would be asked for.
Result<Policy> parse_policy(std::string_view text, const std::string& file);

}  // namespace xased
