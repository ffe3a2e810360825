// The hashes that the service chains, computed from the bytes that are posted to it: whoever has
// the ledger can tell what the service must answer, and what it can never have received.
//
// The service hashes what JavaScript makes of a body (ECMA-262, sections 25.5.1 and 25.5.2):
// "sha256:" and the hex of SHA-256 over JSON.stringify of input, output and context each, with the
// top level's keys sorted. record_hash is the hex of SHA-256 over the previous record's
// record_hash and these three texts; what is absent is the empty text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/platform/sha256.hpp"

namespace xased {

// The SHA-256 values alone, without what is written in front of them.
struct ServiceHashes {
  xase::proto::Hash input{};
  xase::proto::Hash output{};
  std::optional<xase::proto::Hash> context;

  bool operator==(const ServiceHashes&) const = default;
};

// As the service writes one: "sha256:" and lowercase hex.
std::string service_hash_text(const xase::proto::Hash& hash);

// One thread; keeps its buffers between calls.
class ServiceHasher {
 public:
  // Of a body that RequestBuilder made. Nothing where what the service computes cannot be told
  // for certain, so that no alarm may rest on it: a member is named __proto__ (runtimes keep,
  // drop or refuse it), the text is not UTF-8, or the bytes are not of RFC 8785.
  std::optional<ServiceHashes> of_body(std::string_view body);

  // Of the record with `hashes` behind the one whose record_hash is `previous`; nothing: none.
  xase::proto::Hash record_hash(const std::optional<xase::proto::Hash>& previous,
                                const ServiceHashes& hashes);

 private:
  Sha256 sha256_;
  std::string text_;
};

// Appends JSON.stringify(JSON.parse(value)) of a value in RFC 8785's form: the same but for the
// order of members, since a JavaScript object has those that are array indices (decimal, 0 to
// 2^32 - 2) first, by number (ECMA-262, section 10.1.11.1). False: cannot be told, see above.
bool append_as_javascript(std::string_view value, std::string& out);

}  // namespace xased
