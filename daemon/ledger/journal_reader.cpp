#include "daemon/ledger/journal_reader.hpp"

#include <algorithm>

#include "daemon/ledger/segment_names.hpp"

namespace xased {

using xase::proto::Frame;
using xase::proto::FrameFault;

JournalReader::JournalReader(FileSystem& fs, std::string directory)
    : fs_(fs), directory_(std::move(directory)) {}

Status JournalReader::open_segment(std::uint64_t first_sequence) {
  auto segment = SegmentReader::open(fs_, directory_, first_sequence);
  if (!segment.ok()) return segment.status();
  segment_ = std::move(*segment);
  const xase::proto::SegmentHeaderResult& header = segment_->header();
  if (!log_id_ && header.fault == xase::proto::SegmentFault::kNone) log_id_ = header.header.log_id;
  return {};
}

Status JournalReader::seek(std::uint64_t sequence) {
  const auto firsts = list_segments(fs_, directory_);
  if (!firsts.ok()) return firsts.status();
  if (firsts->empty()) return {Code::kNotFound, "no segment in " + directory_};
  const auto after = std::upper_bound(firsts->begin(), firsts->end(), sequence);
  const std::uint64_t first = after == firsts->begin() ? *after : *std::prev(after);
  if (Status status = open_segment(first); !status.ok()) return status;
  next_sequence_ = std::max(sequence, first);
  return {};
}

// Opens the segment that must hold next_sequence_, where that is another one than this.
Result<bool> JournalReader::open_next_segment() {
  const auto firsts = list_segments(fs_, directory_);
  if (!firsts.ok()) return firsts.status();
  const auto after = std::upper_bound(firsts->begin(), firsts->end(), next_sequence_);
  if (after == firsts->begin()) return false;
  const std::uint64_t first = *std::prev(after);
  if (first <= segment_->first_sequence()) return false;
  if (Status status = open_segment(first); !status.ok()) return status;
  return true;
}

bool JournalReader::accept(const Frame& frame) {
  const auto leaf = xase::proto::decode_leaf(frame.leaf);
  if (!leaf || leaf->sequence != frame.sequence ||
      static_cast<std::uint16_t>(leaf->type) != frame.type ||
      (log_id_ && leaf->log_id != *log_id_)) {
    return false;
  }
  entry_ = Entry{*leaf, frame.leaf, frame.erasable, {}};
  if (!frame.erasable.empty()) {
    const auto erasable = xase::proto::decode_erasable(frame.erasable);
    if (!erasable) return false;
    entry_.erasable = *erasable;
  }
  log_id_ = leaf->log_id;
  return true;
}

Result<JournalReader::Step> JournalReader::next(std::uint64_t through) {
  if (next_sequence_ > through) return Step::kEnd;
  if (segment_ == nullptr) {
    if (Status status = seek(next_sequence_); !status.ok()) return status;
  }
  for (;;) {
    auto result = segment_->read_frame();
    if (!result.ok()) return result.status();
    const Frame& frame = result->frame;
    if (result->fault == FrameFault::kNone) {
      if (frame.is_commit_mark() || frame.sequence < next_sequence_) {
        segment_->skip(frame);
        continue;
      }
      if (frame.sequence == next_sequence_ && accept(frame)) {
        entry_position_ = segment_->position();
        segment_->skip(frame);
        ++next_sequence_;
        return Step::kEntry;
      }
    }
    // The segment ended, or holds something else than the entry that must come: another segment may
    // hold it.
    auto moved = open_next_segment();
    if (!moved.ok()) return moved.status();
    if (*moved) continue;
    auto found = find_again();
    if (!found.ok()) return found.status();
    if (!*found) return resynchronise(through);
  }
}

// After a failed sync a segment may have been replaced by another of the same name, while ours is
// the old one, which nobody writes any more; and what does not decode may lie between two entries
// that both do. True: the reader is at next_sequence_ now.
Result<bool> JournalReader::find_again() {
  auto again = SegmentReader::open(fs_, directory_, segment_->first_sequence());
  if (!again.ok()) {
    if (again.status().code() == Code::kNotFound) return false;
    return again.status();
  }
  SegmentReader& reader = **again;
  for (;;) {
    const auto result = reader.read_frame();
    if (!result.ok()) return result.status();
    const Frame& frame = result->frame;
    if (result->fault == FrameFault::kNone) {
      if (!frame.is_commit_mark() && frame.sequence == next_sequence_ && accept(frame)) break;
      reader.skip(frame);
      continue;
    }
    const auto more = reader.find_next_frame();
    if (!more.ok()) return more.status();
    if (!*more) return false;
  }
  segment_ = std::move(*again);
  return true;
}

// Nothing holds next_sequence_: goes to the next entry that can be read, and names what lies
// between.
Result<JournalReader::Step> JournalReader::resynchronise(std::uint64_t through) {
  damage_ = {next_sequence_, through, segment_name(segment_->first_sequence()),
             segment_->position(), "entries that were written can no longer be read"};
  const auto firsts = list_segments(fs_, directory_);
  if (!firsts.ok()) return firsts.status();
  const auto after = std::upper_bound(firsts->begin(), firsts->end(), next_sequence_);
  const bool has_later = after != firsts->end() && *after <= through;
  // What a later segment holds is read there.
  const std::uint64_t last = has_later ? *after - 1 : through;
  for (;;) {
    auto result = segment_->read_frame();
    if (!result.ok()) return result.status();
    const Frame& frame = result->frame;
    if (result->fault == FrameFault::kNone) {
      if (!frame.is_commit_mark() && frame.sequence > next_sequence_ && frame.sequence <= last &&
          accept(frame)) {
        damage_.last = frame.sequence - 1;
        next_sequence_ = frame.sequence;
        return Step::kDamage;
      }
      segment_->skip(frame);
      continue;
    }
    auto found = segment_->find_next_frame();
    if (!found.ok()) return found.status();
    if (!*found) break;
  }
  damage_.last = last;
  if (has_later) {
    if (Status status = open_segment(*after); !status.ok()) return status;
  }
  next_sequence_ = last + 1;
  return Step::kDamage;
}

}  // namespace xased
