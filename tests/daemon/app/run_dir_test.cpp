#include "daemon/app/run_dir.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "proto/run_dir.hpp"
#include "tests/support/temp_dir.hpp"

namespace xased {
namespace {

using test::TempDir;

unsigned mode_of(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777U;
}

std::string settings_in(const std::string& run_dir) {
  std::stringstream text;
  text << std::ifstream(run_dir + "/" + std::string(xase::proto::kSettingsFile)).rdbuf();
  return text.str();
}

TEST(RunDir, IsMadeWithItsParentsWhateverTheUmask) {
  const TempDir dir;
  const mode_t before = ::umask(0077);
  const Status made = make_run_dir(dir / "a/b/run", 1 << 20);
  ::umask(before);
  ASSERT_TRUE(made.ok()) << made.message();
  EXPECT_EQ(mode_of(dir / "a"), 0750U);
  EXPECT_EQ(mode_of(dir / "a/b/run"), 0750U);
  EXPECT_EQ(mode_of(dir / "a/b/run/rings"), 03733U);
  EXPECT_EQ(mode_of(dir / "a/b/run/settings"), 0640U);
  EXPECT_EQ(settings_in(dir / "a/b/run"), "ring_bytes=1048576\n");
}

TEST(RunDir, KeepsTheModesOfWhatIsThere) {
  const TempDir dir;
  std::filesystem::create_directories(dir / "run/rings");
  ASSERT_EQ(::chmod((dir / "run").c_str(), 0700), 0);
  ASSERT_EQ(::chmod((dir / "run/rings").c_str(), 0770), 0);
  ASSERT_TRUE(make_run_dir(dir / "run", 1 << 20).ok());
  EXPECT_EQ(mode_of(dir / "run"), 0700U);
  EXPECT_EQ(mode_of(dir / "run/rings"), 0770U);
}

TEST(RunDir, WritesTheSettingsAnewEachTime) {
  const TempDir dir;
  ASSERT_TRUE(make_run_dir(dir.path(), 1 << 20).ok());
  ASSERT_TRUE(make_run_dir(dir.path(), 4096).ok());
  EXPECT_EQ(settings_in(dir.path()), "ring_bytes=4096\n");
}

TEST(RunDir, WhatIsRemovedIsMadeAgainAndOnlyThen) {
  const TempDir dir;
  RunDir run(system_file_system(), dir / "run", 4096, "the first");
  ASSERT_TRUE(run.take().ok());
  bool made = false;
  ASSERT_TRUE(run.keep(made).ok());
  EXPECT_FALSE(made);
  for (const char* name : {"run", "run/rings", "run/settings", "run/xased.lock"}) {
    std::filesystem::remove_all(dir / name);
    made = false;
    ASSERT_TRUE(run.keep(made).ok()) << name;
    EXPECT_TRUE(made) << name;
    EXPECT_EQ(mode_of(dir / "run/rings"), 03733U) << name;
    EXPECT_EQ(settings_in(dir / "run"), "ring_bytes=4096\n") << name;
    RunDir other(system_file_system(), dir / "run", 4096, "another");
    EXPECT_EQ(other.take().code(), Code::kExists) << name;
  }
}

TEST(RunDir, IsLeftToADaemonThatCameMeanwhile) {
  const TempDir dir;
  RunDir first(system_file_system(), dir / "run", 4096, "the first");
  ASSERT_TRUE(first.take().ok());
  std::filesystem::remove_all(dir / "run");
  bool made = false;
  {
    RunDir second(system_file_system(), dir / "run", 4096, "the second");
    ASSERT_TRUE(second.take().ok());
    const Status status = first.keep(made);
    EXPECT_EQ(status.code(), Code::kExists);
    EXPECT_NE(status.message().find("the second"), std::string::npos);
    EXPECT_FALSE(made);
  }
  EXPECT_TRUE(first.keep(made).ok());
  EXPECT_TRUE(made);
}

TEST(RunDir, DoesNotFollowALinkThatSomeoneLeftForTheSettings) {
  const TempDir dir;
  dir.write("victim", "precious");
  ASSERT_EQ(::symlink((dir / "victim").c_str(), (dir / "settings.tmp").c_str()), 0);
  ASSERT_EQ(::symlink((dir / "victim").c_str(), (dir / "settings").c_str()), 0);
  ASSERT_TRUE(make_run_dir(dir.path(), 4096).ok());
  std::stringstream victim;
  victim << std::ifstream(dir / "victim").rdbuf();
  EXPECT_EQ(victim.str(), "precious");
  EXPECT_EQ(settings_in(dir.path()), "ring_bytes=4096\n");
}

TEST(RunDir, SaysWhatIsInTheWay) {
  const TempDir dir;
  dir.write("file", "");
  const Status status = make_run_dir(dir / "file/run", 4096);
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find(dir / "file"), std::string::npos) << status.message();
  EXPECT_FALSE(make_directories(dir / "file", 0700).ok());
}

bool is_locked(const std::string& run_dir) {
  const int fd = ::open((run_dir + "/settings").c_str(), O_RDONLY | O_CLOEXEC);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  EXPECT_EQ(::fcntl(fd, F_OFD_GETLK, &lock), 0);
  ::close(fd);
  return lock.l_type != F_UNLCK;
}

TEST(RunDir, TheSettingsAreLockedForAsLongAsItsDaemonLives) {
  const TempDir dir;
  auto run = std::make_unique<RunDir>(system_file_system(), dir / "run", 4096, "the first");
  ASSERT_TRUE(run->take().ok());
  EXPECT_TRUE(is_locked(dir / "run"));
  {
    RunDir other(system_file_system(), dir / "run", 8192, "another");
    ASSERT_EQ(other.take().code(), Code::kExists);
    EXPECT_EQ(settings_in(dir / "run"), "ring_bytes=4096\n") << "they are not its own to write";
  }
  EXPECT_TRUE(is_locked(dir / "run"));
  run.reset();
  EXPECT_FALSE(is_locked(dir / "run"));
}

TEST(RunDir, TellsFurtherSettingsAndKeepsThemWhenMadeAgain) {
  const TempDir dir;
  RunDir run(system_file_system(), dir / "run", 4096, "the first");
  ASSERT_TRUE(run.take().ok());
  ASSERT_TRUE(run.tell("base_url=http://x\n").ok());
  EXPECT_EQ(settings_in(dir / "run"), "ring_bytes=4096\nbase_url=http://x\n");
  EXPECT_TRUE(is_locked(dir / "run"));
  std::filesystem::remove_all(dir / "run");
  bool made = false;
  ASSERT_TRUE(run.keep(made).ok());
  EXPECT_EQ(settings_in(dir / "run"), "ring_bytes=4096\nbase_url=http://x\n");
  EXPECT_TRUE(is_locked(dir / "run"));
  // What would not be read as a whole is not told.
  ASSERT_TRUE(run.tell("base_url=" + std::string(5000, 'x') + "\n").ok());
  EXPECT_EQ(settings_in(dir / "run"), "ring_bytes=4096\n");
}

}  // namespace
}  // namespace xased
