// A disclosed part as JSON: see "Proof" in proto/FORMATS.md.
#pragma once

#include "daemon/evidence/proof.hpp"
#include "daemon/evidence/strict_json.hpp"

namespace xased {

Json part_json(const DisclosedPart& part);

// Adds the members of `part` to `json`.
void put_part(const DisclosedPart& part, Json& json);

// Asks for the members of a part, and leaves others to the caller. `where` names it for people.
// Throws strict::Malformed.
DisclosedPart read_part(strict::Members& members, const std::string& where);

}  // namespace xased
