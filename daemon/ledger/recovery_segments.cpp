// The part of recovery that sorts segments: which are of this ledger, which to read, which to set
// aside.
#include <algorithm>
#include <utility>

#include "daemon/ledger/recoverer.hpp"

namespace xased {

using xase::proto::Frame;
using xase::proto::FrameFault;
using xase::proto::Hash;

// Moves a file of the journal's directory to the quarantine, under a name of its own.
Status Recoverer::set_aside(const std::string& name) {
  if (Status status = fs_.make_directory(quarantine_, 0700); !status.ok()) return status;
  std::string to = quarantine_ + "/" + name;
  for (int i = 1; fs_.exists(to); ++i) to = quarantine_ + "/" + name + "." + std::to_string(i);
  if (Status status = fs_.rename(directory_ + "/" + name, to); !status.ok()) return status;
  out_.set_aside.push_back(name);
  // The new name first, so that power loss cannot take both.
  if (Status status = fs_.sync_directory(quarantine_); !status.ok()) return status;
  if (Status status = fs_.sync_directory(state_dir_); !status.ok()) return status;
  return fs_.sync_directory(directory_);
}

// Whether a sound frame in the segment is one that `is_wanted`.
Result<bool> Recoverer::any_frame(std::uint64_t first,
                                  const std::function<bool(const Frame& frame)>& is_wanted) {
  auto opened = SegmentReader::open(fs_, directory_, first);
  if (!opened.ok()) return opened.status();
  SegmentReader& reader = **opened;
  for (;;) {
    const auto result = reader.read_frame();
    if (!result.ok()) return result.status();
    if (result->fault == FrameFault::kNone) {
      if (is_wanted(result->frame)) return true;
      reader.skip(result->frame);
      continue;
    }
    auto more = reader.find_next_frame();
    if (!more.ok() || !*more) return more;
  }
}

// Whether an entry in the segment names a ledger that `is_wanted`.
Result<bool> Recoverer::any_names(std::uint64_t first,
                                  const std::function<bool(const Hash& log_id)>& is_wanted) {
  return any_frame(first, [&is_wanted](const Frame& frame) {
    const auto leaf = xase::proto::decode_leaf(frame.leaf);
    return leaf && is_wanted(leaf->log_id);
  });
}

// Of a segment whose header is sound it says so. Where it is not, entries may: not only the first,
// for a record's content may look like an entry, and what was one may be damaged.
Result<bool> Recoverer::is_foreign(const FoundSegment& segment) {
  if (segment.is_misnamed()) return true;
  if (!segment.log_id || *segment.log_id == out_.chain.log_id) return false;
  if (segment.is_sound()) return true;
  const auto is_ours =
      any_names(segment.first, [this](const Hash& log_id) { return log_id == out_.chain.log_id; });
  if (!is_ours.ok()) return is_ours.status();
  return !*is_ours;
}

// Lists the segments, and moves away those of another ledger. The ledger is the one that most of
// the sound headers name; where there are none, most of the first entries that can be read. Where
// two are named as often, it is the one that starts first. What is moved away has no say in that:
// the next recovery will not see it.
Status Recoverer::sort_out_segments() {
  const auto firsts = list_segments(fs_, directory_);
  if (!firsts.ok()) return firsts.status();
  std::vector<FoundSegment> found;
  std::vector<std::pair<Hash, std::size_t>> votes;
  for (const std::uint64_t first : *firsts) {
    auto reader = SegmentReader::open(fs_, directory_, first);
    if (!reader.ok()) return reader.status();
    FoundSegment& segment = found.emplace_back(FoundSegment{first, (*reader)->header(), {}});
    if (segment.is_sound()) {
      segment.log_id = segment.header.header.log_id;
    } else {
      const auto named = any_names(first, [&segment](const Hash& log_id) {
        segment.log_id = log_id;
        return true;
      });
      if (!named.ok()) return named.status();
    }
  }
  const bool has_sound = std::any_of(found.begin(), found.end(), [](const FoundSegment& segment) {
    return segment.is_sound() && !segment.is_misnamed();
  });
  for (const FoundSegment& segment : found) {
    if (!segment.log_id || segment.is_misnamed() || (has_sound && !segment.is_sound())) continue;
    const auto vote = std::find_if(votes.begin(), votes.end(), [&](const auto& other) {
      return other.first == *segment.log_id;
    });
    if (vote == votes.end()) {
      votes.emplace_back(*segment.log_id, 1);
    } else {
      ++vote->second;
    }
  }
  // The first of the largest.
  const auto winner = std::max_element(
      votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (winner != votes.end()) out_.chain.log_id = winner->first;
  for (const FoundSegment& segment : found) {
    const auto foreign = is_foreign(segment);
    if (!foreign.ok()) return foreign.status();
    if (!*foreign) {
      segments_.push_back(segment);
    } else if (Status status = set_aside(segment_name(segment.first)); !status.ok()) {
      return status;
    }
  }
  return {};
}

Result<bool> Recoverer::has_mark(const FoundSegment& segment) {
  return any_frame(segment.first, [](const Frame& frame) { return frame.is_commit_mark(); });
}

// Files are synced in their order, but a new one is there, with its first entries, before the last
// bytes of the one before are synced. Power loss may then leave it behind a hole.
Status Recoverer::find_tail() {
  for (tail_ = segments_.size() - 1; tail_ > 0; --tail_) {
    const auto found = has_mark(segments_[tail_]);
    if (!found.ok()) return found.status();
    if (*found) break;
  }
  return {};
}

// The last segment up to the tail that starts with all its producers and totals, and that no
// rewriting after a failed sync may have superseded: see is_superseded().
std::size_t Recoverer::first_to_scan() const {
  for (std::size_t i = tail_ + 1; i-- > 1;) {
    const FoundSegment& segment = segments_[i];
    if (!segment.is_sound() || segment.continues() || segments_[i - 1].continues()) continue;
    const bool is_doubtful =
        std::any_of(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(i),
                    [&](const FoundSegment& earlier) {
                      return earlier.continues() && earlier.header.header.created_wall_ns >=
                                                        segment.header.header.created_wall_ns;
                    });
    if (!is_doubtful) return i;
  }
  return 0;
}

// A failed sync makes intake write everything since the last good one again, into a segment that
// continues the last that was sound, and then remove those that hold nothing else. Where the daemon
// died before it removed them, the rewritten segment reaches beyond their start.
bool Recoverer::is_superseded(const FoundSegment& segment) const {
  return segment.is_sound() && !segment.continues() && segment.first <= out_.chain.last_sequence;
}

// The tail ends in the segment `index`. Where what leads to the segments behind it is not there,
// what they hold was never acknowledged, like whole entries behind a hole.
Status Recoverer::drop_behind_tear(std::size_t index) {
  ++index;
  while (index < segments_.size() && is_superseded(segments_[index])) ++index;
  if (index >= segments_.size() || segments_[index].first <= out_.chain.last_sequence + 1) {
    return {};
  }
  // The last first: a start that dies here leaves what a shorter journal is.
  for (std::size_t i = segments_.size(); i-- > index;) {
    if (Status status = set_aside(segment_name(segments_[i].first)); !status.ok()) return status;
  }
  has_dropped_ = true;
  return {};
}

}  // namespace xased
