// Verifies a ledger offline, from its files alone.
//
// What is found is told by property, and by no more than the files can show. A chain of hashes
// shows that nothing between two known ends was changed; it cannot show that its own end was not
// cut off, nor that the whole was not made anew. The ledger's signed checkpoint shows both, up to
// the entries that it covers, to who knows the key from elsewhere; an earlier checkpoint, kept
// elsewhere, shows that the ledger was not rolled back to before it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/ledger/verify_anchors.hpp"
#include "daemon/ledger/verify_witnesses.hpp"
#include "daemon/platform/file_system.hpp"
#include "proto/frame.hpp"
#include "proto/verifier_key.hpp"

namespace xased {

enum class VerifyVerdict : std::uint8_t { kProven, kRefuted, kNotEstablished };

// "PROVEN", "REFUTED", "NOT ESTABLISHED".
std::string_view verify_verdict_name(VerifyVerdict verdict);

// In the order of the report. A policy names them by verify_property_name().
enum class VerifyProperty : std::uint8_t {
  kSegments,     // each segment's header is sound, and each goes on where the one before it ended
  kFrames,       // checksums, padding, commit marks, and nothing but zeros outside of frames
  kComplete,     // no sequence is missing between the first entry and the last
  kChain,        // every entry names the hash of the one before it, as computed here
  kLogId,        // the ledger's name follows from its first entry
  kCommitments,  // what lies beside each leaf is what the leaf commits to
  kProducers,    // each producer's records are there without a hole that no entry owns up to
  kReceipts,     // each answer belongs to an earlier record, and no record has two receipts
  kTotals,       // what the segments say they add up to is what was counted
  kSeals,        // epochs follow one another under their keys, and seals count what there is
  kBeginning,    // the first entry that there is, is the first that there was
  kCheckpoint,   // the ledger is the one that its own signed head was made over
  kSigner,       // whose ledger it is: a pinned key signed that head
  kEnd,          // nothing was cut off behind, up to where a pinned key signed
  kExtends,      // it goes on from each earlier checkpoint that was given
  kWitnesses,    // those saw it who must have, as their cosignatures on its heads show
  kAnchors,      // the service took heads of it, as it says itself
  kTiles,        // the tree's files, from which proofs are made, are those of that head
};
inline constexpr std::size_t kVerifyProperties = 18;

// Stable, lower case: for --json and for policies.
std::string_view verify_property_name(VerifyProperty property);
// Nothing where no property has that name.
std::optional<VerifyProperty> verify_property_of(std::string_view name);

struct VerifyPropertyReport {
  VerifyProperty property = VerifyProperty::kSegments;
  VerifyVerdict verdict = VerifyVerdict::kNotEstablished;
  // Whether it must be PROVEN for the ledger to pass. All up to kTotals, but for kLogId where
  // retention removed the first entry; kCheckpoint and kSigner where a key is pinned, and kSeals
  // too where there are any; kExtends where an earlier checkpoint is given, kWitnesses where a
  // quorum is, kAnchors where one is given; and what VerifyOptions::required names. kBeginning is
  // not, because retention is no offence; kEnd says no more than the two before it; kTiles is not,
  // because they can be made again.
  bool required = false;
  // Lowest sequence at which it was refuted; 0 where it was not. What lies outside of entries is
  // named by the sequence that comes next.
  std::uint64_t first_bad_sequence = 0;
  std::uint64_t findings = 0;  // how many places refute it
  std::string text;            // a sentence for people
};

// One place that refutes something.
struct VerifyFinding {
  VerifyProperty property = VerifyProperty::kSegments;
  std::uint64_t sequence = 0;
  std::string segment;         // name of the file
  std::uint64_t position = 0;  // in that file, of the frame or the bytes meant
  std::string text;
};

// A GAP entry: information, and no refutation.
struct VerifyGap {
  std::uint64_t sequence = 0;  // the entry's own
  std::string reason;          // gap_reason_name()
  std::string ring_id;         // hex; empty where the gap is the ledger's
  std::uint64_t count = 0;
  std::uint64_t after_sequence = 0;
  std::uint64_t before_sequence = 0;  // 0: not known
  std::string text;
};

// A signed head: the ledger's own, or one that was given.
struct VerifyCheckpoint {
  std::string name;    // of the file
  std::string origin;  // empty, as are the next two, where the note is malformed
  std::uint64_t size = 0;
  std::string root;                    // hex
  std::vector<std::string> signed_by;  // verifier keys, of those that are known here
  bool signed_by_pinned = false;
  VerifyVerdict verdict = VerifyVerdict::kNotEstablished;
  std::string text;
};

// Of the entries that were read.
struct VerifyCounts {
  std::uint64_t segments = 0;
  std::uint64_t bytes = 0;  // read
  std::uint64_t entries = 0;
  std::uint64_t records = 0;
  std::uint64_t rejected = 0;
  std::uint64_t gaps = 0;
  std::uint64_t missing = 0;  // records that the gaps say are missing
  std::uint64_t receipts = 0;
  std::uint64_t replayed = 0;
  std::uint64_t possible_duplicates = 0;
  std::uint64_t dead_letters = 0;  // records that are set aside now
  std::uint64_t undelivered = 0;   // records that are neither delivered nor set aside
  std::uint64_t producers = 0;     // rings
  std::uint64_t erased = 0;        // entries whose payload was dropped
  // Receipts and dead letters of records that were removed or cannot be read.
  std::uint64_t unmatched_receipts = 0;
  std::uint64_t audits = 0;      // entries that say what the service was found to say
  std::uint64_t anchors = 0;     // signed heads that the service took
  std::uint64_t unreadable = 0;  // sequences that no sound entry has
};

struct VerifyReport {
  std::vector<VerifyPropertyReport> properties;  // kVerifyProperties of them, in order
  std::vector<VerifyFinding> findings;           // in the order met, at most findings_max
  std::uint64_t findings_total = 0;
  std::vector<VerifyGap> gaps;  // at most gaps_max; counts.gaps is how many there are
  VerifyCounts counts;
  std::optional<VerifyCheckpoint> checkpoint;  // STATE_DIR/tree/checkpoint, where there is one
  std::uint64_t not_covered = 0;               // entries behind it
  std::vector<VerifyCheckpoint> earlier;       // as VerifyOptions::earlier
  // What the ledger says of the entries before its first segment; zero where it starts at 1.
  xase::proto::LedgerTotals totals_before;
  std::string log_id;                // hex; empty where nothing tells it
  std::string origin;                // of the first START entry that was read
  std::string head;                  // hex, leaf hash of the last entry; empty without one
  std::uint64_t first_sequence = 0;  // 0 where there is no entry
  std::uint64_t last_sequence = 0;
  std::int64_t first_wall_ns = 0;  // wall clocks that these entries give
  std::int64_t last_wall_ns = 0;
  // Bytes at the very end that are not yet a whole entry: one being written, or cut off by a crash
  // before it was acknowledged.
  std::uint64_t unfinished_bytes = 0;
  // Not empty: this is no ledger that can be read, and why.
  std::string malformed;

  const VerifyPropertyReport& property(VerifyProperty which) const {
    return properties[static_cast<std::size_t>(which)];
  }
  // The lowest sequence at which anything was refuted; 0 where nothing was.
  std::uint64_t first_bad_sequence() const;
  // 0 every property that is required is proven, 1 something is refuted, 2 there is not enough to
  // say, 3 malformed. A Status instead of a report counts as 3 too.
  int exit_code() const;
};

struct VerifyOptions {
  // Pinned: known to be the ledger's from elsewhere than the ledger.
  std::vector<xase::proto::VerifierKey> keys;
  // Checkpoints that were kept elsewhere.
  struct Earlier {
    std::string name;
    std::string note;
  };
  std::vector<Earlier> earlier;
  // Who must have seen it: the ledger's own head or an earlier one that it goes on from.
  WitnessPolicy witnesses;
  // What the service says of heads that it took, and how its record_hash follows.
  std::vector<PinnedAnchor> anchors;
  AnchorRecordHash anchor_record_hash;
  // Asked for beyond what is required anyway.
  std::vector<VerifyProperty> required;
  // Bytes done of bytes to do; called now and then, in the caller's thread.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
  std::size_t findings_max = 100;
  std::size_t gaps_max = 100;
  // How long to wait for the rest of what may be being written at the very end.
  std::chrono::milliseconds patience{50};
};

// Verifies the ledger in `state_dir`, reading only, in one pass. A daemon may be writing to it:
// then the ledger is verified up to the last whole entry, and one that is being written refutes
// nothing. Goes on behind damage. The tree's files are read beside it, by a thread of their own:
// `fs` is used by both.
//
// Memory: a few megabytes, 3 bits an entry and about 90 bytes for each record that is not yet
// delivered; of each ring about 150 bytes.
// Errors: what the file system says, kNotFound where there is no journal in `state_dir`, kInvalid
// where an earlier checkpoint is malformed.
Result<VerifyReport> verify_ledger(FileSystem& fs, const std::string& state_dir,
                                   const VerifyOptions& options = {});

}  // namespace xased
