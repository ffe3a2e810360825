// Files that are missing, short or wrong: seen, and made right again from the journal.
#include "tests/daemon/ledger/tree/tree_rig.hpp"

namespace xased {
namespace {

using test::ChainedLeaves;
using test::kTreeDirectory;
using test::TreeRig;
using xase::proto::kBundleLeafBytes;
using xase::proto::new_tiles;
using xase::proto::Tile;

enum class Harm { kMissing, kShort, kLong, kWrong };

void harm(TreeRig& rig, const std::string& path, Harm how) {
  std::vector<std::byte> bytes = rig.fs.bytes(path);
  switch (how) {
    case Harm::kMissing:
      rig.fs.erase(path);
      return;
    case Harm::kShort:
      bytes.pop_back();
      break;
    case Harm::kLong:
      bytes.push_back(std::byte{0});
      break;
    case Harm::kWrong:
      bytes[bytes.size() / 2] ^= std::byte{0x40};
      break;
  }
  rig.fs.put(path, bytes);
}

bool is_at_the_edge(const Tile& tile) { return tile.width != xase::proto::kTileWidth; }

TEST(TileDamage, AnywhereIsFoundByTheCheckAndAtTheEdgeByOpening) {
  constexpr std::uint64_t kSize = 1000;
  const ChainedLeaves leaves(kSize);
  TreeRig rig(leaves);
  ASSERT_TRUE(rig.open().ok());
  rig.grow(kSize);
  for (const Tile& tile : new_tiles(0, kSize)) {
    for (const Harm how : {Harm::kMissing, Harm::kShort, Harm::kLong, Harm::kWrong}) {
      const std::string path = rig.path(tile);
      SCOPED_TRACE(path + " harm " + std::to_string(static_cast<int>(how)));
      const std::vector<std::byte> before = rig.fs.bytes(path);
      harm(rig, path, how);
      const auto found = check_tiles(rig.fs, kTreeDirectory, kSize, leaves.root(kSize));
      ASSERT_TRUE(found.ok());
      EXPECT_FALSE(found->sound());
      EXPECT_EQ(found->damage_count, 1U);
      ASSERT_EQ(found->damages.size(), 1U);
      EXPECT_EQ(found->damages[0].path, tile_path(tile));
      if (is_at_the_edge(tile)) {
        ASSERT_TRUE(rig.open().ok());
        EXPECT_FALSE(rig.damage.ok());
        const bool is_bundle = tile.kind == Tile::Kind::kEntries;
        // Of hashes, all can be had again from the bundles.
        const std::uint64_t least = is_bundle ? kSize / 256 * 256 : kSize;
        EXPECT_GE(rig.writer->size(), least);
        if (is_bundle && how != Harm::kWrong) {
          EXPECT_EQ(rig.writer->size(), least);
        }
        rig.grow(kSize);
        EXPECT_EQ(rig.writer->root(), leaves.root(kSize));
        rig.expect_sound(kSize);
        ASSERT_TRUE(rig.open().ok());
        EXPECT_TRUE(rig.damage.ok()) << rig.damage.message();
      }
      rig.fs.put(path, before);
      rig.expect_sound(kSize);
      if (HasFailure()) return;
    }
  }
}

TEST(TileDamage, OfOneBitInASmallTreeNeverGoesUnseen) {
  constexpr std::uint64_t kSize = 3;
  const ChainedLeaves leaves(kSize);
  TreeRig rig(leaves);
  ASSERT_TRUE(rig.open().ok());
  rig.grow(kSize);
  std::size_t flips = 0;
  for (const Tile& tile : new_tiles(0, kSize)) {
    const std::string path = rig.path(tile);
    for (std::uint64_t at = 0; at < tile.bytes(); ++at) {
      for (unsigned bit = 0; bit < 8; ++bit, ++flips) {
        const auto with = static_cast<std::byte>(1U << bit);
        rig.fs.damage(path, at, with);
        auto opened = TileWriter::open(rig.fs, kTreeDirectory, kSize, leaves.root(kSize));
        ASSERT_TRUE(opened.ok());
        ASSERT_FALSE(opened->damage.ok()) << path << " byte " << at << " bit " << bit;
        // What it calls held leads on to the true tree, or is refused there.
        TileWriter& writer = *opened->writer;
        ASSERT_LE(writer.size(), kSize);
        const std::uint64_t next = writer.size() + 1;
        if (next <= kSize) {
          const Status status = writer.append(next, leaves.leaf(next), leaves.hash(next));
          ASSERT_TRUE(!status.ok() || writer.root() == leaves.root(next));
        } else {
          ASSERT_EQ(writer.root(), leaves.root(kSize));
        }
        rig.fs.damage(path, at, with);
      }
    }
  }
  EXPECT_EQ(flips, 8 * kSize * (kBundleLeafBytes + 32));
}

TEST(TileDamage, InTheMiddleOfTheBundlesIsSalvagedUpToIt) {
  constexpr std::uint64_t kSize = 900;
  const ChainedLeaves leaves(kSize);
  TreeRig rig(leaves);
  ASSERT_TRUE(rig.open().ok());
  rig.grow(kSize);
  // In the commitments of entry 400, so that only the next one's chain tells.
  rig.fs.damage(rig.path({Tile::Kind::kEntries, 0, 1, 256}), (399 - 256) * kBundleLeafBytes + 200);
  auto opened = TileWriter::salvage(rig.fs, kTreeDirectory, kSize, kSize);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(opened->damage.code(), Code::kCorrupt);
  EXPECT_EQ(opened->writer->size(), 400U);
  EXPECT_EQ(opened->writer->append(401, leaves.leaf(401), leaves.hash(401)).code(), Code::kCorrupt);
  opened = TileWriter::salvage(rig.fs, kTreeDirectory, kSize, 399);
  ASSERT_TRUE(opened.ok());
  EXPECT_TRUE(opened->damage.ok());
  EXPECT_EQ(opened->writer->size(), 399U);
  rig.writer = std::move(opened->writer);
  rig.grow(kSize);
  EXPECT_EQ(rig.writer->root(), leaves.root(kSize));
  rig.expect_sound(kSize);
}

TEST(TileDamage, OfAllHashesIsMadeGoodFromTheBundles) {
  constexpr std::uint64_t kSize = 700;
  const ChainedLeaves leaves(kSize);
  TreeRig rig(leaves);
  ASSERT_TRUE(rig.open().ok());
  rig.grow(kSize);
  for (const Tile& tile : new_tiles(0, kSize)) {
    if (tile.kind == Tile::Kind::kHashes) rig.fs.erase(rig.path(tile));
  }
  ASSERT_TRUE(rig.open().ok());
  EXPECT_EQ(rig.damage.code(), Code::kNotFound);
  EXPECT_EQ(rig.writer->size(), kSize);
  rig.grow(kSize);
  rig.expect_sound(kSize);
}

TEST(TileDamage, OfTheLastLeafUnderTheRootLeavesThatOneOut) {
  constexpr std::uint64_t kSize = 20;
  const ChainedLeaves leaves(kSize);
  TreeRig rig(leaves);
  ASSERT_TRUE(rig.open().ok());
  rig.grow(kSize);
  rig.fs.damage(rig.path({Tile::Kind::kEntries, 0, 0, 20}), 19 * kBundleLeafBytes + 200);
  ASSERT_TRUE(rig.open().ok());
  EXPECT_EQ(rig.damage.code(), Code::kCorrupt);
  EXPECT_EQ(rig.writer->size(), kSize - 1);
  rig.grow(kSize);
  rig.expect_sound(kSize);
}

TEST(TileDamage, OfAnotherLedgerUnderTheSameCheckpointHoldsNothingThatAppendTakes) {
  const ChainedLeaves leaves(40);
  const ChainedLeaves others(40, 2);
  TreeRig rig(others);
  ASSERT_TRUE(rig.open().ok());
  rig.grow(40);
  auto opened = TileWriter::open(rig.fs, kTreeDirectory, 40, leaves.root(40));
  ASSERT_TRUE(opened.ok());
  EXPECT_FALSE(opened->damage.ok());
  const std::uint64_t next = opened->writer->size() + 1;
  ASSERT_LE(next, 40U);
  EXPECT_EQ(opened->writer->append(next, leaves.leaf(next), leaves.hash(next)).code(),
            Code::kCorrupt);
}

}  // namespace
}  // namespace xased
