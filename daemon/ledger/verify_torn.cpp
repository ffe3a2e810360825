// The part of the walk that deals with torn writes that a start told of.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "daemon/ledger/verify_walk.hpp"
#include "proto/erasable.hpp"

namespace xased {

using xase::proto::EntryType;
using xase::proto::Frame;
using xase::proto::FrameFault;

namespace {

// How many torn bytes START says were left where they are; 0: none, or it is no START.
std::uint64_t torn_bytes_left(const Frame& frame) {
  if (frame.type != static_cast<std::uint16_t>(EntryType::kStart)) return 0;
  const auto erasable = xase::proto::decode_erasable(frame.erasable);
  if (!erasable) return 0;
  const nlohmann::json body =
      nlohmann::json::parse(xase::proto::as_text(erasable->parts[xase::proto::kRestPart]), nullptr,
                            /*allow_exceptions=*/false);
  if (!body.is_object()) return 0;
  const auto bytes = body.find("torn_bytes_left");
  return bytes != body.end() && bytes->is_number_unsigned() ? bytes->get<std::uint64_t>() : 0;
}

std::uint64_t aligned_end(std::uint64_t from, std::uint64_t bytes) {
  return xase::proto::align_up(from + bytes, xase::proto::kFrameAlignment);
}

}  // namespace

// A start that finds a torn tail and no room to keep it elsewhere goes on behind it, and its START
// says how many bytes were torn. Where the bad bytes at the position, and marks among them, are
// just these, moves behind them and gives true: no entry was ever there.
Result<bool> LedgerWalk::pass_left_behind() {
  const std::uint64_t from = reader_->position();
  const auto end = end_of_left_behind(from);
  if (!end.ok()) return end.status();
  reader_->move_to(end->value_or(from));
  if (end->has_value()) facts_.left_behind_bytes += **end - from;
  return end->has_value();
}

// Where the bytes from the reader's position `from` on end that a start told of, at a frame's
// place.
Result<std::optional<std::uint64_t>> LedgerWalk::end_of_left_behind(std::uint64_t from) {
  const std::optional<std::uint64_t> none;
  std::vector<std::uint64_t> sound;  // positions of frames, one behind the other, up to here
  for (;;) {
    const auto result = reader_->read_frame();
    if (!result.ok()) return result.status();
    const Frame& frame = result->frame;
    if (result->fault == FrameFault::kNone) {
      sound.push_back(reader_->position());
      if (!frame.is_commit_mark()) {
        const std::uint64_t torn = frame.sequence == last_ + 1 ? torn_bytes_left(frame) : 0;
        const std::uint64_t end = aligned_end(from, torn);
        return torn != 0 && std::ranges::binary_search(sound, end) ? std::optional(end) : none;
      }
      reader_->skip(frame);
      continue;
    }
    sound.clear();
    const auto found = find_next_frame();
    if (!found.ok()) return found.status();
    if (!*found) break;
  }
  // There was no room for START behind them either.
  if (next_first_ != last_ + 1) return none;
  const auto written = written_end(from);
  if (!written.ok()) return written.status();
  const auto torn = torn_bytes_left_before(next_first_);
  if (!torn.ok()) return torn.status();
  return *torn != 0 && *torn == *written - from ? std::optional(aligned_end(from, *torn)) : none;
}

// The same of the start that begins the segment.
Result<std::uint64_t> LedgerWalk::torn_bytes_left_before(std::uint64_t first) {
  auto opened = SegmentReader::open(fs_, directory_, first);
  if (!opened.ok()) {
    // Retention was quicker.
    if (opened.status().code() == Code::kNotFound) return std::uint64_t{0};
    return opened.status();
  }
  for (;;) {
    const auto result = (*opened)->read_frame();
    if (!result.ok()) return result.status();
    if (result->fault != FrameFault::kNone) return std::uint64_t{0};
    if (!result->frame.is_commit_mark()) return torn_bytes_left(result->frame);
    (*opened)->skip(result->frame);
  }
}

}  // namespace xased
