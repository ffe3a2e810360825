// The tree behind a real journal on a fake disk.
#include "daemon/ledger/tree/tree_keeper.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "daemon/ledger/tree/check_tiles.hpp"
#include "daemon/ledger/tree/checkpoint.hpp"
#include "daemon/ledger/tree/kept_keys.hpp"
#include "daemon/ledger/tree/renew_tree.hpp"
#include "daemon/ledger/tree/signing_key.hpp"
#include "proto/run_dir.hpp"
#include "tests/daemon/ledger/tree/keeper_rig.hpp"
#include "tests/support/io_errors.hpp"

namespace xased {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using test::FsCall;
using test::TreeKeeperTest;
using xase::proto::Checkpoint;

TEST_F(TreeKeeperTest, SignsAHeadOverAllThatIsDurable) {
  rig_.add_durably(1, 700);
  run();
  expect_covered();
  EXPECT_EQ(keeper_->counters().checkpoint_size.load(), rig_.durable());
  EXPECT_EQ(keeper_->counters().checkpoint_wall_ns.load(), rig_.clock.wall_ns());
}

TEST_F(TreeKeeperTest, LeavesOutWhatIsNotDurable) {
  rig_.add_durably(1, 10);
  ASSERT_NE(rig_.add(11), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  run();
  EXPECT_EQ(head().size, rig_.durable());
  EXPECT_LT(head().size, rig_.journaled());
}

TEST_F(TreeKeeperTest, SignsAtMostOnceAnInterval) {
  std::uint64_t heads = 0;
  std::uint64_t seen = 0;
  run();
  const std::int64_t start = rig_.clock.boot_ns();
  for (std::uint64_t n = 1; n <= 200; ++n) {
    rig_.add_durably(n, n);
    (void)keeper_->step();
    if (keeper_->counters().checkpoint_size.load() != seen) ++heads;
    seen = keeper_->counters().checkpoint_size.load();
    rig_.clock.advance(milliseconds(20));
  }
  const auto elapsed = nanoseconds(rig_.clock.boot_ns() - start);
  EXPECT_GE(heads, 2U);
  EXPECT_LE(heads, static_cast<std::uint64_t>(elapsed / seconds(1)) + 1);
  run();
  expect_covered();
}

TEST_F(TreeKeeperTest, DoesNothingWhereNothingIsNew) {
  rig_.add_durably(1, 5);
  run();
  const std::uint64_t changes = rig_.fs.changes();
  for (int i = 0; i < 10; ++i) {
    rig_.clock.advance(seconds(2));
    EXPECT_GE(keeper_->step(), milliseconds(500));
  }
  EXPECT_EQ(rig_.fs.changes(), changes);
}

TEST_F(TreeKeeperTest, CoversTheLastEntryOfACleanStop) {
  rig_.add_durably(1, 5);
  run();
  rig_.add_durably(6, 6);
  ASSERT_TRUE(keeper_->finish().ok());
  expect_covered();
}

// Goes on by a second each time that it is read.
class HurriedClock final : public Clock {
 public:
  std::int64_t wall_ns() const override { return 1; }
  std::int64_t boot_ns() const override { return boot_ns_ += 1'000'000'000; }
  xase::proto::Id boot_id() const override { return {}; }

 private:
  mutable std::int64_t boot_ns_ = 0;
};

TEST_F(TreeKeeperTest, LeavesToTheNextStartWhatWouldHoldUpAStop) {
  rig_.add_durably(1, 10'000);
  const HurriedClock clock;
  ASSERT_TRUE(open(clock).ok());
  ASSERT_TRUE(keeper_->finish().ok());
  const Checkpoint behind = head();
  EXPECT_GT(behind.size, 0U);
  EXPECT_LT(behind.size, rig_.durable());
  EXPECT_EQ(behind.root, root_of_journal(behind.size)) << "what is in it is signed";
  restart();
  EXPECT_EQ(must_open(), "");
  run();
  expect_covered();
}

TEST_F(TreeKeeperTest, GoesOnAfterARestart) {
  rig_.add_durably(1, 300);
  run();
  const Checkpoint before = head();
  restart();
  EXPECT_EQ(must_open(), "");
  EXPECT_EQ(keeper_->counters().checkpoint_size.load(), before.size);
  rig_.add_durably(301, 600);
  run();
  expect_covered();
}

TEST_F(TreeKeeperTest, MakesDamagedFilesAgainFromTheJournal) {
  rig_.add_durably(1, 300);
  run();
  for (const std::uint64_t at : {0U, 1U, 2U, 3U}) {
    SCOPED_TRACE(at);
    rig_.add_durably(1, 3);
    run();
    const std::uint64_t size = head().size;
    ASSERT_LT(size, 512U);
    const std::string part = "001.p/" + std::to_string(size - 256);
    const std::array<std::string, 4> files{"0/000", "entries/000", "0/" + part, "entries/" + part};
    keeper_.reset();
    rig_.fs.damage("state/tree/tile/" + files.at(at), 40);
    restart();
    EXPECT_EQ(must_open(), "");
    rig_.add_durably(301, 301);
    run();
    EXPECT_EQ(keeper_->counters().disagreements.load(), 0U);
    const Checkpoint now = head();
    EXPECT_EQ(now.root, root_of_journal(now.size));
  }
}

TEST_F(TreeKeeperTest, MakesTheTreeAgainWhereItIsMissing) {
  rig_.add_durably(1, 300);
  run();
  restart();
  ASSERT_TRUE(rig_.fs.rename(kTree, "state/elsewhere").ok());
  EXPECT_EQ(must_open(), "");
  run();
  expect_covered();
}

TEST_F(TreeKeeperTest, SetsAHeadAsideThatGoesBeyondTheJournal) {
  // A snapshot of the journal is put back, as after restoring a disk.
  rig_.add_durably(1, 50);
  run();
  keeper_.reset();
  rig_.stop();
  const std::string segment = rig_.segments().back();
  const auto snapshot = rig_.fs.bytes(segment);
  rig_.must_start();
  EXPECT_EQ(must_open(), "");
  rig_.add_durably(51, 80);
  run();
  const Checkpoint signed_before = head();
  keeper_.reset();
  rig_.stop();
  rig_.fs.put(segment, snapshot);
  rig_.must_start();
  rig_.run_sync();
  ASSERT_LT(rig_.durable(), signed_before.size);
  const std::string disagreement = must_open();
  EXPECT_NE(disagreement.find(std::to_string(signed_before.size)), std::string::npos)
      << disagreement;
  EXPECT_EQ(keeper_->counters().disagreements.load(), 1U);
  const std::string kept = "state/quarantine/tree-" + std::to_string(signed_before.size) + "-" +
                           xase::proto::to_hex(signed_before.root).substr(0, 16);
  const std::array<xase::proto::VerifierKey, 1> keys{key_->verifier_key()};
  EXPECT_EQ(read_checkpoint(rig_.fs, kept, keys)->checkpoint, signed_before);
  run();
  expect_covered();
}

TEST_F(TreeKeeperTest, SetsAHeadAsideThatWasSignedOverOtherEntries) {
  rig_.add_durably(1, 50);
  run();
  keeper_.reset();
  rig_.stop();
  const std::string segment = rig_.segments().back();
  const auto snapshot = rig_.fs.bytes(segment);
  rig_.must_start();
  EXPECT_EQ(must_open(), "");
  rig_.add_durably(51, 60);
  run();
  // Another history from the snapshot on, longer than the one that was signed.
  keeper_.reset();
  rig_.stop();
  rig_.fs.put(segment, snapshot);
  rig_.must_start();
  rig_.add_durably(151, 190);
  const std::string disagreement = must_open();
  EXPECT_NE(disagreement.find("is another than the one"), std::string::npos) << disagreement;
  run();
  expect_covered();
}

TEST_F(TreeKeeperTest, RefusesAHeadOfAnotherKey) {
  rig_.add_durably(1, 5);
  run();
  auto other = Ed25519Key::generate("host/test/1");
  ASSERT_TRUE(other.ok());
  key_ = std::move(*other);
  EXPECT_FALSE(open().ok());
}

TEST_F(TreeKeeperTest, KeepsKeyEntriesBesideTheTree) {
  rig_.add_durably(1, 3);
  const std::string body = format_key_entry({KeyEvent::kInUse, {key_->verifier_key()}, {}});
  const std::uint64_t sequence = rig_.ledger->append_text(xase::proto::EntryType::kKey, body);
  rig_.add_durably(4, 300);
  run();
  for (int life = 0; life < 2; ++life) {
    const auto kept = list_kept_keys(rig_.fs, kTree);
    ASSERT_TRUE(kept.ok());
    EXPECT_EQ(*kept, std::vector<std::uint64_t>{sequence});
    const auto entry = read_kept_key(rig_.fs, kTree, sequence);
    ASSERT_TRUE(entry.ok()) << entry.status().message();
    EXPECT_EQ(xase::proto::as_text(entry->body), body);
    power_loss();
    EXPECT_EQ(must_open(), "");
  }
  // Also in the tree that takes the place of one that nothing vouches for.
  keeper_.reset();
  ASSERT_TRUE(renew_tree(rig_.fs, test::LedgerRig::kState, head(), 100).ok());
  EXPECT_TRUE(read_kept_key(rig_.fs, kTree, sequence).ok());
  ASSERT_TRUE(renew_tree(rig_.fs, test::LedgerRig::kState, Checkpoint(), sequence - 1).ok());
  EXPECT_TRUE(list_kept_keys(rig_.fs, kTree)->empty());
}

class TreeKeeperFault : public TreeKeeperTest, public testing::WithParamInterface<test::IoError> {};

TEST_P(TreeKeeperFault, OfEachCallIsFollowedByAnotherTry) {
  const test::IoError error = GetParam();
  constexpr std::array<FsCall, 7> kCalls{
      FsCall::kOpen,   FsCall::kRead,          FsCall::kWrite,        FsCall::kSync,
      FsCall::kRename, FsCall::kSyncDirectory, FsCall::kMakeDirectory};
  std::uint64_t n = 0;
  const std::string key_entry = format_key_entry({KeyEvent::kInUse, {key_->verifier_key()}, {}});
  std::vector<std::uint64_t> keys;
  for (const FsCall call : kCalls) {
    for (std::uint64_t nth = 1; nth <= 12; ++nth) {
      SCOPED_TRACE(std::to_string(static_cast<int>(call)) + " " + std::to_string(nth));
      keys.push_back(rig_.ledger->append_text(xase::proto::EntryType::kKey, key_entry));
      rig_.add_durably(n + 1, n + 30);
      n += 30;
      rig_.fs.fail(call, error.number, nth, false, call == FsCall::kRead ? "" : "tree");
      for (int i = 0; i < 20; ++i) {
        (void)keeper_->step();
        rig_.clock.advance(seconds(2));
      }
      rig_.fs.heal();
      run();
      ASSERT_EQ(head().size, rig_.durable());
    }
  }
  expect_covered();
  EXPECT_EQ(*list_kept_keys(rig_.fs, kTree), keys);
  test::print_failed_calls(rig_.fs.faults_struck(), error, false);
}

INSTANTIATE_TEST_SUITE_P(AtEveryCall, TreeKeeperFault, testing::ValuesIn(test::kIoErrors),
                         [](const auto& about) { return std::string(about.param.name); });

TEST_F(TreeKeeperTest, SurvivesDeathAndPowerLossAtEveryCall) {
  for (const bool is_power : {false, true}) {
    for (std::uint64_t nth = 1; nth <= 60; ++nth) {
      SCOPED_TRACE((is_power ? "power " : "death ") + std::to_string(nth));
      const std::uint64_t key = rig_.ledger->append_text(
          xase::proto::EntryType::kKey,
          format_key_entry({KeyEvent::kInUse, {key_->verifier_key()}, {}}));
      rig_.add_durably(nth * 1000, nth * 1000 + 130);
      rig_.fs.die_at(nth);
      for (int i = 0; i < 20; ++i) {
        (void)keeper_->step();
        rig_.clock.advance(seconds(2));
      }
      if (is_power) {
        power_loss();
      } else {
        restart();
      }
      ASSERT_EQ(must_open(), "");
      run();
      expect_covered();
      EXPECT_TRUE(read_kept_key(rig_.fs, kTree, key).ok());
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace xased
