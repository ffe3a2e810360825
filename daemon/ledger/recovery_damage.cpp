// The part of recovery that stands at a place that does not hold the next entry: a torn tail, which
// is cut, or damage, which is named and passed.
#include <algorithm>
#include <utility>

#include "daemon/ledger/recoverer.hpp"
#include "daemon/ledger/torn_tail.hpp"
#include "daemon/ledger/tree/checkpoint.hpp"
#include "daemon/ledger/tree/renew_tree.hpp"
#include "daemon/ledger/tree/tile_reader.hpp"
#include "proto/checkpoint.hpp"
#include "proto/entry_body.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::Frame;
using xase::proto::FrameFault;
using xase::proto::Leaf;

Result<Recoverer::Survey> Recoverer::survey(SegmentReader& reader) {
  Survey survey;
  survey.end = reader.position();
  for (;;) {
    const auto result = reader.read_frame();
    if (!result.ok()) return result.status();
    const Frame& frame = result->frame;
    if (result->fault == FrameFault::kNone) {
      Leaf leaf;
      Bytes body;
      if (frame.is_commit_mark()) {
        survey.durable_position =
            std::max(survey.durable_position, std::optional(note_mark(frame, reader)));
        survey.marks.push_back(reader.position());
      } else if (!survey.position && frame.sequence > out_.chain.last_sequence &&
                 frame.sequence < limit_ &&
                 frame.sequence <= reader.first_sequence() + entries_before(reader.position()) &&
                 decode(frame, leaf, body)) {
        survey.position = reader.position();
        survey.behind = survey.end;
        survey.sequence = frame.sequence;
      }
      reader.skip(frame);
      survey.end = reader.position();
      continue;
    }
    const auto more = reader.find_next_frame();
    if (!more.ok()) return more.status();
    if (!*more) return survey;
  }
}

// At a place that is not the next entry: true where something follows that must be read on, with
// the reader there and the damage named; false where the segment ends here.
Result<bool> Recoverer::resynchronise(SegmentReader& reader, std::size_t index) {
  const std::uint64_t from = reader.position();
  const auto surveyed = survey(reader);
  if (!surveyed.ok()) return surveyed.status();
  // Behind the last commit power may have gone while pages were written in any order: whole entries
  // behind a hole there were never acknowledged. Elsewhere they were, and stay.
  if (index >= tail_ && from >= durable_position_) {
    std::uint64_t cut = from;
    if (resumed_ && from == resumed_->at) {
      // What seemed to be the next entry is none: the tear begins where it was looked for, and the
      // damage before is as if nothing had been found.
      cut = std::max(resumed_->behind, durable_position_);
      out_.damage.resize(resumed_->damages);
      out_.chain.last_sequence = resumed_->last_sequence;
      ends_unreadable_ = resumed_->ends_unreadable;
      chain_known_ = resumed_->chain_known;
      name_unreadable(segment_name(reader.first_sequence()), resumed_->from);
    }
    // First: what is cut off may be what shows that this is the tail.
    if (Status status = drop_behind_tear(index); !status.ok()) return status;
    if (has_dropped_) return false;
    if (Status status = cut_tail(reader, cut, *surveyed); !status.ok()) return status;
    return false;
  }
  const std::uint64_t expected = out_.chain.last_sequence + 1;
  const std::string name = segment_name(reader.first_sequence());
  if (surveyed->position) {
    reader.move_to(*surveyed->position);
    resumed_ = Resumed{from,
                       *surveyed->position,
                       surveyed->behind,
                       out_.damage.size(),
                       out_.chain.last_sequence,
                       chain_known_,
                       ends_unreadable_};
    if (surveyed->sequence > expected) {
      out_.damage.push_back({expected, surveyed->sequence - 1, name, from,
                             "entries that were written can no longer be read"});
      chain_known_ = false;
    } else if (*surveyed->position == from) {
      out_.damage.push_back(
          {expected, expected - 1, name, from, "the entry does not follow from the one before it"});
      chain_known_ = false;
    }
    // Else nothing is missing: something that is no entry lies between two that are.
    out_.chain.last_sequence = surveyed->sequence - 1;
    return true;
  }
  if (index + 1 != segments_.size()) {
    // Zeros are no end where a mark says that there was more.
    if (durable_sequence_ >= expected) previous_ended_damaged_ = true;
    return false;
  }
  name_unreadable(name, from);
  durable_position_ = std::min(durable_position_, surveyed->end);
  reader.move_to(surveyed->end);
  end_position_ = surveyed->end;
  return true;
}

// Where a mark says that more entries were synced, none of them can be read. Their sequences are
// not used again.
void Recoverer::name_unreadable(const std::string& segment, std::uint64_t from) {
  const std::uint64_t expected = out_.chain.last_sequence + 1;
  if (durable_sequence_ < expected) return;
  out_.damage.push_back({expected, durable_sequence_, segment, from,
                         "entries that were written can no longer be read"});
  out_.chain.last_sequence = durable_sequence_;
  chain_known_ = false;
  ends_unreadable_ = true;
}

// What comes next goes on from an entry that the journal lost and the tree has, where it has it:
// else the tree could not go on. Nothing but the tree's own root vouches for that.
Status Recoverer::take_head_of_tree() {
  const std::string tree = tree_directory(state_dir_);
  const auto note =
      read_file(fs_, tree + "/" + std::string(kCheckpointName), xase::proto::kNoteBytesMax);
  if (!note.ok()) {
    const Code code = note.status().code();
    return code == Code::kNotFound || code == Code::kInvalid ? Status() : note.status();
  }
  const auto parsed = xase::proto::parse_note(xase::proto::as_text(*note));
  if (!parsed.ok()) return {};
  const auto head = xase::proto::parse_checkpoint(parsed->text);
  if (!head.ok() || head->size < out_.chain.last_sequence) return {};
  TileReader tiles(fs_, tree, head->size, head->root);
  const auto leaf = tiles.leaf(out_.chain.last_sequence);
  if (leaf.ok()) {
    out_.chain.head = leaf->leaf_hash;
    return {};
  }
  const Code code = leaf.status().code();
  return code == Code::kNotFound || code == Code::kCorrupt ? Status() : leaf.status();
}

// Keeps what lies at and behind `from` in a file of its own, and cuts it off. Where there is no
// room for that file, the bytes stay where they are, and writing goes on behind them.
Status Recoverer::cut_tail(SegmentReader& reader, std::uint64_t from, const Survey& survey) {
  end_position_ = from;
  const auto size = reader.file().size();
  if (!size.ok()) return size.status();
  if (from >= *size) return {};
  TornTail tail{reader.first_sequence(), from, out_.chain.last_sequence + 1, {}, {}, survey.marks};
  tail.bytes.resize(*size - from);
  const auto got = reader.file().read_at(tail.bytes, from);
  if (!got.ok()) return got.status();
  tail.bytes.resize(*got);
  while (!tail.bytes.empty() && tail.bytes.back() == std::byte{0}) tail.bytes.pop_back();
  if (tail.bytes.empty()) return {};
  // A mark among them is the only one that says how far the entries before were synced. Also one
  // that says nothing: that there is one makes this the tail, and not those before.
  if (survey.durable_position > kept_durable_position_) {
    tail.mark = TailMark{std::min(durable_sequence_, out_.chain.last_sequence), durable_position_};
  }
  const auto kept = cut_torn_tail(fs_, state_dir_, tail);
  if (!kept.ok()) return kept.status();
  out_.torn_bytes = tail.bytes.size();
  if (!*kept) {
    out_.torn_saved_as.clear();
    end_position_ = xase::proto::align_up(from + tail.bytes.size(), xase::proto::kFrameAlignment);
    return {};
  }
  out_.torn_saved_as = (*kept)->path;
  if (tail.mark) end_position_ += xase::proto::kCommitMarkBytes;
  return {};
}

void Recoverer::apply_ledgers_gap(Bytes body) {
  const auto gap = xase::proto::decode_gap_body(body);
  // It tells of what lies before it; what says anything else is no entry of ours.
  if (!gap || gap->reason != xase::proto::GapReason::kJournalDamaged ||
      gap->after_sequence >= gap->before_sequence ||
      gap->before_sequence > out_.chain.last_sequence) {
    return;
  }
  told_.push_back({gap->after_sequence + 1, gap->before_sequence - 1, {}, 0, {}});
}

// Damage stays where it is, and is met by every start; it is told once. What has grown since is
// told as far as it has.
void Recoverer::sort_out_damage() {
  std::sort(told_.begin(), told_.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  out_.all_damage = std::exchange(out_.damage, {});
  for (const JournalDamage& part : out_.all_damage) {
    const bool is_told = std::any_of(told_.begin(), told_.end(), [&](const auto& told) {
      return told.first == part.first && told.last == part.last;
    });
    if (is_told) continue;
    // Where something that is no entry lies between two that are, there is no sequence to name.
    if (part.first > part.last) {
      out_.damage.push_back(part);
      continue;
    }
    JournalDamage untold = part;
    for (const JournalDamage& told : told_) {
      if (told.last < untold.first || told.first > part.last) continue;
      untold.last = told.first - 1;
      if (untold.first <= untold.last) out_.damage.push_back(untold);
      untold.first = told.last + 1;
    }
    untold.last = part.last;
    if (untold.first <= untold.last) out_.damage.push_back(untold);
  }
}

}  // namespace xased
