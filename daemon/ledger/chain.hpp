// Turns what intake takes into chained entries, in memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "daemon/platform/clock.hpp"
#include "daemon/platform/random.hpp"
#include "daemon/platform/sha256.hpp"
#include "daemon/platform/sha256_batch.hpp"
#include "proto/frame.hpp"
#include "proto/leaf.hpp"

namespace xased {

// Where a chain stands: enough to go on with it.
struct ChainState {
  xase::proto::Hash log_id{};
  std::uint64_t last_sequence = 0;
  xase::proto::Hash head{};  // leaf hash of the last entry
  xase::proto::LedgerTotals totals{};
};

// Whom an entry is about.
struct Subject {
  xase::proto::Id ring_id{};
  std::uint64_t ring_sequence = 0;
  std::int64_t stamp_ns = 0;
  std::uint32_t uid = xase::proto::kNoUid;
  std::uint32_t pid = 0;
};

// Appends entries to a buffer of frames, each chained to the one before. Owned by intake's thread.
// Nothing it makes is kept anywhere before Journal::write().
//
// Entries are laid out first and sealed later, many at once: their commitments depend on nothing
// but themselves, so the processor hashes those of several entries side by side.
class Chain {
 public:
  Chain(ChainState state, const Clock& clock, Random& random);

  // Time is read once for all entries until the next call: entries of one batch share it. All that
  // was appended is sealed.
  void start_batch();

  // Lays out a RECORD for `record`, an encoded record that decode_record() accepted, at the end of
  // `out`. Until seal(), `out` may grow by these calls alone.
  void append_record(const Subject& subject, xase::proto::Bytes record,
                     std::vector<std::byte>& out);
  // Lays out an entry with a body. `type` is none of RECORD.
  void append_body(xase::proto::EntryType type, const Subject& subject, xase::proto::Bytes body,
                   std::vector<std::byte>& out);
  // Makes frames of what was laid out in `out` since the last call: hashes the erasable parts,
  // writes each leaf and its frame's header, and moves the chain's head on.
  void seal(std::vector<std::byte>& out);

  // Random bytes that nobody can guess.
  void draw(std::span<std::byte> to) { take_salts(to); }

  // Bytes that these append.
  static std::size_t record_frame_bytes(std::size_t record_bytes);
  static std::size_t body_frame_bytes(std::size_t body_bytes);

  // Of the last entry that was laid out.
  std::uint64_t last_sequence() const { return state_.last_sequence; }
  // With all sealed.
  const ChainState& state() const;

 private:
  // An entry that is laid out.
  struct Open {
    xase::proto::EntryType type;
    Subject subject;
    std::size_t offset;  // of its frame in the buffer
    std::size_t erasable_bytes;
    std::array<xase::proto::Hash, xase::proto::kParts> commitments;
  };
  // Room for the frame of an entry, and its place there for the erasable part.
  std::byte* lay_out(xase::proto::EntryType type, const Subject& subject,
                     std::size_t erasable_bytes, std::vector<std::byte>& out);
  void commit_to(std::span<Open> entries, const std::vector<std::byte>& out);
  void seal(const Open& entry, std::uint64_t sequence, std::byte* frame);
  void take_salts(std::span<std::byte> to);

  // Random bytes are drawn in bulk: a call of the generator costs more than what it gives.
  static constexpr std::size_t kSaltPoolBytes = 16384;

  ChainState state_;
  const Clock& clock_;
  Random& random_;
  Sha256 sha256_;
  Sha256Batch batch_;
  std::vector<Open> open_;  // laid out and not sealed, up to state_.last_sequence
  xase::proto::Id boot_id_;
  std::int64_t wall_ns_ = 0;
  std::int64_t boot_ns_ = 0;
  std::vector<std::byte> salts_;
  std::size_t salts_used_ = 0;
};

// Adds what one entry means to `totals`; `body` is empty where it was erased.
void count_entry(xase::proto::EntryType type, xase::proto::Bytes body,
                 xase::proto::LedgerTotals& totals);

}  // namespace xased
