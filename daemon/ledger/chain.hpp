// Turns what intake takes into chained entries, in memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/platform/clock.hpp"
#include "daemon/platform/random.hpp"
#include "daemon/platform/sha256.hpp"
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
class Chain {
 public:
  Chain(ChainState state, const Clock& clock, Random& random);

  // Time is read once for all entries until the next call: entries of one batch share it.
  void start_batch();

  // Appends a RECORD for `record`, an encoded record that decode_record() accepted, to `out`.
  void append_record(const Subject& subject, xase::proto::Bytes record,
                     std::vector<std::byte>& out);
  // Appends an entry with a body. `type` is none of RECORD.
  void append_body(xase::proto::EntryType type, const Subject& subject, xase::proto::Bytes body,
                   std::vector<std::byte>& out);

  // Bytes that these append.
  static std::size_t record_frame_bytes(std::size_t record_bytes);
  static std::size_t body_frame_bytes(std::size_t body_bytes);

  const ChainState& state() const { return state_; }

 private:
  void seal(xase::proto::EntryType type, const Subject& subject, std::byte* frame,
            std::size_t erasable_bytes);
  void take_salts(std::span<std::byte> to);

  // Random bytes are drawn in bulk: a call of the generator costs more than what it gives.
  static constexpr std::size_t kSaltPoolBytes = 4096;

  ChainState state_;
  const Clock& clock_;
  Random& random_;
  Sha256 sha256_;
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
