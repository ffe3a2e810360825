// Reads the journal in order: for delivery, recovery, verification and the tools.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "daemon/ledger/entry.hpp"
#include "daemon/ledger/segment_reader.hpp"
#include "daemon/platform/file_system.hpp"
#include "proto/frame.hpp"

namespace xased {

// Entries that can no longer be read: `first` to `last`, sequences of the ledger.
struct JournalDamage {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::string segment;         // name of the file
  std::uint64_t position = 0;  // in that file, of the first bad byte run
  std::string what;
};

// A place in the journal, moving forward. One thread; several readers may read while the journal is
// being written. Memory: one buffer, of the largest frame met.
class JournalReader {
 public:
  // `directory` is STATE_DIR/journal.
  JournalReader(FileSystem& fs, std::string directory);

  // Goes to `sequence`: the next entry that next() gives is the first one at or after it. Reads one
  // segment at most. kNotFound where the journal holds no segment.
  Status seek(std::uint64_t sequence);

  // What next() found.
  enum class Step {
    kEntry,   // entry() holds it
    kEnd,     // nothing more, for now: call again when the journal has grown
    kDamage,  // damage() names it; the next call goes on behind it
  };
  // The next entry up to `through`, which must not be beyond what is journaled. At a place that
  // does not hold the entry that must be there, looks for the next sound one, in this segment and
  // in those behind.
  Result<Step> next(std::uint64_t through);

  const Entry& entry() const { return entry_; }
  const JournalDamage& damage() const { return damage_; }
  // Sequence of the entry that comes next.
  std::uint64_t next_sequence() const { return next_sequence_; }
  // File position of entry() in its segment, and that segment's first sequence.
  std::uint64_t entry_position() const { return entry_position_; }
  std::uint64_t segment_first_sequence() const {
    return segment_ == nullptr ? 0 : segment_->first_sequence();
  }

 private:
  Status open_segment(std::uint64_t first_sequence);
  Result<bool> open_next_segment();
  bool accept(const xase::proto::Frame& frame);
  Result<bool> find_again();
  Result<Step> resynchronise(std::uint64_t through);

  FileSystem& fs_;
  std::string directory_;
  std::unique_ptr<SegmentReader> segment_;
  std::uint64_t next_sequence_ = 1;
  std::optional<xase::proto::Hash> log_id_;  // of the first header or entry that was read
  std::uint64_t entry_position_ = 0;
  Entry entry_;
  JournalDamage damage_;
};

}  // namespace xased
