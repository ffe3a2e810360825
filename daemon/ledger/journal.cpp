#include "daemon/ledger/journal.hpp"

#include <algorithm>
#include <cassert>
#include <cstdlib>

#include "daemon/ledger/segment_names.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::kCommitMarkBytes;
using xase::proto::kSegmentHeaderBytes;

namespace {

// A full disk is not filled, and emptied, over and over.
constexpr std::int64_t kRetrySegmentNs = 1'000'000'000;

// Bytes a second. Where a segment filled faster, the next one is not filled with zeros first.
constexpr std::uint64_t kFastFill = std::uint64_t{16} << 20;

std::size_t spares_for(const JournalOptions& options) {
  return (options.reserve_bytes + options.segment_bytes - 1) / options.segment_bytes;
}

// Appends the frames in `from` that are not commit marks.
void append_entries(Bytes from, std::vector<std::byte>& to) {
  while (!from.empty()) {
    const auto result = xase::proto::decode_frame(from);
    if (result.fault != xase::proto::FrameFault::kNone) std::abort();  // they are our own
    if (!result.frame.is_commit_mark()) {
      to.insert(to.end(), from.begin(),
                from.begin() + static_cast<std::ptrdiff_t>(result.frame.bytes));
    }
    from = from.subspan(result.frame.bytes);
  }
}

}  // namespace

Journal::Journal(FileSystem& fs, const Clock& clock, JournalOptions options, Positions& positions,
                 SegmentPreparer& preparer, SyncStage& sync)
    : fs_(fs),
      clock_(clock),
      options_(std::move(options)),
      positions_(positions),
      preparer_(preparer),
      sync_(sync),
      spares_(fs, options_.directory, spares_for(options_)) {}

Status Journal::open(JournalTail tail, const ChainState& chain) {
  if (Status status = spares_.remove_leftovers(); !status.ok()) return status;
  segments_ = std::move(tail.segments);
  file_ = std::move(tail.file);
  position_ = tail.position;
  written_ = chain;
  mark_sequence_ = chain.last_sequence;
  mark_position_ = position_;
  request_next_segment();
  return {};
}

Status Journal::create(const ChainState& chain) {
  if (Status status = spares_.remove_leftovers(); !status.ok()) return status;
  if (Status status = preparer_.make_now(); !status.ok()) return status;
  if (Status status = start_segment(chain, 0, {}); !status.ok()) return status;
  if (Status status = sync_names(); !status.ok()) return status;
  written_ = chain;
  request_next_segment();
  return {};
}

bool Journal::fits(std::size_t bytes) const {
  return position_ + batch_.size() + bytes + 2 * kCommitMarkBytes <= options_.segment_bytes;
}

bool Journal::has_room(std::size_t bytes, bool is_record) const {
  // A mark may still come in front of the batch, and one behind the last.
  const std::uint64_t used = position_ + batch_.size() + bytes + 2 * kCommitMarkBytes;
  // A frame larger than a segment gets one of its own.
  const bool is_empty = position_ == kSegmentHeaderBytes && batch_.empty();
  if (used > options_.segment_bytes) return is_empty;
  if (!is_record || has_next()) return true;
  if (is_spare_) return false;
  return used + std::min(options_.reserve_bytes, options_.segment_bytes / 4) <=
         options_.segment_bytes;
}

void Journal::request_next_segment() {
  // Where that fails, the file is made once more.
  if (preparer_.ready() && spares_.wants_more()) {
    (void)spares_.put({preparer_.path(), preparer_.take()});
  }
  if (preparer_.ready() || at_max_bytes()) return;
  if (preparer_.failed()) {
    const std::int64_t now = clock_.boot_ns();
    if (retry_boot_ns_ == 0) retry_boot_ns_ = now + kRetrySegmentNs;
    if (now < retry_boot_ns_) return;
  }
  retry_boot_ns_ = 0;
  if (preparer_.request(fills_fast_)) sync_.nudge();
}

void Journal::hurry_next_segment() {
  request_next_segment();
  preparer_.hurry();
}

Status Journal::prepare_now() { return at_max_bytes() ? why_no_segment() : preparer_.make_now(); }

Status Journal::why_no_segment() const {
  if (at_max_bytes()) {
    return {Code::kNoSpace, "the journal has reached max_bytes (" +
                                std::to_string(options_.max_bytes) +
                                "); it goes on once a delivered segment is removed"};
  }
  return preparer_.failed() ? preparer_.failure() : Status();
}

bool Journal::wants_room() const {
  if (preparer_.ready()) return false;
  return at_max_bytes() || (preparer_.failed() && preparer_.failure().code() == Code::kNoSpace);
}

void Journal::forget_removed(std::uint64_t through) {
  std::size_t gone = 0;
  while (gone + 1 < segments_.size() && segments_[gone + 1] <= through + 1) ++gone;
  if (gone == 0) return;
  segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(gone));
  request_next_segment();
}

PreparedFile Journal::take_prepared() {
  if (preparer_.ready()) return {preparer_.path(), preparer_.take()};
  auto spare = spares_.take();
  assert(spare);
  return std::move(*spare);
}

// How fast the segment was filled that is left behind now.
void Journal::note_fill() {
  const std::int64_t now = clock_.boot_ns();
  const std::int64_t took_ms = (now - segment_started_boot_ns_) / 1'000'000;
  fills_fast_ = segment_started_boot_ns_ != 0 &&
                took_ms < static_cast<std::int64_t>(position_ * 1000 / kFastFill);
  segment_started_boot_ns_ = now;
}

// Writes what a segment begins with into a prepared file, and gives it its name.
Status Journal::begin(const xase::proto::SegmentHeader& header, const PreparedFile& prepared,
                      Bytes frames) {
  std::vector<std::byte> page(kSegmentHeaderBytes);
  xase::proto::encode_segment_header(header, page.data());
  File& file = *prepared.file;
  if (Status status = file.write_at(page, 0); !status.ok()) return status;
  if (!frames.empty()) {
    if (Status status = file.write_at(frames, kSegmentHeaderBytes); !status.ok()) return status;
  }
  if (Status status = file.sync_data(); !status.ok()) return status;
  return fs_.rename(prepared.path, options_.directory + "/" + segment_name(header.first_sequence));
}

// Turns a prepared file into the segment that goes on after `chain`, holding `frames`. What fails
// half-way is not used again: it may hold frames.
Status Journal::start_segment(const ChainState& chain, std::uint32_t flags, Bytes frames) {
  const bool is_spare = !preparer_.ready();
  const PreparedFile prepared = take_prepared();
  xase::proto::SegmentHeader header;
  header.log_id = chain.log_id;
  header.first_sequence = chain.last_sequence + 1;
  header.previous = chain.head;
  header.created_wall_ns = clock_.wall_ns();
  header.totals = chain.totals;
  header.flags = flags;
  if (Status status = begin(header, prepared, frames); !status.ok()) {
    // It would take its space until the next start.
    (void)fs_.remove(prepared.path);
    return status;
  }
  // From here on the segment is there for whoever looks: there is no way back to the one before.
  note_fill();
  file_ = prepared.file;
  is_spare_ = is_spare;
  position_ = kSegmentHeaderBytes + frames.size();
  segments_.push_back(header.first_sequence);
  mark_sequence_ = 0;
  name_is_synced_ = false;
  return {};
}

Status Journal::sync_names() {
  if (name_is_synced_) return {};
  if (Status status = fs_.sync_directory(options_.directory); !status.ok()) return status;
  name_is_synced_ = true;
  return {};
}

Status Journal::rotate(const ChainState& before, const ChainState& after, std::uint32_t flags) {
  if (Status status = start_segment(before, flags, batch_); !status.ok()) return status;
  if (!batch_.empty()) keep_batch(after);
  request_next_segment();
  return sync_names();
}

// The mark that is due; from then on none is.
std::vector<std::byte> Journal::encode_mark() {
  std::vector<std::byte> frame(kCommitMarkBytes);
  xase::proto::encode_commit_mark(mark_sequence_, mark_position_, frame.data());
  mark_sequence_ = 0;
  return frame;
}

// A full queue means that the sync stage is far behind, or stands still after a failure: settle()
// tries again.
void Journal::submit() {
  submitted_ = sync_names().ok() && sync_.submit(file_, written_.last_sequence);
}

Status Journal::write(const ChainState& chain) {
  if (Status status = sync_names(); !status.ok()) return status;
  if (batch_.empty()) return {};
  if (mark_sequence_ != 0) {
    const std::vector<std::byte> mark = encode_mark();
    batch_.insert(batch_.end(), mark.begin(), mark.end());
  }
  if (Status status = file_->write_at(batch_, position_); !status.ok()) return status;
  position_ += batch_.size();
  keep_batch(chain);
  return {};
}

// The batch is written, and ends at position_: kept until it is durable.
void Journal::keep_batch(const ChainState& chain) {
  unsynced_bytes_ += batch_.size();
  Chunk chunk{std::move(batch_), written_, chain.last_sequence, segments_.back(), position_};
  batch_.clear();
  if (!spare_buffers_.empty()) {
    batch_ = std::move(spare_buffers_.back());
    spare_buffers_.pop_back();
  }
  unsynced_.push_back(std::move(chunk));
  written_ = chain;
  positions_.journaled.store(chain.last_sequence, std::memory_order_release);
  submit();
}

Status Journal::settle(bool mark) {
  constexpr std::size_t kSpareBuffersMax = 4;
  constexpr std::size_t kSpareBytesMax = std::size_t{4} << 20;
  const std::uint64_t durable = positions_.durable.load(std::memory_order_acquire);
  while (!unsynced_.empty() && unsynced_.front().last_sequence <= durable) {
    Chunk& chunk = unsynced_.front();
    if (chunk.segment_first == segments_.back()) {
      mark_sequence_ = chunk.last_sequence;
      mark_position_ = chunk.end_position;
    }
    unsynced_bytes_ -= chunk.frames.size();
    if (spare_buffers_.size() < kSpareBuffersMax && chunk.frames.capacity() <= kSpareBytesMax) {
      chunk.frames.clear();
      spare_buffers_.push_back(std::move(chunk.frames));
    }
    unsynced_.pop_front();
  }
  if (!submitted_) submit();
  if (spares_.wants_more()) request_next_segment();
  if (!mark || mark_sequence_ == 0 || !batch_.empty()) return {};
  if (position_ + kCommitMarkBytes > options_.segment_bytes) return {};
  // Written for the next recovery alone: it needs no sync and no place in memory.
  const std::vector<std::byte> frame = encode_mark();
  if (Status status = file_->write_at(frame, position_); !status.ok()) return status;
  position_ += frame.size();
  return {};
}

Status Journal::rewrite_unsynced() {
  // What is durable by now stays where it is.
  if (Status status = settle(false); !status.ok()) return status;
  if (unsynced_.empty()) {
    sync_.resume(written_.last_sequence);
    return {};
  }
  const ChainState before = unsynced_.front().before;
  // Marks speak of positions in the file that failed: also those in a batch that could not be
  // written.
  std::vector<std::byte> frames;
  for (const Chunk& chunk : unsynced_) append_entries(chunk.frames, frames);
  std::vector<std::byte> batch;
  append_entries(batch_, batch);
  if (!preparer_.ready() && spares_.count() == 0) {
    // The sync stage stands still while failed, so its half-made file is ours to finish.
    if (Status status = preparer_.make_now(); !status.ok()) return status;
  }
  // Segments that hold nothing but what is rewritten go: one of them may be the failed file itself,
  // which the rename then replaces. Until the rename they stay, so that a crash in between finds
  // what was written; after it their entries are all in the new one.
  std::vector<std::uint64_t> superseded;
  while (!segments_.empty() && segments_.back() > before.last_sequence) {
    superseded.push_back(segments_.back());
    segments_.pop_back();
  }
  if (Status status = start_segment(before, xase::proto::kSegmentContinues, frames); !status.ok()) {
    segments_.insert(segments_.end(), superseded.rbegin(), superseded.rend());
    return status;
  }
  if (Status status = sync_names(); !status.ok()) return status;
  bool removed = false;
  for (const std::uint64_t first : superseded) {
    if (first == segments_.back()) continue;
    removed = true;
    if (Status status = fs_.remove(options_.directory + "/" + segment_name(first)); !status.ok()) {
      return status;
    }
  }
  // A superseded segment must not come back behind entries that were called durable.
  if (removed) {
    if (Status status = fs_.sync_directory(options_.directory); !status.ok()) return status;
  }
  batch_ = std::move(batch);
  unsynced_.clear();
  unsynced_bytes_ = 0;
  submitted_ = true;
  mark_sequence_ = written_.last_sequence;
  mark_position_ = position_;
  request_next_segment();
  sync_.resume(written_.last_sequence);
  return {};
}

}  // namespace xased
