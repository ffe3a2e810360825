// What `verify` tells of a bundle, for people and for programs.
#pragma once

#include <string>

#include "daemon/ctl/terminal.hpp"
#include "daemon/evidence/verify_bundle.hpp"

namespace xased::ctl {

std::string bundle_page(const BundleReport& report, const Style& style);
// One line.
std::string bundle_json(const BundleReport& report);

}  // namespace xased::ctl
