#include "daemon/ledger/verify_producers.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::EntryType;
using xase::proto::GapBody;
using xase::proto::GapReason;
using xase::proto::Id;
using xase::proto::Leaf;

namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

}  // namespace

// What lies in a place that cannot be read, or was removed, may have been about this ring.
void VerifyProducers::forget_after_loss(Ring& ring) const {
  if (ring.seen > lost_through_ || lost_through_ == 0) return;
  ring.knows_ring_sequence = false;
  ring.knows_refused = false;
  ring.knows_record_sequence = false;
  ring.knows_owner = false;
  // The PRODUCER entry of this segment may be among what was lost.
  if (segment_first_ <= lost_through_) ring.producer_segment = segment_first_;
}

std::optional<std::uint64_t> VerifyProducers::last_ring_sequence(const Id& ring_id) const {
  const auto found = rings_.find(ring_id);
  if (found == rings_.end()) return std::nullopt;
  const Ring& ring = found->second;
  const bool is_known = ring.knows_ring_sequence && ring.seen > lost_through_;
  return is_known ? std::optional(ring.last_ring_sequence) : std::nullopt;
}

void VerifyProducers::apply(const Leaf& leaf, Bytes body, bool erased) {
  const bool concerns_ring = leaf.type == EntryType::kProducer || leaf.type == EntryType::kRecord ||
                             leaf.type == EntryType::kRejected || leaf.type == EntryType::kGap;
  if (!concerns_ring) return;
  if (leaf.ring_id == Id{}) {
    if (leaf.type != EntryType::kGap) refute(leaf, "the entry names no ring");
    return;
  }
  if (cached_ == nullptr || cached_id_ != leaf.ring_id) {
    cached_ = &rings_[leaf.ring_id];
    cached_id_ = leaf.ring_id;
  }
  Ring& ring = *cached_;
  forget_after_loss(ring);
  ring.seen = leaf.sequence;
  switch (leaf.type) {
    case EntryType::kProducer:
      apply_producer(ring, leaf, body, erased);
      break;
    case EntryType::kGap:
      if (erased) {
        ring.knows_ring_sequence = false;
        ring.knows_refused = false;
      } else if (const auto gap = xase::proto::decode_gap_body(body)) {
        apply_gap(ring, leaf, *gap);
      } else {
        refute(leaf, "the body of this GAP is malformed");
      }
      break;
    default:
      apply_record(ring, leaf);
      break;
  }
}

void VerifyProducers::apply_producer(Ring& ring, const Leaf& leaf, Bytes body, bool erased) {
  ring.producer_segment = segment_first_;
  ring.uid = leaf.uid;
  ring.pid = leaf.pid;
  ring.knows_owner = true;
  if (erased) return;
  const auto producer = xase::proto::decode_producer_body(body);
  if (!producer || producer->next_ring_sequence == 0) {
    refute(leaf, "the body of this PRODUCER is malformed");
    return;
  }
  if (ring.knows_ring_sequence && producer->next_ring_sequence != ring.last_ring_sequence + 1) {
    refute(leaf, "the producer says that record " + number(producer->next_ring_sequence) +
                     " of its ring comes next, and the ledger has them up to " +
                     number(ring.last_ring_sequence));
  }
  if (ring.knows_refused && producer->refused_accounted != ring.refused_accounted) {
    refute(leaf, "the producer says that " + number(producer->refused_accounted) +
                     " refused records are accounted for, and the ledger accounts for " +
                     number(ring.refused_accounted));
  }
  if (ring.knows_record_sequence && producer->last_record_sequence != ring.last_record_sequence) {
    refute(leaf, "the producer says that entry " + number(producer->last_record_sequence) +
                     " is its last record, and the ledger's last one is entry " +
                     number(ring.last_record_sequence));
  }
  ring.last_ring_sequence = producer->next_ring_sequence - 1;
  ring.refused_accounted = producer->refused_accounted;
  ring.last_record_sequence = producer->last_record_sequence;
  ring.knows_ring_sequence = true;
  ring.knows_refused = true;
  ring.knows_record_sequence = true;
}

void VerifyProducers::apply_record(Ring& ring, const Leaf& leaf) {
  const bool introduced = ring.producer_segment == segment_first_ ||
                          (continues_ && (ring.producer_segment != 0 || !ring.knows_ring_sequence));
  if (!introduced) {
    refute(leaf, "no PRODUCER entry of its ring comes before this record in its segment");
  } else if (ring.knows_owner && (leaf.uid != ring.uid || leaf.pid != ring.pid)) {
    refute(leaf, "the record's uid or pid is not that of its PRODUCER entry");
  }
  // Said once a ring and segment.
  ring.producer_segment = segment_first_;
  ring.uid = leaf.uid;
  ring.pid = leaf.pid;
  ring.knows_owner = true;
  if (ring.knows_ring_sequence && leaf.ring_sequence != ring.last_ring_sequence + 1) {
    refute(leaf, "this is record " + number(leaf.ring_sequence) + " of its ring, and record " +
                     number(ring.last_ring_sequence + 1) + " must come next");
  }
  ring.last_ring_sequence = leaf.ring_sequence;
  ring.last_record_sequence = leaf.sequence;
  ring.knows_ring_sequence = true;
  ring.knows_record_sequence = true;
}

void VerifyProducers::apply_gap(Ring& ring, const Leaf& leaf, const GapBody& gap) {
  if (ring.knows_ring_sequence && gap.after_sequence != ring.last_ring_sequence) {
    refute(leaf, "the gap is said to follow record " + number(gap.after_sequence) +
                     " of its ring, and the ledger's last one is " +
                     number(ring.last_ring_sequence));
  }
  const bool is_refusal = gap.reason == GapReason::kQueueFull;
  const std::uint64_t newly_refused = is_refusal ? gap.count : 0;
  if (ring.knows_refused && gap.refused_accounted - ring.refused_accounted != newly_refused) {
    refute(leaf, "with this gap " + number(gap.refused_accounted) +
                     " refused records would be accounted for, and " +
                     number(ring.refused_accounted + newly_refused) + " are");
  }
  ring.refused_accounted = gap.refused_accounted;
  ring.knows_refused = true;
  ring.last_ring_sequence = gap.after_sequence;
  ring.knows_ring_sequence = true;
  if (gap.before_sequence == 0) return;
  // Records that were refused had no place in the ring; others that are missing had.
  const std::uint64_t skipped = is_refusal ? 0 : gap.count;
  if (gap.before_sequence - gap.after_sequence != skipped + 1) {
    refute(leaf, "the gap is said to lie between records " + number(gap.after_sequence) + " and " +
                     number(gap.before_sequence) + " of its ring, where " + number(gap.count) +
                     " records do not fit");
  }
  ring.last_ring_sequence = gap.before_sequence - 1;
}

}  // namespace xased
