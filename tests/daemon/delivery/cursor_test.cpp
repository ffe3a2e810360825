#include "daemon/delivery/cursor.hpp"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.hpp"

namespace xased::test {
namespace {

Cursor sample() {
  Cursor cursor;
  cursor.generation = 9;
  cursor.log_id[3] = std::byte{7};
  cursor.settled_through = 100;
  cursor.read_through = 120;
  cursor.window_end = 1120;
  cursor.scanned_through = 4000;
  cursor.first_intent = Moment{5, 6, {std::byte{1}}};
  cursor.open = {101, 110, 120};
  cursor.retries = {{17, 99}};
  cursor.damages = {{50, 52}, {60, 60}};
  return cursor;
}

TEST(Cursor, ComesBackAsItWas) {
  const auto read = decode_cursor(encode_cursor(sample()));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(encode_cursor(*read), encode_cursor(sample()));
  EXPECT_EQ(read->open, sample().open);
  EXPECT_EQ(read->first_intent->boot_ns, 5);
  EXPECT_EQ(read->retries.at(0).requested_wall_ns, 99);
  EXPECT_EQ(read->damages.at(1).first, 60U);
}

TEST(Cursor, AnyFlippedBitIsNoticed) {
  const std::vector<std::byte> bytes = encode_cursor(sample());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::vector<std::byte> flipped = bytes;
    flipped[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(decode_cursor(flipped).has_value()) << bit;
  }
}

TEST(Cursor, AnyPrefixIsNoticed) {
  const std::vector<std::byte> bytes = encode_cursor(sample());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_cursor({bytes.data(), size}).has_value()) << size;
  }
}

TEST(CursorStore, HasNothingAtFirstAndThatIsNoDamage) {
  TempDir directory;
  for (int life = 0; life < 2; ++life) {
    CursorStore store(system_file_system(), directory.path());
    const auto loaded = store.load();
    ASSERT_TRUE(loaded.ok());
    EXPECT_FALSE(loaded->cursor.has_value());
    EXPECT_FALSE(loaded->damaged);
  }
}

TEST(CursorStore, LoadsTheNewest) {
  TempDir directory;
  for (std::uint64_t through = 1; through < 8; ++through) {
    CursorStore store(system_file_system(), directory.path());
    const auto loaded = store.load();
    ASSERT_TRUE(loaded.ok());
    EXPECT_EQ(loaded->cursor ? loaded->cursor->settled_through : 0, through - 1);
    Cursor cursor = sample();
    cursor.settled_through = through;
    ASSERT_TRUE(store.store(cursor).ok());
  }
}

TEST(CursorStore, ASmallerCursorAfterALargerOneReadsBack) {
  TempDir directory;
  CursorStore store(system_file_system(), directory.path());
  ASSERT_TRUE(store.load().ok());
  Cursor large = sample();
  large.open.assign(Cursor::kOpenMax, 5);
  large.retries.assign(Cursor::kRetriesMax, {1, 2});
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(store.store(large).ok());
  Cursor small = sample();
  ASSERT_TRUE(store.store(small).ok());
  CursorStore again(system_file_system(), directory.path());
  const auto loaded = again.load();
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->cursor->open, small.open);
}

TEST(CursorStore, WithOneSlotTornTheOtherCountsAndItIsSaid) {
  TempDir directory;
  CursorStore store(system_file_system(), directory.path());
  ASSERT_TRUE(store.load().ok());
  for (std::uint64_t through = 1; through <= 2; ++through) {
    Cursor cursor = sample();
    cursor.settled_through = through;
    ASSERT_TRUE(store.store(cursor).ok());
  }
  auto file = system_file_system().open(directory.path() + "/cursor.1", OpenMode::kWrite);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->write_at(std::vector<std::byte>(8, std::byte{9}), 56).ok());
  CursorStore again(system_file_system(), directory.path());
  const auto loaded = again.load();
  ASSERT_TRUE(loaded.ok());
  ASSERT_TRUE(loaded->cursor.has_value());
  EXPECT_EQ(loaded->cursor->settled_through, 1U);
  EXPECT_TRUE(loaded->damaged);
}

// Fails what the test says.
class FailingFile final : public File {
 public:
  FailingFile(std::unique_ptr<File> file, const bool& fail_write, const bool& fail_sync)
      : file_(std::move(file)), fail_write_(fail_write), fail_sync_(fail_sync) {}
  Result<std::size_t> read_at(std::span<std::byte> to, std::uint64_t offset) const override {
    return file_->read_at(to, offset);
  }
  Status write_at(xase::proto::Bytes bytes, std::uint64_t offset) override {
    if (!fail_write_) return file_->write_at(bytes, offset);
    (void)file_->write_at(bytes.first(bytes.size() / 2), offset);
    return {Code::kNoSpace, "full"};
  }
  Status sync_data() override {
    if (fail_sync_) return {Code::kIo, "lost"};
    return file_->sync_data();
  }
  Status truncate(std::uint64_t bytes) override { return file_->truncate(bytes); }
  Status preallocate(std::uint64_t bytes) override { return file_->preallocate(bytes); }
  Result<std::uint64_t> size() const override { return file_->size(); }
  Status lock() override { return file_->lock(); }

 private:
  std::unique_ptr<File> file_;
  const bool& fail_write_;
  const bool& fail_sync_;
};

class FailingFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     mode_t permissions) override {
    auto file = system_file_system().open(path, mode, permissions);
    if (!file.ok()) return file;
    return std::unique_ptr<File>(
        std::make_unique<FailingFile>(std::move(*file), fail_write, fail_sync));
  }
  Status rename(const std::string& from, const std::string& to) override {
    return system_file_system().rename(from, to);
  }
  Status remove(const std::string& path) override { return system_file_system().remove(path); }
  Status sync_directory(const std::string& path) override {
    return system_file_system().sync_directory(path);
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return system_file_system().list(path);
  }
  Status make_directory(const std::string& path, mode_t permissions) override {
    return system_file_system().make_directory(path, permissions);
  }
  bool exists(const std::string& path) override { return system_file_system().exists(path); }

  bool fail_write = false;
  bool fail_sync = false;
};

TEST(CursorStore, AFailureLeavesTheLastSuccessAndTheNextCallMakesGood) {
  for (const bool at_sync : {false, true}) {
    TempDir directory;
    FailingFileSystem fs;
    CursorStore store(fs, directory.path());
    ASSERT_TRUE(store.load().ok());
    Cursor cursor = sample();
    for (std::uint64_t through = 1; through <= 3; ++through) {
      cursor.settled_through = through;
      ASSERT_TRUE(store.store(cursor).ok());
    }
    (at_sync ? fs.fail_sync : fs.fail_write) = true;
    for (int i = 0; i < 3; ++i) {
      cursor.settled_through = 100;
      EXPECT_FALSE(store.store(cursor).ok());
    }
    fs.fail_sync = fs.fail_write = false;
    if (!at_sync) {
      CursorStore seen(system_file_system(), directory.path());
      const auto loaded = seen.load();
      ASSERT_TRUE(loaded.ok());
      EXPECT_EQ(loaded->cursor->settled_through, 3U);
    }
    cursor.settled_through = 4;
    ASSERT_TRUE(store.store(cursor).ok());
    CursorStore again(system_file_system(), directory.path());
    const auto loaded = again.load();
    ASSERT_TRUE(loaded.ok());
    EXPECT_EQ(loaded->cursor->settled_through, 4U);
    EXPECT_FALSE(loaded->damaged);
  }
}

}  // namespace
}  // namespace xased::test
