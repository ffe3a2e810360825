// The page that a receipt's address shows: what a person at a bank reads, prints and files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/devapi/js_value.hpp"
#include "daemon/devapi/log_line.hpp"

namespace xased::devapi {

struct ReceiptView {
  const StoredRecord& record;
  const JsValue& body;  // the record's, parsed
  std::uint64_t number = 0;
  std::string next_transaction_id;  // "" if there is none yet
  const std::vector<StoredIntervention>& interventions;
  bool is_valid = false;  // the hashes were computed again and agree
};

// A whole HTML document: no script, nothing from the network, every value escaped, and hashes in
// place of the decision's input and output.
std::string receipt_page(const ReceiptView& view);

std::string escape_html(std::string_view text);

}  // namespace xased::devapi
