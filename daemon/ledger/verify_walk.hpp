// Walks all segments of a ledger, once, in order, and verifies what it meets.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/ledger/hash_ahead.hpp"
#include "daemon/ledger/segment_reader.hpp"
#include "daemon/ledger/verify.hpp"
#include "daemon/ledger/verify_anchors.hpp"
#include "daemon/ledger/verify_findings.hpp"
#include "daemon/ledger/verify_heads.hpp"
#include "daemon/ledger/verify_producers.hpp"
#include "daemon/ledger/verify_receipts.hpp"
#include "daemon/ledger/verify_retention.hpp"
#include "daemon/ledger/verify_seals.hpp"
#include "daemon/platform/sha256.hpp"

namespace xased {

// One thread; used for one walk. Verdicts are not its to draw.
class LedgerWalk {
 public:
  LedgerWalk(FileSystem& fs, const std::string& state_dir, const VerifyOptions& options);

  // Errors: what the file system says; kUnsupported for a newer version's ledger.
  Status run();

  // What was met, beside findings. `report` has all but its properties.
  struct Facts {
    VerifyReport report;
    bool log_id_is_derived = false;  // the first entry's body was there to derive it from
    std::uint64_t commitments = 0;   // entries whose parts were there and compared
    std::uint64_t totals_compared = 0;
    std::uint64_t totals_unknown = 0;     // segments whose totals had nothing to be compared with
    std::uint64_t given_up = 0;           // places behind a failed sync that cannot be read
    std::uint64_t left_behind_bytes = 0;  // of torn writes that a start told of and left there
    std::uint64_t sound_headers = 0;
    std::uint64_t holes = 0;
    std::uint64_t matched_receipts = 0;
  };
  Facts take_facts();
  const VerifyFindings& findings() const { return findings_; }
  const VerifyHeads& heads() const { return heads_; }
  const VerifySeals& seals() const { return seals_; }
  const VerifyAnchors& anchors() const { return anchors_; }
  const VerifyRetention& retention() const { return retention_; }

 private:
  using Hash = xase::proto::Hash;
  using Bytes = xase::proto::Bytes;
  // What the chain stood at before the next segment's first entry.
  struct Standing {
    std::uint64_t first = 0;  // that segment; 0: not known
    std::optional<Hash> head;
    std::optional<xase::proto::LedgerTotals> totals;
  };
  struct Extent {
    std::uint64_t start = 0;
    std::uint64_t end = 0;  // 0: not read in this segment
  };

  // Segments.
  Status list();
  Status walk_segment(std::size_t index);
  Status begin(const xase::proto::SegmentHeaderResult& header);
  void compare_header(const xase::proto::SegmentHeader& header);
  Status walk_frames();
  // Where no frame is: true where the segment goes on at the reader's position.
  Result<bool> pass_zeros();
  Result<bool> pass_damage();
  Result<bool> find_next_frame();
  Result<bool> pass_left_behind();
  Result<std::optional<std::uint64_t>> end_of_left_behind(std::uint64_t from);
  Result<std::uint64_t> torn_bytes_left_before(std::uint64_t first);
  // Whether bytes at the very end are of an entry that is not wholly written.
  Result<bool> wait_for_rest();
  Result<bool> is_unfinished();
  Result<bool> is_covered_by_later_mark();
  Result<std::optional<std::uint64_t>> first_written_byte(std::uint64_t from);
  Result<std::uint64_t> written_end(std::uint64_t from);
  Result<std::vector<std::byte>> bytes_at(std::uint64_t position, std::size_t bytes);
  // A failed sync ended this segment before here; the next one holds all that counts.
  bool is_given_up() const { return next_continues_ && last_ + 1 >= next_first_; }
  void report_progress(std::uint64_t position);

  // Entries.
  void meet(const xase::proto::Frame& frame);
  void take(const xase::proto::Frame& frame);
  void repeat(const xase::proto::Frame& frame);
  void compare_with_repeat(std::uint64_t sequence, const Hash& hash);
  const FrameHashes& hashes_of_frame();
  void check_mark(const xase::proto::Frame& frame);
  void check_link(const xase::proto::Frame& frame);
  void settle_broken_link(bool successor_fits);
  bool check_leaf(const xase::proto::Frame& frame, const std::optional<xase::proto::Leaf>& leaf);
  Bytes check_commitments(const xase::proto::Leaf& leaf, Bytes erasable,
                          const std::array<Hash, xase::proto::kParts>& commitments);
  void apply(const xase::proto::Leaf& leaf, const Hash& hash, Bytes body, bool erased);
  void check_start(const xase::proto::Leaf& leaf, Bytes body, bool erased);
  void keep_gap(const xase::proto::Leaf& leaf, Bytes body);
  void lose(std::uint64_t through, std::string_view why);
  void move_last(std::uint64_t sequence);
  void remember_intact_leaf();
  const Extent* extent_of(std::uint64_t sequence) const;
  void refute(VerifyProperty property, std::uint64_t sequence, std::string text) {
    findings_.refute(property, sequence, std::move(text));
  }

  FileSystem& fs_;
  const std::string directory_;
  const VerifyOptions& options_;
  VerifyFindings findings_;
  VerifyHeads heads_;
  VerifyProducers producers_;
  VerifyReceipts receipts_;
  VerifySeals seals_;
  VerifyAnchors anchors_;
  VerifyRetention retention_;
  Facts facts_;
  Sha256 sha256_;
  HashAhead hashes_;

  struct Segment {
    std::uint64_t first = 0;
    xase::proto::SegmentHeaderResult header;
    bool continues() const {
      return header.fault != xase::proto::SegmentFault::kNone ||
             (header.header.flags & xase::proto::kSegmentContinues) != 0;
    }
  };
  std::vector<Segment> segments_;
  std::uint64_t bytes_total_ = 0;
  std::uint64_t bytes_before_ = 0;  // of the segments walked
  std::uint64_t bytes_reported_ = 0;

  // The chain behind the last entry.
  bool began_ = false;
  std::uint64_t begin_ = 0;         // the first sequence that there should be
  std::uint64_t last_ = 0;          // read or lost
  std::uint64_t lost_through_ = 0;  // the last one lost
  std::optional<Hash> log_id_;
  std::optional<Hash> head_;
  std::optional<xase::proto::LedgerTotals> totals_;
  xase::proto::LedgerTotals counted_;
  // The entry that does not name the one before it; against which of the two that speaks is told by
  // the next.
  std::uint64_t broken_link_ = 0;

  // The segment being walked.
  std::unique_ptr<SegmentReader> reader_;
  std::uint64_t reads_ = 0;  // of the reader, at which hashes_ was right
  std::uint64_t first_ = 0;
  bool is_last_ = false;
  std::uint64_t next_first_ = 0;  // 0: it is the last one
  bool next_continues_ = false;
  bool after_damage_ = false;  // no entry was read since
  std::uint64_t mark_sequence_ = 0;
  std::uint64_t durable_position_ = 0;  // up to which marks say that all was synced
  std::vector<Extent> extents_;         // of entries from first_ on
  Standing at_next_first_;
  // Leaf hash of the damaged entry that comes next, where its leaf seems to be whole.
  std::optional<Hash> intact_leaf_;
  // Entries that the next segment holds as well, and those of the one before that this one does:
  // by sequence.
  std::vector<std::pair<std::uint64_t, Hash>> repeats_for_next_;
  std::vector<std::pair<std::uint64_t, Hash>> repeats_;
  int waits_left_ = 4;
};

}  // namespace xased
