// What intake tells of itself and of the ledger that it writes.
#pragma once

#include <atomic>
#include <cstdint>

#include "daemon/platform/seq_locked.hpp"
#include "proto/frame.hpp"

namespace xased {

// The ledger at one moment, written whole.
struct LedgerView {
  xase::proto::Hash log_id{};
  xase::proto::Hash head{};
  std::uint64_t last_sequence = 0;
  xase::proto::LedgerTotals totals{};  // of what is written
  std::uint64_t journaled_records = 0;
  std::uint64_t durable_records = 0;
  // Receipts and dead letters that are durable, retries taken off.
  std::uint64_t delivered_records = 0;
  std::uint64_t dead_letters = 0;
  std::uint64_t journal_bytes = 0;
  std::uint64_t segments = 0;
  std::uint64_t pending_records = 0;  // committed to rings, not yet taken
  std::uint64_t refused = 0;          // by the rings that are attached
  std::uint64_t producers = 0;
};

// Written by intake, read by anyone.
struct IntakeCounters {
  SeqLocked<LedgerView> ledger;
  std::atomic<std::uint64_t> rings_condemned{0};
  // In the folder, and not attached for want of room: counted with each listing.
  std::atomic<std::uint64_t> rings_waiting{0};
  // Records whose refusal became a gap entry since the start: only grows, whichever rings go.
  std::atomic<std::uint64_t> refused{0};
  // Records are not taken: there is no room, or journal_error says what else.
  std::atomic<bool> disk_full{false};
  std::atomic<int> journal_error{0};    // errno; 0: no system call failed
  std::atomic<bool> drained{false};     // asked to stop, and all that was in the rings is written
  std::atomic<std::uint64_t> steps{0};  // for the watchdog
};

}  // namespace xased
