// The real file system, and what is built on the seam.
#include "daemon/platform/file_system.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>

#include "tests/support/fake_file_system.hpp"
#include "tests/support/temp_dir.hpp"

namespace xased {
namespace {

using test::FakeFileSystem;
using test::FsCall;
using test::TempDir;
using xase::proto::as_bytes;
using xase::proto::as_text;

class FileSystemTest : public testing::Test {
 protected:
  TempDir dir_;
  FileSystem& fs_ = system_file_system();
};

TEST_F(FileSystemTest, SyncsFilesOneByOneAndManyAtOnce) {
  for (const int count : {0, 1, 5, 40}) {
    std::vector<std::unique_ptr<File>> files;
    for (int i = 0; i < count; ++i) {
      auto file =
          fs_.open(dir_ / (std::to_string(count) + "-" + std::to_string(i)), OpenMode::kCreate);
      ASSERT_TRUE(file.ok());
      ASSERT_TRUE((*file)->write_at(as_bytes("content"), 0).ok());
      files.push_back(std::move(*file));
    }
    EXPECT_TRUE(fs_.sync_all(files).ok());
    for (const auto& file : files) {
      std::array<std::byte, 16> to{};
      file->release_cache();
      EXPECT_EQ(*file->read_at(to, 0), 7U);
      EXPECT_EQ(as_text(std::span(to).first(7)), "content");
    }
  }
}

TEST(FakeFileSystemTest, LosesNothingOfFilesThatWereSyncedTogether) {
  FakeFileSystem fs;
  std::vector<std::unique_ptr<File>> files;
  for (const char* name : {"a", "b", "c"}) {
    auto file = fs.open(name, OpenMode::kCreate, 0600);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->write_at(as_bytes("x"), 0).ok());
    files.push_back(std::move(*file));
  }
  fs.fail(FsCall::kSync, EIO, 2);
  EXPECT_FALSE(fs.sync_all(files).ok());
  EXPECT_TRUE(fs.sync_all(std::span(files).first(1)).ok());
  ASSERT_TRUE(fs.sync_directory("").ok());
  fs.crash();
  EXPECT_EQ(fs.bytes("a").size(), 1U);
  EXPECT_TRUE(fs.bytes("c").empty());
}

TEST_F(FileSystemTest, ReadsWhatItWroteAndLessAtTheEnd) {
  auto file = fs_.open(dir_ / "a", OpenMode::kCreate);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->write_at(as_bytes("hello"), 3).ok());
  ASSERT_TRUE((*file)->sync_data().ok());
  EXPECT_EQ(*(*file)->size(), 8U);
  std::array<std::byte, 16> to{};
  EXPECT_EQ(*(*file)->read_at(to, 4), 4U);
  EXPECT_EQ(as_text(std::span(to).first(4)), "ello");
  EXPECT_EQ(*(*file)->read_at(to, 100), 0U);
  ASSERT_TRUE((*file)->truncate(5).ok());
  EXPECT_EQ(*(*file)->size(), 5U);
}

TEST_F(FileSystemTest, PreallocatesZerosAndKeepsWhatIsThere) {
  auto file = fs_.open(dir_ / "a", OpenMode::kCreate);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->write_at(as_bytes("hello"), 0).ok());
  const Status status = (*file)->preallocate(1 << 20);
  if (status.code() == Code::kUnsupported) {
    EXPECT_EQ(*(*file)->size(), 5U);
    return;
  }
  ASSERT_TRUE(status.ok()) << status.message();
  std::vector<std::byte> expected(1 << 20);
  std::ranges::copy(as_bytes("hello"), expected.begin());
  EXPECT_EQ(*read_file(fs_, dir_ / "a", 1 << 20), expected);
  struct stat info {};
  ASSERT_EQ(::stat((dir_ / "a").c_str(), &info), 0);
  EXPECT_GE(info.st_blocks * 512, 1 << 20) << "a hole is no space";
  // No longer than it is.
  ASSERT_TRUE((*file)->preallocate(100).ok());
  EXPECT_EQ(*(*file)->size(), 1U << 20);
}

TEST_F(FileSystemTest, OpensAsItsModeSays) {
  EXPECT_EQ(fs_.open(dir_ / "a", OpenMode::kRead).status().code(), Code::kNotFound);
  EXPECT_EQ(fs_.open(dir_ / "a", OpenMode::kWrite).status().code(), Code::kNotFound);
  EXPECT_TRUE(fs_.open(dir_ / "a", OpenMode::kCreate, 0640).ok());
  EXPECT_EQ(fs_.open(dir_ / "a", OpenMode::kCreate).status().code(), Code::kExists);
  EXPECT_TRUE(fs_.open(dir_ / "a", OpenMode::kCreateOrWrite).ok());
  struct stat info {};
  ASSERT_EQ(::stat((dir_ / "a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0137U, 0U);
}

TEST_F(FileSystemTest, FollowsNoLinkInTheLastPlace) {
  dir_.write("target", "x");
  std::filesystem::create_symlink(dir_ / "target", dir_ / "link");
  EXPECT_FALSE(fs_.open(dir_ / "link", OpenMode::kWrite).ok());
  EXPECT_FALSE(fs_.open(dir_ / "link", OpenMode::kCreateOrWrite).ok());
  EXPECT_TRUE(fs_.exists(dir_ / "link"));
}

TEST_F(FileSystemTest, ListsInByteOrderAndMakesADirectoryOnce) {
  dir_.write("b", "");
  dir_.write("a", "");
  ASSERT_TRUE(fs_.make_directory(dir_ / "c", 0700).ok());
  ASSERT_TRUE(fs_.make_directory(dir_ / "c", 0700).ok());
  EXPECT_EQ(fs_.make_directory(dir_ / "a", 0700).code(), Code::kExists);
  EXPECT_EQ(*fs_.list(dir_.path()), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(fs_.list(dir_ / "none").status().code(), Code::kNotFound);
  EXPECT_TRUE(fs_.sync_directory(dir_.path()).ok());
}

TEST_F(FileSystemTest, RemovesADirectoryThatIsEmpty) {
  FakeFileSystem fake;
  const auto check = [](FileSystem& fs, const std::string& path) {
    ASSERT_TRUE(fs.make_directory(path, 0700).ok());
    ASSERT_TRUE(fs.open(path + "/file", OpenMode::kCreate).ok());
    EXPECT_EQ(fs.remove_directory(path).code(), Code::kIo);
    EXPECT_TRUE(fs.exists(path + "/file"));
    ASSERT_TRUE(fs.remove(path + "/file").ok());
    EXPECT_TRUE(fs.remove_directory(path).ok());
    EXPECT_FALSE(fs.exists(path));
    EXPECT_EQ(fs.remove_directory(path).code(), Code::kNotFound);
  };
  check(fs_, dir_ / "d");
  check(fake, "d");
}

TEST_F(FileSystemTest, LocksAFileForOne) {
  auto first = fs_.open(dir_ / "lock", OpenMode::kCreateOrWrite);
  ASSERT_TRUE((*first)->lock().ok());
  {
    auto second = fs_.open(dir_ / "lock", OpenMode::kCreateOrWrite);
    EXPECT_EQ((*second)->lock().code(), Code::kExists);
  }
  *first = nullptr;
  auto third = fs_.open(dir_ / "lock", OpenMode::kCreateOrWrite);
  EXPECT_TRUE((*third)->lock().ok());
}

TEST_F(FileSystemTest, ReadsNoFileLargerThanAllowed) {
  dir_.write("a", "12345");
  EXPECT_EQ(as_text(*read_file(fs_, dir_ / "a", 5)), "12345");
  EXPECT_EQ(read_file(fs_, dir_ / "a", 4).status().code(), Code::kInvalid);
}

TEST(OsStatus, SortsErrorsByWhatCanBeDone) {
  EXPECT_EQ(os_status("x", ENOSPC).code(), Code::kNoSpace);
  EXPECT_EQ(os_status("x", EDQUOT).code(), Code::kNoSpace);
  EXPECT_EQ(os_status("x", ENOENT).code(), Code::kNotFound);
  EXPECT_EQ(os_status("x", EROFS).code(), Code::kDenied);
  const Status status = os_status("open /a", EIO);
  EXPECT_EQ(status.code(), Code::kIo);
  EXPECT_EQ(status.os_error(), EIO);
  EXPECT_EQ(status.message(), "open /a: Input/output error");
}

TEST(WriteFileAtomically, LeavesTheOldOrTheNewBytesAtEveryCrash) {
  const std::string before(3000, 'o');
  const std::string after(5000, 'n');
  for (std::uint64_t nth = 1;; ++nth) {
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      FakeFileSystem fs;
      ASSERT_TRUE(fs.make_directory("d", 0700).ok());
      ASSERT_TRUE(write_file_atomically(fs, "d/f", as_bytes(before)).ok());
      fs.die_at(nth);
      const bool ok = write_file_atomically(fs, "d/f", as_bytes(after)).ok();
      seed == 0 ? fs.crash() : fs.crash(seed);
      const auto bytes = fs.bytes("d/f");
      const std::string found(as_text(bytes));
      ASSERT_TRUE(found == after || (found == before && !ok)) << nth << " " << seed;
      // And what was left behind is no obstacle.
      ASSERT_TRUE(write_file_atomically(fs, "d/f", as_bytes(after)).ok());
    }
    FakeFileSystem fs;
    ASSERT_TRUE(fs.make_directory("d", 0700).ok());
    fs.die_at(nth);
    if (write_file_atomically(fs, "d/f", as_bytes(after)).ok()) break;
    ASSERT_LT(nth, 20U);
  }
}

TEST(WriteFileAtomically, LeavesTheOldBytesWhereThereIsNoSpace) {
  FakeFileSystem fs;
  ASSERT_TRUE(fs.make_directory("d", 0700).ok());
  ASSERT_TRUE(write_file_atomically(fs, "d/f", as_bytes("old")).ok());
  fs.set_space(5);
  EXPECT_EQ(write_file_atomically(fs, "d/f", as_bytes("new bytes")).code(), Code::kNoSpace);
  EXPECT_EQ(as_text(fs.bytes("d/f")), "old");
}

// The fake must lose what a disk loses: tests of everything else stand on it.

TEST(FakeFileSystem, LosesBytesThatWereNotSynced) {
  FakeFileSystem fs;
  ASSERT_TRUE(fs.make_directory("d", 0700).ok());
  {
    auto file = fs.open("d/f", OpenMode::kCreate, 0600);
    ASSERT_TRUE((*file)->write_at(as_bytes("aaaa"), 0).ok());
    ASSERT_TRUE((*file)->sync_data().ok());
    ASSERT_TRUE(fs.sync_directory("d").ok());
    ASSERT_TRUE((*file)->write_at(as_bytes("bbbbbbbb"), 0).ok());
  }
  fs.crash();
  EXPECT_EQ(as_text(fs.bytes("d/f")), "aaaa");
}

TEST(FakeFileSystem, LosesNamesThatWereNotSynced) {
  FakeFileSystem fs;
  ASSERT_TRUE(fs.make_directory("d", 0700).ok());
  {
    auto file = fs.open("d/f", OpenMode::kCreate, 0600);
    ASSERT_TRUE((*file)->write_at(as_bytes("a"), 0).ok());
    ASSERT_TRUE((*file)->sync_data().ok());
  }
  fs.crash();
  EXPECT_FALSE(fs.has("d/f"));
}

TEST(FakeFileSystem, KeepsSomeUnsyncedPiecesAndLosesOthers) {
  std::size_t kept = 0;
  std::size_t lost = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    FakeFileSystem fs;
    ASSERT_TRUE(fs.make_directory("d", 0700).ok());
    fs.put("d/f", std::vector<std::byte>(64 * 1024));
    {
      auto file = fs.open("d/f", OpenMode::kWrite, 0600);
      ASSERT_TRUE((*file)->write_at(std::vector<std::byte>(64 * 1024, std::byte{1}), 0).ok());
    }
    fs.crash(seed);
    for (std::size_t at = 0; at < 64 * 1024; at += 512) {
      const auto bytes = fs.bytes("d/f");
      ++(bytes[at] == std::byte{1} ? kept : lost);
      ASSERT_EQ(bytes[at], bytes[at + 511]) << "a piece of 512 bytes is whole";
    }
  }
  EXPECT_GT(kept, 100U);
  EXPECT_GT(lost, 100U);
}

TEST(FakeFileSystem, LosesForGoodWhatAFailedSyncWasToWrite) {
  FakeFileSystem fs;
  ASSERT_TRUE(fs.make_directory("d", 0700).ok());
  fs.put("d/f", std::vector<std::byte>(4));
  {
    auto file = fs.open("d/f", OpenMode::kWrite, 0600);
    ASSERT_TRUE((*file)->write_at(as_bytes("aaaa"), 0).ok());
    fs.fail(FsCall::kSync, EIO);
    EXPECT_FALSE((*file)->sync_data().ok());
    EXPECT_TRUE((*file)->sync_data().ok());
  }
  EXPECT_EQ(as_text(fs.bytes("d/f")), "aaaa");
  fs.crash();
  EXPECT_EQ(fs.bytes("d/f"), std::vector<std::byte>(4));
}

TEST(FakeFileSystem, FailsTheNthCallAndNoOther) {
  FakeFileSystem fs;
  ASSERT_TRUE(fs.make_directory("d", 0700).ok());
  auto file = fs.open("d/f", OpenMode::kCreate, 0600);
  fs.fail(FsCall::kWrite, EIO, 3);
  EXPECT_TRUE((*file)->write_at(as_bytes("a"), 0).ok());
  EXPECT_TRUE((*file)->write_at(as_bytes("a"), 0).ok());
  EXPECT_EQ((*file)->write_at(as_bytes("a"), 0).os_error(), EIO);
  EXPECT_TRUE((*file)->write_at(as_bytes("a"), 0).ok());
}

}  // namespace
}  // namespace xased
