#include "proto/frame.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace xase::proto {
namespace {

Leaf some_leaf() {
  Leaf leaf;
  leaf.type = EntryType::kRecord;
  leaf.log_id.fill(std::byte{1});
  leaf.sequence = 0x0102030405060708U;
  leaf.previous.fill(std::byte{2});
  leaf.wall_ns = -5;
  leaf.boot_id.fill(std::byte{3});
  leaf.boot_ns = 77;
  leaf.ring_id.fill(std::byte{4});
  leaf.ring_sequence = 9;
  leaf.stamp_ns = 10;
  leaf.uid = 11;
  leaf.pid = 12;
  for (std::size_t i = 0; i < kParts; ++i) {
    leaf.commitments[i].fill(static_cast<std::byte>(0xa0 + i));
  }
  return leaf;
}

std::vector<std::byte> some_frame(std::size_t erasable_bytes) {
  std::vector<std::byte> bytes(frame_bytes(kLeafBytes, erasable_bytes));
  const Leaf leaf = some_leaf();
  encode_leaf(leaf, bytes.data() + kFrameHeaderBytes);
  for (std::size_t i = 0; i < erasable_bytes; ++i) {
    bytes[kFrameHeaderBytes + kLeafBytes + i] = static_cast<std::byte>(i * 7 + 1);
  }
  seal_frame(bytes.data(), static_cast<std::uint16_t>(leaf.type), leaf.sequence, kLeafBytes,
             erasable_bytes);
  return bytes;
}

TEST(Leaf, ComesBackAsItWas) {
  std::vector<std::byte> bytes(kLeafBytes);
  encode_leaf(some_leaf(), bytes.data());
  const auto back = decode_leaf(bytes);
  ASSERT_TRUE(back.has_value());
  std::vector<std::byte> again(kLeafBytes);
  encode_leaf(*back, again.data());
  EXPECT_EQ(again, bytes);
  EXPECT_EQ(back->sequence, some_leaf().sequence);
  EXPECT_EQ(back->wall_ns, -5);
  EXPECT_EQ(back->uid, 11U);
  EXPECT_EQ(back->commitments, some_leaf().commitments);
}

TEST(Leaf, HasOneEncoding) {
  // Any byte changed is refused, or is another leaf: never the same one written in another way.
  std::vector<std::byte> bytes(kLeafBytes);
  encode_leaf(some_leaf(), bytes.data());
  for (std::size_t at = 0; at < kLeafBytes; ++at) {
    auto changed = bytes;
    changed[at] ^= std::byte{0x40};
    const auto leaf = decode_leaf(changed);
    if (!leaf) continue;
    std::vector<std::byte> again(kLeafBytes);
    encode_leaf(*leaf, again.data());
    EXPECT_EQ(again, changed) << at;
  }
}

TEST(Leaf, IsRefusedWithAnotherDomainVersionTypeFlagOrLength) {
  std::vector<std::byte> sound(kLeafBytes);
  encode_leaf(some_leaf(), sound.data());
  for (std::size_t at = 0; at < 10; ++at) {
    auto bytes = sound;
    bytes[at] ^= std::byte{1};
    EXPECT_FALSE(decode_leaf(bytes).has_value()) << at;
  }
  for (const int type : {0, 15, 0xffff}) {
    auto bytes = sound;
    store(bytes.data() + 10, static_cast<std::uint16_t>(type));
    EXPECT_FALSE(decode_leaf(bytes).has_value()) << type;
  }
  auto bytes = sound;
  bytes[12] = std::byte{1};
  EXPECT_FALSE(decode_leaf(bytes).has_value());
  EXPECT_FALSE(decode_leaf(Bytes(sound).first(kLeafBytes - 1)).has_value());
  sound.push_back(std::byte{0});
  EXPECT_FALSE(decode_leaf(sound).has_value());
}

TEST(Leaf, LiesAsItsLayoutSays) {
  std::vector<std::byte> bytes(kLeafBytes);
  encode_leaf(some_leaf(), bytes.data());
  EXPECT_EQ(as_text(Bytes(bytes).first(8)), "XASELEAF");
  EXPECT_EQ(load<std::uint16_t>(bytes.data() + 10), 2);
  EXPECT_EQ(load<std::uint64_t>(bytes.data() + 48), some_leaf().sequence);
  EXPECT_EQ(bytes[56], std::byte{2});
  EXPECT_EQ(load<std::uint64_t>(bytes.data() + 136), 9U);
  EXPECT_EQ(load<std::uint32_t>(bytes.data() + 152), 11U);
  EXPECT_EQ(bytes[160], std::byte{0xa0});
  EXPECT_EQ(bytes[287], std::byte{0xa3});
}

TEST(EntryType, HasANameForEachAndOneForTheOthers) {
  EXPECT_EQ(entry_type_name(EntryType::kProducer), "PRODUCER");
  EXPECT_EQ(entry_type_name(EntryType::kErase), "ERASE");
  EXPECT_EQ(entry_type_name(EntryType::kAudit), "AUDIT");
  EXPECT_EQ(entry_type_name(static_cast<EntryType>(99)), "UNKNOWN");
}

TEST(Frame, ComesBackAtEveryPadding) {
  for (std::size_t erasable = 0; erasable < 40; ++erasable) {
    const auto bytes = some_frame(erasable);
    EXPECT_EQ(bytes.size() % kFrameAlignment, 0U);
    const auto result = decode_frame(bytes);
    ASSERT_EQ(result.fault, FrameFault::kNone);
    EXPECT_EQ(result.frame.bytes, bytes.size());
    EXPECT_EQ(result.frame.sequence, some_leaf().sequence);
    EXPECT_EQ(result.frame.leaf.size(), kLeafBytes);
    EXPECT_EQ(result.frame.erasable.size(), erasable);
    EXPECT_TRUE(decode_leaf(result.frame.leaf).has_value());
  }
}

TEST(Frame, ShowsAnyOneByteThatChanged) {
  const auto sound = some_frame(101);  // with padding
  for (std::size_t at = 0; at < sound.size(); ++at) {
    for (int value = 1; value < 256; ++value) {
      auto bytes = sound;
      bytes[at] ^= static_cast<std::byte>(value);
      ASSERT_NE(decode_frame(bytes).fault, FrameFault::kNone) << at << " " << value;
    }
  }
}

TEST(Frame, ShowsAnyOneByteOfACommitMarkThatChanged) {
  std::vector<std::byte> sound(kCommitMarkBytes);
  encode_commit_mark(77, 4096, sound.data());
  for (std::size_t at = 0; at < sound.size(); ++at) {
    for (int value = 1; value < 256; ++value) {
      auto bytes = sound;
      bytes[at] ^= static_cast<std::byte>(value);
      ASSERT_NE(decode_frame(bytes).fault, FrameFault::kNone) << at << " " << value;
    }
  }
  const auto result = decode_frame(sound);
  ASSERT_TRUE(result.frame.is_commit_mark());
  EXPECT_EQ(result.frame.sequence, 77U);
  EXPECT_EQ(result.frame.commit_position(), 4096U);
}

TEST(Frame, SaysHowManyBytesItNeeds) {
  const auto bytes = some_frame(1000);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto result = decode_frame(Bytes(bytes).first(size));
    ASSERT_EQ(result.fault, FrameFault::kIncomplete);
    EXPECT_EQ(result.needed_bytes, size < kFrameHeaderBytes ? kFrameHeaderBytes : bytes.size());
  }
}

TEST(Frame, EndsAtZerosAndAtNothingElse) {
  std::vector<std::byte> zeros(kFrameHeaderBytes);
  EXPECT_EQ(decode_frame(zeros).fault, FrameFault::kEnd);
  for (std::size_t at = 0; at < kFrameHeaderBytes; ++at) {
    auto bytes = zeros;
    bytes[at] = std::byte{1};
    EXPECT_EQ(decode_frame(bytes).fault, FrameFault::kDamaged) << at;
  }
}

TEST(Frame, BelievesNoLengthBeyondItsLimits) {
  auto bytes = some_frame(8);
  store(bytes.data() + 12, static_cast<std::uint32_t>(kErasableBytesMax + 1));
  EXPECT_EQ(decode_frame(bytes).fault, FrameFault::kDamaged);
  bytes = some_frame(8);
  store(bytes.data() + 8, std::uint32_t{0xffffffff});
  EXPECT_EQ(decode_frame(bytes).fault, FrameFault::kDamaged);
  bytes = some_frame(8);
  store(bytes.data() + 12, static_cast<std::uint32_t>(kErasableBytesMax));
  const auto result = decode_frame(bytes);
  EXPECT_EQ(result.fault, FrameFault::kIncomplete);
  EXPECT_LE(result.needed_bytes, kFrameBytesMax);
}

SegmentHeader some_header() {
  SegmentHeader header;
  header.log_id.fill(std::byte{9});
  header.first_sequence = 1234;
  header.previous.fill(std::byte{8});
  header.created_wall_ns = 55;
  header.totals.records = 1000;
  header.totals.retries = 3;
  header.flags = kSegmentContinues;
  return header;
}

TEST(SegmentHeader, ComesBackAsItWas) {
  std::vector<std::byte> bytes(kSegmentHeaderBytes);
  encode_segment_header(some_header(), bytes.data());
  const auto result = decode_segment_header(bytes);
  ASSERT_EQ(result.fault, SegmentFault::kNone);
  EXPECT_EQ(result.header.log_id, some_header().log_id);
  EXPECT_EQ(result.header.first_sequence, 1234U);
  EXPECT_EQ(result.header.previous, some_header().previous);
  EXPECT_EQ(result.header.created_wall_ns, 55);
  EXPECT_EQ(result.header.totals.records, 1000U);
  EXPECT_EQ(result.header.totals.retries, 3U);
  EXPECT_EQ(result.header.flags, kSegmentContinues);
}

TEST(SegmentHeader, ShowsAnyOneByteThatChanged) {
  std::vector<std::byte> sound(kSegmentHeaderBytes);
  encode_segment_header(some_header(), sound.data());
  for (std::size_t at = 0; at < sound.size(); ++at) {
    auto bytes = sound;
    bytes[at] ^= std::byte{0x21};
    ASSERT_NE(decode_segment_header(bytes).fault, SegmentFault::kNone) << at;
  }
}

TEST(SegmentHeader, TellsANewerVersionFromDamage) {
  std::vector<std::byte> bytes(kSegmentHeaderBytes);
  encode_segment_header(some_header(), bytes.data());
  store(bytes.data() + 8, kSegmentVersion + 1);
  EXPECT_EQ(decode_segment_header(bytes).fault, SegmentFault::kDamaged);
  store(bytes.data() + kSegmentHeaderCrcOffset,
        crc32c(Bytes(bytes).first(kSegmentHeaderCrcOffset)));
  EXPECT_EQ(decode_segment_header(bytes).fault, SegmentFault::kNewerVersion);
  EXPECT_EQ(decode_segment_header(Bytes(bytes).first(100)).fault, SegmentFault::kNotASegment);
  EXPECT_EQ(decode_segment_header(std::vector<std::byte>(4096)).fault, SegmentFault::kNotASegment);
}

TEST(LedgerTotals, AddUp) {
  LedgerTotals totals;
  totals.records = 10;
  totals.receipts = 4;
  totals.dead_letters = 3;
  totals.retries = 1;
  EXPECT_EQ(totals.open_dead_letters(), 2U);
  EXPECT_EQ(totals.undelivered(), 4U);
}

// RFC 3720, appendix B.4.
TEST(Crc32c, GivesTheStandardsExamples) {
  std::vector<std::byte> bytes(32);
  const auto both = [&](std::uint32_t expected) {
    EXPECT_EQ(crc32c(bytes), expected);
    EXPECT_EQ(crc32c_portable(bytes), expected);
  };
  both(0x8a9136aaU);
  std::fill(bytes.begin(), bytes.end(), std::byte{0xff});
  both(0x62a8ab43U);
  for (std::size_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::byte>(i);
  both(0x46dd794eU);
  for (std::size_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::byte>(31 - i);
  both(0x113fdb5cU);
  const std::string text = "123456789";
  EXPECT_EQ(crc32c(as_bytes(text)), 0xe3069283U);
  EXPECT_EQ(crc32c({}), 0U);
}

TEST(Crc32c, IsTheSameWithAndWithoutTheInstructionAndInPieces) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::vector<std::byte> bytes(random() % 2000);  // several lanes and none
    for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    // At any alignment.
    const std::size_t skip = bytes.empty() ? 0 : random() % std::min<std::size_t>(8, bytes.size());
    const Bytes view = Bytes(bytes).subspan(skip);
    const std::size_t cut = random() % (view.size() + 1);
    const std::uint32_t whole = crc32c(view);
    ASSERT_EQ(whole, crc32c_portable(view));
    ASSERT_EQ(whole, crc32c(view.subspan(cut), crc32c(view.first(cut))));
    ASSERT_EQ(whole, crc32c_portable(view.subspan(cut), crc32c_portable(view.first(cut))));
  }
}

}  // namespace
}  // namespace xase::proto
