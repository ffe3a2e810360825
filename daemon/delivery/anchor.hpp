// The signed head of the ledger as a record for the service: minutes after it was signed, all that
// it covers is known to someone outside this host, whatever the backlog.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "daemon/delivery/transport.hpp"
#include "daemon/platform/file_system.hpp"
#include "daemon/platform/status.hpp"
#include "proto/bytes.hpp"

namespace xased {

inline constexpr std::string_view kAnchorPolicy = "xase.checkpoint";

struct Anchor {
  std::uint64_t size = 0;  // entries that the head covers
  xase::proto::Hash root{};
  std::string note;
  std::shared_ptr<const Request> request;
};

// Of STATE_DIR/tree/checkpoint as it is now. The body derives from the note and the entry that it
// ends with, and the idempotency key from the note's hash: of one note always the same bytes.
//
// {"context":{"xase_ledger":{...}},"input":{"checkpoint":note},"output":{"root":base64,
// "size":n},"policyId":"xase.checkpoint"}; xase_ledger names the last entry that the head covers.
//
// kNotFound where there is no checkpoint, or none of an entry; otherwise what reading or checking
// the tree's files says.
Result<Anchor> make_anchor(FileSystem& fs, const std::string& state_dir);

// What the service's record_hash of that record must be, behind the record with `previous`;
// nothing: the tenant's first. `leaf_hash` is that of the last entry that the head in `note`
// covers. Nothing where `note` is none of a head.
std::optional<xase::proto::Hash> anchor_record_hash(
    const std::string& note, const xase::proto::Hash& log_id, const xase::proto::Hash& leaf_hash,
    const std::optional<xase::proto::Hash>& previous);

}  // namespace xased
