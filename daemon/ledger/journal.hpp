// Writes the journal: batches of frames into segments.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "daemon/ledger/chain.hpp"
#include "daemon/ledger/positions.hpp"
#include "daemon/ledger/segment_preparer.hpp"
#include "daemon/ledger/spare_segments.hpp"
#include "daemon/ledger/sync_stage.hpp"
#include "daemon/platform/clock.hpp"
#include "daemon/platform/file_system.hpp"

namespace xased {

struct JournalOptions {
  std::string directory;  // STATE_DIR/journal
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;
  std::uint64_t max_bytes = std::uint64_t{16} << 30;
  // Room that only receipts and other entries about records may use, for when no more can be made:
  // segments of their own, as many as hold it, and, until these are there, the end of the last one.
  std::uint64_t reserve_bytes = std::uint64_t{8} << 20;
};

// Where writing goes on.
struct JournalTail {
  std::vector<std::uint64_t> segments;  // first sequences, ascending
  std::shared_ptr<File> file;           // the last of them
  std::uint64_t position = 0;           // behind its last frame
};

// Owned by intake's thread.
class Journal {
 public:
  Journal(FileSystem& fs, const Clock& clock, JournalOptions options, Positions& positions,
          SegmentPreparer& preparer, SyncStage& sync);

  // Goes on at `tail`, where the chain stands at `chain`, all of it durable.
  Status open(JournalTail tail, const ChainState& chain);
  // Makes the first segment of a new ledger; synced when it returns.
  Status create(const ChainState& chain);

  // Whether a frame of `bytes` may join the batch: it fits the segment and, for a record, leaves
  // the reserve alone or has a next segment behind it. What began as a spare is all reserve.
  bool has_room(std::size_t bytes, bool is_record) const;
  // Whether a frame of `bytes` fits at all into what is left of the segment, reserve included.
  bool fits(std::size_t bytes) const;
  // Whether rotate() can go on: a next segment is ready or, but for a record, a spare; and the sync
  // stage knows of all that was written to this one.
  bool can_rotate(bool for_record) const {
    return submitted_ &&
           (has_next() || (!for_record && (preparer_.ready() || spares_.count() != 0)));
  }
  // Asks for the next segment, spares first, unless the journal has reached its largest size, or
  // the last attempt failed a moment ago.
  void request_next_segment();
  // The same, where records already wait for it.
  void hurry_next_segment();
  // Makes the next segment in this thread. Only before the sync stage runs.
  Status prepare_now();
  // Why there is no next segment; ok: it is being made.
  Status why_no_segment() const;
  // Starts a new segment that goes on after `before` and begins with the batch, whose last entry is
  // `after.last_sequence`: whoever finds the segment, also after a crash, finds it with these. What
  // was in the batch earlier must have been written. On failure the batch stays, for either
  // segment.
  Status rotate(const ChainState& before, const ChainState& after, std::uint32_t flags);

  // The batch: frames are appended by the caller through Chain.
  std::vector<std::byte>& batch() { return batch_; }
  bool batch_is_empty() const { return batch_.empty(); }
  // Writes the batch, whose last entry is `chain.last_sequence`, and hands it to the sync stage. On
  // failure the batch stays, and the same call may be made again.
  Status write(const ChainState& chain);
  // Lets go of what has become durable, and writes the mark that says so where none follows it yet
  // and `mark` asks for one.
  Status settle(bool mark);
  // After the sync stage failed: writes everything since the last good sync into a new segment,
  // synced when it returns. The second failure in a row is for the caller to act on.
  Status rewrite_unsynced();

  // Whether the next segment cannot be made for want of room.
  bool wants_room() const;
  // Lets go of segments whose last entry is at most `through`: they are removed.
  void forget_removed(std::uint64_t through);

  // Written and not yet durable, in memory: bounded by the caller, who stops taking records.
  std::uint64_t unsynced_bytes() const { return unsynced_bytes_; }
  std::uint64_t bytes() const {
    return (segments_.size() + spares_.count()) * options_.segment_bytes;
  }
  std::size_t segment_count() const { return segments_.size(); }
  std::uint64_t segment_first() const { return segments_.empty() ? 0 : segments_.back(); }
  // True: the largest size keeps the next segment from being made.
  bool at_max_bytes() const { return bytes() + options_.segment_bytes > options_.max_bytes; }

 private:
  struct Chunk {
    std::vector<std::byte> frames;
    ChainState before;  // the chain before its first entry
    std::uint64_t last_sequence = 0;
    std::uint64_t segment_first = 0;
    std::uint64_t end_position = 0;
  };
  bool has_next() const { return preparer_.ready() && !spares_.wants_more(); }
  PreparedFile take_prepared();
  void note_fill();
  Status begin(const xase::proto::SegmentHeader& header, const PreparedFile& prepared,
               xase::proto::Bytes frames);
  Status start_segment(const ChainState& chain, std::uint32_t flags, xase::proto::Bytes frames);
  Status sync_names();
  void keep_batch(const ChainState& chain);
  std::vector<std::byte> encode_mark();
  void submit();

  FileSystem& fs_;
  const Clock& clock_;
  const JournalOptions options_;
  Positions& positions_;
  SegmentPreparer& preparer_;
  SyncStage& sync_;
  SpareSegments spares_;
  std::vector<std::uint64_t> segments_;
  std::shared_ptr<File> file_;
  std::uint64_t position_ = 0;
  bool is_spare_ = false;  // file_ was one
  std::vector<std::byte> batch_;
  ChainState written_;  // the chain at the end of what was written
  std::deque<Chunk> unsynced_;
  std::uint64_t unsynced_bytes_ = 0;
  bool submitted_ = true;                     // the sync stage knows of all that was written
  std::int64_t segment_started_boot_ns_ = 0;  // 0: by another process
  bool fills_fast_ = false;                   // the one before it did
  // The segment's name survives power loss. Until it does nothing in it may be called durable.
  bool name_is_synced_ = true;
  std::int64_t retry_boot_ns_ = 0;  // when to ask for a segment again after a failure; 0: now
  // What the next mark would say; zero: it has been said.
  std::uint64_t mark_sequence_ = 0;
  std::uint64_t mark_position_ = 0;
  std::vector<std::vector<std::byte>> spare_buffers_;
};

}  // namespace xased
