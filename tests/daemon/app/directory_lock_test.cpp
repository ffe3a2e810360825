#include "daemon/app/directory_lock.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "tests/support/fake_file_system.hpp"
#include "tests/support/temp_dir.hpp"

namespace xased {
namespace {

using test::FakeFileSystem;
using test::FsCall;
using test::TempDir;

TEST(DirectoryLock, RefusesTheSecondAndNamesTheFirst) {
  const TempDir dir;
  const auto first = DirectoryLock::take(system_file_system(), dir / "lock", "pid 41, on host a");
  ASSERT_TRUE(first.ok()) << first.status().message();
  const auto second = DirectoryLock::take(system_file_system(), dir / "lock", "pid 42");
  ASSERT_EQ(second.status().code(), Code::kExists);
  EXPECT_NE(second.status().message().find(dir.path() + " is in use"), std::string::npos);
  EXPECT_NE(second.status().message().find("(pid 41, on host a)"), std::string::npos);
}

TEST(DirectoryLock, OfADeadProcessIsFree) {
  const TempDir dir;
  const pid_t child = fork();
  if (child == 0) {
    const auto held = DirectoryLock::take(system_file_system(), dir / "lock", "the dead one");
    _exit(held.ok() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_TRUE(dir.has("lock"));
  EXPECT_TRUE(DirectoryLock::take(system_file_system(), dir / "lock", "the next").ok());
}

TEST(DirectoryLock, TellsOfTheLastHolderAlone) {
  const TempDir dir;
  const std::string longer = "pid 1234567 and much more text than the next one has";
  ASSERT_TRUE(DirectoryLock::take(system_file_system(), dir / "lock", longer).ok());
  const auto held = DirectoryLock::take(system_file_system(), dir / "lock", "pid 7");
  ASSERT_TRUE(held.ok());
  const auto refused = DirectoryLock::take(system_file_system(), dir / "lock", "pid 8");
  EXPECT_NE(refused.status().message().find("(pid 7)"), std::string::npos)
      << refused.status().message();
}

TEST(DirectoryLock, IsHeldAlsoWhereItsTextFindsNoRoom) {
  FakeFileSystem fs;
  ASSERT_TRUE(fs.make_directory("/s", 0700).ok());
  fs.fail(FsCall::kWrite, ENOSPC, 1, true);
  const auto held = DirectoryLock::take(fs, "/s/lock", "pid 7");
  ASSERT_TRUE(held.ok()) << held.status().message();
  const auto refused = DirectoryLock::take(fs, "/s/lock", "pid 8");
  EXPECT_EQ(refused.status().code(), Code::kExists);
}

TEST(DirectoryLock, IsNotTakenWhereTheDiskFails) {
  for (const FsCall call : {FsCall::kOpen, FsCall::kLock, FsCall::kTruncate, FsCall::kWrite}) {
    FakeFileSystem fs;
    ASSERT_TRUE(fs.make_directory("/s", 0700).ok());
    fs.fail(call, EIO);
    EXPECT_FALSE(DirectoryLock::take(fs, "/s/lock", "pid 7").ok()) << static_cast<int>(call);
    EXPECT_TRUE(DirectoryLock::take(fs, "/s/lock", "pid 7").ok()) << static_cast<int>(call);
  }
}

}  // namespace
}  // namespace xased
