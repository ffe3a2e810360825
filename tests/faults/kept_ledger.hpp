// A ledger that does all that changes the disk: journal, tree and head, cursor, and removal of what
// was kept for long enough. On a fake disk, moved by hand.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <string>

#include "daemon/delivery/cursor.hpp"
#include "daemon/ledger/retention.hpp"
#include "daemon/ledger/tree/checkpoint.hpp"
#include "daemon/ledger/tree/ledger_key.hpp"
#include "daemon/ledger/tree/signing_key.hpp"
#include "daemon/ledger/tree/tree_keeper.hpp"
#include "tests/support/ledger_rig.hpp"

namespace xased::test {

class KeptLedger {
 public:
  static constexpr const char* kTree = "state/tree";
  static constexpr std::uint64_t kSegmentBytes = 8192;

  // A key that signs for the ledger that every such life begins.
  static std::shared_ptr<Ed25519Key> make_key() {
    LedgerRig rig(kSegmentBytes);
    rig.must_start();
    auto key =
        Ed25519Key::generate(checkpoint_origin(rig.options.origin, rig.ledger->state().log_id));
    EXPECT_TRUE(key.ok());
    return std::move(*key);
  }

  explicit KeptLedger(std::shared_ptr<Ed25519Key> key)
      : rig(kSegmentBytes), keys_(key->verifier_key().name), key_(std::move(key)) {
    init_log(LogLevel::kError, LogFormat::kText, "test");
    keys_.add(key_);
    EXPECT_TRUE(rig.fs.make_directory("state/delivery", 0700).ok());
  }
  ~KeptLedger() { stop(); }

  // A process on what the disk holds; false where the disk fails it.
  bool start() {
    stop();
    if (!rig.start().ok()) return false;
    rig.ledger->on_new_segment([this] { return tell_of_ring(); });
    // As the ring has it: what the ledger does not know of is still there.
    known_ = rig.recovery.rings[rig.ring];
    next_ = known_.last_ring_sequence + 1;
    TreeOptions options;
    options.state_dir = LedgerRig::kState;
    options.known = {key_->verifier_key()};
    options.signing = options.known;
    options.checkpoint_interval = std::chrono::nanoseconds(0);
    auto opened = TreeKeeper::open(rig.fs, rig.clock, *rig.positions, keys_, options);
    if (!opened.ok()) return false;
    disagreement = opened->disagreement;
    keeper = std::move(opened->keeper);
    cursors_ = std::make_unique<CursorStore>(rig.fs, "state/delivery");
    auto loaded = cursors_->load();
    if (!loaded.ok()) return false;
    cursor = loaded->cursor.value_or(Cursor{});
    removable_through = 0;
    retention = std::make_unique<Retention>(
        Retention::Peers{rig.fs, rig.clock, *rig.positions, removable_through,
                         keeper->counters().checkpoint_size, *rig.intake_wake,
                         [](std::uint64_t) { return Status(); }},
        LedgerRig::kJournal, 0, std::chrono::nanoseconds(0));
    (void)tell_of_ring();
    return write();
  }
  void stop() {
    retention.reset();
    cursors_.reset();
    keeper.reset();
    rig.stop();
  }

  // One more record, synced; whether it is durable.
  bool record(std::size_t bytes) {
    std::uint64_t sequence = rig.add(next_, bytes);
    if (sequence == 0) {
      sync();
      sequence = rig.add(next_, bytes);
      if (sequence == 0) return false;
    }
    known_.last_ring_sequence = next_++;
    known_.last_record_sequence = sequence;
    return write();
  }

  // So much of what is durable counts as settled, in both slots of the cursor.
  bool settle(std::uint64_t through) {
    for (int slot = 0; slot < 2; ++slot) {
      cursor.log_id = rig.ledger->state().log_id;
      cursor.settled_through = cursor.read_through = cursor.scanned_through = through;
      if (!cursors_->store(cursor).ok()) return false;
    }
    removable_through = cursor.settled_through;
    return true;
  }

  // Everything durable into the tree, and a head over it.
  void grow_tree() {
    for (int i = 0; i < 100 && !rig.fs.is_dead(); ++i) {
      if (keeper->step() >= std::chrono::seconds(1)) return;
      rig.clock.advance(std::chrono::milliseconds(1));
    }
  }

  // What may go, goes.
  void remove_old() {
    rig.clock.advance(std::chrono::seconds(2));
    for (int i = 0; i < 100 && !rig.fs.is_dead(); ++i) {
      const bool waits = retention->step() > std::chrono::nanoseconds(0);
      rig.ledger->journal().forget_removed(retention->counters().removed_through.load());
      if (const auto* removal = retention->proposed()) {
        const std::uint64_t sequence = rig.ledger->append_body(
            xase::proto::EntryType::kErase, Subject{}, xase::proto::encode(*removal));
        if (sequence == 0 || !rig.ledger->flush().ok()) return;
        retention->entered(sequence);
        // It may be in a hurry; the entry is not durable yet.
        for (int step = 0; step < 3; ++step) (void)retention->step();
        sync();
      } else if (waits) {
        return;
      }
    }
  }

  xase::proto::Checkpoint head() {
    const std::array<xase::proto::VerifierKey, 1> keys{key_->verifier_key()};
    const auto read = read_checkpoint(rig.fs, kTree, keys);
    EXPECT_TRUE(read.ok()) << read.status().message();
    return read.ok() ? read->checkpoint : xase::proto::Checkpoint{};
  }
  std::uint64_t signed_through() const { return keeper->counters().checkpoint_size.load(); }

  LedgerRig rig;
  std::unique_ptr<TreeKeeper> keeper;
  std::unique_ptr<Retention> retention;
  std::string disagreement;
  Cursor cursor;  // as it was last written or found
  std::atomic<std::uint64_t> removable_through{0};

 private:
  bool write() {
    if (!rig.ledger->flush().ok()) return false;
    sync();
    (void)rig.ledger->journal().settle(true);
    return rig.durable() == rig.ledger->state().last_sequence;
  }
  void sync() {
    for (int i = 0; i < 100 && !rig.fs.is_dead(); ++i) {
      rig.clock.advance(std::chrono::milliseconds(10));
      if (rig.sync->step() > std::chrono::nanoseconds(0)) return;
    }
  }
  bool tell_of_ring() {
    xase::proto::ProducerBody body;
    body.next_ring_sequence = known_.last_ring_sequence + 1;
    body.last_record_sequence = known_.last_record_sequence;
    Subject subject;
    subject.ring_id = rig.ring;
    subject.uid = 1000;  // as LedgerRig::add() has it
    (void)rig.ledger->append_body(xase::proto::EntryType::kProducer, subject,
                                  xase::proto::encode(body));
    return true;
  }

  LedgerKeys keys_;
  std::shared_ptr<Ed25519Key> key_;
  std::unique_ptr<CursorStore> cursors_;
  std::uint64_t next_ = 1;
  RingHistory known_;
};

}  // namespace xased::test
