// The lines of the log: JSON, so that `jq` reads them, with a check in front.
//
//   {"check":"<16 hex>","kind":"record","transaction_id":…,…,"body":"<as received>"}
//   {"check":"<16 hex>","kind":"intervention","transaction_id":…,…,"body":"<as received>"}
//
// `check` is the beginning of the SHA-256 over everything after its comma. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "daemon/platform/status.hpp"

namespace xased::devapi {

struct StoredRecord {
  std::string transaction_id;
  std::int64_t timestamp_unix_ms = 0;
  std::string tenant;           // the beginning of SHA-256 over the API key, never the key
  std::string idempotency_key;  // "" when the request had none
  std::string input_hash;       // "sha256:" and 64 hex
  std::string output_hash;
  std::string context_hash;   // "" when the record has no context
  std::string previous_hash;  // "" at the beginning of a tenant's chain
  std::string record_hash;
  std::string receipt_url;
  std::string body;  // as received
};

struct StoredIntervention {
  std::string intervention_id;
  std::string transaction_id;
  std::int64_t timestamp_unix_ms = 0;
  std::string tenant;
  std::string body;  // as received
};

using LogLine = std::variant<StoredRecord, StoredIntervention>;

// With the newline. `body` is appended to either as it is and must be valid UTF-8.
std::string encode(const StoredRecord& record);
std::string encode(const StoredIntervention& intervention);

// Without the newline. kCorrupt when the check does not fit or a member is missing.
Result<LogLine> decode(std::string_view line);

}  // namespace xased::devapi
