#include "daemon/ledger/journal_reader.hpp"

#include <algorithm>
#include <cstring>

#include "daemon/ledger/segment_names.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::Frame;
using xase::proto::FrameFault;
using xase::proto::FrameResult;

namespace {
constexpr std::size_t kBufferBytes = std::size_t{256} << 10;
}

JournalReader::JournalReader(FileSystem& fs, std::string directory)
    : fs_(fs), directory_(std::move(directory)) {}

Result<std::vector<std::uint64_t>> JournalReader::segments() const {
  auto names = fs_.list(directory_);
  if (!names.ok()) return names.status();
  std::vector<std::uint64_t> firsts;
  for (const std::string& name : *names) {
    if (const auto first = parse_segment_name(name)) firsts.push_back(*first);
  }
  return firsts;
}

Status JournalReader::open_segment(std::uint64_t first_sequence) {
  const std::string name = segment_name(first_sequence);
  auto file = fs_.open(directory_ + "/" + name, OpenMode::kRead);
  if (!file.ok()) return file.status();
  std::vector<std::byte> header(xase::proto::kSegmentHeaderBytes);
  const auto got = (*file)->read_at(header, 0);
  if (!got.ok()) return got.status();
  header.resize(*got);
  // A damaged header costs nothing here: its file's name tells where it belongs, and each frame
  // vouches for itself.
  if (xase::proto::decode_segment_header(header).fault ==
      xase::proto::SegmentFault::kNewerVersion) {
    return {Code::kUnsupported,
            name + " was written by a newer version of xased; use that version to read it"};
  }
  file_ = std::move(*file);
  segment_first_ = first_sequence;
  position_ = xase::proto::kSegmentHeaderBytes;
  buffer_position_ = position_;
  buffer_used_ = 0;
  return {};
}

Status JournalReader::seek(std::uint64_t sequence) {
  auto firsts = segments();
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
  auto firsts = segments();
  if (!firsts.ok()) return firsts.status();
  const auto after = std::upper_bound(firsts->begin(), firsts->end(), next_sequence_);
  if (after == firsts->begin()) return false;
  const std::uint64_t first = *std::prev(after);
  if (file_ != nullptr && first <= segment_first_) return false;
  if (Status status = open_segment(first); !status.ok()) return status;
  return true;
}

// Makes at least `bytes` bytes from position_ available where the file has them.
Status JournalReader::fill(std::size_t bytes) {
  const std::size_t wanted = std::max(bytes, kBufferBytes);
  if (buffer_.size() < wanted) buffer_.resize(wanted);
  const auto got = file_->read_at(buffer_, position_);
  if (!got.ok()) return got.status();
  buffer_position_ = position_;
  buffer_used_ = *got;
  return {};
}

// The frame at position_. Bytes that were read before may be older than the frame, so what does not
// decode is read once more.
Result<FrameResult> JournalReader::read_frame() {
  FrameResult result{FrameFault::kIncomplete, {}, xase::proto::kFrameHeaderBytes};
  if (position_ >= buffer_position_ && position_ < buffer_position_ + buffer_used_) {
    const std::size_t offset = position_ - buffer_position_;
    result = xase::proto::decode_frame({buffer_.data() + offset, buffer_used_ - offset});
    if (result.fault == FrameFault::kNone) return result;
  }
  for (std::size_t wanted = std::max(result.needed_bytes, kBufferBytes);;) {
    if (Status status = fill(wanted); !status.ok()) return status;
    result = xase::proto::decode_frame({buffer_.data(), buffer_used_});
    if (result.fault != FrameFault::kIncomplete) return result;
    if (buffer_used_ < wanted) {
      // The file ends here: at a frame's edge that is an end, inside a frame it is damage.
      result.fault = buffer_used_ == 0 ? FrameFault::kEnd : FrameFault::kDamaged;
      return result;
    }
    wanted = result.needed_bytes;
  }
}

bool JournalReader::accept(const Frame& frame) {
  const auto leaf = xase::proto::decode_leaf(frame.leaf);
  if (!leaf || leaf->sequence != frame.sequence ||
      static_cast<std::uint16_t>(leaf->type) != frame.type) {
    return false;
  }
  entry_ = Entry{*leaf, frame.leaf, frame.erasable, {}};
  if (!frame.erasable.empty()) {
    const auto erasable = xase::proto::decode_erasable(frame.erasable);
    if (!erasable) return false;
    entry_.erasable = *erasable;
  }
  return true;
}

Result<JournalReader::Step> JournalReader::next(std::uint64_t through) {
  if (next_sequence_ > through) return Step::kEnd;
  if (file_ == nullptr) {
    if (Status status = seek(next_sequence_); !status.ok()) return status;
  }
  for (;;) {
    auto result = read_frame();
    if (!result.ok()) return result.status();
    const Frame& frame = result->frame;
    if (result->fault == FrameFault::kNone) {
      if (frame.is_commit_mark() || frame.sequence < next_sequence_) {
        position_ += frame.bytes;
        continue;
      }
      if (frame.sequence == next_sequence_ && accept(frame)) {
        entry_position_ = position_;
        position_ += frame.bytes;
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
  damage_ = {next_sequence_, through, segment_name(segment_first_), position_,
             "entries that were written can no longer be read"};
  const auto size = file_->size();
  if (!size.ok()) return size.status();
  for (; position_ < *size; position_ += xase::proto::kFrameAlignment) {
    if (position_ < buffer_position_ || position_ + 4 > buffer_position_ + buffer_used_) {
      if (Status status = fill(0); !status.ok()) return status;
      if (buffer_used_ < 4) break;
    }
    const std::byte* at = buffer_.data() + (position_ - buffer_position_);
    if (std::memcmp(at, xase::proto::kFrameMagic.data(), 4) != 0) continue;
    auto result = read_frame();
    if (!result.ok()) return result.status();
    const Frame& frame = result->frame;
    if (result->fault != FrameFault::kNone || frame.is_commit_mark()) continue;
    if (frame.sequence < next_sequence_ || frame.sequence > through || !accept(frame)) continue;
    if (frame.sequence == next_sequence_) continue;  // a copy of what was refused
    damage_.last = frame.sequence - 1;
    next_sequence_ = frame.sequence;
    return Step::kDamage;
  }
  auto firsts = segments();
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
