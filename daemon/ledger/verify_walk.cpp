#include "daemon/ledger/verify_walk.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <thread>

#include "daemon/ledger/segment_names.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::Frame;
using xase::proto::FrameFault;
using xase::proto::Hash;
using xase::proto::kFrameHeaderBytes;
using xase::proto::kLeafBytes;
using xase::proto::kSegmentHeaderBytes;
using xase::proto::LedgerTotals;
using xase::proto::SegmentFault;

namespace {

// What power loss or a killed write leaves whole or not at all.
constexpr std::uint64_t kSectorBytes = 512;
constexpr std::size_t kPieceBytes = std::size_t{256} << 10;
constexpr std::uint64_t kProgressBytes = std::uint64_t{4} << 20;

std::string number(std::uint64_t value) { return std::to_string(value); }

bool is_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// What a frame's header says, where it can be one: the checksum is not looked at.
struct ClaimedFrame {
  bool is_mark = false;
  std::uint64_t sequence = 0;
  std::size_t leaf_bytes = 0;
  std::size_t erasable_bytes = 0;
  std::size_t bytes() const { return xase::proto::frame_bytes(leaf_bytes, erasable_bytes); }
};

std::optional<ClaimedFrame> claimed_frame(Bytes header) {
  using xase::proto::load;
  if (header.size() < kFrameHeaderBytes) return std::nullopt;
  const std::byte* from = header.data();
  const auto type = load<std::uint16_t>(from + 6);
  ClaimedFrame claimed;
  claimed.is_mark = type == xase::proto::kFrameCommit;
  claimed.leaf_bytes = load<std::uint32_t>(from + 8);
  claimed.erasable_bytes = load<std::uint32_t>(from + 12);
  claimed.sequence = load<std::uint64_t>(from + 16);
  const bool is_entry = type >= 1 && type <= xase::proto::kEntryTypes;
  const bool sizes_fit = claimed.is_mark
                             ? claimed.leaf_bytes == 0 && claimed.erasable_bytes == 8
                             : is_entry && claimed.leaf_bytes == kLeafBytes &&
                                   claimed.erasable_bytes <= xase::proto::kErasableBytesMax;
  if (load<std::array<char, 4>>(from) != xase::proto::kFrameMagic ||
      load<std::uint16_t>(from + 4) != xase::proto::kFrameVersion || !sizes_fit ||
      load<std::uint32_t>(from + 28) != 0) {
    return std::nullopt;
  }
  return claimed;
}

// Whether the part's own lengths, where they are there, agree with its frame's.
bool lengths_agree(const ClaimedFrame& claimed, Bytes frame, std::size_t written) {
  constexpr std::size_t kErasableAt = kFrameHeaderBytes + kLeafBytes;
  if (claimed.is_mark || written < kErasableAt + xase::proto::kErasableHeaderBytes) return true;
  std::uint64_t sum = xase::proto::kErasableHeaderBytes;
  for (std::size_t i = 0; i < xase::proto::kParts; ++i) {
    sum += xase::proto::load<std::uint32_t>(frame.data() + kErasableAt + 4 * i);
  }
  return sum == claimed.erasable_bytes;
}

// Whether a sector, or the part of it that `frame` at `position` takes, is empty, other than the
// last.
bool has_empty_sector(Bytes frame, std::uint64_t position) {
  std::uint64_t at = position;
  const std::uint64_t end = position + frame.size();
  while (at < end) {
    const std::uint64_t sector_end = xase::proto::align_up(at + 1, kSectorBytes);
    if (sector_end >= end) return false;
    if (is_zero(frame.subspan(at - position, sector_end - at))) return true;
    at = sector_end;
  }
  return false;
}

constexpr std::array<std::string_view, 10> kTotalsNames{
    "records",      "rejected", "gaps",    "missing", "receipts", "replayed", "possible duplicates",
    "dead letters", "retries",  "reserved"};
using TotalsArray = std::array<std::uint64_t, kTotalsNames.size()>;
static_assert(sizeof(TotalsArray) == sizeof(LedgerTotals));

}  // namespace

LedgerWalk::LedgerWalk(FileSystem& fs, const std::string& state_dir, const VerifyOptions& options)
    : fs_(fs),
      directory_(state_dir + "/" + std::string(kJournalFolder)),
      options_(options),
      findings_(options.findings_max),
      heads_(fs, state_dir, options, findings_),
      producers_(findings_),
      receipts_(findings_),
      seals_(findings_, producers_, heads_.keys()),
      anchors_(options.anchors, options.anchor_record_hash, findings_),
      retention_(findings_) {}

Status LedgerWalk::run() {
  if (Status status = heads_.open(); !status.ok()) return status;
  if (Status status = list(); !status.ok()) return status;
  bytes_total_ += heads_.bytes_to_read();
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    if (Status status = walk_segment(i); !status.ok()) return status;
  }
  if (broken_link_ != 0) settle_broken_link(true);
  retention_.settle(facts_.holes == 0);
  if (Status status = heads_.settle(log_id_, [this] { report_progress(0); }); !status.ok()) {
    return status;
  }
  if (Status status = anchors_.settle(fs_, heads_.tree(), heads_.shown()); !status.ok()) {
    return status;
  }
  if (options_.progress) options_.progress(bytes_total_, bytes_total_);
  return {};
}

// Finds the segments and reads their headers. The ledger is the one that most of them name, the
// oldest of them deciding; segments of another one hold nothing that could be verified here.
Status LedgerWalk::list() {
  const auto firsts = list_segments(fs_, directory_);
  if (!firsts.ok()) return firsts.status();
  std::vector<Segment> all;
  std::map<Hash, std::size_t> votes;
  for (const std::uint64_t first : *firsts) {
    auto reader = SegmentReader::open(fs_, directory_, first);
    if (!reader.ok()) {
      // Retention was quicker.
      if (reader.status().code() == Code::kNotFound) continue;
      return reader.status();
    }
    const auto size = (*reader)->file().size();
    if (!size.ok()) return size.status();
    bytes_total_ += *size;
    all.push_back({first, (*reader)->header()});
    if (all.back().header.fault == SegmentFault::kNone) ++votes[all.back().header.header.log_id];
  }
  std::size_t most = 0;
  for (const Segment& segment : all) {
    if (segment.header.fault != SegmentFault::kNone) continue;
    const std::size_t count = votes[segment.header.header.log_id];
    if (count > most) log_id_ = segment.header.header.log_id;
    most = std::max(most, count);
  }
  facts_.report.counts.segments = all.size();
  for (Segment& segment : all) {
    findings_.move_to_segment(segment_name(segment.first));
    findings_.move_to(0);
    const auto& [fault, header] = segment.header;
    if (fault != SegmentFault::kNone) {
      refute(VerifyProperty::kSegments, segment.first, "the segment's header is damaged");
    } else if (header.log_id != *log_id_) {
      refute(VerifyProperty::kSegments, segment.first, "the segment is another ledger's");
      continue;
    } else if (header.first_sequence != segment.first) {
      refute(
          VerifyProperty::kSegments, segment.first,
          "the segment's header says that it starts with entry " + number(header.first_sequence));
      continue;
    } else {
      ++facts_.sound_headers;
    }
    segments_.push_back(segment);
  }
  return {};
}

Status LedgerWalk::walk_segment(std::size_t index) {
  const Segment& segment = segments_[index];
  auto opened = SegmentReader::open(fs_, directory_, segment.first);
  if (!opened.ok()) {
    if (opened.status().code() != Code::kNotFound) return opened.status();
    // Retention was quicker.
    if (!began_) return {};
    return {Code::kNotFound, segment_name(segment.first) +
                                 " was removed while the ledger was being verified: run it again"};
  }
  reader_ = std::move(*opened);
  hashes_.forget();
  first_ = segment.first;
  is_last_ = index + 1 == segments_.size();
  next_first_ = is_last_ ? 0 : segments_[index + 1].first;
  next_continues_ = !is_last_ && segments_[index + 1].continues();
  after_damage_ = false;
  intact_leaf_.reset();
  mark_sequence_ = 0;
  durable_position_ = 0;
  extents_.clear();
  repeats_ = std::move(repeats_for_next_);
  std::sort(repeats_.begin(), repeats_.end());
  repeats_for_next_.clear();
  findings_.move_to_segment(segment_name(first_));
  findings_.move_to(0);

  if (!began_) {
    if (Status status = begin(segment.header); !status.ok()) return status;
  }
  if (first_ > last_ + 1) lose(first_ - 1, "no segment holds them");
  if (segment.header.fault == SegmentFault::kNone) compare_header(segment.header.header);
  at_next_first_ = {};
  move_last(last_);
  producers_.start_segment(first_, segment.continues());
  if (Status status = walk_frames(); !status.ok()) return status;
  const auto size = reader_->file().size();
  if (!size.ok()) return size.status();
  bytes_before_ += *size;
  facts_.report.counts.bytes += *size;
  report_progress(0);
  return {};
}

// At the first segment that there is. What came before it, its header says.
Status LedgerWalk::begin(const xase::proto::SegmentHeaderResult& header) {
  began_ = true;
  begin_ = first_;
  last_ = first_ - 1;
  at_next_first_ = {};
  if (first_ == 1) {
    at_next_first_ = {first_, Hash{}, LedgerTotals{}};
    head_ = Hash{};
    totals_ = LedgerTotals{};
  } else if (header.fault == SegmentFault::kNone) {
    facts_.report.totals_before = header.header.totals;
  }
  producers_.begin_at(first_);
  seals_.begin_at(first_);
  const bool is_sound = header.fault == SegmentFault::kNone;
  retention_.begin_at(first_, is_sound ? std::optional(header.header.previous) : std::nullopt);
  return heads_.begin_at(first_);
}

void LedgerWalk::compare_header(const xase::proto::SegmentHeader& header) {
  const bool is_known = at_next_first_.first == first_;
  if (is_known && at_next_first_.head && *at_next_first_.head != header.previous) {
    refute(VerifyProperty::kSegments, first_,
           "the segment's header names another entry before its first than there is");
  }
  if (is_known && at_next_first_.totals) {
    ++facts_.totals_compared;
    const auto counted = std::bit_cast<TotalsArray>(*at_next_first_.totals);
    const auto said = std::bit_cast<TotalsArray>(header.totals);
    for (std::size_t i = 0; i < said.size(); ++i) {
      if (said[i] == counted[i]) continue;
      refute(VerifyProperty::kTotals, first_,
             "the segment's header says " + number(said[i]) + " " + std::string(kTotalsNames[i]) +
                 " before it, and " + number(counted[i]) + " were counted");
      break;
    }
  } else {
    ++facts_.totals_unknown;
  }
  if (last_ + 1 != first_) return;
  if (!head_) head_ = header.previous;
  totals_ = header.totals;
}

Status LedgerWalk::walk_frames() {
  for (;;) {
    findings_.move_to(reader_->position());
    report_progress(reader_->position());
    auto result = reader_->read_frame();
    if (!result.ok()) return result.status();
    if (result->fault == FrameFault::kNone) {
      meet(result->frame);
      reader_->skip(result->frame);
      continue;
    }
    auto goes_on = result->fault == FrameFault::kEnd ? pass_zeros() : pass_damage();
    if (!goes_on.ok()) return goes_on.status();
    if (!*goes_on) return {};
  }
}

// At zeros: nothing else may follow them.
Result<bool> LedgerWalk::pass_zeros() {
  const std::uint64_t from = reader_->position();
  const auto written = first_written_byte(from);
  if (!written.ok()) return written.status();
  if (!written->has_value()) return false;
  const auto end = written_end(from);
  if (!end.ok()) return end.status();
  auto left_behind = pass_left_behind();
  if (!left_behind.ok() || *left_behind) return left_behind;
  if (is_last_) {
    // Bytes are written in their order: what is there now was not when the zeros were read.
    auto again = reader_->read_frame();
    if (!again.ok()) return again.status();
    if (again->fault != FrameFault::kEnd) return true;
    // Behind the last commit power may have gone while pages were written in any order.
    if (from >= durable_position_) {
      auto found = find_next_frame();
      if (!found.ok()) return found.status();
      reader_->move_to(from);
      auto is_covered = is_covered_by_later_mark();
      if (!is_covered.ok()) return is_covered.status();
      if (*found && !*is_covered) {
        facts_.report.unfinished_bytes = *end - from;
        return false;
      }
    }
  }
  if (is_given_up()) {
    ++facts_.given_up;
  } else {
    findings_.move_to(**written);
    refute(VerifyProperty::kFrames, last_ + 1,
           "behind the last frame, where there must be zeros, there are other bytes");
    after_damage_ = true;
  }
  return find_next_frame();
}

// At bytes that are no sound frame.
Result<bool> LedgerWalk::pass_damage() {
  const std::uint64_t from = reader_->position();
  const auto end = written_end(from);
  if (!end.ok()) return end.status();
  // Fewer zeros than a frame's header would take.
  if (*end <= from) return false;
  auto left_behind = pass_left_behind();
  if (!left_behind.ok() || *left_behind) return left_behind;
  if (is_last_ && from >= durable_position_) {
    auto has_come = wait_for_rest();
    if (!has_come.ok()) return has_come.status();
    if (*has_come) return true;
    auto unfinished = is_unfinished();
    if (!unfinished.ok()) return unfinished.status();
    if (*unfinished) {
      facts_.report.unfinished_bytes = *end - from;
      return false;
    }
  }
  auto header = bytes_at(from, kFrameHeaderBytes + kLeafBytes);
  if (!header.ok()) return header.status();
  const auto claimed = claimed_frame(*header);
  if (is_given_up()) {
    ++facts_.given_up;
  } else {
    const bool is_mark = claimed && claimed->is_mark;
    refute(VerifyProperty::kFrames, last_ + 1,
           is_mark ? "a commit mark is damaged"
                   : "the frame is damaged: its checksum or its form does not hold");
    after_damage_ = true;
    remember_intact_leaf();
  }
  // Where its length still seems right, what follows it does; a payload may look like a frame.
  if (claimed) {
    reader_->move_to(from + claimed->bytes());
    const auto next = reader_->read_frame();
    if (!next.ok()) return next.status();
    if (next->fault == FrameFault::kNone || next->fault == FrameFault::kEnd) return true;
    reader_->move_to(from);
  }
  return find_next_frame();
}

// Moves to the next sound frame behind the position; false, and the position is at the file's end,
// where there is none.
Result<bool> LedgerWalk::find_next_frame() {
  for (;;) {
    auto found = reader_->find_magic();
    if (!found.ok() || !*found) return found;
    const auto result = reader_->read_frame();
    if (!result.ok()) return result.status();
    if (result->fault == FrameFault::kNone) return true;
  }
}

// True where the frame has become whole meanwhile.
Result<bool> LedgerWalk::wait_for_rest() {
  if (waits_left_ == 0) return false;
  --waits_left_;
  constexpr std::chrono::milliseconds kPause{1};
  for (auto left = options_.patience; left.count() > 0; left -= kPause) {
    std::this_thread::sleep_for(kPause);
    const auto result = reader_->read_frame();
    if (!result.ok()) return result.status();
    if (result->fault != FrameFault::kDamaged) return true;
  }
  return false;
}

// Whether the bad frame at the position, in the last segment and not known to be synced, is what a
// write leaves that did not come to its end: whole sectors of it are missing, at its end or, where
// power went, anywhere. What has all its sectors was whole once.
Result<bool> LedgerWalk::is_unfinished() {
  const std::uint64_t from = reader_->position();
  const auto end = written_end(from);
  if (!end.ok()) return end.status();
  const auto header = bytes_at(from, kFrameHeaderBytes);
  if (!header.ok()) return header.status();
  const std::uint64_t whole_sectors_end = xase::proto::align_up(*end, kSectorBytes);
  if (*end < from + kFrameHeaderBytes) {
    const std::size_t there = std::min<std::size_t>(*end - from, xase::proto::kFrameMagic.size());
    const bool starts_like_one =
        std::memcmp(header->data(), xase::proto::kFrameMagic.data(), there) == 0;
    return starts_like_one && whole_sectors_end < from + kFrameHeaderBytes;
  }
  const auto claimed = claimed_frame(*header);
  if (!claimed) return false;
  const bool comes_next =
      claimed->is_mark ? claimed->sequence <= last_ : claimed->sequence == last_ + 1;
  if (!comes_next) return false;
  const auto frame = bytes_at(from, claimed->bytes());
  if (!frame.ok()) return frame.status();
  if (*end <= from + claimed->bytes()) {
    return whole_sectors_end < from + claimed->bytes() &&
           lengths_agree(*claimed, *frame, *end - from);
  }
  if (!has_empty_sector(*frame, from)) return false;
  auto is_covered = is_covered_by_later_mark();
  if (!is_covered.ok()) return is_covered.status();
  return !*is_covered;
}

// Whether a commit mark behind the position says that what is at it was synced.
Result<bool> LedgerWalk::is_covered_by_later_mark() {
  const std::uint64_t from = reader_->position();
  for (;;) {
    const auto result = reader_->read_frame();
    if (!result.ok()) return result.status();
    if (result->fault == FrameFault::kNone) {
      const bool covers = result->frame.is_commit_mark() && result->frame.commit_position() > from;
      if (covers) {
        reader_->move_to(from);
        return true;
      }
      reader_->skip(result->frame);
      continue;
    }
    const auto found = find_next_frame();
    if (!found.ok()) return found.status();
    if (!*found) break;
  }
  reader_->move_to(from);
  return false;
}

// Up to `bytes` bytes; fewer at the end of the file.
Result<std::vector<std::byte>> LedgerWalk::bytes_at(std::uint64_t position, std::size_t bytes) {
  std::vector<std::byte> to(bytes);
  const auto got = reader_->file().read_at(to, position);
  if (!got.ok()) return got.status();
  to.resize(*got);
  return to;
}

// Position of the first byte at or behind `from` that is not zero.
Result<std::optional<std::uint64_t>> LedgerWalk::first_written_byte(std::uint64_t from) {
  std::vector<std::byte> piece(kPieceBytes);
  for (std::uint64_t at = from;;) {
    const auto got = reader_->file().read_at(piece, at);
    if (!got.ok()) return got.status();
    const Bytes bytes(piece.data(), *got);
    // Compares each byte with the one before it: as fast as memcmp().
    const bool all_zero =
        bytes.empty() || (bytes[0] == std::byte{0} &&
                          std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
    if (!all_zero) {
      const auto found =
          std::find_if(bytes.begin(), bytes.end(), [](std::byte b) { return b != std::byte{0}; });
      return std::optional(at + static_cast<std::uint64_t>(found - bytes.begin()));
    }
    at += *got;
    report_progress(at);
    if (*got < piece.size()) return std::optional<std::uint64_t>();
  }
}

// Position behind the last byte at or behind `from` that is not zero; `from` without one.
Result<std::uint64_t> LedgerWalk::written_end(std::uint64_t from) {
  const auto size = reader_->file().size();
  if (!size.ok()) return size.status();
  std::uint64_t end = *size;
  std::vector<std::byte> piece(kPieceBytes);
  while (end > from) {
    const std::uint64_t start = end - std::min<std::uint64_t>(end - from, piece.size());
    const auto got = reader_->file().read_at({piece.data(), end - start}, start);
    if (!got.ok()) return got.status();
    for (std::size_t i = *got; i-- > 0;) {
      if (piece[i] != std::byte{0}) return start + i + 1;
    }
    end = start;
  }
  return from;
}

void LedgerWalk::report_progress(std::uint64_t position) {
  if (!options_.progress) return;
  const std::uint64_t read = bytes_before_ + position + heads_.bytes_read();
  const std::uint64_t done = std::min(read, bytes_total_);
  if (done < bytes_reported_ + kProgressBytes) return;
  bytes_reported_ = done;
  options_.progress(done, bytes_total_);
}

}  // namespace xased
