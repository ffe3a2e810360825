// Verifies that each producer's records are in the ledger in their order, without a hole that no
// GAP entry owns up to.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "daemon/ledger/verify_findings.hpp"
#include "proto/entry_body.hpp"
#include "proto/leaf.hpp"

namespace xased {

// One thread. Memory: one node a ring.
class VerifyProducers {
 public:
  explicit VerifyProducers(VerifyFindings& findings) : findings_(findings) {}

  // The ledger that there is starts at `first`: what rings had before is taken as they say.
  void begin_at(std::uint64_t first) { lost_through_ = first - 1; }
  // `continues`: the segment need not start with its producers.
  void start_segment(std::uint64_t first, bool continues) {
    segment_first_ = first;
    continues_ = continues;
  }
  // Entries up to `through` cannot be read: whatever they said is taken as it is said next.
  void lose(std::uint64_t through) { lost_through_ = through; }

  // The next entry; `body` is empty where it was erased or where it is a record's.
  void apply(const xase::proto::Leaf& leaf, xase::proto::Bytes body, bool erased);

  // Of the last record of this ring that was taken; nothing where it is not known.
  std::optional<std::uint64_t> last_ring_sequence(const xase::proto::Id& ring_id) const;

  std::size_t rings() const { return rings_.size(); }

 private:
  struct Ring {
    std::uint64_t seen = 0;  // sequence of the last entry about it
    std::uint64_t last_ring_sequence = 0;
    std::uint64_t last_record_sequence = 0;
    std::uint64_t refused_accounted = 0;
    std::uint64_t producer_segment = 0;  // of its last PRODUCER entry; 0: none yet
    std::uint32_t uid = 0;
    std::uint32_t pid = 0;
    bool knows_ring_sequence = true;
    bool knows_refused = true;
    bool knows_record_sequence = true;
    bool knows_owner = false;  // uid and pid
  };
  void forget_after_loss(Ring& ring) const;
  void apply_producer(Ring& ring, const xase::proto::Leaf& leaf, xase::proto::Bytes body,
                      bool erased);
  void apply_record(Ring& ring, const xase::proto::Leaf& leaf);
  void apply_gap(Ring& ring, const xase::proto::Leaf& leaf, const xase::proto::GapBody& gap);
  void refute(const xase::proto::Leaf& leaf, std::string text) {
    findings_.refute(VerifyProperty::kProducers, leaf.sequence, std::move(text));
  }

  VerifyFindings& findings_;
  std::uint64_t segment_first_ = 0;
  bool continues_ = false;
  std::uint64_t lost_through_ = 0;
  std::map<xase::proto::Id, Ring> rings_;
  // The ring of the last entry: records come in runs.
  xase::proto::Id cached_id_{};
  Ring* cached_ = nullptr;
};

}  // namespace xased
