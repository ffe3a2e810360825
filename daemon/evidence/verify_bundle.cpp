#include "daemon/evidence/verify_bundle.hpp"

#include <algorithm>

#include "daemon/ledger/tree/leaf_walk.hpp"
#include "daemon/platform/sha256.hpp"
#include "proto/entry_body.hpp"
#include "proto/hashing.hpp"
#include "proto/lost_leaf.hpp"
#include "proto/run_dir.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::EntryType;
using xase::proto::Hash;
using xase::proto::kLeafBytes;
using xase::proto::Leaf;

namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

class Verification {
 public:
  explicit Verification(const Bundle& bundle) : bundle_(bundle) {}

  Result<BundleReport> run(const Policy& policy) {
    auto head = SignedHead::open(bundle_.checkpoint);
    if (!head.ok()) return head.status();
    if (Status status = read_leaves(); !status.ok()) return status;
    const xase::proto::Checkpoint& checkpoint = head->checkpoint();
    report_.origin = checkpoint.origin;
    report_.size = checkpoint.size;
    report_.root = xase::proto::to_hex(checkpoint.root);
    add("leaves", true, check_leaves());
    add("inclusion", true, check_inclusion(checkpoint));
    add("ledger", true, head->check_ledger(leaf(0).log_id));
    add("signer", true, head->check_signer(policy.logs));
    report_.signed_by = head->signed_by();
    if (policy.witnesses.asks()) {
      add("witnesses", true, head->check_witnesses(policy.witnesses));
    }
    add("disclosed", !bundle_.disclosed.empty(), check_disclosed());
    const EvidenceFinding answers = check_answers();
    add("answers", answers.verdict != VerifyVerdict::kNotEstablished, answers);
    ask_for(report_.properties, policy.required, "a bundle");
    return std::move(report_);
  }

 private:
  Bytes leaf_bytes(std::uint64_t index) const {
    return Bytes(bundle_.leaves).subspan(index * kLeafBytes, kLeafBytes);
  }
  // Of a lost one what it has: it commits to nothing.
  Leaf leaf(std::uint64_t index) const {
    if (const auto whole = xase::proto::decode_leaf(leaf_bytes(index))) return *whole;
    const auto lost = *xase::proto::decode_lost_leaf(leaf_bytes(index));
    Leaf leaf;
    leaf.log_id = lost.log_id;
    leaf.sequence = lost.sequence;
    leaf.previous = lost.previous;
    return leaf;
  }
  bool is_lost(std::uint64_t index) const {
    return xase::proto::decode_lost_leaf(leaf_bytes(index)).has_value();
  }

  Status read_leaves() {
    hashes_.reserve(bundle_.entries());
    for (std::uint64_t i = 0; i < bundle_.entries(); ++i) {
      const auto one = xase::proto::decode_leaf(leaf_bytes(i));
      if (!one && !is_lost(i)) {
        return {Code::kInvalid, "its leaf of entry " + number(bundle_.first + i) +
                                    " is none that this program knows"};
      }
      if (one) {
        if (one->type == EntryType::kRecord) ++report_.records;
        if (report_.first_wall_ns == 0) report_.first_wall_ns = one->wall_ns;
        report_.last_wall_ns = one->wall_ns;
      }
      hashes_.push_back(xase::proto::leaf_hash(sha_, leaf_bytes(i)));
    }
    report_.first = bundle_.first;
    report_.last = bundle_.last();
    report_.parts = bundle_.disclosed.size();
    return {};
  }

  void add(std::string name, bool required, EvidenceFinding finding) {
    report_.properties.push_back(
        {std::move(name), finding.verdict, required, std::move(finding.text)});
  }

  EvidenceFinding check_leaves() const {
    const Hash log_id = leaf(0).log_id;
    std::uint64_t lost = 0;
    std::uint64_t first_lost = 0;
    for (std::uint64_t i = 0; i < bundle_.entries(); ++i) {
      const Leaf one = leaf(i);
      const std::string name = "entry " + number(bundle_.first + i);
      if (one.sequence != bundle_.first + i) {
        return refuted("in the place of " + name + " is entry " + number(one.sequence));
      }
      if (one.log_id != log_id) return refuted(name + " is of another ledger");
      if (i != 0 && !is_chained(leaf_bytes(i), hashes_[i - 1], is_lost(i - 1))) {
        return refuted(name + " is not chained to the one before");
      }
      if (!is_lost(i)) continue;
      ++lost;
      if (first_lost == 0) first_lost = one.sequence;
    }
    if (lost != 0) {
      return not_established("the ledger had lost " + number(lost) + " of the " +
                             number(bundle_.entries()) +
                             " entries before they were signed, entry " + number(first_lost) +
                             " first: what they were is not told");
    }
    return proven(number(bundle_.entries()) + " entries, each with the hash of the one before: " +
                  "none is missing between them");
  }

  EvidenceFinding check_inclusion(const xase::proto::Checkpoint& head) {
    const auto root =
        xase::proto::root_by_range(sha_, bundle_.first - 1, hashes_, head.size, bundle_.proof);
    if (root != head.root) return refuted("the leaves do not lead to the root of the signed head");
    return proven("the leaves lead to the root over " + number(head.size) + " entries, with " +
                  number(bundle_.proof.left.size() + bundle_.proof.right.size()) + " hashes");
  }

  EvidenceFinding check_disclosed() {
    if (bundle_.disclosed.empty()) return not_established("nothing is disclosed");
    std::uint64_t without_random = 0;
    for (const BundlePart& one : bundle_.disclosed) {
      const Hash wanted = leaf(one.sequence - bundle_.first).commitments[one.part.part];
      if (!one.part.random) {
        ++without_random;
        shown_.push_back(false);
      } else if (wanted == Hash{} || one.part.bytes.empty() ||
                 xase::proto::commitment(sha_, one.part.part, *one.part.random, one.part.bytes) !=
                     wanted) {
        return refuted("the " + std::string(part_name(one.part.part)) + " of entry " +
                       number(one.sequence) + " is not what its leaf commits to");
      } else {
        shown_.push_back(true);
      }
    }
    if (without_random != 0) {
      return not_established(
          number(without_random) +
          " parts are disclosed without their random bytes, which shows nothing");
    }
    return proven(number(bundle_.disclosed.size()) + " parts are what their leaves commit to");
  }

  // Of the answers that are proven to be what they are, those whose record is here.
  EvidenceFinding check_answers() const {
    std::uint64_t matched = 0;
    for (std::size_t i = 0; i < shown_.size(); ++i) {
      const BundlePart& one = bundle_.disclosed[i];
      if (!shown_[i]) continue;
      const EntryType type = leaf(one.sequence - bundle_.first).type;
      if (type != EntryType::kReceipt && type != EntryType::kDeadLetter) continue;
      const auto body = xase::proto::decode_receipt_body(one.part.bytes);
      if (!body || one.part.part != xase::proto::kRestPart) {
        return refuted("entry " + number(one.sequence) + " is no answer");
      }
      if (body->record_sequence < bundle_.first || body->record_sequence >= one.sequence) continue;
      // Of a lost record nobody can tell any more whether it is its answer.
      if (is_lost(body->record_sequence - bundle_.first)) continue;
      if (body->record_leaf_hash != hashes_[body->record_sequence - bundle_.first]) {
        return refuted("entry " + number(one.sequence) + " is the answer to another record than " +
                       "entry " + number(body->record_sequence));
      }
      ++matched;
    }
    if (matched == 0) return not_established("no answer to one of these records is disclosed");
    return proven(number(matched) + " answers are those to records in the bundle");
  }

  const Bundle& bundle_;
  Sha256 sha_;
  std::vector<Hash> hashes_;
  std::vector<bool> shown_;  // of the disclosed parts up to the first that is refuted
  BundleReport report_;
};

}  // namespace

Result<BundleReport> verify_bundle(const Bundle& bundle, const Policy& policy) {
  return Verification(bundle).run(policy);
}

}  // namespace xased
