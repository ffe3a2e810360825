#include "daemon/ledger/recovery.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

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

class Recoverer {
 public:
  Recoverer(FileSystem& fs, const std::string& state_dir)
      : fs_(fs),
        directory_(state_dir + "/" + std::string(kJournalFolder)),
        quarantine_(state_dir + "/quarantine") {}

  Result<Recovery> run();

 private:
  Status sort_out_segments();
  std::size_t first_to_scan() const;
  Status scan(std::size_t index);
  Status scan_frames(SegmentReader& reader, bool is_last);
  bool accept(const Frame& frame);
  void apply(const Leaf& leaf, Bytes body);
  Result<bool> resynchronise(SegmentReader& reader, bool is_last);
  Status cut_torn_tail(SegmentReader& reader, std::uint64_t from);
  Status finish();
  Status set_aside(const std::string& name);

  FileSystem& fs_;
  const std::string directory_;
  const std::string quarantine_;
  std::vector<std::uint64_t> firsts_;
  std::vector<xase::proto::SegmentHeaderResult> headers_;
  Recovery out_;
  Sha256 sha256_;
  std::optional<xase::proto::Hash> log_id_;
  bool chain_known_ = false;            // out_.chain.head is the hash of the entry before the next
  std::uint64_t durable_position_ = 0;  // in the last segment, by the marks met so far
  std::uint64_t end_position_ = 0;      // behind the last entry of the segment being scanned
};

Status Recoverer::set_aside(const std::string& name) {
  if (Status status = fs_.make_directory(quarantine_, 0700); !status.ok()) return status;
  if (Status status = fs_.rename(directory_ + "/" + name, quarantine_ + "/" + name); !status.ok()) {
    return status;
  }
  out_.set_aside.push_back(name);
  return fs_.sync_directory(directory_);
}

// Lists the segments, and moves away those of another ledger. The ledger is the one that most of
// the headers name, the oldest of them deciding.
Status Recoverer::sort_out_segments() {
  const auto firsts = list_segments(fs_, directory_);
  if (!firsts.ok()) return firsts.status();
  for (const std::uint64_t first : *firsts) {
    auto reader = SegmentReader::open(fs_, directory_, first);
    if (!reader.ok()) return reader.status();
    const auto& header = (*reader)->header();
    const bool sound = header.fault == xase::proto::SegmentFault::kNone;
    if (sound && !log_id_) log_id_ = header.header.log_id;
    const bool is_foreign =
        sound && (header.header.log_id != *log_id_ || header.header.first_sequence != first);
    if (is_foreign) {
      if (Status status = set_aside(segment_name(first)); !status.ok()) return status;
      continue;
    }
    firsts_.push_back(first);
    headers_.push_back(header);
  }
  return {};
}

// The last segment that starts with all its producers and totals.
std::size_t Recoverer::first_to_scan() const {
  for (std::size_t i = firsts_.size(); i-- > 0;) {
    const auto& [fault, header] = headers_[i];
    const bool continues = (header.flags & xase::proto::kSegmentContinues) != 0;
    if (fault == xase::proto::SegmentFault::kNone && !continues) return i;
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

// Takes the entry of `frame` where it is the one that must come next.
bool Recoverer::accept(const Frame& frame) {
  const auto leaf = xase::proto::decode_leaf(frame.leaf);
  if (!leaf || leaf->sequence != frame.sequence ||
      static_cast<std::uint16_t>(leaf->type) != frame.type || leaf->log_id != out_.chain.log_id ||
      leaf->sequence != out_.chain.last_sequence + 1 ||
      (chain_known_ && leaf->previous != out_.chain.head)) {
    return false;
  }
  Bytes body;
  if (!frame.erasable.empty()) {
    const auto erasable = xase::proto::decode_erasable(frame.erasable);
    if (!erasable) return false;
    body = erasable->parts[xase::proto::kRestPart];
  }
  out_.chain.head = xase::proto::leaf_hash(sha256_, frame.leaf);
  out_.chain.last_sequence = leaf->sequence;
  chain_known_ = true;
  apply(*leaf, body);
  return true;
}

Status Recoverer::scan(std::size_t index) {
  auto opened = SegmentReader::open(fs_, directory_, firsts_[index]);
  if (!opened.ok()) return opened.status();
  SegmentReader& reader = **opened;
  const std::uint64_t expected = out_.chain.last_sequence + 1;
  if (firsts_[index] > expected) {
    out_.damage.push_back({expected, firsts_[index] - 1, segment_name(firsts_[index]), 0,
                           "the segments that held these entries are missing"});
    out_.chain.last_sequence = firsts_[index] - 1;
    chain_known_ = false;
  }
  durable_position_ = 0;
  end_position_ = xase::proto::kSegmentHeaderBytes;
  return scan_frames(reader, index + 1 == firsts_.size());
}

Status Recoverer::scan_frames(SegmentReader& reader, bool is_last) {
  for (;;) {
    auto result = reader.read_frame();
    if (!result.ok()) return result.status();
    const Frame& frame = result->frame;
    if (result->fault == FrameFault::kNone) {
      if (frame.is_commit_mark()) {
        durable_position_ = std::max(durable_position_, frame.commit_position());
        reader.skip(frame);
        end_position_ = reader.position();
        continue;
      }
      // Entries that a later segment holds again, after a failed sync, end this one.
      if (frame.sequence <= out_.chain.last_sequence) {
        reader.skip(frame);
        continue;
      }
      if (accept(frame)) {
        reader.skip(frame);
        end_position_ = reader.position();
        continue;
      }
    }
    auto again = resynchronise(reader, is_last);
    if (!again.ok()) return again.status();
    if (!*again) return {};
  }
}

// At a place that is not the next entry: true where sound entries follow, with the reader at the
// first of them and the damage named; false where the segment ends here.
Result<bool> Recoverer::resynchronise(SegmentReader& reader, bool is_last) {
  const std::uint64_t from = reader.position();
  std::optional<std::uint64_t> found_position;
  std::uint64_t found_sequence = 0;
  for (;;) {
    const auto result = reader.read_frame();
    if (!result.ok()) return result.status();
    const Frame& frame = result->frame;
    if (result->fault == FrameFault::kNone) {
      if (frame.is_commit_mark()) {
        durable_position_ = std::max(durable_position_, frame.commit_position());
      } else if (!found_position && frame.sequence > out_.chain.last_sequence &&
                 xase::proto::decode_leaf(frame.leaf)) {
        found_position = reader.position();
        found_sequence = frame.sequence;
      }
    }
    const auto more = reader.find_magic();
    if (!more.ok()) return more.status();
    if (!*more) break;
  }
  // Behind the last commit power may have gone while pages were written in any order: whole entries
  // behind a hole there were never acknowledged. Elsewhere they were, and stay.
  const bool is_tail = is_last && from >= durable_position_;
  if (is_tail) {
    reader.move_to(from);
    if (Status status = cut_torn_tail(reader, from); !status.ok()) return status;
    return false;
  }
  if (!found_position) return false;
  reader.move_to(*found_position);
  out_.damage.push_back({out_.chain.last_sequence + 1, found_sequence - 1,
                         segment_name(reader.first_sequence()), from,
                         found_sequence == out_.chain.last_sequence + 1
                             ? "the entry does not follow from the one before it"
                             : "entries that were written can no longer be read"});
  out_.chain.last_sequence = found_sequence - 1;
  chain_known_ = false;
  return true;
}

// Keeps what lies at and behind `from` in a file of its own, and cuts it off.
Status Recoverer::cut_torn_tail(SegmentReader& reader, std::uint64_t from) {
  const auto size = reader.file().size();
  if (!size.ok()) return size.status();
  if (from >= *size) return {};
  std::vector<std::byte> tail(*size - from);
  const auto got = reader.file().read_at(tail, from);
  if (!got.ok()) return got.status();
  tail.resize(*got);
  while (!tail.empty() && tail.back() == std::byte{0}) tail.pop_back();
  if (tail.empty()) return {};
  if (Status status = fs_.make_directory(quarantine_, 0700); !status.ok()) return status;
  const std::string name = "torn-" + segment_name(reader.first_sequence()) + "-" +
                           std::to_string(from) + "-" +
                           std::to_string(out_.chain.last_sequence + 1);
  if (Status status = write_file_atomically(fs_, quarantine_ + "/" + name, tail); !status.ok()) {
    return status;
  }
  auto file = fs_.open(reader.path(), OpenMode::kWrite);
  if (!file.ok()) return file.status();
  // Zeros over the tail and not a shorter file: the space stays ours.
  std::fill(tail.begin(), tail.end(), std::byte{0});
  if (Status status = (*file)->write_at(tail, from); !status.ok()) return status;
  out_.torn_bytes = tail.size();
  out_.torn_saved_as = quarantine_ + "/" + name;
  return (*file)->sync_data();
}

// Syncs what will be trusted: a crash may have left it in the page cache alone.
Status Recoverer::finish() {
  const std::size_t count = firsts_.size();
  for (std::size_t i = count > 1 ? count - 2 : 0; i < count; ++i) {
    auto file = fs_.open(directory_ + "/" + segment_name(firsts_[i]), OpenMode::kWrite);
    if (!file.ok()) return file.status();
    if (Status status = (*file)->sync_data(); !status.ok()) return status;
    if (i + 1 == count) out_.tail.file = std::move(*file);
  }
  out_.tail.segments = firsts_;
  out_.tail.position = end_position_;
  return fs_.sync_directory(directory_);
}

Result<Recovery> Recoverer::run() {
  if (Status status = sort_out_segments(); !status.ok()) return status;
  if (firsts_.empty()) {
    out_.is_new = true;
    return std::move(out_);
  }
  const std::size_t start = first_to_scan();
  const auto& [fault, header] = headers_[start];
  out_.chain.last_sequence = firsts_[start] - 1;
  if (fault == xase::proto::SegmentFault::kNone) {
    out_.chain.totals = header.totals;
    out_.chain.head = header.previous;
    chain_known_ = true;
  }
  if (log_id_) out_.chain.log_id = *log_id_;
  for (std::size_t i = start; i < firsts_.size(); ++i) {
    if (Status status = scan(i); !status.ok()) return status;
  }
  if (out_.chain.last_sequence == 0 || !log_id_) {
    return Status(Code::kCorrupt, directory_ +
                                      " holds segments, and none of them can be read; "
                                      "move them away to start a new ledger");
  }
  if (Status status = finish(); !status.ok()) return status;
  return std::move(out_);
}

}  // namespace

Result<Recovery> recover_ledger(FileSystem& fs, const std::string& state_dir) {
  return Recoverer(fs, state_dir).run();
}

}  // namespace xased
