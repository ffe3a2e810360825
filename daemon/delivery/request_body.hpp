// What is posted for a record: derived from ledger entries alone, so that it is the same bytes on
// every attempt, also after a restart.
#pragma once

#include <string>
#include <string_view>

#include "daemon/delivery/canonical_json.hpp"
#include "daemon/delivery/transport.hpp"
#include "daemon/ledger/entry.hpp"
#include "daemon/platform/sha256.hpp"
#include "daemon/platform/status.hpp"

namespace xased {

// The name in a body's context that is ours.
inline constexpr std::string_view kLedgerMember = "xase_ledger";

// Lowercase hex.
std::string hex(xase::proto::Bytes bytes);

// One thread; keeps its buffers between calls.
class RequestBuilder {
 public:
  // Sets `request` to what is posted for `record`, a RECORD entry with its erasable part.
  // `runtime_context` is the JSON object of its PRODUCER entry, or empty. kInvalid where the
  // record cannot be expressed; the message says which field and repeats nothing of it.
  //
  // The body is one RFC 8785 object of the service's fields; what the record lacks is left out. Its
  // context has the runtime context and the record's time stamp under the caller's own members, and
  // over them kLedgerMember: log id, sequence and leaf hash.
  Status build(const Entry& record, const xase::proto::Hash& leaf_hash,
               std::string_view runtime_context, Request& request);

 private:
  Status append_context(const Entry& record, const xase::proto::Hash& leaf_hash,
                        std::string_view runtime_context, std::string_view caller_context,
                        std::string& body);
  std::string key_of(std::string_view transaction_id, const xase::proto::Hash& leaf_hash);

  CanonicalJson json_;
  Sha256 sha256_;
};

}  // namespace xased
