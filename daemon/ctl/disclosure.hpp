// --disclose, which prove and export take.
#pragma once

#include <string>
#include <vector>

#include "daemon/evidence/make_proof.hpp"

namespace xased::ctl {

inline constexpr char kDiscloseHelp[] =
    "What to show: input, output, context, rest (policy, ids, model, explanation, ...), all; "
    "separated by commas; default: nothing";

// kInvalid where one of `names` is none of them.
Result<Disclosure> disclosure_of(const std::vector<std::string>& names);

}  // namespace xased::ctl
