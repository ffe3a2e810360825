// `verify` of a file that stands alone: a proof or a bundle.
#pragma once

#include <string>
#include <vector>

#include "daemon/ctl/command.hpp"

namespace xased::ctl {

// Tells of `path` and gives the exit code. `keys`: as --key has them.
int verify_evidence_file(const Globals& globals, const std::string& path,
                         const std::vector<std::string>& keys, bool quiet);

}  // namespace xased::ctl
