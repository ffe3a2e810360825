// Keeps the tree and its signed head behind the durable part of the journal.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/log.hpp"
#include "daemon/ledger/journal_reader.hpp"
#include "daemon/ledger/positions.hpp"
#include "daemon/ledger/tree/epoch_keys.hpp"
#include "daemon/ledger/tree/key_entry.hpp"
#include "daemon/ledger/tree/ledger_keys.hpp"
#include "daemon/ledger/tree/tile_writer.hpp"
#include "daemon/ledger/upkeep_stage.hpp"
#include "daemon/platform/clock.hpp"
#include "proto/checkpoint.hpp"

namespace xased {

struct TreeOptions {
  std::string state_dir;
  // Shortest time between two checkpoints while there is something new.
  std::chrono::nanoseconds checkpoint_interval = std::chrono::seconds(1);
  // Where set, the key of the epoch in which a checkpoint is made signs it too, and is erased once
  // the epoch's closing seal is under a checkpoint. Outlives the keeper.
  EpochKeys* epoch_keys = nullptr;
  // Keys that the head on disk may be signed by: those in force, and one that gave way to another.
  KeySet known;
  // Who signs until a KEY entry says who does. Nobody: a head is signed as the entries under it
  // say, and the first that this run takes is the one that it began with.
  KeySet signing;
};

// Written by the tree's owner, read by any thread.
struct TreeCounters {
  std::atomic<std::uint64_t> size{0};             // entries in the tree
  std::atomic<std::uint64_t> checkpoint_size{0};  // entries that the signed head covers
  std::atomic<std::int64_t> checkpoint_wall_ns{0};
  // 1: the head on disk was not one of this journal, and is set aside: see Opened::disagreement.
  std::atomic<std::uint64_t> disagreements{0};
  // Entries that this run put a lost leaf in the place of: see proto/lost_leaf.hpp.
  std::atomic<std::uint64_t> lost{0};
  // Leaves that a signed head is over are lost: it can grow no further.
  std::atomic<bool> is_stalled{false};
  // A checkpoint is due, and a key that must sign it does not.
  std::atomic<bool> waits_for_keys{false};
};

// The tree lies in STATE_DIR/tree. Made before the upkeep stage's thread starts, and that one's
// from then on. What it does not get done, as on a full disk, it tries again: the journal is whole
// without it, and the tree can be made from it at any time.
class TreeKeeper final : public UpkeepWork {
 public:
  struct Opened {
    std::unique_ptr<TreeKeeper> keeper;
    // Not empty: the signed head that was there does not fit this journal, which was cut, rolled
    // back or replaced since; tree and head are in STATE_DIR/quarantine, and this tells of it.
    std::string disagreement;
  };

  // After recovery, with all that is in the journal durable. `keys` names the ledger, and outlives
  // the keeper like the rest. An error where the disk fails, or where the head is of other keys.
  static Result<Opened> open(FileSystem& fs, const Clock& clock, const Positions& positions,
                             const LedgerKeys& keys, const TreeOptions& options);

  // A bounded number of entries, or a checkpoint where one is due.
  std::chrono::nanoseconds step() override;
  // At a clean stop, once the thread has ended: everything durable, and a checkpoint over it; where
  // more is behind than three seconds do, a checkpoint over what is in the tree by then.
  Status finish();

  const TreeCounters& counters() const { return counters_; }

 private:
  // Entries `first` to `damage.last` of the journal, of which only the last run, `damage`, is known
  // closely.
  struct Lost {
    std::uint64_t first = 0;
    JournalDamage damage;
    std::uint64_t end = 0;  // position in its segment where it ends
    xase::proto::Hash log_id{};
    xase::proto::Hash behind{};  // what the entry behind it names as the one before
  };

  TreeKeeper(FileSystem& fs, const Clock& clock, const Positions& positions, const LedgerKeys& keys,
             const TreeOptions& options);
  Result<std::string> open_files();
  Result<std::string> find_disagreement(const xase::proto::Checkpoint& head);
  Status begin_anew(const xase::proto::Checkpoint& old_head);
  Status salvage(const xase::proto::Checkpoint& head);
  Result<std::uint64_t> journal_begin();
  Status take(std::size_t entries_max);
  Status append(const Entry& entry);
  Status append_leaf(std::uint64_t sequence, xase::proto::Bytes leaf,
                     const xase::proto::Hash& leaf_hash);
  bool may_sign() const;
  void take_seal(const Entry& entry);
  void take_key(const Entry& entry);
  void erase_closed();
  Status publish();
  Result<std::string> sign();
  std::chrono::nanoseconds put_off(const Status& status);
  void check_head();
  Status pass_lost(std::uint64_t durable);
  Status take_own_leaves(const Lost& lost);
  Status append_without_body(std::uint64_t sequence, xase::proto::Bytes leaf);
  Status put_lost_leaves(const Lost& lost, std::uint64_t last);
  void stall(const std::string& why);
  void stall_without(std::uint64_t begin, const Status& why);

  static constexpr std::size_t kEntriesPerStep = 1024;

  FileSystem& fs_;
  const Clock& clock_;
  const Positions& positions_;
  const LedgerKeys& keys_;
  const TreeOptions options_;
  const std::string directory_;
  std::vector<std::string> trees_;  // whose bundles may have what the journal lost
  std::unique_ptr<TileWriter> writer_;
  std::unique_ptr<JournalReader> reader_;  // at entry writer_->size() + 1
  Sha256 sha_;
  KeySet signing_;  // as the KEY entries in the tree say
  std::unique_ptr<Ed25519Key> epoch_key_;
  std::uint64_t key_epoch_ = 0;               // that epoch_key_ is of
  std::vector<std::uint64_t> closed_epochs_;  // whose keys are to be erased
  // The head on disk, until the tree has its size again and shows the same root.
  std::optional<xase::proto::Checkpoint> expected_;
  // Some of its leaves are not of the journal: nothing but that root vouches for them.
  bool is_patched_ = false;
  // The journal's last entries are lost, and nothing is behind them yet.
  bool waits_behind_lost_ = false;
  // A key in a module is signing the head that there is: until then the tree does not grow.
  bool is_signing_ = false;
  std::int64_t signing_since_boot_ns_ = 0;
  std::int64_t next_checkpoint_boot_ns_ = 0;
  std::int64_t retry_boot_ns_ = 0;
  RepeatedLog log_{"tree"};
  TreeCounters counters_;
};

}  // namespace xased
