#include "daemon/evidence/index_keeper.hpp"

#include <algorithm>

#include "daemon/ledger/segment_names.hpp"
#include "proto/hashing.hpp"

namespace xased {

using std::chrono::nanoseconds;
using Step = JournalReader::Step;

namespace {

constexpr nanoseconds kIdle = std::chrono::seconds(1);
constexpr nanoseconds kRetryAfter = std::chrono::seconds(1);

}  // namespace

IndexKeeper::IndexKeeper(FileSystem& fs, const Clock& clock, const Positions& positions,
                         const std::string& state_dir, std::uint64_t run_entries)
    : fs_(fs),
      clock_(clock),
      positions_(positions),
      state_dir_(state_dir),
      journal_(state_dir + "/" + std::string(kJournalFolder)),
      directory_(index_directory(state_dir)),
      run_entries_(run_entries) {}

// Which runs are there already. A file that is none of them, or no index, is written over when its
// run comes; one of another run length would overlap, and goes.
Status IndexKeeper::start() {
  constexpr mode_t kPrivate = 0700;
  if (Status status = fs_.make_directory(directory_, kPrivate); !status.ok()) return status;
  if (Status status = fs_.sync_directory(state_dir_); !status.ok()) return status;
  const auto firsts = list_index(fs_, directory_);
  if (!firsts.ok()) return firsts.status();
  present_.clear();
  for (const std::uint64_t first : *firsts) {
    const auto file = IndexFile::open(fs_, directory_, first);
    const bool is_of_a_run = file.ok() && (first - 1) % run_entries_ == 0 &&
                             (*file)->header().last == first + run_entries_ - 1;
    if (is_of_a_run) {
      present_.push_back(first);
    } else if (Status status = fs_.remove(directory_ + "/" + index_name(first)); !status.ok()) {
      return status;
    }
  }
  phase_ = Phase::kCheck;
  return {};
}

// Whether the newest file is of this journal, which may have been rolled back or replaced; what it
// holds then of the last entry vouches by the chain for those before it too.
Status IndexKeeper::check_newest(std::uint64_t durable) {
  if (present_.empty()) {
    run_first_ = 0;
    go_to_next_run();
    phase_ = Phase::kRun;
    return {};
  }
  const std::uint64_t first = present_.back();
  const std::uint64_t last = first + run_entries_ - 1;
  bool is_ours = last <= durable;
  if (is_ours) {
    const auto file = IndexFile::open(fs_, directory_, first);
    if (!file.ok()) return file.status();
    JournalReader reader(fs_, journal_);
    if (Status status = reader.seek(last); !status.ok()) return status;
    const auto step = reader.next(last);
    if (!step.ok()) return step.status();
    // What the journal no longer has, contradicts nothing.
    if (*step == Step::kEntry && reader.entry().leaf.sequence == last) {
      is_ours = xase::proto::leaf_hash(sha_, reader.entry().leaf_bytes) ==
                    (*file)->header().last_leaf_hash &&
                reader.entry().leaf.log_id == (*file)->header().log_id;
    }
  }
  if (is_ours) {
    run_first_ = 0;
    go_to_next_run();
    phase_ = Phase::kRun;
    return {};
  }
  present_.pop_back();
  return fs_.remove(directory_ + "/" + index_name(first));
}

// To the first run behind this one, or from the first on, that has no file.
void IndexKeeper::go_to_next_run() {
  run_first_ = run_first_ == 0 ? 1 : run_first_ + run_entries_;
  while (std::binary_search(present_.begin(), present_.end(), run_first_)) {
    run_first_ += run_entries_;
  }
  indexed_.store(run_first_ - 1, std::memory_order_relaxed);
  transactions_.clear();
  answers_.clear();
  last_leaf_.reset();
  reader_.reset();
}

Status IndexKeeper::finish_run() {
  // Nothing of the run can be read, as where its segments were removed: there is nothing to find.
  if (last_leaf_) {
    IndexHeader header{last_leaf_->log_id, run_first_, run_last(), {}};
    if (last_leaf_->sequence == run_last()) header.last_leaf_hash = last_leaf_hash_;
    Status status = write_index(fs_, directory_, header, transactions_, answers_);
    if (!status.ok()) return status;
  }
  go_to_next_run();
  return {};
}

// Up to so many of the run's entries that are durable.
Status IndexKeeper::take(std::uint64_t durable) {
  if (reader_ == nullptr) {
    auto reader = std::make_unique<JournalReader>(fs_, journal_);
    const std::uint64_t next = last_leaf_ ? last_leaf_->sequence + 1 : run_first_;
    if (Status status = reader->seek(next); !status.ok()) return status;
    reader_ = std::move(reader);
  }
  const std::uint64_t through = std::min(durable, run_last());
  for (std::size_t i = 0; i < kEntriesPerStep && reader_->next_sequence() <= through; ++i) {
    const auto step = reader_->next(through);
    if (!step.ok()) {
      reader_.reset();
      return step.status();
    }
    if (*step == Step::kEnd) break;
    // Entries that are lost cannot be found.
    if (*step == Step::kDamage) continue;
    const Entry& entry = reader_->entry();
    last_leaf_ = entry.leaf;
    if (entry.leaf.sequence == run_last()) {
      last_leaf_hash_ = xase::proto::leaf_hash(sha_, entry.leaf_bytes);
    }
    if (const auto by = indexed_by(sha_, entry)) {
      auto& pairs = by->kind == IndexKind::kTransaction ? transactions_ : answers_;
      pairs.push_back({by->key, entry.leaf.sequence});
    }
  }
  return {};
}

Status IndexKeeper::forget(std::uint64_t through) {
  if (!fs_.exists(directory_)) return {};
  const auto firsts = list_index(fs_, directory_);
  if (!firsts.ok()) return firsts.status();
  bool removed = false;
  for (const std::uint64_t first : *firsts) {
    if (first > through) break;
    if (Status status = fs_.remove(directory_ + "/" + index_name(first)); !status.ok())
      return status;
    removed = true;
  }
  std::erase_if(present_, [through](std::uint64_t first) { return first <= through; });
  // Nor may the run that is being read tell of them once it is written.
  for (auto* pairs : {&transactions_, &answers_}) {
    std::erase_if(*pairs, [through](const IndexPair& pair) { return pair.sequence <= through; });
  }
  return removed ? fs_.sync_directory(directory_) : Status();
}

nanoseconds IndexKeeper::step() {
  const std::int64_t now = clock_.boot_ns();
  log_.flush(nanoseconds(now));
  if (now < retry_boot_ns_) return nanoseconds(retry_boot_ns_ - now);
  const std::uint64_t durable = positions_.durable.load(std::memory_order_acquire);
  Status status;
  switch (phase_) {
    case Phase::kStart:
      status = start();
      break;
    case Phase::kCheck:
      status = check_newest(durable);
      break;
    case Phase::kRun:
      // A run that is all durable and all read is written in a step of its own.
      if (reader_ != nullptr && reader_->next_sequence() > run_last()) {
        status = finish_run();
      } else if (durable >= run_last()) {
        status = take(durable);
      } else {
        return kIdle;
      }
      break;
  }
  if (status.ok()) return nanoseconds(0);
  retry_boot_ns_ = now + kRetryAfter.count();
  log_.log(LogLevel::kWarn, "files", "the index is behind: entries are found more slowly",
           {{"error", status.message()}}, nanoseconds(now));
  return kRetryAfter;
}

}  // namespace xased
