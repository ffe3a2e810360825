// What stands in the tree for an entry that the journal lost.
#include "proto/lost_leaf.hpp"

#include <gtest/gtest.h>

#include <array>

namespace xase::proto {
namespace {

using LeafBytes = std::array<std::byte, kLeafBytes>;

LostLeaf some() {
  LostLeaf lost;
  lost.log_id.fill(std::byte{0xaa});
  lost.sequence = 0x0102030405060708;
  lost.previous.fill(std::byte{0xbb});
  return lost;
}

LeafBytes encoded(const LostLeaf& lost) {
  LeafBytes bytes;
  encode_lost_leaf(lost, bytes.data());
  return bytes;
}

TEST(LostLeaf, HasItsFieldsInTheirPlaces) {
  LeafBytes expected{};
  store(expected.data(), std::array<char, 8>{'X', 'A', 'S', 'E', 'L', 'O', 'S', 'T'});
  expected[8] = std::byte{1};
  for (std::size_t i = 0; i < 32; ++i) expected.at(16 + i) = std::byte{0xaa};
  for (std::size_t i = 0; i < 8; ++i) expected.at(48 + i) = static_cast<std::byte>(8 - i);
  for (std::size_t i = 0; i < 32; ++i) expected.at(56 + i) = std::byte{0xbb};
  EXPECT_EQ(encoded(some()), expected);
  const auto back = decode_lost_leaf(expected);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->log_id, some().log_id);
  EXPECT_EQ(back->sequence, some().sequence);
  EXPECT_EQ(back->previous, some().previous);
}

TEST(LostLeaf, IsNoLeafAndALeafIsNone) {
  EXPECT_FALSE(decode_leaf(encoded(some())));
  Leaf leaf;
  leaf.sequence = 7;
  LeafBytes bytes;
  encode_leaf(leaf, bytes.data());
  EXPECT_FALSE(decode_lost_leaf(bytes));
}

TEST(LostLeaf, HasOneEncoding) {
  const LeafBytes right = encoded(some());
  EXPECT_FALSE(decode_lost_leaf(Bytes(right).first(kLeafBytes - 1)));
  for (std::size_t at = 0; at < kLeafBytes; ++at) {
    LeafBytes other = right;
    other.at(at) ^= std::byte{1};
    const bool is_field = at >= 16 && at < 88;
    EXPECT_EQ(decode_lost_leaf(other).has_value(), is_field) << at;
  }
}

}  // namespace
}  // namespace xase::proto
