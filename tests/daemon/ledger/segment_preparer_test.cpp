// The next segment's file, with a disk that is full, fails, or cannot preallocate.
#include "daemon/ledger/segment_preparer.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/support/fake_file_system.hpp"

namespace xased {
namespace {

using test::FakeFileSystem;
using test::FsCall;

TEST(SegmentPreparer, RemovesAHalfMadeFileWhereTheDiskIsFullAndMakesItLater) {
  FakeFileSystem fs;
  SegmentPreparer preparer(fs, "next.tmp", 3 << 20);
  fs.set_space(2 << 20);
  (void)preparer.request();
  while (preparer.step()) {
  }
  EXPECT_TRUE(preparer.failed());
  EXPECT_EQ(preparer.failure().code(), Code::kNoSpace);
  EXPECT_FALSE(fs.has("next.tmp"));
  fs.heal();
  EXPECT_TRUE(preparer.make_now().ok());
  EXPECT_TRUE(preparer.ready());
  EXPECT_EQ(fs.bytes("next.tmp").size(), std::size_t{3} << 20);
}

// What is there after power loss, where the file's name is.
std::vector<std::byte> bytes_after_power_loss(FakeFileSystem& fs) {
  EXPECT_TRUE(fs.sync_directory("").ok());
  fs.crash();
  return fs.bytes("next.tmp");
}

TEST(SegmentPreparer, PreallocatesInOneStepWhereHurriedFromTheBeginning) {
  FakeFileSystem fs;
  SegmentPreparer preparer(fs, "next.tmp", 3 << 20);
  ASSERT_TRUE(preparer.request(true));
  const std::uint64_t changes = fs.changes();
  EXPECT_TRUE(preparer.step());
  EXPECT_TRUE(preparer.ready());
  EXPECT_EQ(fs.changes() - changes, 3U) << "open, preallocate, sync";
  EXPECT_EQ(bytes_after_power_loss(fs), std::vector<std::byte>(3 << 20));
}

TEST(SegmentPreparer, PreallocatesWhatIsLeftWhereHurriedOnTheWay) {
  FakeFileSystem fs;
  SegmentPreparer preparer(fs, "next.tmp", 9 << 20);
  ASSERT_TRUE(preparer.request());
  EXPECT_TRUE(preparer.step());
  EXPECT_FALSE(preparer.ready());
  preparer.hurry();
  EXPECT_TRUE(preparer.step());
  EXPECT_TRUE(preparer.ready());
  EXPECT_EQ(bytes_after_power_loss(fs), std::vector<std::byte>(9 << 20));
}

TEST(SegmentPreparer, WritesZerosAgainForTheNextFile) {
  FakeFileSystem fs;
  SegmentPreparer preparer(fs, "next.tmp", 3 << 20);
  ASSERT_TRUE(preparer.request(true));
  EXPECT_TRUE(preparer.step());
  (void)preparer.take();
  preparer.hurry();  // too late for that one, and not meant for the next
  ASSERT_TRUE(preparer.request());
  EXPECT_TRUE(preparer.step());
  EXPECT_FALSE(preparer.ready());
}

TEST(SegmentPreparer, WritesZerosInAHurryTooWhereNothingCanBePreallocated) {
  FakeFileSystem fs;
  fs.refuse_to_preallocate();
  SegmentPreparer preparer(fs, "next.tmp", 3 << 20);
  ASSERT_TRUE(preparer.request(true));
  int pieces = 0;
  while (preparer.step()) ++pieces;
  EXPECT_EQ(pieces, 3);
  EXPECT_TRUE(preparer.ready());
  EXPECT_EQ(bytes_after_power_loss(fs), std::vector<std::byte>(3 << 20));
}

TEST(SegmentPreparer, FailsWhereThePreallocationDoesAndLeavesNothing) {
  for (const int error : {ENOSPC, EDQUOT, EIO, EROFS}) {
    FakeFileSystem fs;
    fs.fail(FsCall::kPreallocate, error);
    SegmentPreparer preparer(fs, "next.tmp", 3 << 20);
    ASSERT_TRUE(preparer.request(true));
    EXPECT_TRUE(preparer.step());
    EXPECT_TRUE(preparer.failed());
    EXPECT_EQ(preparer.failure().os_error(), error);
    EXPECT_FALSE(fs.has("next.tmp"));
    ASSERT_TRUE(preparer.request(true));
    EXPECT_TRUE(preparer.step());
    EXPECT_TRUE(preparer.ready());
  }
}

TEST(SegmentPreparer, IsNotReadyWhereThePreallocatedFileCannotBeSynced) {
  FakeFileSystem fs;
  fs.fail(FsCall::kSync, EIO);
  SegmentPreparer preparer(fs, "next.tmp", 3 << 20);
  ASSERT_TRUE(preparer.request(true));
  EXPECT_TRUE(preparer.step());
  EXPECT_TRUE(preparer.failed());
  EXPECT_FALSE(fs.has("next.tmp"));
}

TEST(SegmentPreparer, MakesAFileAnewWhereOneWasLeftBehind) {
  FakeFileSystem fs;
  fs.put("next.tmp", std::vector<std::byte>(5 << 20, std::byte{1}));
  SegmentPreparer preparer(fs, "next.tmp", 1 << 20);
  ASSERT_TRUE(preparer.make_now().ok());
  EXPECT_EQ(fs.bytes("next.tmp"), std::vector<std::byte>(1 << 20));
}

TEST(SegmentPreparer, GoesOnInTheCallersThreadWithWhatIsHalfMade) {
  FakeFileSystem fs;
  SegmentPreparer preparer(fs, "next.tmp", 3 << 20);
  EXPECT_TRUE(preparer.request());
  EXPECT_FALSE(preparer.request());
  EXPECT_TRUE(preparer.step());
  ASSERT_TRUE(preparer.make_now().ok());
  EXPECT_NE(preparer.take(), nullptr);
  EXPECT_FALSE(preparer.ready());
  EXPECT_FALSE(preparer.step());
}

}  // namespace
}  // namespace xased
