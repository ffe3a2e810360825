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
      static_cast<std::uint16_t>(leaf->type) != frame.type) {
    return false;
  }
  entry_ = Entry{*leaf, frame.leaf, frame.erasable, {}};
  if (frame.erasable.empty()) return true;
  const auto erasable = xase::proto::decode_erasable(frame.erasable);
  if (!erasable) return false;
  entry_.erasable = *erasable;
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
    if (!*moved) return resynchronise(through);
  }
}

// Nothing holds next_sequence_: goes to the next entry that can be read, and names what lies
// between.
Result<JournalReader::Step> JournalReader::resynchronise(std::uint64_t through) {
  damage_ = {next_sequence_, through, segment_name(segment_->first_sequence()),
             segment_->position(), "entries that were written can no longer be read"};
  for (;;) {
    auto result = segment_->read_frame();
    if (!result.ok()) return result.status();
    const Frame& frame = result->frame;
    if (result->fault == FrameFault::kNone && !frame.is_commit_mark() &&
        frame.sequence > next_sequence_ && frame.sequence <= through && accept(frame)) {
      damage_.last = frame.sequence - 1;
      next_sequence_ = frame.sequence;
      return Step::kDamage;
    }
    auto found = segment_->find_magic();
    if (!found.ok()) return found.status();
    if (!*found) break;
  }
  const auto firsts = list_segments(fs_, directory_);
  if (!firsts.ok()) return firsts.status();
  const auto after = std::upper_bound(firsts->begin(), firsts->end(), next_sequence_);
  if (after != firsts->end() && *after <= through) {
    damage_.last = *after - 1;
    if (Status status = open_segment(*after); !status.ok()) return status;
  }
  next_sequence_ = damage_.last + 1;
  return Step::kDamage;
}

}  // namespace xased
