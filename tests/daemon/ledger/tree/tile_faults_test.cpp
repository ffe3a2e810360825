// The disk fails, fills up, or loses power at every call; what a checkpoint covers is there.
#include <cerrno>

#include "tests/daemon/ledger/tree/tree_rig.hpp"
#include "tests/support/io_errors.hpp"

namespace xased {
namespace {

using test::ChainedLeaves;
using test::FsCall;
using test::IoError;
using test::kTreeDirectory;
using test::TreeRig;

// Sizes at checkpoints: within a tile, up to its end, over several, and one in which nothing is
// new.
constexpr std::uint64_t kSizes[] = {3, 4, 250, 256, 256, 300, 511, 900};
constexpr std::uint64_t kLast = 900;

const ChainedLeaves& leaves() {
  static const ChainedLeaves made(kLast + 300);
  return made;
}

// Ends where the process does.
void run(TreeRig& rig) {
  if (!rig.open().ok()) return;
  for (const std::uint64_t size : kSizes) {
    if (!rig.fill(size).ok()) return;
    if (!rig.publish().ok()) return;
  }
}

enum class Death { kProcess, kPower, kPowerKeepingSome };

class TileCrash : public testing::TestWithParam<Death> {};

TEST_P(TileCrash, AtEveryCallLeavesACheckpointWhoseTilesAreThere) {
  const Death death = GetParam();
  std::uint64_t calls = 0;
  {
    TreeRig rig(leaves());
    run(rig);
    ASSERT_EQ(rig.checkpointed, kLast);
    calls = rig.fs.changes();
  }
  ASSERT_GT(calls, 100U);
  std::uint64_t with_checkpoint = 0;
  for (std::uint64_t nth = 1; nth <= calls; ++nth) {
    for (std::uint64_t seed = 1; seed <= (death == Death::kPowerKeepingSome ? 3U : 1U); ++seed) {
      SCOPED_TRACE("call " + std::to_string(nth) + " seed " + std::to_string(seed));
      TreeRig rig(leaves());
      // The rig's own directory is there before.
      ASSERT_TRUE(rig.fs.sync_directory("").ok());
      rig.fs.die_at(nth);
      run(rig);
      rig.writer.reset();
      if (death == Death::kProcess) {
        rig.fs.restart();
      } else if (death == Death::kPower) {
        rig.fs.crash();
      } else {
        rig.fs.crash(nth * 1000 + seed);
      }
      const Status opened = rig.open();
      ASSERT_TRUE(opened.ok()) << opened.message();
      ASSERT_TRUE(rig.damage.ok()) << rig.damage.message();
      const std::uint64_t held = rig.writer->size();
      ASSERT_GE(held, rig.checkpointed);
      if (held > 0) {
        ++with_checkpoint;
        rig.expect_sound(held);
      }
      // It goes on, and power fails once more.
      rig.grow(held + 290);
      rig.expect_sound(held + 290);
      rig.fs.crash();
      ASSERT_TRUE(rig.open().ok());
      ASSERT_TRUE(rig.damage.ok()) << rig.damage.message();
      ASSERT_EQ(rig.writer->size(), held + 290);
      rig.expect_sound(held + 290);
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(with_checkpoint, calls / 2);
}

std::string death_name(const testing::TestParamInfo<Death>& tested) {
  constexpr const char* kNames[] = {"ProcessDies", "PowerFails", "PowerFailsKeepingSome"};
  return kNames[static_cast<int>(tested.param)];
}

INSTANTIATE_TEST_SUITE_P(AtEveryCall, TileCrash,
                         testing::Values(Death::kProcess, Death::kPower, Death::kPowerKeepingSome),
                         death_name);

class TileFault : public testing::TestWithParam<std::tuple<FsCall, IoError>> {};

TEST_P(TileFault, OfEveryCallOnceIsToldAndTheNextTryGoesOn) {
  constexpr std::uint64_t kNone = 100000;
  const auto [call, error] = GetParam();
  for (std::uint64_t nth = 1; nth < kNone; ++nth) {
    SCOPED_TRACE("call " + std::to_string(nth));
    TreeRig rig(leaves());
    rig.fs.fail(call, error.number, nth);
    int failures = 0;
    // A checkpoint that failed is made again with what came meanwhile, a failed start is tried
    // again.
    const auto again = [&, error = error](auto&& what) {
      for (int tries = 0; tries < 3; ++tries) {
        const Status status = what();
        if (status.ok()) return true;
        EXPECT_EQ(status.os_error(), error.number) << status.message();
        ++failures;
      }
      return false;
    };
    ASSERT_TRUE(again([&] { return rig.open(); }));
    for (const std::uint64_t size : kSizes) {
      ASSERT_TRUE(again([&] { return rig.fill(size); }));
      ASSERT_TRUE(again([&] { return rig.publish(); }));
    }
    ASSERT_TRUE(again([&] { return rig.open(); }));
    ASSERT_TRUE(rig.damage.ok()) << rig.damage.message();
    ASSERT_EQ(rig.writer->size(), kLast);
    rig.fs.heal();
    ASSERT_LE(failures, 1);
    rig.writer.reset();
    rig.fs.crash();
    ASSERT_TRUE(rig.open().ok());
    ASSERT_TRUE(rig.damage.ok()) << rig.damage.message();
    ASSERT_EQ(rig.writer->size(), kLast);
    rig.expect_sound(kLast);
    if (HasFailure()) return;
    if (failures == 0) {
      // All calls of this kind have had their turn.
      EXPECT_GT(nth, 3U);
      test::print_failed_calls(nth - 1, error, false);
      return;
    }
  }
  FAIL() << "never came to an end";
}

class TileFaultForGood : public testing::TestWithParam<IoError> {};

TEST_P(TileFaultForGood, OfEveryCallIsToldAndADiskThatIsMendedGoesOn) {
  const IoError error = GetParam();
  for (std::uint64_t nth = 1;; ++nth) {
    SCOPED_TRACE("call " + std::to_string(nth));
    TreeRig rig(leaves());
    rig.fs.fail(FsCall::kAny, error.number, nth, true);
    run(rig);
    const bool struck = rig.fs.faults_struck() > 0;
    const std::uint64_t checkpointed = rig.checkpointed;
    rig.writer.reset();
    rig.fs.restart();
    ASSERT_TRUE(rig.open().ok());
    ASSERT_TRUE(rig.damage.ok()) << rig.damage.message();
    ASSERT_GE(rig.writer->size(), checkpointed);
    rig.grow(kLast + 1);
    rig.fs.crash();
    ASSERT_TRUE(rig.open().ok());
    ASSERT_EQ(rig.writer->size(), kLast + 1);
    rig.expect_sound(kLast + 1);
    if (HasFailure()) return;
    if (!struck) {
      test::print_failed_calls(nth - 1, error, true);
      return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    AtEveryCall, TileFault,
    testing::Combine(testing::Values(FsCall::kOpen, FsCall::kRead, FsCall::kWrite, FsCall::kSync,
                                     FsCall::kRename, FsCall::kRemove, FsCall::kSyncDirectory,
                                     FsCall::kMakeDirectory, FsCall::kAny),
                     testing::ValuesIn(test::kIoErrors)),
    [](const auto& about) {
      return test::name_of(std::get<0>(about.param)) + std::string(std::get<1>(about.param).name);
    });
INSTANTIATE_TEST_SUITE_P(AtEveryCall, TileFaultForGood, testing::ValuesIn(test::kIoErrors),
                         [](const auto& about) { return std::string(about.param.name); });

TEST(TileFull, DiskHoldsUpCheckpointsAndLosesNothing) {
  TreeRig rig(leaves());
  ASSERT_TRUE(rig.open().ok());
  rig.grow(200);
  rig.fs.set_space(100000);
  // Far more than what may wait in memory would be refused here; up to that, leaves are taken.
  ASSERT_TRUE(rig.fill(kLast).ok());
  EXPECT_EQ(rig.publish().code(), Code::kNoSpace);
  EXPECT_EQ(rig.publish().code(), Code::kNoSpace);
  EXPECT_EQ(rig.writer->published_size(), 200U);
  rig.fs.heal();
  rig.grow(kLast);
  rig.fs.crash();
  ASSERT_TRUE(rig.open().ok());
  EXPECT_TRUE(rig.damage.ok());
  EXPECT_EQ(rig.writer->size(), kLast);
  rig.expect_sound(kLast);
}

TEST(TileFull, DiskRefusesLeavesOnceMemoryHoldsAllThatItMay) {
  constexpr std::size_t kMore = 256 * (TileWriter::kPendingMax / 2 + 4);
  const ChainedLeaves many(kMore);
  TreeRig rig(many);
  ASSERT_TRUE(rig.open().ok());
  rig.fs.set_space(0);
  EXPECT_EQ(rig.fill(kMore).code(), Code::kNoSpace);
  // A bundle and a tile each; one leaf may bring several.
  EXPECT_EQ(rig.writer->size(), 256 * TileWriter::kPendingMax / 2);
  rig.fs.heal();
  rig.grow(kMore);
  rig.expect_sound(kMore);
}

}  // namespace
}  // namespace xased
