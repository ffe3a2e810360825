#include "daemon/ledger/verify_heads.hpp"

#include <algorithm>

#include "daemon/ledger/tree/checkpoint.hpp"
#include "daemon/ledger/tree/kept_keys.hpp"
#include "daemon/ledger/tree/ledger_key.hpp"
#include "daemon/ledger/tree/tile_reader.hpp"
#include "proto/tiles.hpp"

namespace xased {

using xase::proto::Hash;
using xase::proto::NoteFault;
using xase::proto::VerifierKey;

namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

}  // namespace

VerifyHeads::VerifyHeads(FileSystem& fs, const std::string& state_dir, const VerifyOptions& options,
                         VerifyFindings& findings)
    : fs_(fs),
      state_dir_(state_dir),
      tree_(state_dir + "/tree"),
      options_(options),
      findings_(findings),
      keys_(options.keys),
      witnesses_(options.witnesses),
      roots_(fs, tree_) {}

VerifyHeads::Head VerifyHeads::parse(std::string name, std::string_view bytes) {
  Head head;
  head.name = std::move(name);
  const auto note = xase::proto::parse_note(bytes);
  head.fault = note.fault;
  if (!note.ok()) return head;
  head.note = *note;
  const auto checkpoint = xase::proto::parse_checkpoint(head.note.text);
  head.fault = checkpoint.fault;
  head.checkpoint = *checkpoint;
  return head;
}

Status VerifyHeads::open() {
  const std::string file(kCheckpointName);
  const auto bytes = read_file(fs_, tree_ + "/" + file, xase::proto::kNoteBytesMax);
  if (bytes.ok()) {
    own_ = parse("tree/" + file, xase::proto::as_text(*bytes));
  } else if (bytes.status().code() == Code::kInvalid) {
    own_ = parse("tree/" + file, {});
    own_->fault = NoteFault::kTooLong;
  } else if (bytes.status().code() != Code::kNotFound) {
    return bytes.status();
  }
  if (own_ && own_->fault == NoteFault::kNone) {
    keys_.look_for(own_->note, own_->checkpoint.size);
    roots_.ask(own_->checkpoint.size);
    roots_.use_tiles(own_->checkpoint.size);
    // The tree's files take no less hashing than the journal, and nothing from it.
    constexpr std::uint64_t kWorthAThread = 10'000;
    if (own_->checkpoint.size >= kWorthAThread) {
      tiles_check_ = std::async(std::launch::async, [this] { return check_files({}); });
    }
  }
  for (const VerifyOptions::Earlier& earlier : options_.earlier) {
    Head head = parse(earlier.name, earlier.note);
    if (head.fault != NoteFault::kNone) {
      return {Code::kInvalid,
              earlier.name + " is no checkpoint: " + std::string(note_fault_text(head.fault))};
    }
    keys_.look_for(head.note, head.checkpoint.size);
    roots_.ask(head.checkpoint.size);
    earlier_.push_back(std::move(head));
  }
  // It vouches for nothing: whether it can be read does not matter.
  if (auto keys = read_verifier_keys(fs_, verifier_key_path(state_dir_)); keys.ok()) {
    keys_.find_beside(std::move(*keys));
  }
  return {};
}

Status VerifyHeads::begin_at(std::uint64_t first) {
  roots_.begin_at(first);
  if (first == 1 || !own_ || own_->fault != NoteFault::kNone) return {};
  const auto kept = list_kept_keys(fs_, tree_);
  if (!kept.ok()) return kept.status();
  const auto is_not_there = [](const Status& status) {
    return status.code() == Code::kNotFound || status.code() == Code::kCorrupt;
  };
  TileReader tiles(fs_, tree_, own_->checkpoint.size, own_->checkpoint.root);
  for (const std::uint64_t sequence : *kept) {
    if (sequence >= first || sequence > own_->checkpoint.size) break;
    const auto entry = read_kept_key(fs_, tree_, sequence);
    if (!entry.ok() && !is_not_there(entry.status())) return entry.status();
    const auto proven = tiles.leaf(sequence);
    if (!proven.ok() && !is_not_there(proven.status())) return proven.status();
    if (!entry.ok() || !proven.ok() ||
        !std::equal(proven->leaf.begin(), proven->leaf.end(), entry->leaf_bytes.begin(),
                    entry->leaf_bytes.end())) {
      continue;
    }
    keys_.take_kept_entry(entry->leaf, entry->body);
  }
  keys_.end_kept_entries();
  return {};
}

std::uint64_t VerifyHeads::bytes_to_read() const {
  constexpr std::uint64_t kPlausible = std::uint64_t{1} << 40;
  if (!own_ || own_->checkpoint.size > kPlausible) return 0;
  return own_->checkpoint.size * xase::proto::kBundleLeafBytes;
}

std::uint64_t VerifyHeads::bytes_read() const {
  return tile_entries_.load(std::memory_order_relaxed) * xase::proto::kBundleLeafBytes;
}

Status VerifyHeads::settle(const std::optional<Hash>& log_id,
                           const std::function<void()>& progress) {
  if (log_id) origin_end_ = checkpoint_origin("", *log_id);
  if (Status status = settle_files(progress); !status.ok()) return status;
  if (own_) settle_own(*own_);
  for (Head& head : earlier_) {
    if (Status status = settle_earlier(head); !status.ok()) return status;
  }
  // A head speaks for its witnesses only where it is shown to be this ledger's.
  if (own_ && own_->shows()) witnesses_.take(own_->note, own_->checkpoint.size);
  for (const Head& head : earlier_) {
    if (head.shows()) witnesses_.take(head.note, head.checkpoint.size);
  }
  return {};
}

Result<TilesFound> VerifyHeads::check_files(const std::function<void()>& progress) {
  return check_tiles(fs_, tree_, own_->checkpoint.size, own_->checkpoint.root,
                     [&](std::uint64_t entries) {
                       tile_entries_.store(entries, std::memory_order_relaxed);
                       if (progress) progress();
                     });
}

Status VerifyHeads::settle_files(const std::function<void()>& progress) {
  if (!own_ || own_->fault != NoteFault::kNone) return {};
  constexpr std::chrono::milliseconds kBetweenProgress{100};
  while (tiles_check_.valid() &&
         tiles_check_.wait_for(kBetweenProgress) != std::future_status::ready) {
    progress();
  }
  auto found = tiles_check_.valid() ? tiles_check_.get() : check_files(progress);
  if (!found.ok()) return found.status();
  tiles_ = std::move(*found);
  return {};
}

void VerifyHeads::refute(VerifyProperty property, Head& head, std::uint64_t sequence,
                         const std::string& text) {
  head.is_refuted = true;
  findings_.move_to_segment(head.name);
  findings_.move_to(0);
  findings_.refute(property, sequence, text);
}

void VerifyHeads::find_signers(Head& head) {
  head.signers = keys_.signers_of(head.note);
  for (const VerifierKey& key : head.signers.good) {
    if (keys_.is_pinned(key)) head.is_pinned = true;
  }
  const auto& state = keys_.line().at(head.checkpoint.size);
  if (state.is_known && !keys_.line().pinned_on(state.line).empty() &&
      is_signed_by_all(head, state.signing)) {
    head.is_pinned = true;
  }
  for (const VerifierKey& key : head.signers.bad) {
    if (keys_.is_pinned(key)) head.is_pinned = false;
  }
}

bool VerifyHeads::is_signed_by_all(const Head& head, const KeySet& keys) const {
  return std::all_of(keys.begin(), keys.end(),
                     [&](const VerifierKey& key) { return head.signers.has(key); });
}

std::optional<std::uint64_t> VerifyHeads::own_size() const {
  if (!own_ || own_->fault != NoteFault::kNone) return std::nullopt;
  return own_->checkpoint.size;
}

std::optional<xase::proto::Checkpoint> VerifyHeads::shown() const {
  if (!own_size() || !own_->shows()) return std::nullopt;
  return own_->checkpoint;
}

std::string VerifyHeads::names_of(const std::vector<VerifierKey>& keys) {
  std::string names;
  for (const VerifierKey& key : keys) {
    if (keys_.is_epochs(key)) continue;  // vouches for nobody
    names += (names.empty() ? "" : ", ") + keys_.short_text(key);
  }
  if (!names.empty()) return names;
  return keys.empty() ? "a key that is not known here" : "the key of an epoch alone";
}

bool VerifyHeads::is_of_other_ledger(const Head& head) const {
  return !origin_end_.empty() && !head.checkpoint.origin.ends_with(origin_end_);
}

// Whether the keys that the ledger names are all known here.
bool VerifyHeads::has_all_key_entries() const {
  return roots_.begin() == 1 && !roots_.has_holes() && !keys_.has_unknown_entries();
}

void VerifyHeads::settle_own(Head& head) {
  const std::uint64_t behind = roots_.last() + 1;
  if (head.fault != NoteFault::kNone) {
    refute(VerifyProperty::kCheckpoint, head, behind,
           "it is malformed: " + std::string(note_fault_text(head.fault)));
    return;
  }
  find_signers(head);
  own_signers_ = names_of(head.signers.good);
  settle_own_signers(head);
  const std::uint64_t size = head.checkpoint.size;
  if (is_of_other_ledger(head)) {
    refute(VerifyProperty::kCheckpoint, head, behind,
           "it is another ledger's: its origin is " + head.checkpoint.origin +
               ", and this ledger's ends in " + origin_end_);
  }
  if (size == 0) {
    head.doubts = "it covers no entry";
  } else if (size > roots_.last()) {
    refute(VerifyProperty::kCheckpoint, head, behind,
           "it is over " + number(size) + " entries, and the ledger ends with entry " +
               number(roots_.last()) + ": it was cut off behind, or rolled back");
    if (head.is_pinned) {
      refute(VerifyProperty::kEnd, head, behind,
             "entries " + number(behind) + " to " + number(size) +
                 " were signed by a pinned key, and are not here");
    }
  } else {
    settle_root(VerifyProperty::kCheckpoint, head, roots_.root_at(size));
  }
}

void VerifyHeads::settle_own_signers(Head& head) {
  const std::uint64_t behind = roots_.last() + 1;
  for (const VerifierKey& key : head.signers.bad) {
    const std::string text = "the signature of " + keys_.short_text(key) + " does not verify";
    refute(VerifyProperty::kCheckpoint, head, behind, text);
    if (keys_.is_pinned(key)) refute(VerifyProperty::kSigner, head, behind, text);
  }
  for (const VerifierKey& key : head.signers.good) {
    if (keys_.is_named(key)) return settle_lines(head);
  }
  if (head.signers.good.empty() && !head.signers.bad.empty()) return;
  if (keys_.entries() != 0 && has_all_key_entries()) {
    refute(VerifyProperty::kCheckpoint, head, behind,
           "it is signed by " + own_signers_ + ", and no KEY entry names that one");
  } else {
    head.doubts = "it is signed by " + own_signers_ + ", and no KEY entry that is here names that";
  }
}

// Why a KEY entry that the journal has no more may have changed the keys behind entry `since`, the
// last that is known; empty: there is none.
std::string VerifyHeads::unkept_key(const Head& head, std::uint64_t since) {
  constexpr std::uint64_t kLeavesAtOnce = 4096;
  if (since == 0 || since >= roots_.begin()) return {};
  const std::uint64_t end = std::min(roots_.begin() - 1, head.checkpoint.size);
  TileReader tiles(fs_, tree_, head.checkpoint.size, head.checkpoint.root);
  for (std::uint64_t from = since; from < end; from += kLeavesAtOnce) {
    const auto range = tiles.range(from, std::min(end, from + kLeavesAtOnce));
    if (!range.ok()) {
      return "the tree's files do not show whether another key came into force behind KEY entry " +
             number(since) + ", the last that is kept";
    }
    for (std::size_t at = 0; at < range->leaves.size(); at += xase::proto::kLeafBytes) {
      const auto leaf = xase::proto::decode_leaf(
          xase::proto::Bytes(range->leaves).subspan(at, xase::proto::kLeafBytes));
      if (leaf && leaf->type != xase::proto::EntryType::kKey) continue;
      return "who signs since entry " + number(from + at / xase::proto::kLeafBytes + 1) +
             " is not known: what it says of keys is not kept beside the tree";
    }
  }
  return {};
}

// Whether each key has signed that the KEY entries under the head say does.
void VerifyHeads::settle_lines(Head& head) {
  const auto& state = keys_.line().at(head.checkpoint.size);
  head.reserve = unkept_key(head, state.since);
  if (state.is_known && head.reserve.empty()) {
    for (const VerifierKey& key : state.signing) {
      if (head.signers.has(key)) continue;
      head.doubts = "it lacks the signature of " + keys_.short_text(key) +
                    ", which signs since KEY entry " + number(state.since);
      refute(VerifyProperty::kSigner, head, head.checkpoint.size,
             head.doubts + ": the line was taken away, or someone without that key made the head");
    }
    for (const VerifierKey& key : state.in_force) {
      if (contains(state.signing, key)) continue;
      head.reserve = "KEY entry " + number(state.since) + " says that the module of " +
                     keys_.short_text(key) +
                     " does not answer; without it the others' signatures "
                     "alone stand for what came since";
    }
  }
  for (const VerifierKey& key : keys_.pinned_off(state.line, head.checkpoint.origin)) {
    if (head.signers.has(key)) continue;
    head.reserve = keys_.short_text(key) +
                   ", pinned, did not sign, and no KEY entry here shows that what signed follows "
                   "from it; pin what the host shows now: xasectl keys show";
  }
}

// Where both are at hand, what was signed and what the journal has, the first entry that differs;
// else the last of those of which one does.
std::uint64_t VerifyHeads::place_of_difference(std::uint64_t size) const {
  const std::uint64_t first = roots_.first_difference();
  return tiles_ && tiles_->sound() && first != 0 && first <= size ? first : size;
}

std::string VerifyHeads::difference_text(const Head& head) const {
  const std::uint64_t size = head.checkpoint.size;
  const std::uint64_t place = place_of_difference(size);
  if (place != size) {
    return "entry " + number(place) + " is another than the tree has, whose root was signed";
  }
  return "the first " + number(size) +
         " entries have another root than the one that was signed: one of them was changed, or all "
         "from some entry on was made anew";
}

void VerifyHeads::settle_root(VerifyProperty property, Head& head,
                              const std::optional<Hash>& root) {
  const std::uint64_t size = head.checkpoint.size;
  if (!root && size + 1 < roots_.begin()) {
    head.doubts =
        "the entries that it covers are not here, and the tree's files do not show that "
        "they led to its root";
  } else if (!root) {
    head.doubts = "entry " + number(roots_.unknown_from()) +
                  " is not here, nor is its hash in the tree's files, so that the root cannot be "
                  "computed";
  } else if (*root != head.checkpoint.root) {
    if (roots_.borrowed(size) != 0 && !(tiles_ && tiles_->sound())) {
      head.doubts =
          "the hashes of entries that are not here are wrong in the tree's files, so "
          "that the root cannot be computed";
    } else {
      refute(property, head, place_of_difference(size), difference_text(head));
    }
  }
}

Status VerifyHeads::settle_earlier(Head& head) {
  find_signers(head);
  if (!settle_earlier_signers(head)) return {};
  const std::uint64_t size = head.checkpoint.size;
  const std::uint64_t last = roots_.last();
  if (is_of_other_ledger(head)) {
    refute(VerifyProperty::kExtends, head, 1,
           head.name + " is a checkpoint of " + head.checkpoint.origin +
               ", and this is another ledger: its origin ends in " + origin_end_);
  } else if (size > last) {
    refute(VerifyProperty::kExtends, head, last + 1,
           head.name + " was signed over " + number(size) +
               " entries, and the ledger ends with entry " + number(last) +
               ": it was cut off behind, or rolled back");
  } else {
    auto root = root_of_earlier(size);
    if (!root.ok()) return root.status();
    settle_root(VerifyProperty::kExtends, head, *root);
  }
  return {};
}

// False where the note is not shown to be what it says it is: then it speaks neither for the
// ledger nor against it.
bool VerifyHeads::settle_earlier_signers(Head& head) {
  for (const VerifierKey& key : head.signers.bad) {
    if (keys_.has_pinned() && !keys_.is_pinned(key)) continue;
    head.doubts = "the signature of " + keys_.short_text(key) + " on it does not verify";
    return false;
  }
  if (keys_.has_pinned() ? head.is_pinned : !head.signers.good.empty()) return true;
  head.doubts = keys_.has_pinned() ? "none of the pinned keys signed it"
                                   : "no key that signed it is known here; pin it with --key";
  return false;
}

// Of entries before the journal's first, the ledger's own head has to vouch.
Result<std::optional<Hash>> VerifyHeads::root_of_earlier(std::uint64_t size) {
  if (size + 1 >= roots_.begin()) return roots_.root_at(size);
  if (!own_ || !own_->shows() || size > own_->checkpoint.size) return std::optional<Hash>();
  TileReader tiles(fs_, tree_, own_->checkpoint.size, own_->checkpoint.root);
  const auto consistency = tiles.prove_consistency(size);
  if (consistency.ok()) return std::optional(consistency->first_root);
  const Code code = consistency.status().code();
  if (code != Code::kNotFound && code != Code::kCorrupt) return consistency.status();
  return std::optional<Hash>();
}

}  // namespace xased
