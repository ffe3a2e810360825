#include "daemon/ledger/verify_seals.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "daemon/ledger/tree/verify_signature.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::EntryType;
using xase::proto::Leaf;
using xase::proto::LedgerTotals;
using xase::proto::Note;
using xase::proto::SealBody;
using xase::proto::SealEvent;
using xase::proto::SealProducer;
using xase::proto::VerifierKey;

namespace {

using TotalsArray = std::array<std::uint64_t, sizeof(LedgerTotals) / sizeof(std::uint64_t)>;

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string count_of(std::uint64_t count, const char* one, const char* many) {
  return number(count) + " " + (count == 1 ? one : many);
}

// Entries that are made while records are taken and delivered. PRODUCER is not: a segment that
// begins between two epochs starts with them too.
bool belongs_into_epoch(EntryType type) {
  return type == EntryType::kRecord || type == EntryType::kRejected ||
         type == EntryType::kReceipt || type == EntryType::kDeadLetter ||
         type == EntryType::kAudit || type == EntryType::kAnchor;
}

void note_first(std::uint64_t& first, std::uint64_t& count, std::uint64_t value) {
  if (count++ == 0) first = value;
}

}  // namespace

void VerifySeals::apply(const Leaf& leaf, Bytes body, bool erased, const LedgerTotals* totals) {
  if (leaf.type != EntryType::kSeal) {
    if (is_known_ && !is_open_ && belongs_into_epoch(leaf.type)) {
      note_first(first_outside_, outside_, leaf.sequence);
    }
    return;
  }
  ++seals_;
  if (erased) {
    ++erased_;
    is_known_ = false;
    return;
  }
  const auto seal = xase::proto::decode_seal_body(body);
  if (!seal) {
    refute(leaf, "the body of this SEAL is malformed");
    is_known_ = false;
    return;
  }
  apply_seal(leaf, *seal);
  compare_counts(leaf, *seal, totals);
}

void VerifySeals::apply_seal(const Leaf& leaf, const SealBody& seal) {
  switch (seal.event) {
    case SealEvent::kOpen:
      return open(leaf, seal);
    case SealEvent::kClose:
      return close(leaf, seal);
    default:
      break;
  }
  if (!is_known_) {
    is_known_ = true;
    is_open_ = true;
    seen_open_ = leaf.sequence;
    epoch_ = seal.epoch;
    key_.reset();
    if (seal.event == SealEvent::kSegment) key_ = certified_key(leaf, seal);
  } else if (!is_open_ || seal.epoch != epoch_) {
    refute(leaf, "it is a seal of epoch " + number(seal.epoch) + ", and " +
                     (is_open_ ? "epoch " + number(epoch_) + " is open" : "no epoch is open"));
  }
}

void VerifySeals::open(const Leaf& leaf, const SealBody& seal) {
  if (is_known_ && seal.epoch != epoch_ + 1) {
    refute(leaf, "epoch " + number(seal.epoch) + " is opened, and the one before it was epoch " +
                     number(epoch_));
  }
  if (is_known_ && is_open_) note_first(first_unclosed_, unclosed_, epoch_);
  ++opened_;
  is_known_ = true;
  is_open_ = true;
  seen_open_ = leaf.sequence;
  epoch_ = seal.epoch;
  key_ = certified_key(leaf, seal);
}

void VerifySeals::close(const Leaf& leaf, const SealBody& seal) {
  if (is_known_ && (!is_open_ || seal.epoch != epoch_)) {
    refute(leaf, "epoch " + number(seal.epoch) + " is closed, and " +
                     (is_open_ ? "epoch " + number(epoch_) + " is open"
                               : "it is not open: an epoch is closed once"));
  } else if (is_known_ && key_) {
    const auto note = xase::proto::parse_note(seal.note);
    const std::string text = xase::proto::closing_text(key_->name, leaf.log_id, seal.epoch,
                                                       leaf.sequence, leaf.previous);
    if (!note.ok() || note->text != text || note->signatures.size() != 1 ||
        !verify_signature(*key_, xase::proto::as_bytes(text), note->signatures.front().signature)
             .ok()) {
      refute(leaf, "the key of epoch " + number(seal.epoch) +
                       " did not sign what came before: entries of the epoch were made anew by "
                       "someone without that key");
    }
  }
  is_known_ = true;
  is_open_ = false;
  epoch_ = seal.epoch;
  key_.reset();
}

std::optional<VerifierKey> VerifySeals::certified_key(const Leaf& leaf, const SealBody& seal) {
  const auto note = xase::proto::parse_note(seal.note);
  const std::string_view text =
      note.ok() ? xase::proto::key_in_epoch_text(note->text, leaf.log_id, seal.epoch)
                : std::string_view();
  const auto key = xase::proto::parse_verifier_key(sha_, text);
  if (!key.ok()) {
    refute(leaf, "the certificate of epoch " + number(seal.epoch) + " is malformed");
    return std::nullopt;
  }
  const NoteSigners signers = keys_.certifiers_of(*note);
  if (!signers.bad.empty()) {
    refute(leaf, "the certificate of epoch " + number(seal.epoch) + " is not signed by " +
                     keys_.short_text(signers.bad.front()) + ", whose name it bears");
    return std::nullopt;
  }
  if (!is_certified(leaf, seal, signers)) return std::nullopt;
  if (keys_.has_pinned() &&
      std::none_of(signers.good.begin(), signers.good.end(),
                   [&](const VerifierKey& good) { return keys_.is_pinned(good); })) {
    ++unpinned_[keys_.line().now().line];
  }
  keys_.take_epoch_key(*key);
  return *key;
}

// Whether all keys that sign here certify the epoch.
bool VerifySeals::is_certified(const Leaf& leaf, const SealBody& seal, const NoteSigners& signers) {
  const auto& state = keys_.line().now();
  // The head of a segment repeats what keys signed that have given way to others since.
  const bool can_tell = state.is_known && seal.event == SealEvent::kOpen &&
                        !keys_.has_unknown_entries() && !keys_.line().lacks_perhaps();
  if (!state.is_known && !signers.good.empty()) return true;
  for (const VerifierKey& key : state.signing) {
    if (state.is_known && signers.has(key)) continue;
    if (can_tell) {
      refute(leaf, signers.good.empty()
                       ? "the key of epoch " + number(seal.epoch) +
                             " is certified by a key that no KEY entry before it names"
                       : "the key of epoch " + number(seal.epoch) + " is not certified by " +
                             keys_.short_text(key) + ", which signs since KEY entry " +
                             number(state.since));
    } else {
      note_first(first_uncertified_, uncertified_, seal.epoch);
    }
    return false;
  }
  if (!signers.good.empty()) return true;
  note_first(first_uncertified_, uncertified_, seal.epoch);
  return false;
}

// A later KEY entry may have linked the keys that certified with one that is pinned.
std::uint64_t VerifySeals::unpinned() const {
  std::uint64_t epochs = 0;
  for (const auto& [line, count] : unpinned_) {
    if (keys_.line().pinned_on(line).empty()) epochs += count;
  }
  return epochs;
}

void VerifySeals::compare_counts(const Leaf& leaf, const SealBody& seal,
                                 const LedgerTotals* totals) {
  if (totals != nullptr) {
    ++counts_compared_;
    if (std::bit_cast<TotalsArray>(*totals) != std::bit_cast<TotalsArray>(seal.totals)) {
      refute(leaf, "it counts " + number(seal.totals.records) + " records, " +
                       number(seal.totals.receipts) + " receipts and " + number(seal.totals.gaps) +
                       " gaps so far, and there were " + number(totals->records) + ", " +
                       number(totals->receipts) + " and " + number(totals->gaps));
    }
  }
  for (const SealProducer& producer : seal.producers) {
    const auto known = producers_.last_ring_sequence(producer.ring_id);
    if (known && *known != producer.last_ring_sequence) {
      refute(leaf, "it counts " + number(producer.last_ring_sequence) + " records of producer " +
                       xase::proto::to_hex(producer.ring_id) + ", and there were " +
                       number(*known));
      return;
    }
  }
}

// A checkpoint that is made in an epoch bears the signature of its key too. Where the epoch is
// open, nothing else shows that it was not a closed one whose seal was left out.
bool VerifySeals::is_head_without_epoch(const VerifyHeads& heads) const {
  const auto size = heads.own_size();
  return is_known_ && is_open_ && key_ && size && *size >= seen_open_ &&
         !heads.own_is_signed_by(*key_);
}

void VerifySeals::judge(VerifyPropertyReport& report, const VerifyHeads& heads) const {
  if (seals_ == 0) {
    report.text =
        "no epoch was ever opened: an older version made this ledger, or its seals were left out";
    return;
  }
  if (unclosed_ != 0) {
    report.text = "epoch " + number(first_unclosed_) +
                  " was never closed by its own key: the key was lost, or entries of it were made "
                  "anew by someone without it";
  } else if (outside_ != 0) {
    report.text = count_of(outside_, "entry lies", "entries lie") + " in no epoch, the first is " +
                  number(first_outside_);
  } else if (is_head_without_epoch(heads)) {
    report.text = "epoch " + number(epoch_) +
                  " is open, and its key did not sign the head that was made in it: the epoch was "
                  "closed, perhaps, and its end left out";
  } else if (uncertified_ != 0) {
    report.text = "who certified epoch " + number(first_uncertified_) + " is not known here";
  } else if (unpinned() != 0) {
    report.text = count_of(unpinned(), "epoch", "epochs") +
                  " were certified by a key that is not "
                  "pinned";
  } else if (erased_ != 0) {
    report.text = count_of(erased_, "seal", "seals") + " cannot be read";
  } else {
    report.verdict = VerifyVerdict::kProven;
    report.text = count_of(opened_, "epoch", "epochs") +
                  ", each opened under the ledger's key and closed once by its own" +
                  (is_open_ ? ", but for the last, which is open; " : "; ") +
                  count_of(counts_compared_, "seal counts", "seals count") +
                  " what was counted here";
  }
}

}  // namespace xased
