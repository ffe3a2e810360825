#include "daemon/intake/rings_folder.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "proto/run_dir.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/temp_dir.hpp"

namespace xased {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::ManualClock;
using test::TempDir;

const std::string kId(32, 'a');
const std::string kRing = kId + ".ring";
const std::string kTemporary = "." + kId + ".tmp";

class RingsFolderTest : public testing::Test {
 protected:
  TempDir dir_;
  ManualClock clock_;
  std::unique_ptr<RingsFolder> folder_ = [this] {
    std::filesystem::create_directory(dir_ / "rings");
    return std::make_unique<RingsFolder>(dir_ / "rings", clock_);
  }();

  RingsFolder::Changes poll(bool list = false) {
    auto changes = folder_->poll(list);
    EXPECT_TRUE(changes.ok()) << changes.status().message();
    return changes.ok() ? *changes : RingsFolder::Changes{};
  }
  bool exists(const std::string& name) { return dir_.has("rings/" + name); }
};

TEST_F(RingsFolderTest, ListsAtOnceAndThenOnceASecond) {
  EXPECT_TRUE(poll().listed);
  EXPECT_FALSE(poll().listed);
  clock_.advance(milliseconds(999));
  EXPECT_FALSE(poll().listed);
  clock_.advance(milliseconds(1));
  EXPECT_TRUE(poll().listed);
  EXPECT_TRUE(poll(true).listed);
}

TEST_F(RingsFolderTest, TellsOfARingThatIsRenamedIntoPlaceWithoutAListing) {
  (void)poll();
  dir_.write("rings/" + kTemporary, "x");
  EXPECT_TRUE(poll().rings.empty());
  std::filesystem::rename(dir_ / ("rings/" + kTemporary), dir_ / ("rings/" + kRing));
  const auto changes = poll();
  EXPECT_FALSE(changes.listed);
  EXPECT_EQ(changes.rings, std::vector<std::string>{kRing});
}

TEST_F(RingsFolderTest, TellsWhoClosedARing) {
  dir_.write("rings/" + kRing, "x");
  (void)poll();
  const int fd = ::open((dir_ / ("rings/" + kRing)).c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  EXPECT_TRUE(poll().closed.empty());
  ::close(fd);
  EXPECT_EQ(poll().closed, std::vector<std::string>{kRing});
}

TEST_F(RingsFolderTest, PassesOverWhatIsNoRing) {
  for (const char* name :
       {"x.ring", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.ring", "README",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.ring", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.ring.bak"}) {
    dir_.write(std::string("rings/") + name, "x");
    EXPECT_FALSE(is_ring_name(name)) << name;
  }
  dir_.write("rings/" + kRing, "x");
  EXPECT_EQ(poll(true).rings, std::vector<std::string>{kRing});
}

TEST_F(RingsFolderTest, RemovesATemporaryFileThatStayedUnlocked) {
  dir_.write("rings/" + kTemporary, "x");
  (void)poll(true);
  EXPECT_TRUE(exists(kTemporary)) << "its maker had no time to lock it";
  clock_.advance(milliseconds(1900));
  (void)poll(true);
  EXPECT_TRUE(exists(kTemporary));
  clock_.advance(milliseconds(200));
  (void)poll(true);
  EXPECT_FALSE(exists(kTemporary));
}

TEST_F(RingsFolderTest, KeepsATemporaryFileWhoseMakerLives) {
  dir_.write("rings/" + kTemporary, "x");
  const int fd = ::open((dir_ / ("rings/" + kTemporary)).c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  ASSERT_EQ(::fcntl(fd, F_OFD_SETLK, &lock), 0);
  for (int i = 0; i < 5; ++i) {
    clock_.advance(seconds(2));
    (void)poll(true);
  }
  EXPECT_TRUE(exists(kTemporary));
  ::close(fd);
  (void)poll(true);
  EXPECT_TRUE(exists(kTemporary)) << "removed the first time it was seen unlocked";
  clock_.advance(seconds(3));
  (void)poll(true);
  EXPECT_FALSE(exists(kTemporary));
}

TEST_F(RingsFolderTest, KeepsATemporaryFileThatWasLockedMeanwhile) {
  dir_.write("rings/" + kTemporary, "x");
  (void)poll(true);
  clock_.advance(milliseconds(1500));
  const int fd = ::open((dir_ / ("rings/" + kTemporary)).c_str(), O_RDWR | O_CLOEXEC);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  ASSERT_EQ(::fcntl(fd, F_OFD_SETLK, &lock), 0);
  (void)poll(true);
  ::close(fd);
  clock_.advance(milliseconds(1500));
  (void)poll(true);
  EXPECT_TRUE(exists(kTemporary)) << "the time before the lock was counted";
}

TEST_F(RingsFolderTest, TouchesNoFileThatIsNotItsKind) {
  dir_.write("rings/.hidden.tmp", "x");
  dir_.write("rings/notes.tmp", "x");
  for (int i = 0; i < 5; ++i) {
    clock_.advance(seconds(3));
    (void)poll(true);
  }
  EXPECT_TRUE(exists(".hidden.tmp"));
  EXPECT_TRUE(exists("notes.tmp"));
}

TEST_F(RingsFolderTest, SetsAFileAsideWithItsBytesAndKeepsTheLastSixteen) {
  for (int i = 0; i < 20; ++i) {
    clock_.advance(seconds(1));
    dir_.write("rings/" + kRing, std::to_string(i));
    ASSERT_TRUE(folder_->condemn(kRing).ok());
  }
  EXPECT_FALSE(exists(kRing));
  EXPECT_EQ(dir_.list("rings").size(), 20U);
  (void)poll(true);
  const auto names = dir_.list("rings");
  ASSERT_EQ(names.size(), 16U);
  std::ifstream oldest(dir_ / ("rings/" + names.front()));
  std::string bytes;
  oldest >> bytes;
  EXPECT_EQ(bytes, "4");
  EXPECT_TRUE(poll(true).rings.empty());
}

TEST_F(RingsFolderTest, KeepsNoMoreThanSixteenOfFoldersSetAsideEither) {
  for (int i = 0; i < 20; ++i) {
    clock_.advance(seconds(1));
    ASSERT_EQ(::mkdir((dir_ / ("rings/" + kRing)).c_str(), 0700), 0);
    ASSERT_TRUE(folder_->condemn(kRing).ok());
  }
  (void)poll(true);
  EXPECT_EQ(dir_.list("rings").size(), 16U);
}

TEST_F(RingsFolderTest, RemovesAFolderOfATemporaryName) {
  ASSERT_EQ(::mkdir((dir_ / ("rings/" + kTemporary)).c_str(), 0700), 0);
  (void)poll(true);
  clock_.advance(seconds(3));
  (void)poll(true);
  EXPECT_FALSE(exists(kTemporary));
}

TEST_F(RingsFolderTest, TakesAFileThatIsGoneForRemoved) {
  EXPECT_TRUE(folder_->remove(kRing).ok());
  EXPECT_TRUE(folder_->condemn(kRing).ok());
}

TEST_F(RingsFolderTest, FindsAFolderThatWasMadeAnew) {
  (void)poll();
  std::filesystem::remove_all(dir_ / "rings");
  clock_.advance(seconds(2));
  EXPECT_FALSE(folder_->poll(false).ok());
  std::filesystem::create_directory(dir_ / "rings");
  clock_.advance(seconds(2));
  EXPECT_TRUE(poll().listed);
  // Watched again: found without a listing.
  dir_.write("rings/" + kTemporary, "x");
  std::filesystem::rename(dir_ / ("rings/" + kTemporary), dir_ / ("rings/" + kRing));
  EXPECT_EQ(poll().rings, std::vector<std::string>{kRing});
}

TEST_F(RingsFolderTest, FindsAFolderThatTookThePlaceOfOneThatWasMovedAway) {
  (void)poll();
  std::filesystem::rename(dir_ / "rings", dir_ / "elsewhere");
  std::filesystem::create_directory(dir_ / "rings");
  clock_.advance(seconds(2));
  EXPECT_TRUE(poll().listed);
  dir_.write("rings/" + kTemporary, "x");
  std::filesystem::rename(dir_ / ("rings/" + kTemporary), dir_ / ("rings/" + kRing));
  EXPECT_EQ(poll().rings, std::vector<std::string>{kRing});
  // And of what comes and goes where it was, nothing is heard.
  dir_.write("elsewhere/" + kTemporary, "x");
  std::filesystem::rename(dir_ / ("elsewhere/" + kTemporary), dir_ / ("elsewhere/" + kRing));
  EXPECT_TRUE(poll().rings.empty());
}

}  // namespace
}  // namespace xased
