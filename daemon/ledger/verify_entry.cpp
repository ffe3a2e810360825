// The part of the walk that deals with entries.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "daemon/ledger/chain.hpp"
#include "daemon/ledger/verify_walk.hpp"
#include "proto/entry_body.hpp"
#include "proto/hashing.hpp"
#include "proto/hex.hpp"
#include "proto/witness_body.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::EntryType;
using xase::proto::Frame;
using xase::proto::Hash;
using xase::proto::Id;
using xase::proto::kLeafBytes;
using xase::proto::kRestPart;
using xase::proto::Leaf;

namespace {

constexpr std::array<std::string_view, xase::proto::kParts> kPartNames{"input", "output", "context",
                                                                       "rest"};

std::string number(std::uint64_t value) { return std::to_string(value); }

Hash previous_of(const Frame& frame) {
  return xase::proto::load<Hash>(frame.leaf.data() + xase::proto::kLeafPreviousOffset);
}

std::string text_of(const nlohmann::json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto member = object.find(name);
  return member != object.end() && member->is_string() ? member->get<std::string>() : std::string();
}

}  // namespace

void LedgerWalk::meet(const Frame& frame) {
  if (frame.is_commit_mark()) {
    check_mark(frame);
    return;
  }
  if (frame.sequence <= last_) {
    repeat(frame);
    return;
  }
  if (frame.sequence > last_ + 1) {
    // Behind a failed sync: known to be whole, and no more; the next segment has it again.
    if (is_given_up()) {
      repeats_for_next_.emplace_back(frame.sequence, xase::proto::leaf_hash(sha256_, frame.leaf));
      return;
    }
    const bool leaf_fits =
        intact_leaf_ && frame.sequence == last_ + 2 && previous_of(frame) == *intact_leaf_;
    const std::optional<Hash> head = leaf_fits ? intact_leaf_ : std::nullopt;
    if (leaf_fits) heads_.roots().take(*intact_leaf_);
    lose(frame.sequence - 1,
         leaf_fits ? "its leaf still fits the chain: what lies beside it, or its frame, was changed"
         : after_damage_ ? "damaged"
                         : "not there");
    head_ = head;
  }
  after_damage_ = false;
  intact_leaf_.reset();
  take(frame);
}

// Of the frame at the reader's position.
const FrameHashes& LedgerWalk::hashes_of_frame() {
  if (reads_ != reader_->reads()) hashes_.forget();
  reads_ = reader_->reads();
  return hashes_.of(reader_->position(), reader_->ahead());
}

// The next entry of the chain.
void LedgerWalk::take(const Frame& frame) {
  const auto leaf = xase::proto::decode_leaf(frame.leaf);
  const FrameHashes& hashes = hashes_of_frame();
  const Hash& hash = hashes.leaf;
  const std::uint64_t sequence = frame.sequence;
  heads_.roots().take(hash);
  check_link(frame);
  const bool is_sound = check_leaf(frame, leaf);
  if (!repeats_.empty()) compare_with_repeat(sequence, hash);
  if (next_first_ != 0 && sequence >= next_first_) repeats_for_next_.emplace_back(sequence, hash);
  const std::uint64_t index = sequence - first_;
  // As many entries as sequences may be missing, but no more than there were bytes for.
  if (index < reader_->position() / kLeafBytes) {
    if (extents_.size() <= index) extents_.resize(index + 1);
    extents_[index] = {reader_->position(), reader_->position() + frame.bytes};
  }
  VerifyReport& report = facts_.report;
  ++report.counts.entries;
  if (report.first_sequence == 0) report.first_sequence = sequence;
  report.last_sequence = sequence;
  head_ = hash;
  if (is_sound) {
    if (report.first_wall_ns == 0) report.first_wall_ns = leaf->wall_ns;
    report.last_wall_ns = leaf->wall_ns;
    const bool erased = frame.erasable.empty();
    if (erased) ++report.counts.erased;
    apply(*leaf, hash, check_commitments(*leaf, frame.erasable, hashes.commitments), erased);
  } else {
    // What it said is not known.
    producers_.lose(sequence);
    receipts_.lose(sequence);
    seals_.lose();
    heads_.keys().lose(sequence);
    totals_.reset();
  }
  move_last(sequence);
}

// A sequence that was met before: again in a segment that a failed sync began, or in no way that a
// sound ledger has.
void LedgerWalk::repeat(const Frame& frame) {
  const Hash hash = xase::proto::leaf_hash(sha256_, frame.leaf);
  const auto known = std::lower_bound(
      repeats_.begin(), repeats_.end(), frame.sequence,
      [](const auto& entry, std::uint64_t wanted) { return entry.first < wanted; });
  if (known == repeats_.end() || known->first != frame.sequence) {
    if (is_given_up()) return;
    refute(VerifyProperty::kChain, frame.sequence,
           "an entry with this sequence comes again, or too late: behind entry " + number(last_));
    return;
  }
  compare_with_repeat(frame.sequence, hash);
  if (next_first_ != 0 && frame.sequence >= next_first_) {
    repeats_for_next_.emplace_back(frame.sequence, hash);
  }
}

void LedgerWalk::compare_with_repeat(std::uint64_t sequence, const Hash& hash) {
  const auto known = std::lower_bound(
      repeats_.begin(), repeats_.end(), sequence,
      [](const auto& entry, std::uint64_t wanted) { return entry.first < wanted; });
  if (known == repeats_.end() || known->first != sequence || known->second == hash) return;
  refute(VerifyProperty::kChain, sequence,
         "the entry was written again after a failed sync, and the two differ");
}

const LedgerWalk::Extent* LedgerWalk::extent_of(std::uint64_t sequence) const {
  if (sequence < first_ || sequence - first_ >= extents_.size()) return nullptr;
  const Extent& extent = extents_[sequence - first_];
  return extent.end == 0 ? nullptr : &extent;
}

void LedgerWalk::check_mark(const Frame& frame) {
  const std::uint64_t sequence = frame.sequence;
  const std::uint64_t position = frame.commit_position();
  if (sequence > last_) {
    if (is_given_up()) return;
    lose(sequence, after_damage_ ? "damaged" : "a commit mark says that they were written");
    after_damage_ = false;
    intact_leaf_.reset();
  }
  const Extent* entry = extent_of(sequence);
  const Extent* next = extent_of(sequence + 1);
  const bool is_sound =
      sequence + 1 >= first_ && sequence >= mark_sequence_ &&
      position >= xase::proto::kSegmentHeaderBytes && position <= reader_->position() &&
      (entry == nullptr || position >= entry->end) && (next == nullptr || position <= next->start);
  if (!is_sound) {
    refute(VerifyProperty::kFrames, last_ + 1,
           "a commit mark says that entry " + number(sequence) + " ends at " + number(position) +
               ", and it does not");
    return;
  }
  mark_sequence_ = sequence;
  durable_position_ = std::max(durable_position_, position);
}

void LedgerWalk::check_link(const Frame& frame) {
  if (!head_) {
    if (broken_link_ != 0) settle_broken_link(true);
    return;
  }
  const bool fits = previous_of(frame) == *head_;
  if (broken_link_ != 0) {
    settle_broken_link(fits);
    return;
  }
  if (!fits) broken_link_ = frame.sequence;
}

// Two entries do not fit each other. Where the later one fits its successor, the earlier one is
// what was changed: or everything from the later one on was made anew.
void LedgerWalk::settle_broken_link(bool successor_fits) {
  const std::uint64_t later = broken_link_;
  broken_link_ = 0;
  const std::uint64_t earlier = later - 1;
  const bool earlier_was_read = earlier >= begin_ && earlier > lost_through_;
  const bool blames_earlier = successor_fits && earlier_was_read;
  if (const Extent* extent = extent_of(blames_earlier ? earlier : later)) {
    findings_.move_to(extent->start);
  }
  if (blames_earlier) {
    refute(VerifyProperty::kChain, earlier,
           "it is not the entry that entry " + number(later) +
               " was chained to: it was changed, or all from there on was made anew");
  } else {
    refute(VerifyProperty::kChain, later, "it does not name the hash of the entry before it");
  }
  if (reader_ != nullptr) findings_.move_to(reader_->position());
}

bool LedgerWalk::check_leaf(const Frame& frame, const std::optional<Leaf>& leaf) {
  if (!leaf) {
    refute(VerifyProperty::kChain, frame.sequence, "it holds no leaf of a known version");
    return false;
  }
  if (leaf->sequence != frame.sequence || static_cast<std::uint16_t>(leaf->type) != frame.type) {
    refute(VerifyProperty::kFrames, frame.sequence,
           "the frame says " + std::string(entry_type_name(static_cast<EntryType>(frame.type))) +
               " " + number(frame.sequence) + ", its leaf " +
               std::string(entry_type_name(leaf->type)) + " " + number(leaf->sequence));
    return false;
  }
  if (!log_id_) log_id_ = leaf->log_id;
  if (leaf->log_id != *log_id_) {
    refute(VerifyProperty::kChain, frame.sequence, "it is an entry of another ledger");
    return false;
  }
  return true;
}

// Gives the body of an entry that is no record, where it can be read.
Bytes LedgerWalk::check_commitments(const Leaf& leaf, Bytes erasable_bytes,
                                    const std::array<Hash, xase::proto::kParts>& commitments) {
  const bool is_record = leaf.type == EntryType::kRecord;
  const auto fail = [&](std::string text) {
    refute(VerifyProperty::kCommitments, leaf.sequence, std::move(text));
  };
  if (erasable_bytes.empty()) {
    // Input, output and the rest are never absent from a record, nor the body from others.
    const auto is_absent = [&](std::size_t part) { return leaf.commitments[part] == Hash{}; };
    if (is_absent(kRestPart) || (is_record && (is_absent(0) || is_absent(1)))) {
      fail("what lay beside the leaf is gone, and the leaf commits to nothing");
    }
    return {};
  }
  const auto erasable = xase::proto::decode_erasable(erasable_bytes);
  if (!erasable) {
    fail("what lies beside the leaf is malformed");
    if (leaf.type == EntryType::kKey) heads_.keys().miss_entry(leaf.sequence);
    return {};
  }
  ++facts_.commitments;
  for (std::size_t i = 0; i < xase::proto::kParts; ++i) {
    if (commitments[i] == leaf.commitments[i]) continue;
    fail("its " + std::string(kPartNames[i]) + " is not what the leaf commits to");
  }
  const Bytes body = erasable->parts[kRestPart];
  if (is_record) {
    if (!xase::proto::decode_record_parts(*erasable)) fail("its parts are not those of a record");
    return {};
  }
  if (leaf.type == EntryType::kRejected && !xase::proto::decode_rejected_body(body)) {
    fail("the body of this REJECTED is malformed");
  }
  if (leaf.type == EntryType::kAnchor && !anchors_.take(leaf, body)) {
    fail("the body of this ANCHOR is malformed");
  }
  if (leaf.type == EntryType::kErase && !retention_.take(leaf, body)) {
    fail("the body of this ERASE is malformed");
  }
  if (leaf.type == EntryType::kAudit && !xase::proto::decode_audit_body(body)) {
    fail("the body of this AUDIT is malformed");
  }
  if (leaf.type == EntryType::kKey) {
    const VerifyKeys::Taken taken = heads_.keys().take_entry(leaf, body);
    if (taken.is_malformed) fail("the body of this KEY names no key");
    if (!taken.problem.empty()) refute(VerifyProperty::kSigner, leaf.sequence, taken.problem);
  }
  return body;
}

void LedgerWalk::apply(const Leaf& leaf, const Hash& hash, Bytes body, bool erased) {
  seals_.apply(leaf, body, erased, totals_ ? &*totals_ : nullptr);
  producers_.apply(leaf, body, erased);
  receipts_.apply(leaf, hash, body, erased);
  if (leaf.type == EntryType::kAudit) ++facts_.report.counts.audits;
  if (leaf.type == EntryType::kAnchor) ++facts_.report.counts.anchors;
  count_entry(leaf.type, body, counted_);
  const bool totals_need_body = leaf.type == EntryType::kGap || leaf.type == EntryType::kReceipt ||
                                leaf.type == EntryType::kDeadLetter;
  if (erased && totals_need_body) totals_.reset();
  if (totals_) count_entry(leaf.type, body, *totals_);
  if (leaf.type == EntryType::kGap) keep_gap(leaf, body);
  if (leaf.type == EntryType::kKey && erased) heads_.keys().miss_entry(leaf.sequence);
  if (leaf.type == EntryType::kStart || leaf.sequence == 1) check_start(leaf, body, erased);
}

// The first entry says what the ledger's name is made of.
void LedgerWalk::check_start(const Leaf& leaf, Bytes body, bool erased) {
  const bool is_first = leaf.sequence == 1;
  if (leaf.type != EntryType::kStart) {
    refute(VerifyProperty::kLogId, 1, "a ledger starts with START, and this is another entry");
    return;
  }
  if (erased || (!is_first && !facts_.report.origin.empty())) return;
  const nlohmann::json start =
      nlohmann::json::parse(xase::proto::as_text(body), nullptr, /*allow_exceptions=*/false);
  const std::string origin = text_of(start, "origin");
  if (facts_.report.origin.empty()) facts_.report.origin = origin;
  if (!is_first) return;
  const auto nonce = xase::proto::hash_of_hex(text_of(start, "nonce"));
  if (!nonce || !start.contains("origin")) {
    refute(VerifyProperty::kLogId, 1, "START does not say origin and nonce");
    return;
  }
  facts_.log_id_is_derived = true;
  if (xase::proto::log_id(sha256_, *nonce, origin) != leaf.log_id) {
    refute(VerifyProperty::kLogId, 1, "the log id does not follow from START's origin and nonce");
  }
}

void LedgerWalk::keep_gap(const Leaf& leaf, Bytes body) {
  const auto gap = xase::proto::decode_gap_body(body);
  if (!gap || facts_.report.gaps.size() >= options_.gaps_max) return;
  VerifyGap kept;
  kept.sequence = leaf.sequence;
  kept.reason = xase::proto::gap_reason_name(gap->reason);
  if (leaf.ring_id != Id{}) kept.ring_id = xase::proto::to_hex(leaf.ring_id);
  kept.count = gap->count;
  kept.after_sequence = gap->after_sequence;
  kept.before_sequence = gap->before_sequence;
  kept.text = gap->text;
  facts_.report.gaps.push_back(std::move(kept));
}

// Entries up to `through` must be there and cannot be read.
void LedgerWalk::lose(std::uint64_t through, std::string_view why) {
  if (broken_link_ != 0) settle_broken_link(true);
  const std::uint64_t from = last_ + 1;
  std::string which = through == from ? "entry " + number(from) + ": "
                                      : "entries " + number(from) + " to " + number(through) + ": ";
  refute(VerifyProperty::kComplete, from, std::move(which.append(why)));
  ++facts_.holes;
  facts_.report.counts.unreadable += through - last_;
  lost_through_ = through;
  producers_.lose(through);
  receipts_.lose(through);
  seals_.lose();
  heads_.keys().lose(last_ + 1);
  heads_.roots().lose(through);
  head_.reset();
  totals_.reset();
  move_last(through);
}

void LedgerWalk::move_last(std::uint64_t sequence) {
  last_ = sequence;
  if (next_first_ != 0 && last_ + 1 == next_first_) at_next_first_ = {next_first_, head_, totals_};
}

// At a damaged frame that is the next entry's by its header: its leaf may be whole.
void LedgerWalk::remember_intact_leaf() {
  const auto bytes = bytes_at(reader_->position() + xase::proto::kFrameHeaderBytes, kLeafBytes);
  if (!bytes.ok()) return;
  const auto leaf = xase::proto::decode_leaf(*bytes);
  if (!leaf || leaf->sequence != last_ + 1 || (head_ && leaf->previous != *head_)) return;
  intact_leaf_ = xase::proto::leaf_hash(sha256_, *bytes);
}

LedgerWalk::Facts LedgerWalk::take_facts() {
  VerifyReport& report = facts_.report;
  VerifyCounts& counts = report.counts;
  counts.records = counted_.records;
  counts.rejected = counted_.rejected;
  counts.gaps = counted_.gaps;
  counts.missing = counted_.missing;
  counts.receipts = counted_.receipts;
  counts.replayed = counted_.replayed;
  counts.possible_duplicates = counted_.possible_duplicates;
  counts.dead_letters = receipts_.set_aside();
  counts.undelivered = receipts_.undelivered();
  counts.unmatched_receipts = receipts_.unmatched();
  counts.producers = producers_.rings();
  facts_.matched_receipts = receipts_.matched();
  if (log_id_) report.log_id = xase::proto::to_hex(*log_id_);
  if (head_ && counts.entries != 0) report.head = xase::proto::to_hex(*head_);
  heads_.tell(report);
  report.findings_total = findings_.total();
  report.findings = findings_.take();
  return std::move(facts_);
}

}  // namespace xased
