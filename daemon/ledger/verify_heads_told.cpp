// What is said of the signed heads.
#include <algorithm>

#include "daemon/ledger/verify_heads.hpp"
#include "proto/run_dir.hpp"

namespace xased {

using xase::proto::NoteFault;

namespace {

std::string count_of(std::uint64_t count, std::string_view one, std::string_view many) {
  return std::to_string(count) + " " + std::string(count == 1 ? one : many);
}

std::string number(std::uint64_t value) { return std::to_string(value); }

}  // namespace

void VerifyHeads::judge(VerifyPropertyReport& report) const {
  switch (report.property) {
    case VerifyProperty::kCheckpoint:
      return judge_checkpoint(report);
    case VerifyProperty::kSigner:
      return judge_signer(report);
    case VerifyProperty::kEnd:
      return judge_end(report);
    case VerifyProperty::kExtends:
      return judge_extends(report);
    case VerifyProperty::kWitnesses:
      return judge_witnesses(report);
    default:
      return judge_tiles(report);
  }
}

void VerifyHeads::judge_checkpoint(VerifyPropertyReport& report) const {
  if (!own_) {
    report.text =
        "there is no tree/checkpoint: an older version made this ledger, or it was "
        "removed";
    return;
  }
  if (!own_->shows()) {
    report.text = own_->doubts;
    return;
  }
  const std::uint64_t size = own_->checkpoint.size;
  report.verdict = VerifyVerdict::kProven;
  report.text = "the first " + count_of(size, "entry has", "entries have") +
                " the root that was signed by " + own_signers_;
  if (const std::uint64_t borrowed = roots_.borrowed(size); borrowed != 0) {
    report.text += "; of " + count_of(borrowed, "entry that is", "entries that are") +
                   " not here the tree's files have the hash";
  }
  const std::uint64_t behind = roots_.last() - size;
  report.text += behind == 0
                     ? "; none comes after"
                     : "; " + count_of(behind, "entry", "entries") + " after the last checkpoint " +
                           (behind == 1 ? "is" : "are") + " not covered";
}

void VerifyHeads::judge_signer(VerifyPropertyReport& report) const {
  if (!own_ || own_->fault != NoteFault::kNone) {
    report.text = "nothing here is signed";
  } else if (!keys_.has_pinned()) {
    report.text = own_signers_ +
                  " signed, and a key found beside the ledger proves nothing: whoever made all "
                  "anew made that too. On the host, once: xasectl keys show. Keep what it says "
                  "elsewhere, and give it with --key";
  } else if (!own_->is_pinned) {
    report.text = "none of the pinned keys signed; " + own_signers_ + " did";
  } else if (!own_->shows()) {
    report.text = own_signers_ + ", pinned, signed a head, and it is not shown to be this ledger's";
  } else if (!own_->reserve.empty()) {
    report.text = own_signers_ + " signed it; but " + own_->reserve;
  } else {
    report.verdict = VerifyVerdict::kProven;
    report.text = pinned_text(*own_);
  }
}

std::string VerifyHeads::pinned_text(const Head& head) const {
  const bool is_direct = std::any_of(head.signers.good.begin(), head.signers.good.end(),
                                     [&](const auto& key) { return keys_.is_pinned(key); });
  return is_direct ? own_signers_ + ", pinned, signed it"
                   : own_signers_ +
                         " signed it, which the KEY entries link with the pinned key: each change "
                         "is signed by both sides";
}

void VerifyHeads::judge_end(VerifyPropertyReport& report) const {
  if (own_ && own_->shows() && own_->is_pinned && own_->reserve.empty()) {
    report.verdict = VerifyVerdict::kProven;
    report.text = "up to entry " + number(own_->checkpoint.size) +
                  ": nothing was cut off before it or made anew since it was signed. A ledger that "
                  "was rolled back together with its checkpoint looks the same: against that, keep "
                  "checkpoints elsewhere and give one with --checkpoint";
  } else if (roots_.last() == 0) {
    report.text = "there is no entry to tell it from";
  } else {
    report.text = "nothing here shows that no entry came after " + number(roots_.last()) +
                  ", nor that this ledger was not made anew from some entry on: that takes a "
                  "pinned key, or a checkpoint or a receipt from outside";
  }
}

void VerifyHeads::judge_extends(VerifyPropertyReport& report) const {
  if (earlier_.empty()) {
    report.text =
        "no earlier checkpoint was given, so that a ledger rolled back together with its "
        "own is not told from this";
    return;
  }
  std::uint64_t largest = 0;
  for (const Head& head : earlier_) {
    if (!head.shows()) {
      report.text = head.name + " shows nothing: " + head.doubts;
      return;
    }
    largest = std::max(largest, head.checkpoint.size);
  }
  report.verdict = VerifyVerdict::kProven;
  report.text = "it goes on from " +
                count_of(earlier_.size(), "earlier checkpoint", "earlier checkpoints") +
                ", over up to " + count_of(largest, "entry", "entries");
}

void VerifyHeads::judge_witnesses(VerifyPropertyReport& report) const {
  if (witnesses_.quorum_size() != 0) report.verdict = VerifyVerdict::kProven;
  report.text = witnesses_.text(roots_.last());
}

void VerifyHeads::judge_tiles(VerifyPropertyReport& report) const {
  if (!tiles_) {
    report.text = "without a checkpoint there is nothing to hold them against";
    return;
  }
  if (tiles_->sound()) {
    report.verdict = VerifyVerdict::kProven;
    report.text = "all files of the tree over " +
                  count_of(own_->checkpoint.size, "entry", "entries") +
                  " are there, and lead to the checkpoint's root";
    if (tiles_->lost != 0) {
      report.text += "; in the place of " + count_of(tiles_->lost, "entry", "entries") +
                     ", the first of them " + number(tiles_->first_lost) +
                     ", there is only that the journal had lost it";
    }
    return;
  }
  if (tiles_->damage_count == 0) {
    report.text = "the files lead to another root than the checkpoint's";
  } else {
    report.text = count_of(tiles_->damage_count, "file is", "files are") +
                  " missing or damaged, first " + tiles_->damages.front().path + ": " +
                  tiles_->damages.front().what;
  }
  report.text += roots_.begin() == 1
                     ? ". No proof can be made from them, and it refutes nothing: the journal is "
                       "whole without, and with tree/tile moved away the daemon makes them again"
                     : ". No proof can be made from them, and it refutes nothing that is in the "
                       "journal; but entries before " +
                           number(roots_.begin()) + " are nowhere else";
}

VerifyCheckpoint VerifyHeads::told(const Head& head) {
  VerifyCheckpoint told;
  told.name = head.name;
  if (head.fault == NoteFault::kNone) {
    told.origin = head.checkpoint.origin;
    told.size = head.checkpoint.size;
    told.root = xase::proto::to_hex(head.checkpoint.root);
  }
  for (const auto& key : head.signers.good) told.signed_by.push_back(keys_.text(key));
  told.signed_by_pinned = head.is_pinned;
  if (head.is_refuted) {
    told.verdict = VerifyVerdict::kRefuted;
  } else if (head.shows()) {
    told.verdict = VerifyVerdict::kProven;
  }
  told.text = head.doubts;
  return told;
}

void VerifyHeads::tell(VerifyReport& report) {
  const std::uint64_t last = roots_.last();
  report.not_covered = last;
  if (own_) {
    report.checkpoint = told(*own_);
    if (own_->shows()) report.not_covered = last - own_->checkpoint.size;
  }
  for (const Head& head : earlier_) report.earlier.push_back(told(head));
}

}  // namespace xased
