// Which segments the kernel need not keep in memory.
#include "daemon/ledger/cache_release.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/ledger_rig.hpp"

namespace xased {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::LedgerRig;

class CacheReleaseTest : public testing::Test {
 protected:
  void SetUp() override {
    rig_.must_start();
    while (rig_.segments().size() < 5) rig_.add_durably(next_, next_, 1500), ++next_;
    segments_ = rig_.segments();
    std::sort(segments_.begin(), segments_.end());
  }
  std::uint64_t first_of(std::size_t segment) const {
    const auto header = xase::proto::decode_segment_header(rig_.fs.bytes(segments_.at(segment)));
    return header.header.first_sequence;
  }
  // Tree and index are there.
  void read_through(std::uint64_t in_tree, std::uint64_t in_index) {
    in_tree_ = in_tree;
    in_index_ = in_index;
    rig_.clock.advance(seconds(1));
    (void)release_.step();
  }
  std::vector<std::string> first_segments(std::size_t count) const {
    return {segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(count)};
  }

  LedgerRig rig_;
  std::uint64_t next_ = 1;
  std::vector<std::string> segments_;
  std::atomic<std::uint64_t> in_tree_{0};
  std::atomic<std::uint64_t> in_index_{0};
  CacheRelease release_{rig_.fs, rig_.clock, LedgerRig::kJournal, in_tree_, in_index_};
};

TEST_F(CacheReleaseTest, ReleasesNothingThatSomebodyHasNotRead) {
  read_through(first_of(1) - 2, first_of(4));
  EXPECT_TRUE(rig_.fs.released().empty());
  read_through(first_of(4), 0);
  EXPECT_TRUE(rig_.fs.released().empty());
}

TEST_F(CacheReleaseTest, ReleasesEachSegmentOnceWhenBothHaveReadAllOfIt) {
  read_through(first_of(1) - 1, first_of(4));
  EXPECT_EQ(rig_.fs.released(), first_segments(1));
  read_through(first_of(3) - 1, first_of(3) + 1);
  EXPECT_EQ(rig_.fs.released(), first_segments(3));
  read_through(first_of(3) - 1, first_of(4));
  EXPECT_EQ(rig_.fs.released(), first_segments(3));
}

TEST_F(CacheReleaseTest, LeavesTheSegmentThatIsBeingWritten) {
  read_through(rig_.durable(), rig_.durable());
  EXPECT_EQ(rig_.fs.released(), first_segments(segments_.size() - 1));
  // Until it is complete.
  while (rig_.segments().size() == segments_.size()) rig_.add_durably(next_, next_, 1500), ++next_;
  read_through(rig_.durable(), rig_.durable());
  EXPECT_EQ(rig_.fs.released(), segments_);
}

TEST_F(CacheReleaseTest, LooksAtTheFolderFourTimesASecondAtMost) {
  read_through(first_of(1) - 1, first_of(4));
  in_tree_ = first_of(2) - 1;
  const auto wait = release_.step();
  EXPECT_GT(wait, milliseconds(0));
  EXPECT_LE(wait, milliseconds(250));
  EXPECT_EQ(rig_.fs.released(), first_segments(1));
  rig_.clock.advance(wait);
  (void)release_.step();
  EXPECT_EQ(rig_.fs.released(), first_segments(2));
}

TEST_F(CacheReleaseTest, TakesAFolderThatCannotBeReadForWhatItIs) {
  rig_.fs.fail(test::FsCall::kList, EIO);
  read_through(rig_.durable(), rig_.durable());
  EXPECT_TRUE(rig_.fs.released().empty());
  read_through(rig_.durable(), rig_.durable());
  EXPECT_EQ(rig_.fs.released(), first_segments(segments_.size() - 1));
}

}  // namespace
}  // namespace xased
