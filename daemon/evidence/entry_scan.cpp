#include "daemon/evidence/entry_scan.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "daemon/ledger/segment_names.hpp"
#include "daemon/ledger/segment_reader.hpp"

namespace xased {

using xase::proto::Frame;
using xase::proto::FrameFault;

namespace {

std::optional<Entry> entry_of(const Frame& frame, const xase::proto::SegmentHeaderResult& header) {
  const auto leaf = xase::proto::decode_leaf(frame.leaf);
  const bool has_header = header.fault == xase::proto::SegmentFault::kNone;
  if (leaf && has_header && leaf->log_id != header.header.log_id) return std::nullopt;
  if (!leaf || leaf->sequence != frame.sequence ||
      static_cast<std::uint16_t>(leaf->type) != frame.type) {
    return std::nullopt;
  }
  Entry entry{*leaf, frame.leaf, frame.erasable, {}};
  if (!frame.erasable.empty()) {
    const auto erasable = xase::proto::decode_erasable(frame.erasable);
    if (!erasable) return std::nullopt;
    entry.erasable = *erasable;
  }
  return entry;
}

// One segment, up to entry `last`. False: `take` has what it wants.
Result<bool> scan_segment(SegmentReader& reader, std::uint64_t first, std::uint64_t last,
                          bool is_newest, const std::function<bool(const Entry&)>& take) {
  std::uint64_t seen = 0;
  for (;;) {
    const auto result = reader.read_frame();
    if (!result.ok()) return result.status();
    const Frame& frame = result->frame;
    if (result->fault == FrameFault::kNone) {
      if (!frame.is_commit_mark()) {
        if (frame.sequence > last) return true;
        seen = frame.sequence;
        if (frame.sequence >= first) {
          const auto entry = entry_of(frame, reader.header());
          if (entry && !take(*entry)) return false;
        }
        if (frame.sequence == last) return true;
      }
      reader.skip(frame);
      continue;
    }
    // Zeros are where writing stopped, or a frame that was zeroed: only another segment tells.
    if (result->fault == FrameFault::kEnd && (is_newest || seen == last)) return true;
    const auto found = reader.find_next_frame();
    if (!found.ok()) return found.status();
    if (!*found) return true;
  }
}

}  // namespace

Status scan_entries(FileSystem& fs, const std::string& journal, std::uint64_t first,
                    std::uint64_t last, const std::function<bool(const Entry&)>& take) {
  const auto segments = list_segments(fs, journal);
  if (!segments.ok()) return segments.status();
  auto segment = std::upper_bound(segments->begin(), segments->end(), first);
  if (segment != segments->begin()) --segment;
  for (; segment != segments->end() && *segment <= last; ++segment) {
    const auto next = std::next(segment);
    const bool is_newest = next == segments->end();
    // After a failed sync the next segment starts with entries of this one; it counts.
    const std::uint64_t end = is_newest ? std::numeric_limits<std::uint64_t>::max() : *next - 1;
    auto reader = SegmentReader::open(fs, journal, *segment);
    // Removed meanwhile.
    if (!reader.ok() && reader.status().code() == Code::kNotFound) continue;
    if (!reader.ok()) return reader.status();
    const auto more = scan_segment(**reader, first, std::min(last, end), is_newest, take);
    if (!more.ok()) return more.status();
    if (!*more) return {};
  }
  return {};
}

}  // namespace xased
