#include "proto/tiles.hpp"

#include <gtest/gtest.h>

#include <set>

#include "daemon/platform/sha256.hpp"

namespace xase::proto {
namespace {

using Kind = Tile::Kind;

TEST(Tiles, HaveThePathsOfTheSpecification) {
  EXPECT_EQ(tile_path({Kind::kHashes, 0, 0, 256}), "tile/0/000");
  EXPECT_EQ(tile_path({Kind::kHashes, 3, 1234067, 256}), "tile/3/x001/x234/067");
  EXPECT_EQ(tile_path({Kind::kHashes, 1, 273, 112}), "tile/1/273.p/112");
  EXPECT_EQ(tile_path({Kind::kEntries, 0, 1000, 1}), "tile/entries/x001/000.p/1");
  EXPECT_EQ(tile_path({Kind::kEntries, 0, 999, 256}), "tile/entries/999");
  EXPECT_EQ(tile_path({Kind::kHashes, 0, kTreeSizeMax / 256, 255}),
            "tile/0/x036/x028/x797/x018/x963/967.p/255");
}

TEST(Tiles, ReadBackEveryPathTheyWrite) {
  for (const Kind kind : {Kind::kHashes, Kind::kEntries}) {
    for (const std::uint64_t index :
         {0ULL, 1ULL, 999ULL, 1000ULL, 1001ULL, 999999ULL, 1000000ULL, 123456789012ULL}) {
      for (const unsigned width : {1U, 9U, 10U, 255U, 256U}) {
        const Tile tile{kind, kind == Kind::kHashes ? 2U : 0U, index, width};
        EXPECT_EQ(parse_tile_path(tile_path(tile)), tile) << tile_path(tile);
      }
    }
  }
}

TEST(Tiles, RefuseEveryOtherSpelling) {
  for (const std::string_view path :
       {"",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/8/000",
        "tile/-1/000",
        "tile/+1/000",
        "tile/0/x000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001/x002",
        "tile/0/x1/002",
        "tile/0/000/",
        "tile/0/000//",
        "tile/0//000",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/1/",
        "tile/0/000.p/-1",
        "tile/0/000.p/1.p/1",
        "tile/data/000",
        "tile/Entries/000",
        "tile/0/ 00",
        "tile/0/0x0",
        "tile/0/../000",
        "tile/entries",
        "tile/7/001",
        "tile/0/x036/x028/x797/x018/x963/968",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/xx01/002",
        "tile/0/x001/x001/x001/x001/x001/x001/x001/x001/x001/x001/x001/x001/001"}) {
    EXPECT_FALSE(parse_tile_path(path)) << path;
  }
}

// The example in the specification of tlog-tiles.
TEST(Tiles, OfSeventyThousandLeavesAreThoseOfTheSpecification) {
  std::size_t full[3] = {0, 0, 0};
  std::vector<std::string> partial;
  for (const Tile& tile : new_tiles(0, 70000)) {
    if (tile.kind == Kind::kEntries) continue;
    ASSERT_LT(tile.level, 3U);
    if (tile.width == kTileWidth) {
      ++full[tile.level];
    } else {
      partial.push_back(tile_path(tile));
    }
  }
  EXPECT_EQ(full[0], 273U);
  EXPECT_EQ(full[1], 1U);
  EXPECT_EQ(full[2], 0U);
  EXPECT_EQ(partial,
            (std::vector<std::string>{"tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"}));
}

TEST(Tiles, GrowByWhatIsNewAlone) {
  std::vector<std::string> paths;
  for (const Tile& tile : new_tiles(300, 513)) paths.push_back(tile_path(tile));
  EXPECT_EQ(paths, (std::vector<std::string>{"tile/entries/001", "tile/entries/002.p/1",
                                             "tile/0/001", "tile/0/002.p/1", "tile/1/000.p/2"}));
  EXPECT_TRUE(new_tiles(300, 300).empty());
  EXPECT_TRUE(new_tiles(301, 300).empty());
}

TEST(Tiles, HoldEveryNodeOfTheTree) {
  for (const std::uint64_t size :
       {1ULL, 2ULL, 255ULL, 256ULL, 257ULL, 1000ULL, 65536ULL, 70000ULL}) {
    std::set<std::string> paths;
    for (const Tile& tile : new_tiles(0, size)) paths.insert(tile_path(tile));
    for (unsigned level = 0; (size >> level) != 0; ++level) {
      for (const std::uint64_t index :
           {std::uint64_t{0}, (size >> level) / 2, (size >> level) - 1}) {
        const auto place = place_of(level, index, size);
        ASSERT_TRUE(place) << level << " " << index << " of " << size;
        EXPECT_TRUE(paths.contains(tile_path(place->tile))) << tile_path(place->tile);
        EXPECT_LE(place->first + place->count, place->tile.width);
        // The leaves below the node are those below its hashes.
        const std::uint64_t first = place->tile.index * kTileWidth + place->first;
        EXPECT_EQ(first << (kTileHeight * place->tile.level), index << level);
        EXPECT_EQ(std::uint64_t{place->count} << (kTileHeight * place->tile.level),
                  std::uint64_t{1} << level);
      }
      EXPECT_FALSE(place_of(level, size >> level, size));
    }
    EXPECT_TRUE(paths.contains(tile_path(bundle_of(size - 1, size))));
  }
  EXPECT_FALSE(place_of(0, 0, 0));
  EXPECT_FALSE(place_of(64, 0, kTreeSizeMax));
  EXPECT_FALSE(place_of(0, 0, kTreeSizeMax + 1));
  EXPECT_TRUE(place_of(62, 0, kTreeSizeMax));
}

TEST(Tiles, FoldToTheNodeAboveTheirHashes) {
  xased::Sha256 sha;
  TreeFrontier frontier;
  std::vector<std::byte> hashes;
  for (unsigned i = 1; i <= kTileWidth; ++i) {
    const Hash leaf = leaf_hash(sha, as_bytes(std::to_string(i)));
    hashes.insert(hashes.end(), leaf.begin(), leaf.end());
    frontier.append(sha, leaf);
    if (std::has_single_bit(i)) {
      EXPECT_EQ(fold_hashes(sha, hashes.data(), i), frontier.root(sha)) << i;
    }
  }
}

TEST(Tiles, BundleLeavesBehindTheirLengths) {
  std::vector<std::byte> bundle(3 * kBundleLeafBytes);
  for (std::size_t i = 0; i < 3; ++i) {
    const std::vector<std::byte> leaf(kLeafBytes, static_cast<std::byte>(0xa0 + i));
    encode_bundle_leaf(leaf, bundle.data() + i * kBundleLeafBytes);
  }
  EXPECT_EQ(bundle[0], std::byte{0x01});
  EXPECT_EQ(bundle[1], std::byte{0x20});
  EXPECT_EQ(bundle[2], std::byte{0xa0});
  EXPECT_EQ(bundle.size(), (Tile{Kind::kEntries, 0, 0, 3}.bytes()));
  for (unsigned i = 0; i < 3; ++i) {
    const auto leaf = bundle_leaf(bundle, 3, i);
    ASSERT_TRUE(leaf);
    EXPECT_EQ(leaf->size(), kLeafBytes);
    EXPECT_EQ(leaf->front(), static_cast<std::byte>(0xa0 + i));
    EXPECT_EQ(leaf->back(), static_cast<std::byte>(0xa0 + i));
  }
  EXPECT_FALSE(bundle_leaf(bundle, 3, 3));
  EXPECT_FALSE(bundle_leaf(bundle, 2, 0));
  EXPECT_FALSE(bundle_leaf(Bytes(bundle).first(bundle.size() - 1), 3, 0));
  bundle[kBundleLeafBytes + 1] ^= std::byte{1};
  EXPECT_TRUE(bundle_leaf(bundle, 3, 0));
  EXPECT_FALSE(bundle_leaf(bundle, 3, 1));
}

}  // namespace
}  // namespace xase::proto
