// Finds out, at start, what the cursor and the journal say is settled.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/delivery/cursor.hpp"
#include "daemon/delivery/dead_letters.hpp"
#include "daemon/ledger/journal_reader.hpp"
#include "daemon/platform/file_system.hpp"

namespace xased {

// One thread; done in bounded steps. Reads the entries behind what the cursor tells of; all of the
// journal where there is no cursor for it, or no index of dead letters. Brings that index up to
// date. Memory: one bit for each entry between the first unsettled record and the last receipt.
class Resume {
 public:
  // `end`: sequence of the last durable entry.
  Resume(FileSystem& fs, std::string journal_directory, DeadLetters& dead_letters,
         CursorStore::Loaded loaded, bool rebuild_dead_letters, std::uint64_t end);

  // Reads up to `entries` more; true when there is nothing left to read. After an error: call
  // again.
  Result<bool> step(std::size_t entries);

  // What follows: after step() said true.
  bool settled(std::uint64_t sequence) const;
  // Whether the record, not settled, may have been sent in an earlier life of the daemon.
  bool may_have_been_sent(std::uint64_t sequence) const { return sequence <= ambiguous_end_; }
  // Since when that may have been; nothing where it is not known.
  const std::optional<Moment>& first_intent() const { return first_intent_; }
  // Damage whose entry is in the ledger.
  const std::vector<SequenceRange>& damages() const { return damages_; }
  const std::vector<PendingRetry>& retries() const { return retries_; }
  std::uint64_t settled_through() const { return settled_through_; }
  std::uint64_t window_end() const { return window_end_; }
  const xase::proto::Hash& log_id() const { return log_id_; }
  // The last entry that was looked at.
  std::uint64_t end() const { return end_; }
  // Nothing is known of entries from `sequence` on: the memory can go.
  bool is_past(std::uint64_t sequence) const {
    return sequence > read_through_ && sequence > ambiguous_end_ &&
           sequence >= bits_from_ + bits_.size();
  }
  // What the cursor that was loaded told of the entries up to here, and what this object found
  // behind: until is_past(), a new cursor must not claim to tell more.
  std::uint64_t scanned_through() const {
    return whole_ || !loaded_.cursor ? 0 : loaded_.cursor->scanned_through;
  }
  // The same of records that are not read again yet: of those up to here, only those in open()
  // were not settled, and the receipts of the others may lie anywhere.
  std::uint64_t read_through() const { return read_through_; }
  const std::vector<std::uint64_t>& open() const { return open_; }

 private:
  Status begin();
  Status take(const Entry& entry);
  Status take_answer(const Entry& entry, bool delivered);
  void settle(std::uint64_t sequence);
  bool forget_retry(std::uint64_t sequence);
  Status index(const DeadLetter& letter);
  void finish();

  FileSystem& fs_;
  const std::string directory_;
  DeadLetters& dead_letters_;
  CursorStore::Loaded loaded_;
  const bool rebuild_dead_letters_;
  const std::uint64_t end_;
  std::unique_ptr<JournalReader> reader_;
  bool whole_ = false;  // the whole journal is read
  bool any_answer_ = false;
  xase::proto::Hash log_id_{};
  std::uint64_t settled_through_ = 0;
  std::uint64_t read_through_ = 0;
  std::vector<std::uint64_t> open_;  // sorted
  std::uint64_t bits_from_ = 1;      // sequence of the first bit
  std::vector<bool> bits_;
  std::uint64_t window_end_ = 0;
  std::uint64_t ambiguous_end_ = 0;
  std::optional<Moment> first_intent_;
  std::vector<PendingRetry> retries_;
  std::vector<SequenceRange> damages_;
};

}  // namespace xased
