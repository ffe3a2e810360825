// What the service accepts: keys, identifiers and bodies. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/devapi/js_value.hpp"

namespace xased::devapi {

// One broken rule: the member ("" is the body itself) and what is wrong with it. Never holds values
// out of the body other than the name of a type.
struct Violation {
  std::string path;
  std::string message;
};

// `xase_pk_` and 48 lowercase hex characters.
bool is_api_key(std::string_view text);
// A UUID of version 4, or 16 to 64 characters of [A-Za-z0-9_-].
bool is_idempotency_key(std::string_view text);
// `txn_` and 32 lowercase hex characters.
bool is_transaction_id(std::string_view text);

// What a body of POST /records breaks; empty means that it is accepted. Members that the service
// does not know are ignored, as it ignores them.
std::vector<Violation> check_record(const JsValue& body);

// The same for POST /records/{id}/intervene.
std::vector<Violation> check_intervention(const JsValue& body);

}  // namespace xased::devapi
