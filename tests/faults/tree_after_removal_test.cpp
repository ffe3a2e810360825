// The tree's files are damaged or gone after retention removed what they were made of: leaves that
// are nowhere else come out of what is left of them.
#include <gtest/gtest.h>

#include <functional>

#include "daemon/ledger/tree/check_tiles.hpp"
#include "daemon/ledger/tree/tile_files.hpp"
#include "tests/faults/kept_ledger.hpp"

namespace xased {
namespace {

using test::KeptLedger;
using test::LedgerRig;

class TreeAfterRemoval : public testing::Test {
 protected:
  void SetUp() override {
    ledger_ = std::make_unique<KeptLedger>(KeptLedger::make_key());
    ASSERT_TRUE(ledger_->start());
    while (ledger_->rig.durable() < 300) ASSERT_TRUE(ledger_->record(100));
    ledger_->grow_tree();
    ASSERT_TRUE(ledger_->settle(ledger_->rig.durable()));
    ledger_->remove_old();
    removed_ = ledger_->retention->counters().removed_through.load();
    ASSERT_GT(removed_, 256U);
    ledger_->grow_tree();
    size_ = ledger_->signed_through();
  }

  void restart() {
    ledger_->stop();
    ledger_->rig.fs.restart();
    ASSERT_TRUE(ledger_->start());
  }
  // The head covers all that is durable again, and all its files are sound.
  void expect_whole() {
    ASSERT_TRUE(ledger_->record(100));
    ledger_->grow_tree();
    ASSERT_FALSE(ledger_->keeper->counters().is_stalled.load());
    ASSERT_EQ(ledger_->signed_through(), ledger_->rig.durable());
    const auto head = ledger_->head();
    const auto found = check_tiles(ledger_->rig.fs, KeptLedger::kTree, head.size, head.root);
    ASSERT_TRUE(found.ok());
    EXPECT_TRUE(found->sound());
    EXPECT_EQ(found->entries, ledger_->rig.durable());
  }
  // A daemon that runs, says so, and signs nothing more.
  void expect_stalled() {
    ASSERT_TRUE(ledger_->record(100));
    ledger_->grow_tree();
    EXPECT_TRUE(ledger_->keeper->counters().is_stalled.load());
  }
  std::string bundle(std::uint64_t entry) const {
    return tile_file(KeptLedger::kTree, xase::proto::bundle_of(entry - 1, size_));
  }
  static std::string tile(std::uint64_t index, unsigned width) {
    return tile_file(KeptLedger::kTree, {xase::proto::Tile::Kind::kHashes, 0, index, width});
  }

  std::unique_ptr<KeptLedger> ledger_;
  std::uint64_t removed_ = 0;
  std::uint64_t size_ = 0;
};

TEST_F(TreeAfterRemoval, GoesOnWhereNothingIsAmiss) {
  restart();
  expect_whole();
}

TEST_F(TreeAfterRemoval, HashesAreMadeAgainOfTheBundlesAndTheJournal) {
  ledger_->rig.fs.erase(tile(0, 256));
  ledger_->rig.fs.erase(tile(1, static_cast<unsigned>(size_ - 256)));
  restart();
  expect_whole();
}

TEST_F(TreeAfterRemoval, ABundleThatTheJournalStillHasIsMadeAgain) {
  // Its beginning was removed, and is in nothing but the bundle: damage lies behind that.
  ledger_->rig.fs.damage(bundle(size_), (size_ - 257) * xase::proto::kBundleLeafBytes + 9);
  restart();
  expect_whole();
}

TEST_F(TreeAfterRemoval, AHeadThatCannotBeReadCostsNoLeaf) {
  ledger_->rig.fs.damage(std::string(KeptLedger::kTree) + "/checkpoint", 3);
  restart();
  EXPECT_NE(ledger_->disagreement, "");
  expect_whole();
}

TEST_F(TreeAfterRemoval, AStartThatSetsTheTreeAsideCostsNoLeafWhereverItDies) {
  const auto damaged_head = [this] {
    SetUp();
    ledger_->rig.fs.damage(std::string(KeptLedger::kTree) + "/checkpoint", 3);
    ledger_->stop();
    ledger_->rig.fs.restart();
  };
  bool died = true;
  int starts = 0;
  for (std::uint64_t nth = 1; died; ++nth) {
    for (const bool power_lost : {false, true}) {
      SCOPED_TRACE("dies in call " + std::to_string(nth) + (power_lost ? ", without power" : ""));
      damaged_head();
      ledger_->rig.fs.die_at(nth);
      (void)ledger_->start();
      died = ledger_->rig.fs.is_dead();
      ledger_->stop();
      if (power_lost) {
        ledger_->rig.fs.crash(nth);
      } else {
        ledger_->rig.fs.restart();
      }
      ASSERT_TRUE(ledger_->start());
      expect_whole();
      if (HasFatalFailure()) return;
      ++starts;
    }
  }
  EXPECT_GT(starts, 40);  // else no call of the renewal was among them
}

TEST_F(TreeAfterRemoval, ALeafThatIsNowhereElseStallsTheTreeAndNothingElse) {
  ledger_->rig.fs.damage(bundle(7), 6 * xase::proto::kBundleLeafBytes + 9);
  ledger_->rig.fs.erase(tile(1, static_cast<unsigned>(size_ - 256)));
  restart();
  expect_stalled();
  ASSERT_TRUE(ledger_->record(100));
}

TEST_F(TreeAfterRemoval, ATreeThatIsGoneStallsAndNothingElse) {
  for (const std::uint64_t entry : {std::uint64_t{1}, size_}) ledger_->rig.fs.erase(bundle(entry));
  ledger_->rig.fs.erase(std::string(KeptLedger::kTree) + "/checkpoint");
  restart();
  expect_stalled();
}

TEST_F(TreeAfterRemoval, AStalledTreeIsWholeAgainOnceItsFilesAreBack) {
  const std::string path = bundle(7);
  const auto copy = ledger_->rig.fs.bytes(path);
  const auto hashes = ledger_->rig.fs.bytes(tile(1, static_cast<unsigned>(size_ - 256)));
  ledger_->rig.fs.damage(path, 6 * xase::proto::kBundleLeafBytes + 9);
  ledger_->rig.fs.erase(tile(1, static_cast<unsigned>(size_ - 256)));
  restart();
  expect_stalled();
  ledger_->rig.fs.put(path, copy);
  restart();
  expect_whole();
}

}  // namespace
}  // namespace xased
