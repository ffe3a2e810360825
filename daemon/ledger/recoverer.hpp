// How recover_ledger() goes about it. For recovery*.cpp alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/ledger/recovery.hpp"
#include "daemon/ledger/segment_names.hpp"
#include "daemon/ledger/segment_reader.hpp"
#include "daemon/ledger/torn_tail.hpp"
#include "daemon/platform/sha256.hpp"

namespace xased {

// A segment as it was found.
struct FoundSegment {
  std::uint64_t first = 0;
  xase::proto::SegmentHeaderResult header;
  std::optional<xase::proto::Hash> log_id;  // by the header or, failing that, by an entry
  // What was scanned and no commit mark vouches for.
  std::uint64_t doubtful_from = 0;
  std::uint64_t doubtful_to = 0;

  bool is_sound() const { return header.fault == xase::proto::SegmentFault::kNone; }
  // Its name is another segment's: it tells nothing that may be believed.
  bool is_misnamed() const { return is_sound() && header.header.first_sequence != first; }
  bool continues() const {
    return is_sound() && (header.header.flags & xase::proto::kSegmentContinues) != 0;
  }
};

// The most entries that can lie before a position in a segment. They have the sequences from its
// first on, without a hole: what gives itself a higher one is none of them.
inline std::uint64_t entries_before(std::uint64_t position) {
  return (std::max<std::uint64_t>(position, xase::proto::kSegmentHeaderBytes) -
          xase::proto::kSegmentHeaderBytes) /
         xase::proto::frame_bytes(xase::proto::kLeafBytes, 0);
}

// One run over one journal. One thread.
class Recoverer {
 public:
  // `tail`: was cut off already.
  Recoverer(FileSystem& fs, const std::string& state_dir, const std::optional<KeptTail>& tail)
      : fs_(fs),
        state_dir_(state_dir),
        directory_(state_dir + "/" + std::string(kJournalFolder)),
        quarantine_(state_dir + "/quarantine") {
    if (!tail) return;
    out_.torn_bytes = tail->bytes;
    out_.torn_saved_as = tail->path;
  }

  Result<Recovery> run();
  // Whether run() ended because it moved segments away, those behind a tear before it cut that off:
  // another is to run.
  bool has_dropped() const { return has_dropped_; }

 private:
  // What lies behind a place that does not hold the next entry.
  struct Survey {
    std::optional<std::uint64_t> position;          // of the next entry that can be read
    std::uint64_t sequence = 0;                     // of that
    std::uint64_t behind = 0;                       // the last frame of any kind before that
    std::uint64_t end = 0;                          // behind the last frame of any kind
    std::optional<std::uint64_t> durable_position;  // by the marks there, where there are any
    std::vector<std::uint64_t> marks;               // where those are
  };

  // Reading went on behind damage, and what held before: the entry there may turn out to be none.
  struct Resumed {
    std::uint64_t from = 0;    // where the damage begins
    std::uint64_t at = 0;      // where reading went on
    std::uint64_t behind = 0;  // behind the last frame before that
    std::size_t damages = 0;
    std::uint64_t last_sequence = 0;
    bool chain_known = false;
    bool ends_unreadable = false;
  };

  Status sort_out_segments();
  Result<bool> any_frame(std::uint64_t first,
                         const std::function<bool(const xase::proto::Frame& frame)>& is_wanted);
  Result<bool> any_names(std::uint64_t first,
                         const std::function<bool(const xase::proto::Hash& log_id)>& is_wanted);
  Result<bool> is_foreign(const FoundSegment& segment);
  Result<bool> has_mark(const FoundSegment& segment);
  Status find_tail();
  std::size_t first_to_scan() const;
  bool is_superseded(const FoundSegment& segment) const;
  Status scan(std::size_t index);
  Status scan_frames(SegmentReader& reader, std::size_t index);
  bool decode(const xase::proto::Frame& frame, xase::proto::Leaf& leaf,
              xase::proto::Bytes& body) const;
  bool accept(const xase::proto::Frame& frame);
  void apply(const xase::proto::Leaf& leaf, xase::proto::Bytes body);
  void apply_seal(xase::proto::Bytes body);
  void apply_ledgers_gap(xase::proto::Bytes body);
  void sort_out_damage();
  Status take_head_of_tree();
  std::uint64_t note_mark(const xase::proto::Frame& mark, const SegmentReader& reader);
  Result<Survey> survey(SegmentReader& reader);
  Result<bool> resynchronise(SegmentReader& reader, std::size_t index);
  void name_unreadable(const std::string& segment, std::uint64_t from);
  Status cut_tail(SegmentReader& reader, std::uint64_t from, const Survey& survey);
  Status drop_behind_tear(std::size_t index);
  Status start_anew();
  Status write_again(File& file, std::uint64_t from, std::uint64_t to);
  Status finish(std::size_t start);
  Status set_aside(const std::string& name);

  FileSystem& fs_;
  const std::string state_dir_;
  const std::string directory_;
  const std::string quarantine_;
  std::vector<FoundSegment> segments_;
  Recovery out_;
  Sha256 sha256_;
  bool has_dropped_ = false;
  bool ends_unreadable_ = false;     // the last entries are named, and not there
  bool has_entry_ = false;           // one was taken
  std::vector<JournalDamage> told_;  // what GAP entries say is damaged, ranges alone
  bool chain_known_ = false;         // out_.chain.head is the hash of the entry before the next
  // The last segment that holds a commit mark, else the first: all before it was synced. Behind its
  // last mark starts the tail.
  std::size_t tail_ = 0;
  // Of the segment being scanned:
  std::uint64_t durable_position_ = 0;  // by the marks met so far
  std::uint64_t durable_sequence_ = 0;
  // By those of them that no cut takes away, where there are any.
  std::optional<std::uint64_t> kept_durable_position_;
  std::uint64_t end_position_ = 0;    // behind what must be kept
  std::uint64_t limit_ = UINT64_MAX;  // entries from here on are for the next segment to tell
  // Of the one before it:
  std::string previous_name_;
  bool previous_ended_damaged_ = false;
  std::uint64_t previous_end_ = 0;
  std::optional<Resumed> resumed_;  // last, in this segment
};

}  // namespace xased
