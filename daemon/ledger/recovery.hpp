// Finds out, at start, where the ledger ends and what became of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/ledger/chain.hpp"
#include "daemon/ledger/journal.hpp"
#include "daemon/ledger/journal_reader.hpp"
#include "daemon/platform/file_system.hpp"

namespace xased {

// What the ledger knows of a ring.
struct RingHistory {
  std::uint64_t last_ring_sequence = 0;    // journaled
  std::uint64_t last_record_sequence = 0;  // ledger sequence of that record
  std::uint64_t refused_accounted = 0;
};

// The ledger's epoch, as its last SEAL entry has it.
struct EpochState {
  std::uint64_t epoch = 0;
  bool is_open = false;
  std::string certificate;  // of an open one
};

struct Recovery {
  // There is no ledger yet, or none that can be read: of what follows only `set_aside` and the torn
  // bytes are set.
  bool is_new = false;
  ChainState chain;
  JournalTail tail;
  // Of each ring that had records before the last segment or in it. Rings that are gone may be
  // among them.
  std::map<xase::proto::Id, RingHistory> rings;
  // Nothing where no SEAL entry is in the part that was read.
  std::optional<EpochState> epoch;
  // Entries that can no longer be read, in the part that was read: from the last segment that
  // starts with all its producers. `damage`: those that no GAP entry tells of yet.
  std::vector<JournalDamage> damage;
  std::vector<JournalDamage> all_damage;
  // Bytes behind the last commit that were no whole entry: cut off, and kept in a file. Where there
  // was no room for one, `torn_saved_as` is empty and they were left where they are.
  std::uint64_t torn_bytes = 0;
  std::string torn_saved_as;
  // Segments that are no part of this ledger, or hold nothing that can be read or that a later one
  // does not hold too: moved to STATE_DIR/quarantine.
  std::vector<std::string> set_aside;
  // The last entry is a STOP.
  bool was_clean = false;
};

// Reads the end of the journal in `state_dir` and makes it fit to go on: the torn tail is set aside
// and cut, damage is named and left where it is, and what will be trusted is synced. Never removes
// an entry that can be read. Errors: kUnsupported for a newer version's ledger; what the file
// system says.
Result<Recovery> recover_ledger(FileSystem& fs, const std::string& state_dir);

}  // namespace xased
