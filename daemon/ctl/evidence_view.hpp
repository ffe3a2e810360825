// What the reports about proofs and bundles have in common.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "daemon/ctl/terminal.hpp"
#include "daemon/evidence/signed_head.hpp"

namespace xased::ctl {

// "verified", "refuted", "not_established".
const char* evidence_verdict(const std::vector<EvidenceProperty>& properties);

// A line for each, then the verdict; `verified` says what that means.
std::string property_lines(const std::vector<EvidenceProperty>& properties,
                           const std::string& verified, const Style& style);

nlohmann::ordered_json properties_json(const std::vector<EvidenceProperty>& properties);

}  // namespace xased::ctl
