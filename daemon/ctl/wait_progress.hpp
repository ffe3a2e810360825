// Whether all that was committed when a wait began has come as far as was asked.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "daemon/control/snapshot.hpp"
#include "daemon/platform/status.hpp"

namespace xased::ctl {

enum class Level { kCommitted, kJournaled, kDurable, kDelivered };

// Counts of the whole ledger would not do: records committed later, by others, may overtake. So it
// follows each ring to what it held at first, and then the ledger to the entry that was last when
// all of that had become entries. Rings and sequences outlive the daemon, so a restart in between
// does not matter.
class WaitProgress {
 public:
  // `rings_there` are the rings in the runtime directory at the beginning; nothing where this user
  // may not list them, then those of the first snapshot count.
  WaitProgress(Level level, std::optional<std::set<std::string>> rings_there);

  // A snapshot of a ready daemon, taken after those before. `rings_there` as it is now, listed
  // before the snapshot was asked for.
  void observe(const Snapshot& now, const std::optional<std::set<std::string>>& rings_there);

  bool reached() const { return reached_; }
  // What is missing, for people.
  std::string missing() const;
  // Set aside since the first snapshot.
  std::uint64_t set_aside_meanwhile() const;
  const std::optional<Snapshot>& last() const { return last_; }

 private:
  void observe_rings(const Snapshot& now, const std::optional<std::set<std::string>>& rings_there);
  bool settled(const Snapshot& now) const;

  const Level level_;
  bool lists_rings_;
  // By ring: the sequence to be journaled; nothing until the daemon has told it.
  std::map<std::string, std::optional<std::uint64_t>> rings_left_;
  bool began_ = false;
  bool reached_ = false;
  std::optional<std::uint64_t> through_;  // the entry to be synced or settled
  std::optional<Snapshot> first_;
  std::optional<Snapshot> last_;
};

// Names of the rings in `run_dir`; nothing where this user may not list them.
std::optional<std::set<std::string>> list_rings(const std::string& run_dir);

}  // namespace xased::ctl
