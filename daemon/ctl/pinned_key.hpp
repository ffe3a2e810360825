// The ledger's key as the user gives it, from outside of the ledger.
#pragma once

#include <string>

#include "daemon/platform/status.hpp"
#include "proto/verifier_key.hpp"

namespace xased::ctl {

// `text` is a verifier key, or a file that holds one. The failure says what to do.
Result<xase::proto::VerifierKey> pinned_key(const std::string& text);

}  // namespace xased::ctl
