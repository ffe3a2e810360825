// The ledger's keys and what else is asked for, as the user gives them, from outside of the ledger.
#pragma once

#include <string>
#include <vector>

#include "daemon/evidence/policy.hpp"
#include "daemon/platform/status.hpp"
#include "proto/verifier_key.hpp"

namespace xased::ctl {

// `text` is a verifier key, or a file that holds some. The failure says what to do.
Result<std::vector<xase::proto::VerifierKey>> pinned_keys(const std::string& text);

// What is asked for: each of `keys` as above, in addition to what the policy in `path` asks for,
// where that is not empty.
Result<Policy> read_policy(const std::vector<std::string>& keys, const std::string& path);

}  // namespace xased::ctl
