#include "daemon/ledger/recovery.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "daemon/ledger/segment_names.hpp"
#include "daemon/ledger/segment_reader.hpp"
#include "proto/entry_body.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::EntryType;
using xase::proto::Frame;
using xase::proto::FrameFault;
using xase::proto::Leaf;

namespace {

// A segment as it was found.
struct Segment {
  std::uint64_t first = 0;
  xase::proto::SegmentHeaderResult header;
  std::optional<xase::proto::Hash> log_id;  // by the header or, failing that, by the first entry

  bool is_sound() const { return header.fault == xase::proto::SegmentFault::kNone; }
  bool continues() const {
    return is_sound() && (header.header.flags & xase::proto::kSegmentContinues) != 0;
  }
};

// Bytes that are read in search of frames before recovery gives up on a place: an app chooses what
// its records hold, and could fill them with what looks like frames.
constexpr std::uint64_t kSearchBytesMax = std::uint64_t{4} << 30;
// At least as much as can be written and not yet synced.
constexpr std::uint64_t kResyncBytes = std::uint64_t{256} << 20;

class Recoverer {
 public:
  Recoverer(FileSystem& fs, const std::string& state_dir)
      : fs_(fs),
        state_dir_(state_dir),
        directory_(state_dir + "/" + std::string(kJournalFolder)),
        quarantine_(state_dir + "/quarantine") {}

  Result<Recovery> run();

 private:
  // What lies behind a place that does not hold the next entry.
  struct Survey {
    std::optional<std::uint64_t> position;  // of the next entry that can be read
    std::uint64_t sequence = 0;             // of that
    std::uint64_t end = 0;                  // behind the last frame of any kind
  };

  Status sort_out_segments();
  std::size_t first_to_scan() const;
  Result<bool> is_superseded(std::size_t index);
  Status scan(std::size_t index);
  Status scan_frames(SegmentReader& reader, bool is_last);
  bool decode(const Frame& frame, Leaf& leaf, Bytes& body) const;
  bool accept(const Frame& frame);
  void apply(const Leaf& leaf, Bytes body);
  void note_mark(const Frame& mark);
  Result<Survey> survey(SegmentReader& reader);
  Result<bool> move_to_next_frame(SegmentReader& reader);
  Result<bool> resynchronise(SegmentReader& reader, bool is_last);
  Status cut_torn_tail(SegmentReader& reader, std::uint64_t from);
  Status start_anew();
  Status finish(std::size_t start);
  Status set_aside(const std::string& name);

  FileSystem& fs_;
  const std::string state_dir_;
  const std::string directory_;
  const std::string quarantine_;
  std::vector<Segment> segments_;
  Recovery out_;
  Sha256 sha256_;
  bool chain_known_ = false;  // out_.chain.head is the hash of the entry before the next
  // Of the segment being scanned:
  std::uint64_t durable_position_ = 0;  // by the marks met so far
  std::uint64_t durable_sequence_ = 0;
  std::uint64_t end_position_ = 0;    // behind what must be kept
  std::uint64_t limit_ = UINT64_MAX;  // entries from here on are for the next segment to tell
  std::uint64_t searched_bytes_ = 0;
  // Of the one before it:
  std::string previous_name_;
  bool previous_ended_damaged_ = false;
  std::uint64_t previous_end_ = 0;
};

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

// Lists the segments, and moves away those of another ledger. The ledger is the one that most of
// them name; where two are named as often, the one that starts first.
Status Recoverer::sort_out_segments() {
  const auto firsts = list_segments(fs_, directory_);
  if (!firsts.ok()) return firsts.status();
  std::vector<Segment> found;
  std::vector<std::pair<xase::proto::Hash, std::size_t>> votes;
  for (const std::uint64_t first : *firsts) {
    auto reader = SegmentReader::open(fs_, directory_, first);
    if (!reader.ok()) return reader.status();
    Segment& segment = found.emplace_back(Segment{first, (*reader)->header(), {}});
    if (segment.is_sound()) {
      segment.log_id = segment.header.header.log_id;
    } else {
      const auto result = (*reader)->read_frame();
      if (!result.ok()) return result.status();
      const auto leaf = xase::proto::decode_leaf(result->frame.leaf);
      if (leaf) segment.log_id = leaf->log_id;
    }
    if (!segment.log_id) continue;
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
  for (const Segment& segment : found) {
    const bool is_foreign =
        (segment.log_id && *segment.log_id != out_.chain.log_id) ||
        (segment.is_sound() && segment.header.header.first_sequence != segment.first);
    if (!is_foreign) {
      segments_.push_back(segment);
    } else if (Status status = set_aside(segment_name(segment.first)); !status.ok()) {
      return status;
    }
  }
  return {};
}

// The last segment that starts with all its producers and totals, and that no rewriting after a
// failed sync may have superseded: see is_superseded().
std::size_t Recoverer::first_to_scan() const {
  for (std::size_t i = segments_.size(); i-- > 1;) {
    const Segment& segment = segments_[i];
    if (!segment.is_sound() || segment.continues() || segments_[i - 1].continues()) continue;
    const bool is_doubtful =
        std::any_of(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(i),
                    [&](const Segment& earlier) {
                      return earlier.continues() && earlier.header.header.created_wall_ns >=
                                                        segment.header.header.created_wall_ns;
                    });
    if (!is_doubtful) return i;
  }
  return 0;
}

void Recoverer::apply(const Leaf& leaf, Bytes body) {
  count_entry(leaf.type, body, out_.chain.totals);
  out_.was_clean = leaf.type == EntryType::kStop;
  if (leaf.ring_id == xase::proto::Id{}) return;
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
  out_.chain.head = xase::proto::leaf_hash(sha256_, frame.leaf);
  out_.chain.last_sequence = leaf.sequence;
  chain_known_ = true;
  apply(leaf, body);
  return true;
}

void Recoverer::note_mark(const Frame& mark) {
  durable_position_ = std::max(durable_position_, mark.commit_position());
  durable_sequence_ = std::max(durable_sequence_, mark.sequence);
}

// A failed sync makes intake write everything since the last good one again, into a segment that
// continues the last that was sound, and then remove those that hold nothing else. Where the daemon
// died before it removed them, the rewritten segment reaches beyond their start.
Result<bool> Recoverer::is_superseded(std::size_t index) {
  const Segment& segment = segments_[index];
  if (!segment.is_sound() || segment.continues() || segment.first > out_.chain.last_sequence) {
    return false;
  }
  if (Status status = set_aside(segment_name(segment.first)); !status.ok()) return status;
  return true;
}

Status Recoverer::scan(std::size_t index) {
  const Segment& segment = segments_[index];
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
    chain_known_ = segment.is_sound();
    if (chain_known_) out_.chain.head = segment.header.header.previous;
  }
  durable_position_ = 0;
  durable_sequence_ = 0;
  end_position_ = xase::proto::kSegmentHeaderBytes;
  const bool is_last = index + 1 == segments_.size();
  // Only a rewritten segment may reach beyond the start of the next: see is_superseded().
  const bool may_supersede = segment.continues() && !is_last && segments_[index + 1].is_sound() &&
                             !segments_[index + 1].continues();
  limit_ = is_last || may_supersede ? UINT64_MAX : segments_[index + 1].first;
  previous_ended_damaged_ = false;
  previous_name_ = segment_name(segment.first);
  return scan_frames(reader, is_last);
}

Status Recoverer::scan_frames(SegmentReader& reader, bool is_last) {
  for (;;) {
    auto result = reader.read_frame();
    if (!result.ok()) return result.status();
    const Frame& frame = result->frame;
    if (result->fault == FrameFault::kNone) {
      if (frame.is_commit_mark()) {
        note_mark(frame);
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
    auto again = resynchronise(reader, is_last);
    if (!again.ok()) return again.status();
    if (!*again) return {};
  }
}

// Moves on from a place that holds no sound frame to the next one where a frame seems to start.
// Where the header looks whole, that is behind the frame: what a record holds is its app's choice,
// and must not be taken for frames.
Result<bool> Recoverer::move_to_next_frame(SegmentReader& reader) {
  const std::uint64_t from = reader.position();
  std::array<std::byte, xase::proto::kFrameHeaderBytes> header{};
  const auto got = reader.file().read_at(header, from);
  if (!got.ok()) return got.status();
  const auto leaf_bytes = xase::proto::load<std::uint32_t>(header.data() + 8);
  const auto erasable_bytes = xase::proto::load<std::uint32_t>(header.data() + 12);
  const bool has_sizes =
      xase::proto::load<std::array<char, 4>>(header.data()) == xase::proto::kFrameMagic &&
      leaf_bytes <= xase::proto::kLeafBytes && erasable_bytes <= xase::proto::kErasableBytesMax;
  if (has_sizes) {
    const std::size_t bytes = xase::proto::frame_bytes(leaf_bytes, erasable_bytes);
    searched_bytes_ += bytes;
    reader.move_to(from + bytes);
    const auto behind = reader.read_frame();
    if (!behind.ok()) return behind.status();
    if (behind->fault == FrameFault::kNone) return true;
    reader.move_to(from);
  }
  if (searched_bytes_ > kSearchBytesMax) return false;
  return reader.find_magic();
}

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
        note_mark(frame);
      } else if (!survey.position && frame.sequence > out_.chain.last_sequence &&
                 frame.sequence < limit_ && decode(frame, leaf, body)) {
        survey.position = reader.position();
        survey.sequence = frame.sequence;
      }
      reader.skip(frame);
      survey.end = reader.position();
      continue;
    }
    const auto more = move_to_next_frame(reader);
    if (!more.ok()) return more.status();
    if (!*more) return survey;
  }
}

// At a place that is not the next entry: true where something follows that must be read on, with
// the reader there and the damage named; false where the segment ends here.
Result<bool> Recoverer::resynchronise(SegmentReader& reader, bool is_last) {
  const std::uint64_t from = reader.position();
  const auto surveyed = survey(reader);
  if (!surveyed.ok()) return surveyed.status();
  // Behind the last commit power may have gone while pages were written in any order: whole entries
  // behind a hole there were never acknowledged. Elsewhere they were, and stay.
  if (is_last && from >= durable_position_) {
    if (Status status = cut_torn_tail(reader, from); !status.ok()) return status;
    return false;
  }
  const std::uint64_t expected = out_.chain.last_sequence + 1;
  const std::string name = segment_name(reader.first_sequence());
  if (surveyed->position) {
    reader.move_to(*surveyed->position);
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
  if (!is_last) return false;
  // A mark behind says that more entries were synced, and none of them can be read. Their sequences
  // are not used again.
  if (durable_sequence_ >= expected) {
    out_.damage.push_back({expected, durable_sequence_, name, from,
                           "entries that were written can no longer be read"});
    out_.chain.last_sequence = durable_sequence_;
  }
  durable_position_ = std::min(durable_position_, surveyed->end);
  reader.move_to(surveyed->end);
  end_position_ = surveyed->end;
  return true;
}

// Keeps what lies at and behind `from` in a file of its own, and cuts it off. Where there is no
// room for that file, the bytes stay where they are, and writing goes on behind them.
Status Recoverer::cut_torn_tail(SegmentReader& reader, std::uint64_t from) {
  end_position_ = from;
  const auto size = reader.file().size();
  if (!size.ok()) return size.status();
  if (from >= *size) return {};
  std::vector<std::byte> tail(*size - from);
  const auto got = reader.file().read_at(tail, from);
  if (!got.ok()) return got.status();
  tail.resize(*got);
  while (!tail.empty() && tail.back() == std::byte{0}) tail.pop_back();
  if (tail.empty()) return {};
  out_.torn_bytes = tail.size();
  const std::string name = "torn-" + segment_name(reader.first_sequence()) + "-" +
                           std::to_string(from) + "-" +
                           std::to_string(out_.chain.last_sequence + 1);
  Status saved = fs_.make_directory(quarantine_, 0700);
  if (saved.ok()) saved = write_file_atomically(fs_, quarantine_ + "/" + name, tail);
  if (saved.ok()) saved = fs_.sync_directory(state_dir_);
  if (saved.code() == Code::kNoSpace) {
    end_position_ = xase::proto::align_up(from + tail.size(), xase::proto::kFrameAlignment);
    return {};
  }
  if (!saved.ok()) return saved;
  out_.torn_saved_as = quarantine_ + "/" + name;
  auto file = fs_.open(reader.path(), OpenMode::kWrite);
  if (!file.ok()) return file.status();
  // Zeros over the tail and not a shorter file: the space stays ours.
  std::fill(tail.begin(), tail.end(), std::byte{0});
  if (Status status = (*file)->write_at(tail, from); !status.ok()) return status;
  return (*file)->sync_data();
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
  for (const Segment& segment : segments_) {
    if (Status status = set_aside(segment_name(segment.first)); !status.ok()) return status;
  }
  out_.is_new = true;
  out_.chain = ChainState{};
  out_.damage.clear();
  out_.rings.clear();
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
    if (Status status = (*file)->sync_data(); !status.ok()) return status;
    const auto size = (*file)->size();
    if (!size.ok()) return size.status();
    synced_bytes += *size;
    if (i + 1 == segments_.size()) out_.tail.file = std::move(*file);
  }
  for (const Segment& segment : segments_) out_.tail.segments.push_back(segment.first);
  out_.tail.position = end_position_;
  return fs_.sync_directory(directory_);
}

Result<Recovery> Recoverer::run() {
  if (Status status = sort_out_segments(); !status.ok()) return status;
  if (segments_.empty()) {
    out_.is_new = true;
    return std::move(out_);
  }
  const std::size_t start = first_to_scan();
  const Segment& first = segments_[start];
  out_.chain.last_sequence = first.first - 1;
  if (first.is_sound()) {
    out_.chain.totals = first.header.header.totals;
    out_.chain.head = first.header.header.previous;
    chain_known_ = true;
  }
  for (std::size_t i = start; i < segments_.size();) {
    const auto superseded = i == start ? Result<bool>(false) : is_superseded(i);
    if (!superseded.ok()) return superseded.status();
    if (*superseded) {
      segments_.erase(segments_.begin() + static_cast<std::ptrdiff_t>(i));
      continue;
    }
    if (Status status = scan(i); !status.ok()) return status;
    ++i;
  }
  if (out_.chain.last_sequence == 0 || out_.chain.log_id == xase::proto::Hash{}) {
    if (Status status = start_anew(); !status.ok()) return status;
    return std::move(out_);
  }
  if (Status status = finish(start); !status.ok()) return status;
  return std::move(out_);
}

}  // namespace

Result<Recovery> recover_ledger(FileSystem& fs, const std::string& state_dir) {
  return Recoverer(fs, state_dir).run();
}

}  // namespace xased
