// Signed heads that the service took and stands by, as someone asked it from outside of the host.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/platform/file_system.hpp"
#include "proto/checkpoint.hpp"
#include "proto/leaf.hpp"
#include "proto/witness_body.hpp"

namespace xased {

class TileReader;
class VerifyFindings;
struct VerifyPropertyReport;

// What the service says of a head that it took.
struct PinnedAnchor {
  std::string transaction_id;
  xase::proto::Hash record_hash{};
  std::optional<xase::proto::Hash> previous;  // nothing: the tenant's first record
};

// What the service's record_hash must be of the head in `note`, whose last entry has `leaf_hash`,
// behind the record with `previous`; nothing where that cannot be told.
using AnchorRecordHash = std::function<std::optional<xase::proto::Hash>(
    const std::string& note, const xase::proto::Hash& log_id, const xase::proto::Hash& leaf_hash,
    const std::optional<xase::proto::Hash>& previous)>;

// Holds them against the ANCHOR entries that a walk meets, and those against the tree. One thread;
// one verification: take() as the walk comes by, then settle(), then judge().
class VerifyAnchors {
 public:
  VerifyAnchors(const std::vector<PinnedAnchor>& pinned, const AnchorRecordHash& record_hash,
                VerifyFindings& findings)
      : pinned_(pinned), record_hash_(record_hash), findings_(findings) {}

  // An ANCHOR entry; false where its body is malformed.
  bool take(const xase::proto::Leaf& leaf, xase::proto::Bytes body);
  // `head`: the ledger's own, where the walk has shown that it is this ledger's. The files of its
  // tree in `directory` tell the roots of earlier sizes.
  Status settle(FileSystem& fs, const std::string& directory,
                const std::optional<xase::proto::Checkpoint>& head);
  void judge(VerifyPropertyReport& report) const;

 private:
  using Hash = xase::proto::Hash;
  struct Met {
    std::uint64_t sequence = 0;
    std::uint64_t size = 0;
    Hash root{};
    Hash log_id{};
    std::string note;
  };
  Status settle_one(const PinnedAnchor& pinned, const Met& met, TileReader& tiles);
  void doubt(const PinnedAnchor& pinned, const std::string& why);

  const std::vector<PinnedAnchor>& pinned_;
  const AnchorRecordHash& record_hash_;
  VerifyFindings& findings_;
  std::map<std::string, Met> met_;  // those that are pinned, by transaction
  std::uint64_t count_ = 0;         // of all
  std::uint64_t last_size_ = 0;
  std::string last_transaction_;
  std::uint64_t shown_size_ = 0;  // entries that a pinned one covers
  std::uint64_t shown_ = 0;
  std::string doubts_;  // of the first that shows nothing
};

}  // namespace xased
