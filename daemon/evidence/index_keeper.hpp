// Keeps the index of entries behind the durable part of the journal.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/log.hpp"
#include "daemon/evidence/entry_finder.hpp"
#include "daemon/evidence/index_file.hpp"
#include "daemon/ledger/journal_reader.hpp"
#include "daemon/ledger/positions.hpp"
#include "daemon/ledger/upkeep_stage.hpp"
#include "daemon/platform/clock.hpp"

namespace xased {

// Writes STATE_DIR/index a run of entries at a time, once all of the run are durable. Made before
// the upkeep stage's thread starts, and that one's from then on. Memory: two pairs of numbers for
// each entry of a run at most. The journal is whole without the index: what cannot be written is
// tried again, and what is not there is made again at any time.
class IndexKeeper final : public UpkeepWork {
 public:
  static constexpr std::uint64_t kRunEntries = 65536;

  // `run_entries`: of one file; others than the default are for tests.
  IndexKeeper(FileSystem& fs, const Clock& clock, const Positions& positions,
              const std::string& state_dir, std::uint64_t run_entries = kRunEntries);

  // A bounded number of entries, or one file.
  std::chrono::nanoseconds step() override;

  // Removes, durably, every run that tells of entries up to `through`; what else it told of is
  // found without, or indexed again by the next start. The owner's thread.
  Status forget(std::uint64_t through);

  // Entries that the index covers, from the first on. Any thread.
  const std::atomic<std::uint64_t>& indexed() const { return indexed_; }

 private:
  enum class Phase { kStart, kCheck, kRun };
  Status start();
  Status check_newest(std::uint64_t durable);
  Status take(std::uint64_t durable);
  Status finish_run();
  void go_to_next_run();
  std::uint64_t run_last() const { return run_first_ + run_entries_ - 1; }

  static constexpr std::size_t kEntriesPerStep = 1024;

  FileSystem& fs_;
  const Clock& clock_;
  const Positions& positions_;
  const std::string state_dir_;
  const std::string journal_;
  const std::string directory_;
  const std::uint64_t run_entries_;
  Phase phase_ = Phase::kStart;
  std::vector<std::uint64_t> present_;  // first sequences of sound files, ascending
  std::uint64_t run_first_ = 1;         // of the run that is being read
  std::unique_ptr<JournalReader> reader_;
  std::vector<IndexPair> transactions_;
  std::vector<IndexPair> answers_;
  std::optional<xase::proto::Leaf> last_leaf_;
  xase::proto::Hash last_leaf_hash_{};
  Sha256 sha_;
  std::int64_t retry_boot_ns_ = 0;
  RepeatedLog log_{"index"};
  std::atomic<std::uint64_t> indexed_{0};
};

}  // namespace xased
