#include "daemon/ledger/sync_stage.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/support/fake_file_system.hpp"
#include "tests/support/manual_clock.hpp"

namespace xased {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using test::FakeFileSystem;
using test::FsCall;
using test::ManualClock;

class SyncStageTest : public testing::Test {
 protected:
  FakeFileSystem fs_;
  ManualClock clock_;
  Positions positions_;
  SegmentPreparer preparer_{fs_, "next.tmp", 3 << 20};
  Wake own_;
  Wake intake_;
  SyncStage sync_{clock_, positions_, preparer_, own_, intake_, milliseconds(5)};

  std::shared_ptr<File> file(const std::string& name) {
    auto opened = fs_.open(name, OpenMode::kCreateOrWrite, 0600);
    EXPECT_TRUE(opened.ok());
    return std::move(*opened);
  }
  std::uint64_t durable() const { return positions_.durable.load(); }
};

TEST_F(SyncStageTest, SyncsTheFirstAfterAQuietTimeAtOnce) {
  ASSERT_TRUE(sync_.submit(file("a"), 7));
  EXPECT_EQ(sync_.step(), nanoseconds(0));
  EXPECT_EQ(durable(), 7U);
}

TEST_F(SyncStageTest, LetsTheIntervalPassBetweenSyncs) {
  const auto a = file("a");
  ASSERT_TRUE(sync_.submit(a, 1));
  (void)sync_.step();
  ASSERT_TRUE(sync_.submit(a, 2));
  EXPECT_EQ(sync_.step(), milliseconds(5));
  EXPECT_EQ(durable(), 1U);
  clock_.advance(milliseconds(3));
  EXPECT_EQ(sync_.step(), milliseconds(2));
  clock_.advance(milliseconds(2));
  ASSERT_TRUE(sync_.submit(a, 3));
  (void)sync_.step();
  EXPECT_EQ(durable(), 3U);
  EXPECT_EQ(sync_.counters().syncs.load(), 2U);
}

TEST_F(SyncStageTest, HurriesWhereSomeoneWaits) {
  const auto a = file("a");
  ASSERT_TRUE(sync_.submit(a, 1));
  (void)sync_.step();
  ASSERT_TRUE(sync_.submit(a, 2));
  sync_.hurry();
  (void)sync_.step();
  EXPECT_EQ(durable(), 2U);
}

TEST_F(SyncStageTest, SyncsTheOlderFileFirst) {
  const auto a = file("a");
  const auto b = file("b");
  ASSERT_TRUE(sync_.submit(a, 1));
  ASSERT_TRUE(sync_.submit(b, 2));
  fs_.fail(FsCall::kSync, EIO, 1, true, "b");
  (void)sync_.step();
  EXPECT_EQ(durable(), 1U);
  EXPECT_TRUE(sync_.failed());
}

TEST_F(SyncStageTest, StandsStillAfterAFailureUntilResumed) {
  ASSERT_TRUE(sync_.submit(file("a"), 1));
  fs_.fail(FsCall::kSync, EIO);
  (void)sync_.step();
  ASSERT_TRUE(sync_.failed());
  ASSERT_TRUE(sync_.submit(file("a"), 2));
  (void)preparer_.request();
  const std::uint64_t changes = fs_.changes();
  for (int i = 0; i < 5; ++i) {
    clock_.advance(milliseconds(10));
    (void)sync_.step();
  }
  EXPECT_EQ(fs_.changes(), changes);
  EXPECT_EQ(durable(), 0U);
}

TEST_F(SyncStageTest, TakesWhatWasMadeDurableElsewhereAsDurable) {
  ASSERT_TRUE(sync_.submit(file("a"), 5));
  fs_.fail(FsCall::kSync, EIO);
  (void)sync_.step();
  ASSERT_TRUE(sync_.submit(file("a"), 6));  // of the failed file, before intake noticed
  sync_.resume(6);
  const std::uint64_t changes = fs_.changes();
  clock_.advance(milliseconds(10));
  (void)sync_.step();
  EXPECT_EQ(durable(), 6U);
  EXPECT_EQ(fs_.changes(), changes) << "the failed file was synced again";
}

TEST_F(SyncStageTest, NeverGoesBack) {
  ASSERT_TRUE(sync_.submit(file("a"), 5));
  fs_.fail(FsCall::kSync, EIO);
  (void)sync_.step();
  ASSERT_TRUE(sync_.submit(file("a"), 6));
  sync_.resume(6);
  ASSERT_TRUE(sync_.submit(file("b"), 8));
  std::uint64_t before = 0;
  for (int i = 0; i < 5; ++i) {
    clock_.advance(milliseconds(10));
    (void)sync_.step();
    EXPECT_GE(durable(), before);
    before = durable();
  }
  EXPECT_EQ(before, 8U);
}

TEST_F(SyncStageTest, PreparesASegmentPieceByPieceWhileThereIsNothingToSync) {
  (void)preparer_.request();
  int pieces = 0;
  while (!preparer_.ready()) {
    EXPECT_EQ(sync_.step(), nanoseconds(0));
    ASSERT_LT(++pieces, 10);
  }
  EXPECT_EQ(pieces, 3);
  EXPECT_EQ(fs_.bytes("next.tmp"), std::vector<std::byte>(3 << 20));
}

TEST_F(SyncStageTest, SyncsBeforeItPrepares) {
  (void)preparer_.request();
  (void)sync_.step();
  ASSERT_TRUE(sync_.submit(file("a"), 1));
  (void)sync_.step();
  EXPECT_EQ(durable(), 1U);
  EXPECT_FALSE(preparer_.ready());
}

TEST_F(SyncStageTest, PreparesBetweenSyncsOfWhichOneIsAlwaysDue) {
  const auto a = file("a");
  (void)preparer_.request();
  for (std::uint64_t i = 1; i <= 3; ++i) {
    EXPECT_FALSE(preparer_.ready());
    ASSERT_TRUE(sync_.submit(a, i));
    clock_.advance(milliseconds(20));
    (void)sync_.step();
    EXPECT_EQ(durable(), i);
  }
  EXPECT_TRUE(preparer_.ready());
}

TEST_F(SyncStageTest, WakesIntakeOnceASegmentIsReady) {
  (void)preparer_.request();
  while (!preparer_.ready()) {
    const std::uint32_t ticket = intake_.ticket();
    (void)sync_.step();
    EXPECT_EQ(intake_.ticket() != ticket, preparer_.ready());
  }
}

TEST_F(SyncStageTest, RefusesARequestWhereTheQueueIsFullAndKeepsThose) {
  const auto a = file("a");
  std::uint64_t sequence = 0;
  while (sync_.submit(a, sequence + 1)) ++sequence;
  EXPECT_GE(sequence, 1000U);
  (void)sync_.step();
  EXPECT_EQ(durable(), sequence);
  EXPECT_TRUE(sync_.submit(a, sequence + 1));
}

}  // namespace
}  // namespace xased
