// The positions that the stages share, and nothing else of each other's.
#pragma once

#include <atomic>
#include <cstdint>

namespace xased {

// Sequences of the ledger; each only grows. The writer named stores with release after the fact it
// tells of; readers load with acquire.
struct Positions {
  // Written to the journal. Intake.
  std::atomic<std::uint64_t> journaled{0};
  // Synced. Sync.
  std::atomic<std::uint64_t> durable{0};
  // How many handbacks that became entries are durable, in the order in which delivery handed them
  // over. Intake.
  std::atomic<std::uint64_t> handbacks_durable{0};
  // Whether the journal cannot grow for want of room: who keeps what is delivered from being
  // removed hurries. Intake.
  std::atomic<bool> wants_room{false};
};

}  // namespace xased
