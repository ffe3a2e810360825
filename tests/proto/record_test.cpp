#include "proto/record.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "proto/erasable.hpp"

namespace xase::proto {
namespace {

std::vector<std::byte> encoded(const RecordFields& fields) {
  std::vector<std::byte> bytes(encoded_bytes(fields));
  encode_record(fields, bytes.data());
  return bytes;
}

RecordFields some_fields() {
  RecordFields fields;
  fields.flags = kRecordHasConfidence | kRecordHasProcessingTime;
  fields.confidence = 0.75;
  fields.processing_time_ms = 12.5;
  fields.span(Span::kInput) = R"({"a":1})";
  fields.span(Span::kOutput) = R"({"b":2})";
  fields.span(Span::kPolicy) = "p";
  fields.span(Span::kFeatureSchemaHash) = "f";
  return fields;
}

TEST(Record, ComesBackAsItWas) {
  const RecordFields fields = some_fields();
  const auto bytes = encoded(fields);
  const auto back = decode_record(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->flags, fields.flags);
  EXPECT_EQ(back->confidence, fields.confidence);
  EXPECT_EQ(back->processing_time_ms, fields.processing_time_ms);
  EXPECT_EQ(back->spans, fields.spans);
}

TEST(Record, ComesBackAtEveryLengthOfEverySpan) {
  // Short spans are copied by overlapping moves: each length takes its own way.
  const std::string text = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-+*/#!?";
  for (std::size_t span = 0; span < kSpans; ++span) {
    for (std::size_t length = 0; length <= text.size(); ++length) {
      RecordFields fields;
      for (std::size_t i = 0; i < kSpans; ++i)
        fields.spans[i] = std::string_view(text).substr(i, 3);
      fields.spans[span] = std::string_view(text).substr(0, length);
      const auto bytes = encoded(fields);
      const auto back = decode_record(bytes);
      ASSERT_TRUE(back.has_value());
      ASSERT_EQ(back->spans, fields.spans) << span << " " << length;
    }
  }
}

TEST(Record, LiesAsItsLayoutSays) {
  const auto bytes = encoded(some_fields());
  EXPECT_EQ(load<std::uint16_t>(bytes.data()), 1);
  EXPECT_EQ(load<std::uint16_t>(bytes.data() + 2), 3);
  EXPECT_EQ(load<std::uint32_t>(bytes.data() + 4), 0U);
  EXPECT_EQ(load<double>(bytes.data() + 8), 0.75);
  EXPECT_EQ(load<double>(bytes.data() + 16), 12.5);
  EXPECT_EQ(load<std::uint32_t>(bytes.data() + 24), 7U);
  EXPECT_EQ(load<std::uint32_t>(bytes.data() + 24 + 4 * 12), 1U);
  EXPECT_EQ(load<std::uint32_t>(bytes.data() + 76), 0U);
  EXPECT_EQ(as_text(Bytes(bytes).subspan(80)), R"({"a":1}{"b":2}pf)");
}

TEST(Record, IsRefusedAtEveryOtherLength) {
  const auto bytes = encoded(some_fields());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_record(Bytes(bytes).first(size)).has_value()) << size;
  }
  auto longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_record(longer).has_value());
}

TEST(Record, IsRefusedWithAnotherVersionAnUnknownFlagOrReservedBytes) {
  for (const std::size_t offset : {0U, 1U, 4U, 7U, 76U, 79U}) {
    auto bytes = encoded(some_fields());
    bytes[offset] ^= std::byte{0x80};
    EXPECT_FALSE(decode_record(bytes).has_value()) << offset;
  }
  for (std::size_t flag = 4; flag < 16; ++flag) {
    auto bytes = encoded(some_fields());
    store(bytes.data() + 2, static_cast<std::uint16_t>(1U << flag));
    EXPECT_FALSE(decode_record(bytes).has_value()) << flag;
  }
}

TEST(Record, IsRefusedWhereItsLengthsDoNotAddUp) {
  for (std::size_t span = 0; span < kSpans; ++span) {
    for (const std::uint32_t length : {1000U, 0x7fffffffU, 0xffffffffU}) {
      auto bytes = encoded(some_fields());
      store(bytes.data() + kRecordSpanTableOffset + 4 * span, length);
      EXPECT_FALSE(decode_record(bytes).has_value());
    }
  }
}

TEST(Record, MayBeAsLargeAsItsLimitAndNoLarger) {
  RecordFields fields;
  const std::string text(kRecordBytesMax - kRecordHeaderBytes + 1, 'x');
  fields.span(Span::kInput) = std::string_view(text).substr(1);
  EXPECT_TRUE(decode_record(encoded(fields)).has_value());
  fields.span(Span::kInput) = text;
  EXPECT_FALSE(decode_record(encoded(fields)).has_value());
}

TEST(Record, NeverReadsBeyondRandomBytes) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    // In a buffer of its own, so that the address sanitizer sees a byte too many.
    std::vector<std::byte> bytes(random() % 200);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random() % 4 == 0 ? random() : 0);
    if (bytes.size() >= 2) store(bytes.data(), kRecordVersion);
    if (const auto fields = decode_record(bytes)) {
      EXPECT_EQ(encoded_bytes(*fields), bytes.size());
    }
  }
}

std::array<Id, kParts> salts() {
  std::array<Id, kParts> all{};
  for (std::size_t i = 0; i < kParts; ++i) all[i].fill(static_cast<std::byte>(i + 1));
  return all;
}

TEST(Erasable, HoldsARecordsPartsApart) {
  RecordFields fields = some_fields();
  fields.span(Span::kContext) = R"({"c":3})";
  fields.span(Span::kExplanation) = R"({"d":4})";
  const auto record = encoded(fields);
  std::vector<std::byte> bytes(record_erasable_bytes(record.size()));
  encode_record_erasable(record, salts(), bytes.data());
  const auto erasable = decode_erasable(bytes);
  ASSERT_TRUE(erasable.has_value());
  EXPECT_EQ(as_text(erasable->parts[0]), R"({"a":1})");
  EXPECT_EQ(as_text(erasable->parts[1]), R"({"b":2})");
  EXPECT_EQ(as_text(erasable->parts[2]), R"({"c":3})");
  EXPECT_EQ(erasable->salts, salts());
  // The rest tells nothing of the others, not even how long they were.
  const Bytes rest = erasable->parts[kRestPart];
  for (std::size_t i = 0; i < kRestFirstSpan; ++i) {
    EXPECT_EQ(load<std::uint32_t>(rest.data() + kRecordSpanTableOffset + 4 * i), 0U);
  }
  const auto back = decode_record_parts(*erasable);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->spans, fields.spans);
  EXPECT_EQ(back->confidence, fields.confidence);
}

TEST(Erasable, HoldsABodyAsTheRest) {
  for (const std::string_view body : {std::string_view(""), std::string_view("body")}) {
    std::vector<std::byte> bytes(kErasableHeaderBytes + body.size());
    encode_body_erasable(as_bytes(body), salts()[3], bytes.data());
    const auto erasable = decode_erasable(bytes);
    ASSERT_TRUE(erasable.has_value());
    EXPECT_EQ(as_text(erasable->parts[kRestPart]), body);
    EXPECT_EQ(erasable->salts[kRestPart], salts()[3]);
    EXPECT_TRUE(erasable->parts[0].empty());
    EXPECT_FALSE(decode_record_parts(*erasable).has_value());
  }
}

TEST(Erasable, IsRefusedAtEveryOtherLength) {
  const auto record = encoded(some_fields());
  std::vector<std::byte> bytes(record_erasable_bytes(record.size()));
  encode_record_erasable(record, salts(), bytes.data());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_erasable(Bytes(bytes).first(size)).has_value()) << size;
  }
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(decode_erasable(bytes).has_value());
}

TEST(Erasable, IsRefusedWhereItsLengthsDoNotAddUp) {
  const auto record = encoded(some_fields());
  std::vector<std::byte> sound(record_erasable_bytes(record.size()));
  encode_record_erasable(record, salts(), sound.data());
  for (std::size_t part = 0; part < kParts; ++part) {
    for (const std::uint32_t length : {0xffffffffU, 0x80000000U, 12345U}) {
      auto bytes = sound;
      store(bytes.data() + 4 * part, length);
      EXPECT_FALSE(decode_erasable(bytes).has_value());
    }
  }
}

}  // namespace
}  // namespace xase::proto
