// Holds what the service says of records against what the ledger knows of them.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <unordered_map>

#include "daemon/delivery/service_answer.hpp"
#include "daemon/delivery/service_hash.hpp"
#include "proto/witness_body.hpp"

namespace xased {

// What the ledger has of a record that the service took.
struct AuditSubject {
  std::uint64_t sequence = 0;
  // When its answer came, no record behind this sequence can have been posted yet: the sequence of
  // its RECEIPT will do, and so will what was durable then.
  std::uint64_t answered_at = 0;
  std::string transaction_id;
  xase::proto::Hash record_hash{};  // the receipt's
  // Of the body that was posted; nothing where they cannot be told, or where the receipt is not an
  // answer to that body.
  std::optional<ServiceHashes> hashes;
};

struct AuditFinding {
  xase::proto::AuditKind kind = xase::proto::AuditKind::kLost;
  std::uint64_t other_sequence = 0;  // 0: none
};

// The finding about the record by itself, if any; `word` says something.
std::optional<AuditFinding> judge(ServiceHasher& hasher, const AuditSubject& subject,
                                  const ServiceWord& word);

// Which record of ours goes on from which, as the service says. One thread. Memory: some 200 bytes
// a record, of the `records_max` that came last.
class ServiceChain {
 public:
  explicit ServiceChain(std::size_t records_max = std::numeric_limits<std::size_t>::max())
      : records_max_(records_max) {}

  // The receipt of a record of ours. Before anything is said of those that go on from it.
  void add_receipt(const AuditSubject& subject);
  // The service says that `subject` goes on from `previous`; asking again is no second record.
  //
  // Two on one predecessor are a race where either may have been posted before the other's answer
  // came: the service reads its latest record and then inserts, without a lock between.
  std::optional<AuditFinding> add_link(const AuditSubject& subject,
                                       const std::optional<xase::proto::Hash>& previous);

 private:
  struct HashOfHash {
    std::size_t operator()(const xase::proto::Hash& hash) const {
      return xase::proto::load<std::size_t>(hash.data());
    }
  };
  struct Place {
    std::uint64_t sequence = 0;
    std::uint64_t answered_at = 0;
  };
  class Places {
   public:
    // The place that is there already; else none, and `place` is there now.
    std::optional<Place> put(const xase::proto::Hash& at, Place place, std::size_t places_max);
    std::optional<Place> find(const xase::proto::Hash& at) const;

   private:
    std::unordered_map<xase::proto::Hash, Place, HashOfHash> places_;
    std::deque<xase::proto::Hash> order_;
  };

  std::size_t records_max_;
  Places by_hash_;
  Places by_previous_;  // under zeros: without a predecessor
};

}  // namespace xased
