// The daemon: its stages, the threads around them, and their order of start and stop.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "daemon/app/directory_lock.hpp"
#include "daemon/app/liveness.hpp"
#include "daemon/app/run_dir.hpp"
#include "daemon/config/config.hpp"
#include "daemon/control/control_server.hpp"
#include "daemon/control/snapshot.hpp"
#include "daemon/delivery/delivery_stage.hpp"
#include "daemon/evidence/index_keeper.hpp"
#include "daemon/intake/intake_stage.hpp"
#include "daemon/ledger/cache_release.hpp"
#include "daemon/ledger/journal_tap.hpp"
#include "daemon/ledger/key_keeper.hpp"
#include "daemon/ledger/ledger.hpp"
#include "daemon/ledger/memory_release.hpp"
#include "daemon/ledger/retention.hpp"
#include "daemon/ledger/seals.hpp"
#include "daemon/ledger/sync_stage.hpp"
#include "daemon/ledger/tree/ledger_key.hpp"
#include "daemon/ledger/tree/ledger_keys.hpp"
#include "daemon/ledger/tree/pkcs11_keys.hpp"
#include "daemon/ledger/tree/tree_keeper.hpp"
#include "daemon/ledger/upkeep_stage.hpp"

namespace xased {

// Made, stopped and destroyed by the main thread.
class Daemon {
 public:
  // Takes the directories, recovers the ledger and starts all stages: when it returns, records are
  // taken. `reload` is what the control socket may ask for; it is called from another thread.
  static Result<std::unique_ptr<Daemon>> start(const Config& config,
                                               std::function<Status()> reload);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Applies what a running daemon can change. Any thread; tells which keys need a restart.
  void reconfigure(const Config& config);

  // Makes again what someone removed of the runtime directory, and tells apps there what has
  // changed. To be called now and then, by the main thread.
  void keep_run_dir();

  // Stops taking, drains the rings, syncs, and delivers until the drain timeout or until
  // `cut_short` says so, which is asked every few milliseconds. True: all went well.
  bool stop(const std::function<bool()>& cut_short);

  // Any thread.
  Snapshot snapshot() const;
  // All loops make progress.
  bool is_live() const;
  // The ledger can no longer be written: stop() and end.
  bool has_failed() const { return intake_->failed(); }

 private:
  std::uint64_t removed_through() const {
    return retention_->counters().removed_through.load(std::memory_order_acquire);
  }
  explicit Daemon(const Config& config);
  Status open_directories();
  void tell_apps();
  Status open_ledger();
  Status open_keys(const ChainState& recovered);
  Status open_tree();
  void open_stages(Recovery& recovery);
  Status start_stages(std::function<Status()> reload);
  std::uint64_t rings_max() const;
  ControlHooks control_hooks(std::function<Status()> reload);
  Config config() const;

  mutable std::mutex config_mutex_;  // guards config_; held for a copy
  Config config_;
  std::unique_ptr<DirectoryLock> state_lock_;
  std::unique_ptr<RunDir> run_dir_;
  std::string run_dir_trouble_;  // what was last told of it
  xase::proto::Id api_key_salt_{};
  std::string api_key_told_;  // its fingerprint
  std::string api_key_check_;
  std::string telling_trouble_;

  Positions positions_;
  HandbackQueue handbacks_;
  Wake intake_wake_;
  Wake sync_wake_;
  Wake upkeep_wake_;
  std::unique_ptr<SegmentPreparer> preparer_;
  std::unique_ptr<SyncStage> sync_;
  UpkeepStage upkeep_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<KeyFiles> key_files_;
  std::unique_ptr<LedgerKeys> keys_;
  std::unique_ptr<Pkcs11Keys> module_;  // null: none is configured
  std::unique_ptr<KeyKeeper> key_keeper_;
  std::unique_ptr<EpochKeys> epoch_keys_;
  std::unique_ptr<Seals> seals_;
  std::unique_ptr<TreeKeeper> tree_;
  std::unique_ptr<IndexKeeper> index_;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<CacheRelease> cache_release_;
  std::unique_ptr<MemoryRelease> memory_release_;
  std::unique_ptr<DeliveryStage> delivery_;
  std::unique_ptr<IntakeStage> intake_;
  std::unique_ptr<JournalTap> tap_;
  mutable Liveness liveness_;
  // Destroyed, and so joined, before what they use.
  std::jthread upkeep_thread_;
  std::jthread sync_thread_;
  std::jthread intake_thread_;
  std::unique_ptr<ControlServer> control_;

  std::int64_t started_wall_ns_ = 0;
  std::atomic<bool> stopping_{false};
};

}  // namespace xased
