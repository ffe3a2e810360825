// `verify` of a file that stands alone: a proof or a bundle.
#pragma once

#include <string>

#include "daemon/ctl/command.hpp"
#include "daemon/evidence/policy.hpp"

namespace xased::ctl {

// Tells of `path` and gives the exit code.
int verify_evidence_file(const Globals& globals, const std::string& path, const Policy& policy,
                         bool quiet);

}  // namespace xased::ctl
