// The part of the walk that deals with torn writes that a start told of.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "daemon/ledger/verify_walk.hpp"
#include "proto/erasable.hpp"

namespace xased {

using xase::proto::EntryType;
using xase::proto::Frame;
using xase::proto::FrameFault;

namespace {

// How many torn bytes RECOVERED says were left where they are; 0: none.
std::uint64_t bytes_left_behind(const Frame& recovered) {
  const auto erasable = xase::proto::decode_erasable(recovered.erasable);
  if (!erasable) return 0;
  const nlohmann::json body =
      nlohmann::json::parse(xase::proto::as_text(erasable->parts[xase::proto::kRestPart]), nullptr,
                            /*allow_exceptions=*/false);
  if (!body.is_object()) return 0;
  const auto bytes = body.find("torn_bytes");
  const auto saved_as = body.find("torn_saved_as");
  const bool is_left = bytes != body.end() && bytes->is_number_unsigned() &&
                       saved_as != body.end() && saved_as->is_string() &&
                       saved_as->get_ref<const std::string&>().empty();
  return is_left ? bytes->get<std::uint64_t>() : 0;
}

}  // namespace

// A start that finds a torn tail and no room to keep it elsewhere goes on behind it: START and
// RECOVERED follow, and the latter says how many bytes were torn. Where the bad bytes at the
// position, and marks among them, are just these, moves behind them and gives true: no entry was
// ever there.
Result<bool> LedgerWalk::pass_left_behind() {
  const std::uint64_t from = reader_->position();
  auto found = find_next_frame();
  if (!found.ok()) return found;
  std::vector<std::uint64_t> sound;  // positions of frames, one behind the other, up to here
  std::uint64_t expected = last_ + 1;
  while (*found) {
    const auto result = reader_->read_frame();
    if (!result.ok()) return result.status();
    if (result->fault != FrameFault::kNone) {
      if (expected != last_ + 1) break;
      sound.clear();
      found = find_next_frame();
      if (!found.ok()) return found;
      continue;
    }
    const Frame& frame = result->frame;
    sound.push_back(reader_->position());
    if (!frame.is_commit_mark()) {
      const bool is_start = frame.type == static_cast<std::uint16_t>(EntryType::kStart);
      const bool is_recovered = frame.type == static_cast<std::uint16_t>(EntryType::kRecovered);
      if (frame.sequence != expected || !(expected == last_ + 1 ? is_start : is_recovered)) break;
      if (is_recovered) {
        const std::uint64_t torn = bytes_left_behind(frame);
        const std::uint64_t end = xase::proto::align_up(from + torn, xase::proto::kFrameAlignment);
        if (torn == 0 || torn > reader_->position() - from ||
            std::find(sound.begin(), sound.end(), end) == sound.end()) {
          break;
        }
        facts_.left_behind_bytes += torn;
        reader_->move_to(end);
        return true;
      }
      ++expected;
    }
    reader_->skip(frame);
  }
  reader_->move_to(from);
  return false;
}

}  // namespace xased
