#include "daemon/ledger/tree/tree_keeper.hpp"

#include <algorithm>
#include <span>
#include <thread>

#include "daemon/ledger/segment_names.hpp"
#include "daemon/ledger/tree/checkpoint.hpp"
#include "daemon/ledger/tree/kept_keys.hpp"
#include "daemon/ledger/tree/leaf_walk.hpp"
#include "daemon/ledger/tree/renew_tree.hpp"
#include "proto/hashing.hpp"
#include "proto/run_dir.hpp"
#include "proto/seal.hpp"

namespace xased {

using std::chrono::nanoseconds;
using xase::proto::Checkpoint;
using xase::proto::Hash;

namespace {

constexpr nanoseconds kIdle = std::chrono::seconds(1);
constexpr nanoseconds kRetryAfter = std::chrono::seconds(1);
// Between two looks whether a module has signed, and how long the tree waits for it.
constexpr nanoseconds kLookAgain = std::chrono::milliseconds(2);
constexpr nanoseconds kSigningMax = std::chrono::seconds(10);
constexpr nanoseconds kFinishMax = std::chrono::seconds(3);

std::string number(std::uint64_t value) { return std::to_string(value); }

}  // namespace

TreeKeeper::TreeKeeper(FileSystem& fs, const Clock& clock, const Positions& positions,
                       const LedgerKeys& keys, const TreeOptions& options)
    : fs_(fs),
      clock_(clock),
      positions_(positions),
      keys_(keys),
      options_(options),
      directory_(tree_directory(options.state_dir)),
      trees_{directory_},
      signing_(options.signing) {}

Result<TreeKeeper::Opened> TreeKeeper::open(FileSystem& fs, const Clock& clock,
                                            const Positions& positions, const LedgerKeys& keys,
                                            const TreeOptions& options) {
  Opened opened;
  opened.keeper.reset(new TreeKeeper(fs, clock, positions, keys, options));
  auto disagreement = opened.keeper->open_files();
  if (!disagreement.ok()) return disagreement.status();
  opened.disagreement = std::move(*disagreement);
  return opened;
}

// Gives what does not fit the journal; empty: nothing.
Result<std::string> TreeKeeper::open_files() {
  constexpr mode_t kPrivate = 0700;
  if (Status status = finish_renewal(fs_, options_.state_dir); !status.ok()) return status;
  if (Status status = fs_.make_directory(directory_, kPrivate); !status.ok()) return status;
  if (Status status = fs_.sync_directory(options_.state_dir); !status.ok()) return status;
  const auto read = read_checkpoint(fs_, directory_, options_.known);
  const Code code = read.ok() ? Code::kOk : read.status().code();
  const bool is_garbage = code == Code::kInvalid || code == Code::kCorrupt;
  if (!read.ok() && code != Code::kNotFound && !is_garbage) return read.status();
  Checkpoint head;
  head.root = xase::proto::TreeFrontier().root(sha_);
  if (read.ok()) head = read->checkpoint;

  std::string disagreement;
  const std::uint64_t durable = positions_.durable.load(std::memory_order_acquire);
  if (is_garbage) {
    // The daemon starts all the same.
    disagreement = "the signed head cannot be believed: " + read.status().message();
  } else if (head.size > durable) {
    disagreement = "the journal ends at entry " + number(durable) + ", and a checkpoint over " +
                   number(head.size) + " entries was signed";
  } else {
    auto opened = TileWriter::open(fs_, directory_, head.size, head.root);
    if (!opened.ok()) return opened.status();
    writer_ = std::move(opened->writer);
    if (!opened->damage.ok()) {
      log_warn("tree", "the tree's files are damaged: they are made again from the journal",
               {{"error", opened->damage.message()}});
      if (Status status = salvage(head); !status.ok()) return status;
    } else if (head.size == 0) {
      if (Status status = salvage(head); !status.ok()) return status;
    } else {
      auto found = find_disagreement(head);
      if (!found.ok()) return found.status();
      disagreement = std::move(*found);
    }
  }
  if (!disagreement.empty()) {
    counters_.disagreements.store(1, std::memory_order_relaxed);
    if (Status status = begin_anew(head); !status.ok()) return status;
  } else if (!expected_) {
    counters_.checkpoint_size.store(head.size, std::memory_order_relaxed);
  }
  counters_.size.store(writer_->size(), std::memory_order_relaxed);
  return disagreement;
}

// Whether the journal has another last entry than the head was signed over.
Result<std::string> TreeKeeper::find_disagreement(const Checkpoint& head) {
  JournalReader reader(fs_, options_.state_dir + "/" + std::string(kJournalFolder));
  if (Status status = reader.seek(head.size); !status.ok()) return status;
  const auto step = reader.next(head.size);
  if (!step.ok()) return step.status();
  // What the journal lost, the tree still has.
  if (*step != JournalReader::Step::kEntry || reader.entry().leaf.sequence != head.size) {
    return std::string();
  }
  if (xase::proto::leaf_hash(sha_, reader.entry().leaf_bytes) == writer_->last_leaf_hash()) {
    return std::string();
  }
  return "entry " + number(head.size) +
         " of the journal is another than the one that was last signed";
}

// The journal's first sequence: what retention removed before it is in the tree alone.
Result<std::uint64_t> TreeKeeper::journal_begin() {
  const auto firsts = list_segments(fs_, options_.state_dir + "/" + std::string(kJournalFolder));
  if (!firsts.ok()) return firsts.status();
  return firsts->empty() ? std::uint64_t{1} : firsts->front();
}

// The bundles may be wrong in what nothing vouches for any more. The journal has the rest, and by
// its chain vouches for the leaves before its first entry.
Status TreeKeeper::salvage(const Checkpoint& head) {
  const auto begin = journal_begin();
  if (!begin.ok()) return begin.status();
  if (head.size == 0 && *begin == 1) return {};
  const std::uint64_t size =
      head.size != 0 ? head.size : size_of_tree_with(fs_, directory_, *begin - 1);
  auto opened = TileWriter::salvage(fs_, directory_, size, *begin - 1);
  if (!opened.ok()) return opened.status();
  writer_ = std::move(opened->writer);
  if (head.size != 0) expected_ = head;
  if (expected_ && writer_->size() == expected_->size) check_head();
  if (writer_->size() + 1 < *begin) stall_without(*begin, opened->damage);
  return {};
}

// A new tree; what the journal no longer has, out of the old one.
Status TreeKeeper::begin_anew(const Checkpoint& old_head) {
  writer_.reset();
  const auto begin = journal_begin();
  if (!begin.ok()) return begin.status();
  const auto renewed = renew_tree(fs_, options_.state_dir, old_head, *begin - 1);
  if (!renewed.ok()) return renewed.status();
  trees_.push_back(renewed->old_tree);
  if (!renewed->stopped.ok()) stall_without(*begin, renewed->stopped);
  auto opened = TileWriter::open(fs_, directory_, 0, xase::proto::TreeFrontier().root(sha_));
  if (!opened.ok()) return opened.status();
  writer_ = std::move(opened->writer);
  return salvage(Checkpoint());
}

void TreeKeeper::stall_without(std::uint64_t begin, const Status& why) {
  stall("entries " + number(writer_->size() + 1) + " to " + number(begin - 1) +
        " are no longer in the journal, and the tree's files cannot be read: " + why.message() +
        "; put back a copy of STATE_DIR/tree and start again");
}

Status TreeKeeper::append(const Entry& entry) {
  if (entry.leaf.type == xase::proto::EntryType::kKey && !entry.erased()) {
    Status status =
        keep_key(fs_, directory_, entry.leaf.sequence, entry.leaf_bytes, entry.erasable_bytes);
    if (!status.ok()) return status;
  }
  const Hash hash = xase::proto::leaf_hash(sha_, entry.leaf_bytes);
  if (Status status = append_leaf(entry.leaf.sequence, entry.leaf_bytes, hash); !status.ok()) {
    return status;
  }
  if (entry.leaf.type == xase::proto::EntryType::kSeal) take_seal(entry);
  if (entry.leaf.type == xase::proto::EntryType::kKey) take_key(entry);
  return {};
}

Status TreeKeeper::append_leaf(std::uint64_t sequence, xase::proto::Bytes leaf, const Hash& hash) {
  if (Status status = writer_->append(sequence, leaf, hash); !status.ok()) {
    if (status.code() == Code::kCorrupt) stall(status.message());
    return status;
  }
  if (expected_ && writer_->size() == expected_->size) check_head();
  return {};
}

void TreeKeeper::take_key(const Entry& entry) {
  KeyEntryResult key = parse_key_entry(entry.body());
  // One that cannot be read any more: whoever signs now might be someone else than it says.
  signing_ = key.fault == KeyEntryFault::kNone ? std::move(key.entry.keys) : KeySet();
}

// Which key signs from here on. One that is not there belongs to an epoch that is long closed: the
// tree is being made again.
void TreeKeeper::take_seal(const Entry& entry) {
  if (options_.epoch_keys == nullptr) return;
  const auto seal = xase::proto::decode_seal_body(entry.body());
  if (!seal) return;
  if (seal->event == xase::proto::SealEvent::kOpen) {
    auto key = options_.epoch_keys->load(seal->epoch);
    if (!key.ok() && key.status().code() != Code::kNotFound) {
      log_.log(LogLevel::kError, "load", "checkpoints go without the signature of their epoch",
               {{"epoch", seal->epoch}, {"error", key.status().message()}},
               nanoseconds(clock_.boot_ns()));
    }
    epoch_key_ = key.ok() ? std::move(*key) : nullptr;
    key_epoch_ = seal->epoch;
  } else if (seal->event == xase::proto::SealEvent::kClose) {
    closed_epochs_.push_back(seal->epoch);
  }
}

void TreeKeeper::erase_closed() {
  while (!closed_epochs_.empty()) {
    const std::uint64_t epoch = closed_epochs_.back();
    if (epoch == key_epoch_) epoch_key_.reset();
    if (Status status = options_.epoch_keys->erase(epoch); !status.ok()) {
      log_.log(LogLevel::kError, "erase", "the key of a closed epoch cannot be erased",
               {{"epoch", epoch}, {"error", status.message()}}, nanoseconds(clock_.boot_ns()));
      return;  // after the next checkpoint again
    }
    closed_epochs_.pop_back();
  }
}

// The tree is made again up to where it was signed.
void TreeKeeper::check_head() {
  const Checkpoint head = *expected_;
  const bool is_signed = writer_->root() == head.root;
  // It stays expected: nothing else is signed in its place.
  if (!is_signed && is_patched_) {
    return stall(
        "entries are not in the journal, and what is left of them, and the tree's files, do not "
        "lead to the root that was signed; put back a copy of STATE_DIR/tree and start again");
  }
  expected_.reset();
  if (is_signed) return;
  counters_.disagreements.store(1, std::memory_order_relaxed);
  log_error("tree", "the journal is not the one that was signed: its tree has another root",
            {{"entries", head.size}, {"signed_root", xase::proto::to_hex(head.root)}});
  // The head alone tells of it now. Where it cannot be kept, the next start says the same.
  const std::string quarantine = options_.state_dir + "/quarantine";
  const auto note =
      read_file(fs_, directory_ + "/" + std::string(kCheckpointName), xase::proto::kNoteBytesMax);
  Status kept = note.ok() ? fs_.make_directory(quarantine, 0700) : note.status();
  if (kept.ok()) {
    kept = write_file_atomically(fs_, quarantine + "/checkpoint-" + number(head.size), *note);
  }
  if (!kept.ok()) stall("the signed head cannot be kept: " + kept.message());
}

void TreeKeeper::stall(const std::string& why) {
  if (counters_.is_stalled.exchange(true, std::memory_order_relaxed)) return;
  log_error("tree", "no further checkpoints: the tree cannot go on",
            {{"entries", writer_->size()}, {"why", why}});
}

// Takes up to so many entries that are durable.
Status TreeKeeper::take(std::size_t entries_max) {
  const std::uint64_t durable = positions_.durable.load(std::memory_order_acquire);
  waits_behind_lost_ = false;
  if (writer_->size() >= durable) return {};
  if (reader_ == nullptr) {
    reader_ = std::make_unique<JournalReader>(
        fs_, options_.state_dir + "/" + std::string(kJournalFolder));
    if (Status status = reader_->seek(writer_->size() + 1); !status.ok()) {
      reader_.reset();
      return status;
    }
  }
  for (std::size_t i = 0; i < entries_max && !counters_.is_stalled; ++i) {
    const auto step = reader_->next(durable);
    if (!step.ok()) {
      reader_.reset();
      return step.status();
    }
    if (*step == JournalReader::Step::kEnd) break;
    if (*step == JournalReader::Step::kDamage) {
      if (Status status = pass_lost(durable); !status.ok()) return status;
      break;
    }
    if (Status status = append(reader_->entry()); !status.ok()) {
      // The same entry is next.
      reader_.reset();
      return status;
    }
  }
  counters_.size.store(writer_->size(), std::memory_order_relaxed);
  return {};
}

// A head is over what was signed before, and ends with an entry.
bool TreeKeeper::may_sign() const { return !expected_ && !writer_->ends_lost(); }

// The head, signed. kTimeout: a key is signing it.
Result<std::string> TreeKeeper::sign() {
  const std::int64_t now = clock_.boot_ns();
  const auto found = keys_.find_all(signing_);
  Result<std::string> note = std::string();
  if (!found.ok()) {
    note = found.status();
  } else {
    std::vector<Signer*> signers;
    for (const auto& signer : *found) signers.push_back(signer.get());
    if (epoch_key_ != nullptr) signers.push_back(epoch_key_.get());
    note = sign_checkpoint({keys_.name(), writer_->size(), writer_->root()}, signers);
  }
  const bool was_signing = is_signing_;
  is_signing_ = !note.ok() && note.status().code() == Code::kTimeout;
  if (is_signing_ && !was_signing) signing_since_boot_ns_ = now;
  if (is_signing_ && now - signing_since_boot_ns_ > kSigningMax.count()) {
    is_signing_ = false;
    note =
        Status(Code::kTimeout, "a key has not signed in " +
                                   number(static_cast<std::uint64_t>(kSigningMax.count())) + " ns");
  }
  if (!is_signing_) counters_.waits_for_keys.store(!note.ok(), std::memory_order_relaxed);
  return note;
}

Status TreeKeeper::publish() {
  if (Status status = writer_->publish(); !status.ok()) return status;
  const Checkpoint head{keys_.name(), writer_->size(), writer_->root()};
  const auto note = sign();
  if (!note.ok()) return note.status();
  if (Status status = write_checkpoint(fs_, directory_, *note); !status.ok()) return status;
  counters_.checkpoint_size.store(head.size, std::memory_order_relaxed);
  counters_.checkpoint_wall_ns.store(clock_.wall_ns(), std::memory_order_relaxed);
  erase_closed();
  // What fails here is tried again after the next one.
  (void)writer_->remove_superseded();
  return {};
}

nanoseconds TreeKeeper::step() {
  const std::int64_t now = clock_.boot_ns();
  log_.flush(nanoseconds(now));
  if (counters_.is_stalled.load(std::memory_order_relaxed)) return kIdle;
  if (now < retry_boot_ns_) return nanoseconds(retry_boot_ns_ - now);
  Status status = is_signing_ ? Status() : take(kEntriesPerStep);
  const std::uint64_t size = writer_->size();
  const bool is_new =
      size > counters_.checkpoint_size.load(std::memory_order_relaxed) && may_sign();
  const bool is_due = is_new && (is_signing_ || now >= next_checkpoint_boot_ns_);
  if (status.ok() && is_due) {
    status = publish();
    if (is_signing_) return kLookAgain;
    if (counters_.waits_for_keys.load(std::memory_order_relaxed)) return put_off(status);
    next_checkpoint_boot_ns_ = now + options_.checkpoint_interval.count();
  }
  if (!status.ok()) {
    retry_boot_ns_ = now + kRetryAfter.count();
    log_.log(LogLevel::kError, "files", "the tree is behind: its files cannot be written",
             {{"error", status.message()}}, nanoseconds(now));
    return kRetryAfter;
  }
  const bool is_behind = size < positions_.durable.load(std::memory_order_acquire);
  if (is_behind && !waits_behind_lost_) return nanoseconds(0);
  return is_new && !is_due ? nanoseconds(next_checkpoint_boot_ns_ - now) : kIdle;
}

// The tree goes on growing meanwhile: a KEY entry may say that others sign.
nanoseconds TreeKeeper::put_off(const Status& status) {
  const std::int64_t now = clock_.boot_ns();
  next_checkpoint_boot_ns_ = now + kRetryAfter.count();
  // Until the first KEY entry of this run is in the tree nobody is asked to sign.
  if (!signing_.empty()) {
    log_.log(LogLevel::kWarn, "keys", "no new checkpoint: a key that must sign it does not",
             {{"error", status.message()}}, nanoseconds(now));
  }
  return writer_->size() < positions_.durable.load(std::memory_order_acquire) ? nanoseconds(0)
                                                                              : kRetryAfter;
}

Status TreeKeeper::finish() {
  // What a burst left behind would hold up the stop for minutes; the next start goes on with it.
  const std::int64_t enough = clock_.boot_ns() + kFinishMax.count();
  while (!counters_.is_stalled && !waits_behind_lost_ && clock_.boot_ns() < enough &&
         writer_->size() < positions_.durable.load(std::memory_order_acquire)) {
    if (Status status = take(kEntriesPerStep); !status.ok()) return status;
  }
  if (!may_sign() || writer_->size() <= counters_.checkpoint_size.load(std::memory_order_relaxed)) {
    return {};
  }
  for (const std::int64_t end = clock_.boot_ns() + kFinishMax.count();;) {
    Status status = publish();
    if (!is_signing_ || clock_.boot_ns() > end) return status;
    std::this_thread::sleep_for(kLookAgain);
  }
}

}  // namespace xased
