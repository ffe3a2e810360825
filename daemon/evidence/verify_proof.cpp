#include "daemon/evidence/verify_proof.hpp"

#include <algorithm>

#include "proto/checkpoint.hpp"
#include "proto/entry_body.hpp"
#include "proto/hashing.hpp"
#include "proto/run_dir.hpp"

namespace xased {

using xase::proto::Checkpoint;
using xase::proto::EntryType;
using xase::proto::Hash;
using xase::proto::kParts;
using xase::proto::kRestPart;
using xase::proto::Leaf;

namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

using Finding = EvidenceFinding;

class Verification {
 public:
  Verification(const Proof& proof, const Policy& policy) : proof_(proof), policy_(policy) {}

  Result<ProofReport> run() {
    auto head = SignedHead::open(proof_.entry.inclusion.checkpoint);
    if (!head.ok()) return head.status();
    head_ = head->checkpoint();
    if (Status status = open(); !status.ok()) return status;
    add("leaf", true, check_leaf(proof_.entry, report_.leaf));
    add("inclusion", true, check_inclusion(proof_.entry));
    add("ledger", true, head->check_ledger(report_.leaf.log_id));
    add("signer", true, head->check_signer(policy_.logs));
    report_.signed_by = head->signed_by();
    if (policy_.witnesses.asks()) {
      add("witnesses", true, head->check_witnesses(policy_.witnesses));
    }
    for (std::size_t part = 0; part < kParts; ++part) {
      const DisclosedPart* shown = shown_part(proof_.entry, part);
      add(std::string(part_name(part)), shown != nullptr, check_part(report_.leaf, part, shown));
    }
    add("receipt", proof_.receipt.has_value(), check_receipt());
    ask_for(report_.properties, policy_.required, "a proof");
    return std::move(report_);
  }

 private:
  Status open() {
    const auto leaf = xase::proto::decode_leaf(proof_.entry.leaf);
    if (!leaf) return {Code::kInvalid, "its leaf is none that this program knows"};
    report_.leaf = *leaf;
    report_.leaf_hash = xase::proto::to_hex(xase::proto::leaf_hash(sha_, proof_.entry.leaf));
    if (proof_.receipt) {
      report_.receipt = xase::proto::decode_leaf(proof_.receipt->leaf);
      if (!report_.receipt) {
        return {Code::kInvalid, "its receipt's leaf is none that this program knows"};
      }
    }
    report_.origin = head_.origin;
    report_.size = head_.size;
    report_.root = xase::proto::to_hex(head_.root);
    return {};
  }

  void add(std::string name, bool required, Finding finding) {
    report_.properties.push_back(
        {std::move(name), finding.verdict, required, std::move(finding.text)});
  }

  static const DisclosedPart* shown_part(const ProvenEntry& entry, std::size_t part) {
    const auto found = std::find_if(entry.disclosed.begin(), entry.disclosed.end(),
                                    [&](const DisclosedPart& one) { return one.part == part; });
    return found == entry.disclosed.end() ? nullptr : &*found;
  }

  static Finding check_leaf(const ProvenEntry& entry, const Leaf& leaf) {
    if (leaf.sequence != entry.sequence || entry.inclusion.index + 1 != entry.sequence) {
      return refuted("it is the leaf of entry " + number(leaf.sequence) +
                     ", and the proof is made out for entry " + number(entry.sequence) +
                     " at place " + number(entry.inclusion.index) + " of the tree");
    }
    return proven("entry " + number(leaf.sequence) + ", a " +
                  std::string(entry_type_name(leaf.type)));
  }

  Finding check_inclusion(const ProvenEntry& entry) {
    const auto& inclusion = entry.inclusion;
    if (inclusion.index >= head_.size) {
      return refuted("the signed head covers " + number(head_.size) + " entries, and not this one");
    }
    const Hash hash = xase::proto::leaf_hash(sha_, entry.leaf);
    if (!xase::proto::verify_inclusion(sha_, hash, inclusion.index, head_.size, head_.root,
                                       inclusion.path)) {
      return refuted("the leaf and its " + number(inclusion.path.size()) +
                     " hashes do not lead to the root of the signed head");
    }
    return proven(number(inclusion.path.size()) + " hashes lead from the leaf to the root over " +
                  number(head_.size) + " entries");
  }

  Finding check_part(const Leaf& leaf, std::size_t part, const DisclosedPart* shown) {
    const bool is_absent = leaf.commitments[part] == Hash{};
    if (shown == nullptr)
      return not_established(is_absent ? "the entry has none" : "not disclosed");
    if (!shown->random) {
      return not_established("disclosed without its random bytes, which shows nothing");
    }
    // An empty part has no commitment to be held against.
    if (is_absent || shown->bytes.empty() ||
        xase::proto::commitment(sha_, part, *shown->random, shown->bytes) !=
            leaf.commitments[part]) {
      return refuted("what is disclosed is not what the leaf commits to");
    }
    return proven("these " + number(shown->bytes.size()) + " bytes are what the leaf commits to");
  }

  Finding check_receipt() {
    if (!proof_.receipt) return not_established("not in the proof");
    const ProvenEntry& receipt = *proof_.receipt;
    const Leaf& leaf = *report_.receipt;
    const std::string name = "entry " + number(receipt.sequence);
    if (leaf.type != EntryType::kReceipt && leaf.type != EntryType::kDeadLetter) {
      return refuted(name + " is no answer of the API");
    }
    // The same head, signatures and all: one check of them is enough.
    if (receipt.inclusion.checkpoint != proof_.entry.inclusion.checkpoint) {
      return refuted(name + " is proven under another signed head than the record");
    }
    if (leaf.log_id != report_.leaf.log_id) return refuted(name + " is of another ledger");
    for (Finding finding : {check_leaf(receipt, leaf), check_inclusion(receipt)}) {
      if (finding.verdict != VerifyVerdict::kProven) return finding;
    }
    const DisclosedPart* body = shown_part(receipt, kRestPart);
    if (receipt.disclosed.size() != (body == nullptr ? 0U : 1U)) {
      return refuted(name + " has a body alone, and other parts are disclosed");
    }
    if (body == nullptr)
      return not_established("the body of " + name + ", which says whose it is, is not disclosed");
    Finding finding = check_part(leaf, kRestPart, body);
    if (finding.verdict != VerifyVerdict::kProven) return finding;
    const auto answer = xase::proto::decode_receipt_body(body->bytes);
    if (!answer) return refuted("the body of " + name + " is no answer");
    if (answer->record_sequence != report_.leaf.sequence ||
        answer->record_leaf_hash != xase::proto::leaf_hash(sha_, proof_.entry.leaf)) {
      return refuted(name + " is the answer to another record, entry " +
                     number(answer->record_sequence));
    }
    if (leaf.type == EntryType::kReceipt) {
      return proven(name + " says that the API took this record, with status " +
                    number(answer->http_status));
    }
    return proven(name + " says that this record was set aside, with status " +
                  number(answer->http_status));
  }

  const Proof& proof_;
  const Policy& policy_;
  Sha256 sha_;
  Checkpoint head_;
  ProofReport report_;
};

}  // namespace

Result<ProofReport> verify_proof(const Proof& proof, const Policy& policy) {
  return Verification(proof, policy).run();
}

}  // namespace xased
