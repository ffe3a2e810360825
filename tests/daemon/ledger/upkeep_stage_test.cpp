// Who does what follows from the durable part of the journal, and when.
#include "daemon/ledger/upkeep_stage.hpp"

#include <gtest/gtest.h>

#include "daemon/ledger/memory_release.hpp"
#include "daemon/ledger/sync_stage.hpp"
#include "tests/support/fake_file_system.hpp"
#include "tests/support/manual_clock.hpp"

namespace xased {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

class Work final : public UpkeepWork {
 public:
  explicit Work(nanoseconds wait) : wait_(wait) {}
  nanoseconds step() override {
    ++steps;
    return wait_;
  }
  int steps = 0;

 private:
  nanoseconds wait_;
};

TEST(UpkeepStage, GivesEveryWorkItsStepAndWaitsAsTheMostUrgentSays) {
  UpkeepStage stage;
  Work slow(seconds(5));
  Work quick(milliseconds(3));
  EXPECT_EQ(stage.step(), seconds(1));
  stage.also_do(slow);
  EXPECT_EQ(stage.step(), seconds(1));
  stage.also_do(quick);
  EXPECT_EQ(stage.step(), milliseconds(3));
  EXPECT_EQ(slow.steps, 2);
  EXPECT_EQ(quick.steps, 1);
  EXPECT_EQ(stage.steps(), 3U);
}

TEST(UpkeepStage, IsRungWheneverMoreIsDurable) {
  test::FakeFileSystem fs;
  test::ManualClock clock;
  Positions positions;
  SegmentPreparer preparer(fs, "next.tmp", 1 << 20);
  Wake own;
  Wake intake;
  Wake upkeep;
  SyncStage sync(clock, positions, preparer, own, intake, milliseconds(5));
  sync.also_wake(upkeep);
  auto opened = fs.open("a", OpenMode::kCreate, 0600);
  ASSERT_TRUE(opened.ok());
  const std::shared_ptr<File> file = std::move(*opened);
  std::uint32_t rung = upkeep.ticket();
  ASSERT_TRUE(sync.submit(file, 1));
  EXPECT_EQ(upkeep.ticket(), rung);  // written is not durable
  (void)sync.step();
  EXPECT_NE(upkeep.ticket(), rung);
  // Also where it became so elsewhere.
  fs.fail(test::FsCall::kSync, EIO);
  ASSERT_TRUE(sync.submit(file, 2));
  clock.advance(milliseconds(10));
  (void)sync.step();
  ASSERT_TRUE(sync.failed());
  rung = upkeep.ticket();
  sync.resume(2);
  (void)sync.step();
  EXPECT_NE(upkeep.ticket(), rung);
}

TEST(MemoryRelease, GivesMemoryBackOnceItIsQuietAfterABurst) {
  test::ManualClock clock;
  Positions positions;
  int released = 0;
  MemoryRelease release(clock, positions, [&] { ++released; });
  const auto pass = [&](milliseconds time) {
    clock.advance(time);
    (void)release.step();
  };
  pass(seconds(5));
  EXPECT_EQ(released, 0);  // nothing was recorded
  for (int i = 1; i <= 10; ++i) {
    positions.journaled = 1000 * static_cast<std::uint64_t>(i);
    pass(milliseconds(900));
  }
  EXPECT_EQ(released, 0);
  pass(milliseconds(1000));
  EXPECT_EQ(released, 1);
  pass(seconds(5));
  EXPECT_EQ(released, 1);
  // A few records are no burst.
  positions.journaled = 10'100;
  pass(seconds(1));
  pass(seconds(1));
  EXPECT_EQ(released, 1);
}

}  // namespace
}  // namespace xased
