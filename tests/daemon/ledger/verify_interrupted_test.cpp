// What verification says of ledgers in whose writing something went wrong: a sync that failed, a
// torn tail that stayed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "daemon/ledger/verify.hpp"
#include "tests/daemon/ledger/verified_ledger.hpp"
#include "tests/daemon/ledger/written_ledger.hpp"

namespace xased {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)
using xase::proto::kSegmentHeaderBytes;

// A file system whose next sync of data fails, or that has no room for what is set aside.
class FailingSync : public FileSystem {
 public:
  bool fail_next = false;
  bool quarantine_is_full = false;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     mode_t permissions) override {
    if (quarantine_is_full && path.find("/quarantine/") != std::string::npos) {
      return os_status("open " + path, ENOSPC);
    }
    auto file = disk_.open(path, mode, permissions);
    if (!file.ok()) return file.status();
    return std::unique_ptr<File>(new OneFile(std::move(*file), *this));
  }
  Status rename(const std::string& from, const std::string& to) override {
    return disk_.rename(from, to);
  }
  Status remove(const std::string& path) override { return disk_.remove(path); }
  Status sync_directory(const std::string& path) override { return disk_.sync_directory(path); }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return disk_.list(path);
  }
  Status make_directory(const std::string& path, mode_t permissions) override {
    return disk_.make_directory(path, permissions);
  }
  bool exists(const std::string& path) override { return disk_.exists(path); }

 private:
  class OneFile : public File {
   public:
    OneFile(std::unique_ptr<File> file, FailingSync& fs) : file_(std::move(file)), fs_(fs) {}
    Result<std::size_t> read_at(std::span<std::byte> to, std::uint64_t offset) const override {
      return file_->read_at(to, offset);
    }
    Status write_at(Bytes bytes, std::uint64_t offset) override {
      return file_->write_at(bytes, offset);
    }
    Status sync_data() override {
      if (std::exchange(fs_.fail_next, false)) return os_status("fdatasync", EIO);
      return file_->sync_data();
    }
    Status truncate(std::uint64_t bytes) override { return file_->truncate(bytes); }
    Status preallocate(std::uint64_t bytes) override { return file_->preallocate(bytes); }
    Result<std::uint64_t> size() const override { return file_->size(); }
    Status lock() override { return file_->lock(); }

   private:
    std::unique_ptr<File> file_;
    FailingSync& fs_;
  };
  FileSystem& disk_ = system_file_system();
};

class VerifyAfterAFailedSync : public ::testing::Test {
 protected:
  VerifyAfterAFailedSync() {
    LedgerWriter writer(dir_.path(), 64U << 10, fs_);
    for (int i = 0; i < 5; ++i) (void)writer.record(LedgerWriter::ring(kA));
    writer.sync();
    first_repeated_ = writer.ledger().state().last_sequence + 1;
    for (int i = 0; i < 5; ++i) (void)writer.record(LedgerWriter::ring(kA));
    fs_.fail_next = true;
    writer.sync();
    for (int i = 0; i < 5; ++i) (void)writer.record(LedgerWriter::ring(kA));
    writer.stop();
  }
  const TempDir dir_;
  FailingSync fs_;
  std::uint64_t first_repeated_ = 0;
};

TEST_F(VerifyAfterAFailedSync, EntriesWrittenTwiceCountOnce) {
  ASSERT_EQ(segments_of(dir_.path()), (std::vector<std::uint64_t>{1, first_repeated_}));
  const VerifyReport report = verify(dir_.path());
  expect_sound(report);
  EXPECT_EQ(report.counts.records, 15U);
  EXPECT_EQ(report.counts.entries, report.last_sequence);
}

TEST_F(VerifyAfterAFailedSync, TheFailedFilesTailMayBeAnything) {
  ByteBuffer file = read_bytes(segment_path(dir_.path(), 1));
  const std::size_t from = TakenApart(dir_.path(), 1).entry(first_repeated_ + 1).position;
  std::fill_n(file.begin() + static_cast<std::ptrdiff_t>(from), 700, std::byte{0x77});
  write_bytes(segment_path(dir_.path(), 1), file);
  expect_sound(verify(dir_.path()));
}

TEST_F(VerifyAfterAFailedSync, TheTwoMustBeTheSame) {
  TakenApart segment(dir_.path(), 1);
  auto& piece = segment.entry(first_repeated_ + 2);
  piece.leaf()[90] ^= std::byte{1};
  piece.reseal();
  segment.put_together();
  const VerifyReport report = verify(dir_.path());
  EXPECT_EQ(report.exit_code(), 1);
  EXPECT_EQ(report.first_bad_sequence(), first_repeated_ + 2) << describe(report);
}

// A ledger whose last record is written and not synced. The sequence before that record.
std::uint64_t write_with_unsynced_record(const std::string& state_dir) {
  LedgerWriter writer(state_dir);
  (void)writer.record(LedgerWriter::ring(kA));
  writer.sync();
  const std::uint64_t last = writer.ledger().state().last_sequence;
  (void)writer.record(LedgerWriter::ring(kA), 3000);
  writer.write();
  return last;
}

TEST(Verify, ATornTailThatAStartToldOfAndLeftThereRefutesNothing) {
  for (const bool starts_with_zeros : {false, true}) {
    const TempDir dir;
    const std::uint64_t before = write_with_unsynced_record(dir.path());
    ByteBuffer file = read_bytes(segment_path(dir.path(), 1));
    const std::size_t torn = TakenApart(dir.path(), 1).entry(before + 1).position;
    const auto hole = static_cast<std::ptrdiff_t>(
        starts_with_zeros ? torn : xase::proto::align_up(torn + 1024, 512));
    std::fill_n(file.begin() + hole, 1024, std::byte{0});
    write_bytes(segment_path(dir.path(), 1), file);
    FailingSync fs;
    fs.quarantine_is_full = true;
    {
      LedgerWriter writer(dir.path(), 64U << 10, fs);
      EXPECT_GT(writer.recovery.torn_bytes, 0U);
      EXPECT_TRUE(writer.recovery.torn_saved_as.empty());
      (void)writer.record(LedgerWriter::ring(kA));
      writer.stop();
    }
    expect_sound(verify(dir.path()));
    // Bytes that nobody told of are another matter.
    file = read_bytes(segment_path(dir.path(), 1));
    file[file.size() - 9] = std::byte{1};
    write_bytes(segment_path(dir.path(), 1), file);
    EXPECT_EQ(verify(dir.path()).exit_code(), 1);
  }
}

TEST(Verify, WholeEntriesAndMarksInATailThatWasLeftThereRefuteNothing) {
  const TempDir dir;
  std::uint64_t before = 0;
  {
    LedgerWriter writer(dir.path());
    (void)writer.record(LedgerWriter::ring(kA));
    writer.sync();
    before = writer.ledger().state().last_sequence;
    for (int i = 0; i < 3; ++i) {
      (void)writer.record(LedgerWriter::ring(kA), 700);
      writer.write();
    }
    writer.sync();
  }
  // As if power had gone before the sync: one is torn, what is behind it is whole.
  TakenApart segment(dir.path(), 1);
  ByteBuffer file = read_bytes(segment_path(dir.path(), 1));
  const std::size_t torn = segment.entry(before + 1).position;
  const std::size_t second = segment.entry(before + 2).position;
  const std::size_t third = segment.entry(before + 3).position;
  file[torn + 300] ^= std::byte{1};
  // The mark of the sync before comes among them.
  ByteBuffer mark(xase::proto::kCommitMarkBytes);
  xase::proto::encode_commit_mark(before, torn, mark.data());
  ByteBuffer tail(file.begin() + static_cast<std::ptrdiff_t>(second),
                  file.begin() + static_cast<std::ptrdiff_t>(third));
  std::fill(file.begin() + static_cast<std::ptrdiff_t>(second), file.end(), std::byte{0});
  auto to = file.begin() + static_cast<std::ptrdiff_t>(second);
  to = std::copy(mark.begin(), mark.end(), to);
  to = std::copy(tail.begin(), tail.end(), to);
  std::copy(mark.begin(), mark.end(), to);
  write_bytes(segment_path(dir.path(), 1), file);
  FailingSync fs;
  fs.quarantine_is_full = true;
  for (int i = 0; i < 2; ++i) {
    {
      LedgerWriter writer(dir.path(), 64U << 10, fs);
      EXPECT_EQ(writer.recovery.torn_bytes > 0, i == 0);
      EXPECT_EQ(writer.recovery.damage.size(), 0U);
      (void)writer.record(LedgerWriter::ring(kA));
      writer.stop();
    }
    expect_sound(verify(dir.path()));
  }
}

// Where the frame of that entry is.
std::size_t find_frame(const ByteBuffer& file, EntryType type, std::uint64_t sequence) {
  for (std::size_t at = kSegmentHeaderBytes; at < file.size(); at += xase::proto::kFrameAlignment) {
    const auto result = xase::proto::decode_frame(Bytes(file).subspan(at));
    if (result.fault == xase::proto::FrameFault::kNone && result.frame.sequence == sequence &&
        result.frame.type == static_cast<std::uint16_t>(type)) {
      return at;
    }
  }
  ADD_FAILURE() << "no such entry";
  return kSegmentHeaderBytes;
}

TEST(Verify, ATailThatWasLeftAtASegmentsEndRefutesNothing) {
  constexpr std::uint64_t kSegmentBytes = 64U << 10;
  const TempDir dir;
  std::uint64_t last = 0;
  {
    LedgerWriter writer(dir.path(), kSegmentBytes);
    (void)writer.record(LedgerWriter::ring(kA), 3000);
    writer.sync();
    last = writer.ledger().state().last_sequence;
    TakenApart segment(dir.path(), 1);
    const auto& before = segment.entry(last);
    // So large that not even START fits behind it.
    const std::uint64_t left = kSegmentBytes - before.position - 2 * before.bytes.size();
    (void)writer.record(LedgerWriter::ring(kA), 3000 + left - 200);
    writer.write();
  }
  ASSERT_FALSE(std::filesystem::exists(segment_path(dir.path(), last + 1)));
  TakenApart segment(dir.path(), 1);
  const std::size_t torn = segment.entry(last + 1).position;
  ASSERT_LT(kSegmentBytes - torn - segment.entry(last + 1).bytes.size(), 300U);
  ByteBuffer file = read_bytes(segment_path(dir.path(), 1));
  file[torn + 1000] ^= std::byte{1};
  write_bytes(segment_path(dir.path(), 1), file);
  FailingSync fs;
  fs.quarantine_is_full = true;
  for (int i = 0; i < 2; ++i) {
    {
      LedgerWriter writer(dir.path(), kSegmentBytes, fs);
      EXPECT_EQ(writer.recovery.torn_bytes > 0, i == 0);
      EXPECT_EQ(writer.recovery.damage.size(), 0U);
      (void)writer.record(LedgerWriter::ring(kA));
      writer.stop();
    }
    ASSERT_TRUE(std::filesystem::exists(segment_path(dir.path(), last + 1)));
    const VerifyReport report = verify(dir.path());
    expect_sound(report);
    EXPECT_NE(describe(report).find("bytes of torn writes lie between entries"), std::string::npos)
        << describe(report);
  }
  // Bytes that nobody told of are not counted among them.
  file = read_bytes(segment_path(dir.path(), 1));
  file[file.size() - 9] = std::byte{1};
  write_bytes(segment_path(dir.path(), 1), file);
  EXPECT_EQ(describe(verify(dir.path())).find("torn writes"), std::string::npos);
}

// Power went again before anything but START was there.
TEST(Verify, StartAloneTellsOfATailThatWasLeft) {
  const TempDir dir;
  const std::uint64_t last = write_with_unsynced_record(dir.path());
  ByteBuffer file = read_bytes(segment_path(dir.path(), 1));
  file[TakenApart(dir.path(), 1).entry(last + 1).position + 1000] ^= std::byte{1};
  write_bytes(segment_path(dir.path(), 1), file);
  FailingSync fs;
  fs.quarantine_is_full = true;
  { const LedgerWriter writer(dir.path(), 64U << 10, fs); }
  // RECOVERED had no room in the segment, and is not there; the mark is.
  file = read_bytes(segment_path(dir.path(), 1));
  const std::size_t start = find_frame(file, EntryType::kStart, last + 1);
  const auto frame = xase::proto::decode_frame(Bytes(file).subspan(start)).frame;
  std::fill(file.begin() + static_cast<std::ptrdiff_t>(start + frame.bytes), file.end(),
            std::byte{0});
  xase::proto::encode_commit_mark(last, start, file.data() + start + frame.bytes);
  write_bytes(segment_path(dir.path(), 1), file);
  {
    LedgerWriter writer(dir.path());
    EXPECT_EQ(writer.recovery.torn_bytes, 0U);
    writer.stop();
  }
  expect_sound(verify(dir.path()));
}
}  // namespace
}  // namespace xased
