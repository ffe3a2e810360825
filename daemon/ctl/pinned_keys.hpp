// Keys from the command line.
#pragma once

#include <string>
#include <vector>

#include "daemon/platform/status.hpp"
#include "proto/verifier_key.hpp"

namespace xased::ctl {

// Each of `texts` is a verifier key, or names a file that holds one.
Result<std::vector<xase::proto::VerifierKey>> read_pinned_keys(
    const std::vector<std::string>& texts);

}  // namespace xased::ctl
