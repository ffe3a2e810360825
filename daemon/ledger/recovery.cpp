#include "daemon/ledger/recovery.hpp"

#include <algorithm>
#include <utility>

#include "daemon/ledger/recoverer.hpp"
#include "proto/entry_body.hpp"
#include "proto/hashing.hpp"
#include "proto/seal.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::EntryType;
using xase::proto::Frame;
using xase::proto::FrameFault;
using xase::proto::Leaf;

namespace {

// At least as much as can be written and not yet synced.
constexpr std::uint64_t kResyncBytes = std::uint64_t{256} << 20;

}  // namespace

void Recoverer::apply(const Leaf& leaf, Bytes body) {
  count_entry(leaf.type, body, out_.chain.totals);
  out_.was_clean = leaf.type == EntryType::kStop;
  if (leaf.type == EntryType::kSeal) apply_seal(body);
  if (leaf.type == EntryType::kGap && leaf.ring_id == xase::proto::Id{}) apply_ledgers_gap(body);
  // An answer names its record's ring too, which may be long gone, and does not say where it ended.
  const bool tells_of_ring = leaf.type == EntryType::kRecord || leaf.type == EntryType::kRejected ||
                             leaf.type == EntryType::kProducer || leaf.type == EntryType::kGap;
  if (leaf.ring_id == xase::proto::Id{} || !tells_of_ring) return;
  RingHistory& ring = out_.rings[leaf.ring_id];
  switch (leaf.type) {
    case EntryType::kRecord:
    case EntryType::kRejected:
      ring.last_ring_sequence = std::max(ring.last_ring_sequence, leaf.ring_sequence);
      ring.last_record_sequence = leaf.sequence;
      break;
    case EntryType::kProducer:
      if (const auto producer = xase::proto::decode_producer_body(body)) {
        ring.last_ring_sequence =
            std::max(ring.last_ring_sequence, producer->next_ring_sequence - 1);
        ring.last_record_sequence =
            std::max(ring.last_record_sequence, producer->last_record_sequence);
        ring.refused_accounted = std::max(ring.refused_accounted, producer->refused_accounted);
      }
      break;
    case EntryType::kGap:
      if (const auto gap = xase::proto::decode_gap_body(body)) {
        ring.refused_accounted = std::max(ring.refused_accounted, gap->refused_accounted);
      }
      break;
    default:
      break;
  }
}

void Recoverer::apply_seal(Bytes body) {
  auto seal = xase::proto::decode_seal_body(body);
  if (!seal) return;
  EpochState state{seal->epoch, seal->event != xase::proto::SealEvent::kClose, {}};
  if (!seal->note.empty()) {
    state.certificate = std::move(seal->note);
  } else if (out_.epoch && out_.epoch->epoch == seal->epoch) {
    state.certificate = std::move(out_.epoch->certificate);
  }
  if (!state.is_open) state.certificate.clear();
  out_.epoch = std::move(state);
}

// Whether `frame` is an entry of this ledger, whole in itself.
bool Recoverer::decode(const Frame& frame, Leaf& leaf, Bytes& body) const {
  const auto decoded = xase::proto::decode_leaf(frame.leaf);
  if (!decoded || decoded->sequence != frame.sequence ||
      static_cast<std::uint16_t>(decoded->type) != frame.type ||
      decoded->log_id != out_.chain.log_id) {
    return false;
  }
  leaf = *decoded;
  if (frame.erasable.empty()) return true;
  const auto erasable = xase::proto::decode_erasable(frame.erasable);
  if (!erasable) return false;
  body = erasable->parts[xase::proto::kRestPart];
  return true;
}

// Takes the entry of `frame` where it is the one that must come next.
bool Recoverer::accept(const Frame& frame) {
  Leaf leaf;
  Bytes body;
  if (!decode(frame, leaf, body) || leaf.sequence != out_.chain.last_sequence + 1 ||
      (chain_known_ && leaf.previous != out_.chain.head)) {
    return false;
  }
  has_entry_ = true;
  ends_unreadable_ = false;
  out_.chain.head = xase::proto::leaf_hash(sha256_, frame.leaf);
  out_.chain.last_sequence = leaf.sequence;
  chain_known_ = true;
  apply(leaf, body);
  return true;
}

// The mark that the reader is at stands behind what it tells of. Gives the position up to which it
// says that all was synced.
std::uint64_t Recoverer::note_mark(const Frame& mark, const SegmentReader& reader) {
  const std::uint64_t position = std::min(mark.commit_position(), reader.position());
  durable_position_ = std::max(durable_position_, position);
  if (mark.sequence < reader.first_sequence() + entries_before(position)) {
    // What the next segment starts with is not here.
    durable_sequence_ = std::max(durable_sequence_, std::min(mark.sequence, limit_ - 1));
  }
  return position;
}

Status Recoverer::scan(std::size_t index) {
  const FoundSegment& segment = segments_[index];
  auto opened = SegmentReader::open(fs_, directory_, segment.first);
  if (!opened.ok()) return opened.status();
  SegmentReader& reader = **opened;
  const std::uint64_t expected = out_.chain.last_sequence + 1;
  if (segment.first > expected) {
    if (previous_ended_damaged_) {
      out_.damage.push_back({expected, segment.first - 1, previous_name_, previous_end_,
                             "entries that were written can no longer be read"});
    } else {
      out_.damage.push_back({expected, segment.first - 1, segment_name(segment.first), 0,
                             "the segments that held these entries are missing"});
    }
    out_.chain.last_sequence = segment.first - 1;
    chain_known_ = false;
  }
  if (!chain_known_ && segment.is_sound() && segment.first == out_.chain.last_sequence + 1) {
    out_.chain.head = segment.header.header.previous;
    chain_known_ = true;
  }
  durable_position_ = 0;
  durable_sequence_ = 0;
  kept_durable_position_.reset();
  end_position_ = xase::proto::kSegmentHeaderBytes;
  const bool is_last = index + 1 == segments_.size();
  // Only a rewritten segment may reach beyond the start of the next: see is_superseded().
  const bool may_supersede = segment.continues() && !is_last && segments_[index + 1].is_sound() &&
                             !segments_[index + 1].continues();
  limit_ = is_last || may_supersede ? UINT64_MAX : segments_[index + 1].first;
  previous_ended_damaged_ = false;
  previous_name_ = segment_name(segment.first);
  resumed_.reset();
  if (Status status = scan_frames(reader, index); !status.ok()) return status;
  // Without a mark not even the header need have been synced.
  segments_[index].doubtful_from = durable_position_;
  segments_[index].doubtful_to = end_position_;
  return {};
}

Status Recoverer::scan_frames(SegmentReader& reader, std::size_t index) {
  for (;;) {
    auto result = reader.read_frame();
    if (!result.ok()) return result.status();
    const Frame& frame = result->frame;
    if (result->fault == FrameFault::kNone) {
      if (frame.is_commit_mark()) {
        kept_durable_position_ =
            std::max(kept_durable_position_, std::optional(note_mark(frame, reader)));
        reader.skip(frame);
        end_position_ = reader.position();
        continue;
      }
      if (frame.sequence >= limit_) return {};
      // Entries that the segment before holds too, after a failed sync.
      if (frame.sequence <= out_.chain.last_sequence || accept(frame)) {
        reader.skip(frame);
        end_position_ = reader.position();
        continue;
      }
    }
    previous_ended_damaged_ = result->fault != FrameFault::kEnd;
    previous_end_ = reader.position();
    auto again = resynchronise(reader, index);
    if (!again.ok()) return again.status();
    if (!*again) return {};
  }
}

// Nothing can be read: a first start that never got to write, or a ledger that was destroyed. The
// daemon starts all the same, with a new ledger that names what it found.
Status Recoverer::start_anew() {
  const bool is_untouched = segments_.size() == 1 && segments_.front().is_sound() &&
                            out_.torn_bytes == 0 && !previous_ended_damaged_;
  if (is_untouched) {
    if (Status status = fs_.remove(directory_ + "/" + segment_name(1)); !status.ok()) return status;
    segments_.clear();
  }
  for (const FoundSegment& segment : segments_) {
    if (Status status = set_aside(segment_name(segment.first)); !status.ok()) return status;
  }
  out_.is_new = true;
  out_.chain = ChainState{};
  out_.damage.clear();
  out_.rings.clear();
  out_.epoch.reset();
  return {};
}

// Writes bytes over themselves. After a failed sync the page cache goes on showing what never
// reached the disk, and calls it clean: the next sync has nothing to do, and says that all is well.
Status Recoverer::write_again(File& file, std::uint64_t from, std::uint64_t to) {
  constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
  std::vector<std::byte> piece(std::min<std::uint64_t>(kPieceBytes, to - std::min(from, to)));
  while (from < to) {
    const std::span<std::byte> wanted(piece.data(),
                                      std::min<std::uint64_t>(to - from, piece.size()));
    const auto got = file.read_at(wanted, from);
    if (!got.ok()) return got.status();
    if (*got == 0) return {};
    Status status = file.write_at(wanted.first(*got), from);
    // Where even that takes room, there is none to be had: what is there must do.
    if (status.code() == Code::kNoSpace) return {};
    if (!status.ok()) return status;
    from += *got;
  }
  return {};
}

// Syncs what will be trusted: a crash may have left it in the page cache alone.
Status Recoverer::finish(std::size_t start) {
  std::uint64_t synced_bytes = 0;
  for (std::size_t i = segments_.size(); i-- > 0;) {
    if (i < start && synced_bytes >= kResyncBytes) break;
    const std::string path = directory_ + "/" + segment_name(segments_[i].first);
    auto file = fs_.open(path, OpenMode::kWrite);
    if (!file.ok()) return file.status();
    if (i >= tail_) {
      const FoundSegment& segment = segments_[i];
      Status status = write_again(**file, segment.doubtful_from, segment.doubtful_to);
      if (!status.ok()) return status;
    }
    if (Status status = (*file)->sync_data(); !status.ok()) return status;
    const auto size = (*file)->size();
    if (!size.ok()) return size.status();
    synced_bytes += *size;
    if (i + 1 == segments_.size()) out_.tail.file = std::move(*file);
  }
  for (const FoundSegment& segment : segments_) out_.tail.segments.push_back(segment.first);
  out_.tail.position = end_position_;
  return fs_.sync_directory(directory_);
}

Result<Recovery> Recoverer::run() {
  if (Status status = sort_out_segments(); !status.ok()) return status;
  if (segments_.empty()) {
    out_.is_new = true;
    return std::move(out_);
  }
  if (Status status = find_tail(); !status.ok()) return status;
  const std::size_t start = first_to_scan();
  const FoundSegment& first = segments_[start];
  out_.chain.last_sequence = first.first - 1;
  if (first.is_sound()) {
    out_.chain.totals = first.header.header.totals;
    out_.chain.head = first.header.header.previous;
    chain_known_ = true;
  }
  for (std::size_t i = start; i < segments_.size(); ++i) {
    if (i != start && is_superseded(segments_[i])) {
      if (Status status = set_aside(segment_name(segments_[i].first)); !status.ok()) return status;
      has_dropped_ = true;
      return std::move(out_);
    }
    if (Status status = scan(i); !status.ok()) return status;
    if (has_dropped_) return std::move(out_);
  }
  // Which ledger it is, what was cut away may have told alone: the next start would not know.
  const bool is_named = has_entry_ || std::any_of(segments_.begin(), segments_.end(),
                                                  [](const auto& each) { return each.is_sound(); });
  if (out_.chain.last_sequence == 0 || out_.chain.log_id == xase::proto::Hash{} || !is_named) {
    if (Status status = start_anew(); !status.ok()) return status;
    return std::move(out_);
  }
  sort_out_damage();
  if (ends_unreadable_) {
    if (Status status = take_head_of_tree(); !status.ok()) return status;
  }
  if (Status status = finish(start); !status.ok()) return status;
  return std::move(out_);
}

Result<Recovery> recover_ledger(FileSystem& fs, const std::string& state_dir) {
  auto tail = finish_cuts(fs, state_dir);
  if (!tail.ok()) return tail.status();
  std::vector<std::string> set_aside;
  for (;;) {
    Recoverer recoverer(fs, state_dir, *tail);
    auto recovered = recoverer.run();
    if (!recovered.ok()) return recovered;
    set_aside.insert(set_aside.end(), recovered->set_aside.begin(), recovered->set_aside.end());
    // Which ledger this is, and where it ends, the segments that were dropped may have told alone,
    // or what was read before them was read as if they were there to stay: what is left is taken
    // for what the next start would take it for.
    if (recoverer.has_dropped()) {
      if (recovered->torn_bytes != 0) {
        *tail = KeptTail{recovered->torn_bytes, recovered->torn_saved_as};
      }
      continue;
    }
    recovered->set_aside = std::move(set_aside);
    return recovered;
  }
}

}  // namespace xased
