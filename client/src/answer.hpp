// The API's answer, read for the few strings that a receipt shows.
#pragma once

#include <string>
#include <string_view>

namespace xase::client {

struct Answer {
  std::string transaction_id;
  std::string receipt_url;
  std::string timestamp;
  std::string record_hash;
  std::string chain_position;
  std::string error;
  std::string code;
};

// Takes the strings of these names from the top level of a JSON object; the first of each counts.
// Bytes from outside: whatever is not such an object gives empty strings, from the point on where
// it is not. Other values are skipped without being judged. Time and memory are linear in the text.
Answer parse_answer(std::string_view json);

}  // namespace xase::client
