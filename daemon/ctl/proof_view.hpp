// What `verify` tells of a proof, for people and for programs.
#pragma once

#include <string>

#include "daemon/ctl/terminal.hpp"
#include "daemon/evidence/verify_proof.hpp"

namespace xased::ctl {

// What was decided, out of the parts that are proven and no others.
std::string proof_page(const Proof& proof, const ProofReport& report, const Style& style);
// One line. Texts from the proof that are not UTF-8 are in base64.
std::string proof_json(const Proof& proof, const ProofReport& report);

}  // namespace xased::ctl
