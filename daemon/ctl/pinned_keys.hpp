// The ledger's keys as the user gives them, from outside of the ledger.
#pragma once

#include <string>
#include <vector>

#include "daemon/platform/status.hpp"
#include "proto/verifier_key.hpp"

namespace xased::ctl {

// `text` is a verifier key, or a file that holds one. The failure says what to do.
Result<xase::proto::VerifierKey> pinned_key(const std::string& text);

// Each of `texts`, in their order.
Result<std::vector<xase::proto::VerifierKey>> read_pinned_keys(
    const std::vector<std::string>& texts);

}  // namespace xased::ctl
