// The ledger as intake writes it: chain and journal together.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/ledger/chain.hpp"
#include "daemon/ledger/journal.hpp"
#include "daemon/ledger/recovery.hpp"

namespace xased {

struct LedgerOptions {
  std::string state_dir;
  // Names who keeps this ledger, "host/name"; part of the log id of a new one.
  std::string origin;
  std::string version;  // of this program, for the START entry
  // Where set: called with what recovery found, before anything is appended. An error keeps the
  // ledger from opening.
  std::function<Status(const ChainState& recovered)> open_keys;
  JournalOptions journal;
};

// Owned by intake's thread.
class Ledger {
 public:
  // Recovers the ledger in `state_dir`, or makes a new one, and appends START and whatever the
  // recovery has to tell; these are written, not yet durable. Gives what recovery found.
  static Result<std::unique_ptr<Ledger>> open(FileSystem& fs, const Clock& clock, Random& random,
                                              const LedgerOptions& options, Positions& positions,
                                              SegmentPreparer& preparer, SyncStage& sync,
                                              Recovery& recovery);

  // Called at the start of each new segment, to append what every segment must start with. It may
  // only append, and only what fits an empty segment; there, appending never fails. It says whether
  // that was all: if not, the next recovery reads the segment before too.
  void on_new_segment(std::function<bool()> callback) { on_new_segment_ = std::move(callback); }

  // Appends to the batch and gives the entry's sequence; 0: there is no room now, nothing happened,
  // the same call may be made later.
  std::uint64_t append_record(const Subject& subject, xase::proto::Bytes record);
  std::uint64_t append_body(xase::proto::EntryType type, const Subject& subject,
                            xase::proto::Bytes body);
  // The same for a body that is text.
  std::uint64_t append_text(xase::proto::EntryType type, const std::string& text) {
    return append_body(type, Subject{}, xase::proto::as_bytes(text));
  }
  // A REJECTED entry: `record` is what was refused, whatever that is; it is kept masked.
  std::uint64_t append_rejected(const Subject& subject, std::uint32_t error_code,
                                std::string_view text, xase::proto::Bytes record);

  // A body that depends on where the chain stands right before its entry: called once, when there
  // is room for it. It may call nothing here.
  using MadeBody = std::function<std::vector<std::byte>(const ChainState& before)>;
  // As append_body() with at most `bytes_max` that `make` gives; where it is not called, 0 is
  // returned.
  std::uint64_t append_made(xase::proto::EntryType type, std::size_t bytes_max,
                            const MadeBody& make);

  // Before intake runs: one more entry that this start begins with. Where there is no room for it
  // now, it comes before anything else that is appended.
  void append_opening(xase::proto::EntryType type, const std::string& text);
  void append_opening(xase::proto::EntryType type, std::size_t bytes_max, MadeBody make);

  // Writes the batch. Until it succeeds, nothing in it may be acknowledged, and the call may be
  // repeated.
  Status flush();

  // After a sync failed: see Journal::rewrite_unsynced().
  Status rewrite_unsynced();

  Journal& journal() { return *journal_; }
  // With all that was appended.
  const ChainState& state();
  // Records, taken or rejected, that are written.
  std::uint64_t written_records() const { return written_records_; }
  // Why the last append found no room, or the last write failed; ok while all is well.
  const Status& trouble() const { return trouble_; }

 private:
  Ledger() = default;
  struct Opening {
    xase::proto::EntryType type;
    std::size_t bytes_max;
    MadeBody make;
  };
  void open_with(xase::proto::EntryType type, xase::proto::Bytes body);
  bool append_opening();
  std::uint64_t make_and_append(xase::proto::EntryType type, std::size_t bytes_max,
                                const MadeBody& make);
  std::uint64_t append(xase::proto::EntryType type, const Subject& subject,
                       xase::proto::Bytes body);
  bool make_room(std::size_t bytes, bool is_record);

  std::unique_ptr<Chain> chain_;
  std::unique_ptr<Journal> journal_;
  std::function<bool()> on_new_segment_;
  // Entries that this start begins with and that found no room yet.
  std::deque<Opening> opening_;
  bool is_starting_segment_ = false;
  std::uint64_t written_records_ = 0;
  Status trouble_;
};

}  // namespace xased
