#include "daemon/report/collect.hpp"

#include <algorithm>
#include <deque>
#include <unordered_set>
#include <utility>

#include "daemon/evidence/entry_finder.hpp"
#include "daemon/ledger/segment_names.hpp"
#include "daemon/ledger/segment_reader.hpp"
#include "daemon/ledger/tree/checkpoint.hpp"
#include "daemon/ledger/tree/tile_reader.hpp"
#include "daemon/platform/sha256.hpp"
#include "proto/entry_body.hpp"
#include "proto/hashing.hpp"

namespace xased {

using xase::proto::EntryType;
using xase::proto::Hash;

namespace {

constexpr std::array<std::string_view, xase::proto::kParts> kPartNames{"input", "output", "context",
                                                                       "the other fields"};
// Of a range that cannot be read, entries that are shown one by one.
constexpr std::uint64_t kDamagedShownMax = 1000;

class Collector {
 public:
  Collector(FileSystem& fs, const std::string& state_dir, const ReportOptions& options)
      : fs_(fs),
        state_dir_(state_dir),
        journal_(state_dir + "/" + std::string(kJournalFolder)),
        tree_(state_dir + "/tree"),
        options_(options) {}

  Result<ReportContents> run() {
    if (Status status = find_end(); !status.ok()) return status;
    if (Status status = read_head(); !status.ok()) return status;
    if (Status status = choose_range(); !status.ok()) return status;
    if (Status status = take_range(); !status.ok()) return status;
    if (Status status = take_answers(); !status.ok()) return status;
    return std::move(contents_);
  }

 private:
  Status find_end() {
    const auto firsts = list_segments(fs_, journal_);
    if (!firsts.ok()) return firsts.status();
    if (firsts->empty()) return {Code::kNotFound, "no segment in " + journal_};
    segments_ = *firsts;
    contents_.journal_first = segments_.front();
    const auto last = EntryFinder(fs_, state_dir_).last_sequence();
    if (!last.ok()) return last.status();
    contents_.last = *last;
    return {};
  }

  // A head that is malformed or not there is for the page to tell of.
  Status read_head() {
    const auto bytes =
        read_file(fs_, tree_ + "/" + std::string(kCheckpointName), xase::proto::kNoteBytesMax);
    if (!bytes.ok()) {
      if (bytes.status().code() == Code::kDenied) return bytes.status();
      contents_.note_problem = bytes.status().message();
      return {};
    }
    contents_.note = std::string(xase::proto::as_text(*bytes));
    const auto note = xase::proto::parse_note(contents_.note);
    if (!note.ok()) {
      contents_.note_problem = xase::proto::note_fault_text(note.fault);
      return {};
    }
    const auto checkpoint = xase::proto::parse_checkpoint(note->text);
    if (!checkpoint.ok()) {
      contents_.note_problem = xase::proto::note_fault_text(checkpoint.fault);
      return {};
    }
    contents_.checkpoint = *checkpoint;
    tiles_.emplace(fs_, tree_, checkpoint->size, checkpoint->root);
    // What the head covers was there once, also where the journal ends before it.
    contents_.last = std::max(contents_.last, checkpoint->size);
    return {};
  }

  // The latest segment that has enough records behind its beginning; headers count those before.
  std::uint64_t start_for_last_records() {
    std::optional<std::uint64_t> wanted;
    for (auto first = segments_.rbegin(); first != segments_.rend(); ++first) {
      const auto segment = SegmentReader::open(fs_, journal_, *first);
      if (!segment.ok() || (*segment)->header().fault != xase::proto::SegmentFault::kNone) continue;
      const std::uint64_t records = (*segment)->header().header.totals.records;
      if (!wanted) wanted = records;
      if (*wanted - std::min(*wanted, records) >= options_.default_records) return *first;
    }
    return segments_.front();
  }

  Status choose_range() {
    contents_.to = options_.to == 0 ? contents_.last : std::min(options_.to, contents_.last);
    contents_.from = options_.from;
    if (contents_.from == 0) {
      if (Status status = find_default_from(); !status.ok()) return status;
    }
    if (contents_.last == 0 || contents_.from > contents_.to) {
      return {Code::kInvalid, "the ledger's entries end at " + std::to_string(contents_.last) +
                                  ", and none of them is in the range asked for"};
    }
    return {};
  }

  Status find_default_from() {
    const std::uint64_t start =
        options_.to == 0 ? start_for_last_records() : contents_.journal_first;
    std::deque<std::uint64_t> records;
    JournalReader reader(fs_, journal_);
    bool dropped = start != contents_.journal_first;
    Status status = read(reader, start, contents_.to, [&](const Entry& entry) {
      if (entry.leaf.type != EntryType::kRecord) return;
      records.push_back(entry.leaf.sequence);
      if (records.size() > options_.default_records) {
        records.pop_front();
        dropped = true;
      }
    });
    if (!status.ok()) return status;
    contents_.has_earlier = dropped;
    // With all that there is, also how the ledger began.
    contents_.from = dropped && !records.empty() ? records.front() : contents_.journal_first;
    return {};
  }

  template <class Take>
  Status read(JournalReader& reader, std::uint64_t from, std::uint64_t through, Take take) {
    if (Status status = reader.seek(from); !status.ok()) return status;
    for (;;) {
      const auto step = reader.next(through);
      if (!step.ok()) return step.status();
      if (*step == JournalReader::Step::kEnd) return {};
      if (*step == JournalReader::Step::kEntry) take(reader.entry());
      report_progress(from, reader.next_sequence(), through);
    }
  }

  void report_progress(std::uint64_t from, std::uint64_t next, std::uint64_t through) const {
    if (options_.progress && next % 256 == 0) options_.progress(next - from, through + 1 - from);
  }

  Status take_range() {
    // What retention removed from the journal lives on as leaves.
    const std::uint64_t removed_end = std::min(contents_.journal_first, contents_.to + 1);
    for (std::uint64_t at = contents_.from; at < removed_end; ++at) {
      if (Status status = take_missing(at, {}); !status.ok()) return status;
    }
    JournalReader reader(fs_, journal_);
    const std::uint64_t from = std::max(contents_.from, contents_.journal_first);
    if (from > contents_.to) return {};
    if (Status status = reader.seek(from); !status.ok()) return status;
    for (;;) {
      const auto step = reader.next(contents_.to);
      if (!step.ok()) return step.status();
      if (*step == JournalReader::Step::kEnd) return {};
      Status status = *step == JournalReader::Step::kEntry ? take_entry(reader.entry())
                                                           : take_damage(reader.damage());
      if (!status.ok()) return status;
      report_progress(from, reader.next_sequence(), contents_.to);
    }
  }

  Status take_entry(const Entry& entry) {
    ReportEntry taken;
    taken.sequence = entry.leaf.sequence;
    taken.leaf.emplace();
    std::copy(entry.leaf_bytes.begin(), entry.leaf_bytes.end(), taken.leaf->begin());
    taken.erasable.assign(entry.erasable_bytes.begin(), entry.erasable_bytes.end());
    if (!entry.erased()) check_parts(entry, taken);
    if (entry.leaf.type == EntryType::kStart) take_origin(entry);
    prove(taken);
    return add(std::move(taken), entry.leaf.type == EntryType::kRecord);
  }

  // Also of parts that the page will not show.
  void check_parts(const Entry& entry, ReportEntry& taken) {
    const auto computed = xase::proto::commitments(sha_, entry.erasable);
    for (std::size_t i = 0; i < computed.size(); ++i) {
      if (computed[i] == entry.leaf.commitments[i]) continue;
      const std::string part(entry.leaf.type == EntryType::kRecord ? kPartNames[i] : "its body");
      taken.faults.push_back("What the journal holds as " + part +
                             " is not what the entry commits to.");
    }
  }

  void take_origin(const Entry& entry) {
    // The body is JSON that the daemon wrote; the page parses it.
    contents_.origin = std::string(xase::proto::as_text(entry.body()));
  }

  Status take_damage(const JournalDamage& damage) {
    contents_.damages.push_back(damage);
    const std::uint64_t shown_end = std::min(damage.last, damage.first + kDamagedShownMax - 1);
    for (std::uint64_t at = damage.first; at <= shown_end; ++at) {
      if (Status status = take_missing(at,
                                       "The journal does not hold this entry any more: what "
                                       "lies in its place fails its checksum or is not it.");
          !status.ok()) {
        return status;
      }
    }
    return {};
  }

  // No fault: removed by retention.
  Status take_missing(std::uint64_t sequence, const std::string& fault) {
    ReportEntry taken;
    taken.sequence = sequence;
    taken.is_from_tree = true;
    if (!fault.empty()) taken.faults.push_back(fault);
    bool is_record = false;
    if (is_covered(sequence)) {
      auto proven = tiles_->leaf(sequence);
      if (proven.ok()) {
        taken.leaf = proven->leaf;
        taken.path = std::move(proven->path);
        is_record = xase::proto::load<std::uint16_t>(taken.leaf->data() + 10) ==
                    static_cast<std::uint16_t>(EntryType::kRecord);
      } else {
        taken.path_problem = proven.status().message();
      }
    }
    return add(std::move(taken), is_record);
  }

  bool is_covered(std::uint64_t sequence) const { return tiles_ && sequence <= tiles_->size(); }

  void prove(ReportEntry& taken) {
    if (!is_covered(taken.sequence)) return;
    auto path = tiles_->prove_inclusion(taken.sequence - 1);
    if (path.ok()) {
      taken.path = std::move(*path);
    } else {
      taken.path_problem = path.status().message();
    }
  }

  Status add(ReportEntry taken, bool is_record) {
    if (is_record) {
      records_.insert(taken.sequence);
      if (++contents_.records > options_.records_max) {
        return {Code::kInvalid, "the range has more than " + std::to_string(options_.records_max) +
                                    " records, which no browser bears: narrow it by --from and "
                                    "--to"};
      }
    }
    contents_.entries.push_back(std::move(taken));
    return {};
  }

  // Behind the range: the answers to its records.
  Status take_answers() {
    if (contents_.to >= contents_.last || records_.empty()) return {};
    JournalReader reader(fs_, journal_);
    Status failure;
    const std::uint64_t from = std::max(contents_.to + 1, contents_.journal_first);
    const Status status = read(reader, from, contents_.last, [&](const Entry& entry) {
      if (entry.leaf.type != EntryType::kReceipt && entry.leaf.type != EntryType::kDeadLetter) {
        return;
      }
      const auto body = xase::proto::decode_receipt_body(entry.body());
      if (!body || !records_.contains(body->record_sequence) || !failure.ok()) return;
      failure = take_entry(entry);
    });
    return status.ok() ? failure : status;
  }

  FileSystem& fs_;
  const std::string state_dir_;
  const std::string journal_;
  const std::string tree_;
  const ReportOptions& options_;
  ReportContents contents_;
  std::vector<std::uint64_t> segments_;
  std::optional<TileReader> tiles_;
  std::unordered_set<std::uint64_t> records_;
  Sha256 sha_;
};

}  // namespace

Result<ReportContents> collect_report(FileSystem& fs, const std::string& state_dir,
                                      const ReportOptions& options) {
  return Collector(fs, state_dir, options).run();
}

}  // namespace xased
