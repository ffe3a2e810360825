// The intake stage: takes records out of the rings and chains them into the ledger; appends what
// delivery hands back; tells producers how far their records are.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/config/log.hpp"
#include "daemon/intake/attached_ring.hpp"
#include "daemon/intake/counters.hpp"
#include "daemon/intake/doorbell.hpp"
#include "daemon/intake/record_check.hpp"
#include "daemon/intake/rings_folder.hpp"
#include "daemon/ledger/handback.hpp"
#include "daemon/ledger/key_keeper.hpp"
#include "daemon/ledger/ledger.hpp"
#include "daemon/ledger/positions.hpp"
#include "daemon/ledger/retention.hpp"
#include "daemon/ledger/seals.hpp"
#include "daemon/ledger/sync_stage.hpp"
#include "daemon/platform/clock.hpp"
#include "daemon/platform/wake.hpp"

namespace xased {

struct IntakeOptions {
  std::string run_dir;
  std::size_t rings_max = 16384;
};

// One ring, for `xasectl status`.
struct RingView {
  xase::proto::Id id{};
  std::uint32_t pid = 0;
  std::uint32_t uid = 0;
  std::uint64_t journaled = 0;  // sequence of the last record taken
  std::uint64_t pending = 0;    // records behind it, by the producer's word
  std::uint64_t refused = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t capacity_bytes = 0;
};

// Owned by its thread, which calls step(). Everything else is for any thread.
class IntakeStage {
 public:
  // What intake shares with the other stages.
  struct Peers {
    const Clock& clock;
    Positions& positions;
    SyncStage& sync;
    HandbackQueue& handbacks;
    Wake& own_wake;
    Wake& delivery_wake;
  };

  // `history` is what recovery knows of rings.
  IntakeStage(IntakeOptions options, const Peers& peers, Ledger& ledger,
              std::map<xase::proto::Id, RingHistory> history);

  // Before the first step(): SEAL entries are appended when they are due, at the head of each
  // segment and at the end. `seals` outlives this, and its begin() is called here.
  void keep_epochs(Seals& seals, const std::optional<EpochState>& found);
  // Before that: KEY entries are appended when they are due. `keys` outlives this, and its begin()
  // is called here.
  void keep_keys(KeyKeeper& keys);

  // The same: what `retention` proposes to remove gets its entry. Its thread is rung where it has
  // something to do. Both outlive this.
  void keep_within(Retention& retention, Wake& upkeep_wake) {
    retention_ = &retention;
    upkeep_wake_ = &upkeep_wake;
  }

  // Owner. One bounded piece of all that is to be done. Returns how long to wait before the next
  // where nobody rings.
  std::chrono::nanoseconds step();

  // Any thread. Whether the folder of the rings is this daemon's: while it is not, no ring there is
  // looked for. Those that are attached go on.
  void use_folder(bool use) { folder_is_ours_.store(use, std::memory_order_release); }

  // Takes what is in the rings now and then no more: counters().drained tells when.
  void stop_taking() { stop_.store(kStopping, std::memory_order_release); }
  // After delivery has stopped: appends what it handed back and STOP, and syncs. Owner; ends within
  // a few syncs.
  void finish();

  // Any thread. Returns once every ring that is in the folder now is attached and counted, and
  // rings() tells of them as they are; false: not within `timeout`.
  bool scan(std::chrono::nanoseconds timeout);

  const IntakeCounters& counters() const { return counters_; }
  std::vector<RingView> rings() const;
  // Not ok: the ledger can no longer be written, and the daemon must end. Rings hold what is in
  // them.
  bool failed() const { return failed_.load(std::memory_order_acquire); }

 private:
  static constexpr int kTaking = 0;
  static constexpr int kStopping = 1;  // until the rings are empty
  static constexpr int kStopped = 2;
  static constexpr std::size_t kCopyBytes = std::size_t{256} << 10;

  enum class Take { kTaken, kNoRoom, kFault };
  enum class Drained { kNothing, kSome, kNoRoom };
  enum class Outcome { kNone, kDelivered, kSetAside, kRetry, kRejected };
  struct AwaitedOutcome {
    std::uint64_t entry_sequence = 0;
    bool is_handback = false;
    Outcome outcome = Outcome::kNone;
    xase::proto::Id ring_id{};
    xase::proto::RingFrameHeader result{};
    std::string text;
  };
  struct WrittenRecords {
    std::uint64_t sequence;
    std::uint64_t records;
  };

  // The parts of a step, in order. Each returns whether it did something.
  bool repair_after_failed_sync();
  bool acknowledge_durable();
  bool take_handbacks();
  bool take_removals();
  bool look_for_rings(bool list);
  bool drain_rings();
  bool seal();
  bool must_wait_for_epoch() const;
  void write_batch();
  void publish_view();
  void publish_rings(bool at_once);
  std::chrono::nanoseconds pause(bool worked);

  bool append_handback(const Handback& handback);
  void settle_outcome(const AwaitedOutcome& outcome);
  AttachedRing* find(const xase::proto::Id& id);
  bool attach(const std::string& name);
  void condemn_file(const std::string& name, const std::string& why);
  Drained drain(AttachedRing& ring);
  Take take(AttachedRing& ring, const xase::proto::RingFrameHeader& header,
            xase::proto::Bytes payload, xase::proto::RingFault& fault);
  bool append_producer(AttachedRing& ring);
  bool tell_of_those_before();
  bool waits_for_before(const AttachedRing& ring);
  bool tell_of_before(AttachedRing& ring);
  std::optional<std::uint64_t> taken_of(const xase::proto::Id& id);
  void remember_gone(const xase::proto::Id& id, std::uint64_t taken);
  void forget_rings_that_are_gone(const std::vector<std::string>& names);
  void set_given_up_aside();
  bool append_gap(AttachedRing& ring, xase::proto::GapReason reason, std::uint64_t count,
                  std::uint64_t before_sequence, std::string_view text);
  std::uint64_t append_rejected(const Subject& subject, const RecordVerdict& verdict,
                                xase::proto::Bytes record);
  Drained condemn(AttachedRing& ring, xase::proto::RingFault fault);
  bool report_refused(AttachedRing& ring, std::uint64_t refused);
  void retire_rings();
  bool start_segment();
  Seals::Producers seal_producers() const;
  void set_trouble(const Status& status);
  void fail(const Status& status);

  const IntakeOptions options_;
  const Clock& clock_;
  Positions& positions_;
  SyncStage& sync_;
  HandbackQueue& handbacks_;
  Wake& own_wake_;
  Wake& delivery_wake_;
  Ledger& ledger_;
  Seals* seals_ = nullptr;
  KeyKeeper* keys_ = nullptr;
  Retention* retention_ = nullptr;
  Wake* upkeep_wake_ = nullptr;  // set where that is
  RingsFolder folder_;
  DoorbellFile doorbell_;
  RecordCheck check_;
  std::map<xase::proto::Id, RingHistory> history_;
  std::map<xase::proto::Id, std::unique_ptr<AttachedRing>> rings_;
  std::uint64_t rings_attached_ = 0;      // in this run
  std::vector<xase::proto::Id> telling_;  // rings that tell of those before them, as attached
  // How far rings were read that are no longer there, and were not removed by this daemon.
  std::map<xase::proto::Id, std::uint64_t> gone_;
  std::uint64_t rings_waiting_ = 0;  // that the last listing, and events since, found no room for
  // Rings whose turn comes, starting with the one after the last that was served.
  xase::proto::Id next_ring_{};
  std::vector<std::byte> copy_;  // private copy of ring bytes, and padding for the JSON parser
  std::deque<AwaitedOutcome> awaited_;
  std::deque<WrittenRecords> written_records_;
  LedgerView view_;
  IntakeCounters counters_;
  std::atomic<int> stop_{kTaking};
  std::atomic<bool> failed_{false};
  std::atomic<bool> folder_is_ours_{true};
  // scan() asks, step() answers.
  std::atomic<std::uint64_t> scans_asked_{0};
  std::atomic<std::uint64_t> scans_done_{0};
  std::vector<AttachedRing*> touched_;  // taken from since the last write
  bool write_failed_ = false;           // the batch waits to be written again, and does not grow
  // Files to set aside once the entries that tell of it are written, and files that could not be
  // set aside: their names are passed over.
  std::vector<std::string> given_up_;
  std::set<std::string> unmovable_;
  // Boot clock at which taking ends though producers go on; 0: not asked to stop.
  std::int64_t take_until_boot_ns_ = 0;
  std::int64_t refused_reported_boot_ns_ = 0;
  RepeatedLog log_;
  unsigned idle_rounds_ = 0;
  unsigned fruitless_wakes_ = 0;
  std::int64_t slept_until_boot_ns_ = 0;
  std::int64_t rings_published_boot_ns_ = INT64_MIN / 2;
  // Off the hot path: refreshed once a second, and by scan().
  mutable std::mutex rings_mutex_;
  std::vector<RingView> rings_view_;
};

}  // namespace xased
