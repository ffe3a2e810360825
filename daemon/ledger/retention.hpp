// Removes what has been kept for long enough from the beginning of the journal.
//
// A segment goes once every record in it is delivered or set aside, as the cursor on disk says; a
// signed head covers it, so that its leaves live on in the tree; a later segment says all that a
// restart needs; and keep_payloads has passed, or there is no room for new records. In this order:
// the ERASE entry, durable; what the index says of it; the segment. Wherever the process dies, what
// is still there goes the same way again.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/log.hpp"
#include "daemon/ledger/positions.hpp"
#include "daemon/ledger/upkeep_stage.hpp"
#include "daemon/platform/clock.hpp"
#include "daemon/platform/file_system.hpp"
#include "daemon/platform/wake.hpp"
#include "proto/erase_body.hpp"
#include "proto/frame.hpp"

namespace xased {

struct RetentionCounters {
  std::atomic<std::uint64_t> segments{0};         // removed since the start
  std::atomic<std::uint64_t> early{0};            // of these, before their time
  std::atomic<std::uint64_t> removed_through{0};  // in this life or an earlier one
};

// Time that passes as the boot clock says, from where the wall clock stood: a wall clock that is
// set wrong while the daemon runs ages nothing. For some time after the start it is believed, since
// a machine without a clock of its own is given the time only then.
class SteadyWall {
 public:
  explicit SteadyWall(const Clock& clock);
  // Nanoseconds since the epoch; nothing in that first time.
  std::optional<std::int64_t> now();

 private:
  static constexpr std::chrono::nanoseconds kSettles = std::chrono::minutes(10);

  const Clock& clock_;
  const std::int64_t started_boot_ns_;
  std::int64_t offset_ns_ = 0;
  bool is_settled_ = false;
};

// The upkeep stage's thread but for what is said otherwise.
class Retention final : public UpkeepWork {
 public:
  struct Peers {
    FileSystem& fs;
    const Clock& clock;
    const Positions& positions;
    // What delivery never needs again, whatever happens, and what the signed head covers.
    const std::atomic<std::uint64_t>& settled_through;
    const std::atomic<std::uint64_t>& checkpoint_size;
    Wake& intake_wake;
    // Removes durably what an index says of entries up to that one.
    std::function<Status(std::uint64_t through)> forget_index;
  };
  // All peers outlive this. `directory` is the journal's, which begins behind `removed_through`.
  Retention(Peers peers, std::string directory, std::uint64_t removed_through,
            std::chrono::nanoseconds keep_payloads);

  // Looks, or removes one segment.
  std::chrono::nanoseconds step() override;

  // Any thread.
  void set_keep_payloads(std::chrono::nanoseconds keep) {
    keep_ns_.store(keep.count(), std::memory_order_relaxed);
  }
  const RetentionCounters& counters() const { return counters_; }

  // Intake. What shall be removed next, and needs its entry first; null: nothing.
  const xase::proto::EraseBody* proposed() const {
    return state_.load(std::memory_order_acquire) == State::kProposed ? &removal_ : nullptr;
  }
  // Intake. What was proposed has that entry.
  void entered(std::uint64_t sequence);

 private:
  enum class State : std::uint8_t { kIdle, kProposed, kEntered };
  struct Segment {
    std::uint64_t first = 0;
    xase::proto::SegmentHeader header;
    bool is_sound = false;
    bool continues() const {
      return !is_sound || (header.flags & xase::proto::kSegmentContinues) != 0;
    }
  };

  std::chrono::nanoseconds look_interval() const;
  Status look();
  Status refresh();
  std::size_t keep_from(std::optional<std::int64_t> older_than_ns, std::size_t at_most) const;
  void propose(std::size_t keep, xase::proto::EraseReason reason);
  Status remove_next();
  std::chrono::nanoseconds put_off(const Status& status);

  const Peers peers_;
  const std::string directory_;
  std::atomic<std::int64_t> keep_ns_;
  // Hands removal_ and entered_ over: release store by the one who is done, acquire load by the
  // other. kProposed is intake's turn.
  std::atomic<State> state_{State::kIdle};
  xase::proto::EraseBody removal_;
  std::uint64_t entered_ = 0;  // sequence of its ERASE entry

  SteadyWall wall_;
  std::vector<Segment> segments_;  // ascending
  bool index_is_forgotten_ = false;
  std::int64_t last_look_boot_ns_ = INT64_MIN / 2;
  std::int64_t retry_boot_ns_ = 0;
  RepeatedLog log_{"retention"};
  RetentionCounters counters_;
};

}  // namespace xased
