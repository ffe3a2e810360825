#include "daemon/ledger/verify_retention.hpp"

#include <string>

#include "daemon/ledger/verify.hpp"
#include "daemon/ledger/verify_findings.hpp"

namespace xased {

using xase::proto::EraseBody;

namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

}  // namespace

bool VerifyRetention::take(const xase::proto::Leaf& leaf, xase::proto::Bytes bytes) {
  const auto body = xase::proto::decode_erase_body(bytes);
  if (!body || body->last_sequence >= leaf.sequence) return false;
  const bool tells_of_all = first_ > 1 && body->last_sequence >= first_ - 1;
  if (!told_ && tells_of_all) told_ = Told{leaf.sequence, *body};
  return true;
}

void VerifyRetention::settle(bool has_all) {
  if (first_ <= 1) return;
  findings_.move_to_segment("");
  findings_.move_to(0);
  if (!told_) {
    // One that is lost may have told.
    if (!has_all) return;
    findings_.refute(VerifyProperty::kBeginning, 1,
                     "entries 1 to " + number(first_ - 1) +
                         " are not here, and no ERASE entry tells that retention removed them");
    return;
  }
  const EraseBody& body = told_->body;
  if (body.last_sequence == first_ - 1 && previous_ && body.last_leaf_hash != *previous_) {
    findings_.refute(VerifyProperty::kBeginning, first_ - 1,
                     "ERASE entry " + number(told_->sequence) +
                         " removed another entry than the first one here goes on from");
  }
}

void VerifyRetention::judge(VerifyPropertyReport& report) const {
  if (first_ == 1) {
    report.verdict = VerifyVerdict::kProven;
    report.text = "the ledger is here from its first entry on";
    return;
  }
  report.verdict = VerifyVerdict::kNotEstablished;
  if (first_ == 0) {
    report.text = "there is no entry to tell it from";
  } else if (!told_) {
    report.text =
        "entries 1 to " + number(first_ - 1) + " are not here; what cannot be read may tell why";
  } else {
    report.text =
        "entries 1 to " + number(first_ - 1) + " were removed by retention" +
        (told_->body.reason == xase::proto::EraseReason::kRoom ? " for want of room" : "") +
        ", as ERASE entry " + number(told_->sequence) + " tells; their leaves are in the tree";
  }
}

}  // namespace xased
