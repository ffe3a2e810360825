// What the tree's files are when nothing goes wrong.
#include <map>
#include <set>

#include "tests/daemon/ledger/tree/tree_rig.hpp"

namespace xased {
namespace {

using test::ChainedLeaves;
using test::FakeFileSystem;
using test::kTreeDirectory;
using test::TreeRig;
using xase::proto::Hash;
using xase::proto::new_tiles;
using xase::proto::Tile;

// Passes everything on, and counts.
class CountingFileSystem final : public FileSystem {
 public:
  explicit CountingFileSystem(FileSystem& fs) : fs_(fs) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     mode_t permissions) override {
    if (mode == OpenMode::kCreate) ++created[path];
    return fs_.open(path, mode, permissions);
  }
  Status rename(const std::string& from, const std::string& to) override {
    return fs_.rename(from, to);
  }
  Status remove(const std::string& path) override { return fs_.remove(path); }
  Status sync_directory(const std::string& path) override {
    ++synced[path];
    return fs_.sync_directory(path);
  }
  Result<std::vector<std::string>> list(const std::string& path) override { return fs_.list(path); }
  Status make_directory(const std::string& path, mode_t permissions) override {
    if (!fs_.exists(path)) made.insert(path);
    return fs_.make_directory(path, permissions);
  }
  bool exists(const std::string& path) override { return fs_.exists(path); }
  Status remove_directory(const std::string& path) override { return fs_.remove_directory(path); }

  std::map<std::string, int> created;
  std::map<std::string, int> synced;
  std::set<std::string> made;

 private:
  FileSystem& fs_;
};

TEST(TileStore, HoldsExactlyTheTilesOfItsSize) {
  const ChainedLeaves leaves(1300);
  for (const std::uint64_t size : {1U, 2U, 255U, 256U, 257U, 512U, 1300U}) {
    TreeRig rig(leaves);
    ASSERT_TRUE(rig.open().ok());
    rig.grow(size);
    for (const Tile& tile : new_tiles(0, size)) {
      ASSERT_TRUE(rig.fs.has(rig.path(tile))) << rig.path(tile);
      EXPECT_EQ(rig.fs.bytes(rig.path(tile)).size(), tile.bytes());
    }
    EXPECT_EQ(rig.writer->root(), leaves.root(size));
    EXPECT_EQ(rig.writer->last_leaf_hash(), leaves.hash(size));
    rig.expect_sound(size);
  }
}

TEST(TileStore, KeepsPartialTilesUntilTheFullOneIsCoveredByACheckpoint) {
  const ChainedLeaves leaves(300);
  TreeRig rig(leaves);
  ASSERT_TRUE(rig.open().ok());
  rig.grow(3);
  rig.grow(200);
  // A reader may be on its way with the checkpoint of 3.
  const std::string partials = std::string(kTreeDirectory) + "/tile/entries/000.p";
  EXPECT_EQ(rig.fs.names(partials), (std::vector<std::string>{"200", "3"}));
  ASSERT_TRUE(rig.fill(300).ok());
  ASSERT_TRUE(rig.writer->publish().ok());
  // The checkpoint on the disk is still that of 200.
  EXPECT_EQ(rig.fs.names(partials), (std::vector<std::string>{"200", "3"}));
  ASSERT_TRUE(rig.publish().ok());
  EXPECT_FALSE(rig.fs.exists(partials));
  EXPECT_FALSE(rig.fs.exists(std::string(kTreeDirectory) + "/tile/0/000.p"));
  EXPECT_TRUE(rig.fs.exists(std::string(kTreeDirectory) + "/tile/0/001.p"));
  rig.expect_sound(300);
}

TEST(TileStore, KeepsPartialTilesOfWhatIsWrittenAndNotPublished) {
  constexpr std::size_t kMore = 256 * (TileWriter::kPendingMax / 2 + 24);
  const ChainedLeaves leaves(kMore);
  TreeRig rig(leaves);
  ASSERT_TRUE(rig.open().ok());
  rig.grow(200);
  ASSERT_TRUE(rig.fill(kMore).ok());
  // Memory holds less than that, so the first full tiles are on the disk, and no checkpoint knows.
  ASSERT_TRUE(rig.fs.has(std::string(kTreeDirectory) + "/tile/entries/000"));
  ASSERT_TRUE(rig.writer->remove_superseded().ok());
  EXPECT_TRUE(rig.fs.has(std::string(kTreeDirectory) + "/tile/entries/000.p/200"));
  EXPECT_TRUE(rig.fs.has(std::string(kTreeDirectory) + "/tile/0/000.p/200"));
  ASSERT_TRUE(rig.publish().ok());
  EXPECT_FALSE(rig.fs.exists(std::string(kTreeDirectory) + "/tile/entries/000.p"));
}

TEST(TileStore, RemovesWhatAProcessThatDiedBehindItsCheckpointLeft) {
  const ChainedLeaves leaves(600);
  TreeRig rig(leaves);
  ASSERT_TRUE(rig.open().ok());
  rig.grow(3);
  rig.fs.fail(test::FsCall::kRemove, EIO, 1, true);
  ASSERT_TRUE(rig.fill(600).ok());
  EXPECT_FALSE(rig.publish().ok());
  EXPECT_EQ(rig.checkpointed, 600U);
  rig.fs.restart();
  ASSERT_TRUE(rig.open().ok());
  EXPECT_TRUE(rig.damage.ok());
  ASSERT_TRUE(rig.publish().ok());
  for (const char* name : {"/tile/entries/000.p", "/tile/0/000.p"}) {
    EXPECT_FALSE(rig.fs.exists(kTreeDirectory + std::string(name))) << name;
  }
  rig.expect_sound(600);
}

TEST(TileStore, SyncsADirectoryOnceACheckpointAndWritesAFullTileOnce) {
  const ChainedLeaves leaves(256 * 70);
  FakeFileSystem disk;
  ASSERT_TRUE(disk.make_directory("state", 0700).ok());
  CountingFileSystem fs(disk);
  auto opened = TileWriter::open(fs, kTreeDirectory, 0, {});
  ASSERT_TRUE(opened.ok());
  TileWriter& writer = *opened->writer;
  std::map<std::string, int> created;
  for (const std::uint64_t size : {256U * 60U, 256U * 60U + 1U, 256U * 70U}) {
    fs.synced.clear();
    while (writer.size() < size) {
      const std::uint64_t next = writer.size() + 1;
      ASSERT_TRUE(writer.append(next, leaves.leaf(next), leaves.hash(next)).ok());
    }
    ASSERT_TRUE(writer.publish().ok());
    // The name of a directory is not durable by a sync of what is in it.
    EXPECT_EQ(fs.made.empty(), size % 256 == 0 && size != 256U * 60U);
    for (const std::string& path : fs.made)
      EXPECT_TRUE(fs.synced.contains(directory_of(path))) << path;
    fs.made.clear();
    for (const auto& [path, times] : fs.synced) EXPECT_EQ(times, 1) << path;
    fs.synced.clear();
    ASSERT_TRUE(writer.publish().ok());
    EXPECT_TRUE(fs.synced.empty()) << "nothing was new";
  }
  for (const auto& [path, times] : fs.created) EXPECT_EQ(times, 1) << path;
  const auto found = check_tiles(fs, kTreeDirectory, leaves.size(), leaves.root(leaves.size()));
  ASSERT_TRUE(found.ok());
  EXPECT_TRUE(found->sound());
}

TEST(TileStore, GoesOnFromAnySizeAsIfItHadNeverStopped) {
  const ChainedLeaves leaves(800);
  for (std::uint64_t size = 1; size < 800; size += size < 520 && size > 505 ? 1 : 37) {
    SCOPED_TRACE(size);
    TreeRig rig(leaves);
    ASSERT_TRUE(rig.open().ok());
    rig.grow(size);
    ASSERT_TRUE(rig.open().ok());
    ASSERT_TRUE(rig.damage.ok()) << rig.damage.message();
    ASSERT_EQ(rig.writer->size(), size);
    ASSERT_EQ(rig.writer->root(), leaves.root(size));
    ASSERT_EQ(rig.writer->last_leaf_hash(), leaves.hash(size));
    rig.grow(800);
    ASSERT_EQ(rig.writer->root(), leaves.root(800));
    rig.expect_sound(800);
    if (HasFailure()) return;
  }
}

TEST(TileStore, TakesOnlyTheNextEntryOfTheChain) {
  const ChainedLeaves leaves(10);
  const ChainedLeaves others(10, 2);
  TreeRig rig(leaves);
  ASSERT_TRUE(rig.open().ok());
  ASSERT_TRUE(rig.fill(4).ok());
  const auto append = [&](const ChainedLeaves& from, std::uint64_t sequence) {
    return rig.writer->append(sequence, from.leaf(sequence), from.hash(sequence)).code();
  };
  EXPECT_EQ(append(leaves, 4), Code::kInvalid);
  EXPECT_EQ(append(leaves, 6), Code::kInvalid);
  EXPECT_EQ(append(others, 5), Code::kCorrupt);
  EXPECT_EQ(
      rig.writer->append(5, xase::proto::Bytes(leaves.leaf(5)).first(287), leaves.hash(5)).code(),
      Code::kInvalid);
  EXPECT_EQ(rig.writer->size(), 4U);
  EXPECT_EQ(rig.writer->root(), leaves.root(4));
  EXPECT_EQ(append(leaves, 5), Code::kOk);
  EXPECT_EQ(rig.writer->root(), leaves.root(5));
}

TEST(TileReader, ProvesEveryLeafAndEveryEarlierTree) {
  const ChainedLeaves leaves(777);
  TreeRig rig(leaves);
  ASSERT_TRUE(rig.open().ok());
  rig.grow(300);
  rig.grow(777);
  Sha256 sha;
  // Also of the earlier checkpoint, whose partial tiles have become full ones.
  for (const std::uint64_t size : {300U, 777U}) {
    TileReader reader(rig.fs, kTreeDirectory, size, leaves.root(size));
    for (std::uint64_t sequence = 1; sequence <= size; ++sequence) {
      const auto proven = reader.leaf(sequence);
      ASSERT_TRUE(proven.ok()) << proven.status().message();
      ASSERT_EQ(proven->leaf, leaves.leaf(sequence));
      ASSERT_TRUE(xase::proto::verify_inclusion(sha, leaves.hash(sequence), sequence - 1, size,
                                                leaves.root(size), proven->path));
    }
    for (std::uint64_t first = 0; first <= size; ++first) {
      const auto consistency = reader.prove_consistency(first);
      ASSERT_TRUE(consistency.ok()) << consistency.status().message();
      ASSERT_EQ(consistency->first_root, leaves.root(first));
      ASSERT_TRUE(xase::proto::verify_consistency(sha, first, leaves.root(first), size,
                                                  leaves.root(size), consistency->proof));
    }
    EXPECT_EQ(reader.leaf(0).status().code(), Code::kInvalid);
    EXPECT_EQ(reader.leaf(size + 1).status().code(), Code::kInvalid);
    EXPECT_EQ(reader.prove_consistency(size + 1).status().code(), Code::kInvalid);
  }
}

TEST(TileReader, GivesNothingThatDoesNotLeadToTheRoot) {
  const ChainedLeaves leaves(600);
  TreeRig rig(leaves);
  ASSERT_TRUE(rig.open().ok());
  rig.grow(600);
  const Tile tile{Tile::Kind::kHashes, 0, 1, 256};
  const Tile bundle{Tile::Kind::kEntries, 0, 1, 256};
  const auto leaf = [&](std::uint64_t sequence) {
    TileReader reader(rig.fs, kTreeDirectory, 600, leaves.root(600));
    return reader.leaf(sequence).status().code();
  };
  rig.fs.damage(rig.path(bundle), 2 + 100);
  EXPECT_EQ(leaf(257), Code::kCorrupt);
  {
    TileReader reader(rig.fs, kTreeDirectory, 600, leaves.root(600));
    EXPECT_TRUE(reader.leaf(258).ok());
    EXPECT_TRUE(reader.prove_inclusion(256).ok());
    TileReader other(rig.fs, kTreeDirectory, 600, leaves.root(599));
    EXPECT_EQ(other.prove_inclusion(256).status().code(), Code::kCorrupt);
    EXPECT_EQ(other.prove_consistency(300).status().code(), Code::kCorrupt);
  }
  rig.fs.damage(rig.path(tile), 32 * 7);
  EXPECT_EQ(leaf(300), Code::kCorrupt);
  {
    TileReader reader(rig.fs, kTreeDirectory, 600, leaves.root(600));
    EXPECT_EQ(reader.prove_consistency(300).status().code(), Code::kCorrupt);
  }
  rig.fs.erase(rig.path(tile));
  EXPECT_EQ(leaf(300), Code::kNotFound);
  rig.fs.put(rig.path(tile), std::vector<std::byte>(100));
  EXPECT_EQ(leaf(300), Code::kCorrupt);
}

}  // namespace
}  // namespace xased
