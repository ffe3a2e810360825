// The index behind a real journal on a fake disk.
#include "daemon/evidence/index_keeper.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/support/ledger_rig.hpp"

namespace xased {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using test::LedgerRig;

constexpr std::uint64_t kRun = 32;

class IndexKeeperTest : public testing::Test {
 protected:
  void SetUp() override { rig_.must_start(); }

  void open() {
    keeper_ = std::make_unique<IndexKeeper>(rig_.fs, rig_.clock, *rig_.positions, LedgerRig::kState,
                                            kRun);
  }
  void run() {
    for (int i = 0; i < 10'000; ++i) {
      const nanoseconds wait = keeper_->step();
      if (wait >= seconds(1)) return;
      rig_.clock.advance(wait + milliseconds(1));
    }
    FAIL() << "the index does not come to rest";
  }
  std::vector<std::uint64_t> files() {
    return *list_index(rig_.fs, index_directory(LedgerRig::kState));
  }
  std::string path(std::uint64_t first) {
    return index_directory(LedgerRig::kState) + "/" + index_name(first);
  }

  LedgerRig rig_{1 << 20};
  std::unique_ptr<IndexKeeper> keeper_;
};

TEST_F(IndexKeeperTest, WritesARunOnceAllOfItIsDurable) {
  open();
  run();
  EXPECT_TRUE(files().empty());
  rig_.add_durably(1, kRun - 3);
  ASSERT_LT(rig_.durable(), kRun);
  run();
  EXPECT_TRUE(files().empty());
  rig_.add_durably(kRun - 2, 3 * kRun);
  run();
  EXPECT_EQ(files().size(), rig_.durable() / kRun);
  EXPECT_EQ(keeper_->indexed().load(), rig_.durable() / kRun * kRun);
  const auto file = IndexFile::open(rig_.fs, index_directory(LedgerRig::kState), 1 + kRun);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->header().last, 2 * kRun);
  EXPECT_EQ((*file)->header().log_id, rig_.ledger->state().log_id);
}

TEST_F(IndexKeeperTest, ARestartMakesWhatIsNotThereAndNothingElse) {
  rig_.add_durably(1, 4 * kRun);
  open();
  run();
  const auto all = files();
  const auto second = rig_.fs.bytes(path(1 + kRun));
  const auto third = rig_.fs.bytes(path(1 + 2 * kRun));
  ASSERT_TRUE(rig_.fs.remove(path(1 + kRun)).ok());
  auto damaged = third;
  damaged[100] ^= std::byte{1};
  rig_.fs.put(path(1 + 2 * kRun), damaged);
  rig_.fs.put(path(7), {std::byte{1}});
  rig_.kill_and_start();
  rig_.run_sync();
  open();
  run();
  EXPECT_EQ(files(), all);
  EXPECT_EQ(rig_.fs.bytes(path(1 + kRun)), second);
  EXPECT_EQ(rig_.fs.bytes(path(1 + 2 * kRun)), third);
  const std::uint64_t changes = rig_.fs.changes();
  rig_.clock.advance(seconds(5));
  run();
  EXPECT_EQ(rig_.fs.changes(), changes);
}

TEST_F(IndexKeeperTest, TheIndexOfAnotherJournalIsMadeAgain) {
  rig_.add_durably(1, 4 * kRun);
  open();
  run();
  const auto all = files();
  const auto sound = rig_.fs.bytes(path(1));
  // As after a restore of other files: sound, and of another ledger; and one beyond the journal.
  std::vector<IndexPair> none;
  const std::string directory = index_directory(LedgerRig::kState);
  for (std::uint64_t first = 1; first <= 8 * kRun; first += kRun) {
    ASSERT_TRUE(
        write_index(rig_.fs, directory, {{}, first, first + kRun - 1, {}}, none, none).ok());
  }
  open();
  run();
  EXPECT_EQ(files(), all);
  EXPECT_EQ(rig_.fs.bytes(path(1)), sound);
}

TEST_F(IndexKeeperTest, WhatCannotBeWrittenIsTriedAgain) {
  rig_.add_durably(1, 2 * kRun);
  const auto run_with_fault_at = [&](std::uint64_t nth) {
    rig_.fs.fail(test::FsCall::kAny, ENOSPC, nth);
    open();
    for (int i = 0; i < 30; ++i) {
      (void)keeper_->step();
      rig_.clock.advance(seconds(1));
    }
    rig_.fs.heal();
  };
  run_with_fault_at(1'000'000);
  const auto all = files();
  const auto first = rig_.fs.bytes(path(1));
  ASSERT_EQ(all.size(), rig_.durable() / kRun);
  constexpr std::uint64_t kMoreThanItsCalls = 60;
  for (std::uint64_t nth = 1; nth <= kMoreThanItsCalls; ++nth) {
    for (const std::uint64_t name : all) ASSERT_TRUE(rig_.fs.remove(path(name)).ok());
    run_with_fault_at(nth);
    ASSERT_EQ(files(), all) << "call " << nth;
    ASSERT_EQ(rig_.fs.bytes(path(1)), first) << "call " << nth;
  }
}

TEST_F(IndexKeeperTest, PowerLossLeavesWholeFilesOrNone) {
  rig_.add_durably(1, 4 * kRun);
  open();
  for (int i = 0; i < 6; ++i) (void)keeper_->step();
  keeper_.reset();
  rig_.crash();
  rig_.must_start();
  rig_.run_sync();
  for (const std::uint64_t first : files()) {
    EXPECT_TRUE(IndexFile::open(rig_.fs, index_directory(LedgerRig::kState), first).ok());
  }
  open();
  run();
  EXPECT_EQ(keeper_->indexed().load(), rig_.durable() / kRun * kRun);
}

}  // namespace
}  // namespace xased
