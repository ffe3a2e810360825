#include "proto/entry_body.hpp"

#include <gtest/gtest.h>

#include "proto/erase_body.hpp"
#include "proto/error_code.hpp"
#include "proto/witness_body.hpp"

namespace xase::proto {
namespace {

TEST(ProducerBody, ComesBackAsItWas) {
  const ProducerBody body{7, 3, 99, 55, R"({"runtime":"c++"})"};
  const auto bytes = encode(body);
  const auto back = decode_producer_body(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->next_ring_sequence, 7U);
  EXPECT_EQ(back->refused_accounted, 3U);
  EXPECT_EQ(back->created_wall_ns, 99);
  EXPECT_EQ(back->last_record_sequence, 55U);
  EXPECT_EQ(back->context, body.context);
  EXPECT_FALSE(decode_producer_body(Bytes(bytes).first(31)).has_value());
  EXPECT_TRUE(decode_producer_body(Bytes(bytes).first(32)).has_value());
}

TEST(GapBody, ComesBackAsItWas) {
  const GapBody body{10, 5, 6, 20, GapReason::kRingCondemned, "why"};
  const auto bytes = encode(body);
  const auto back = decode_gap_body(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->count, 10U);
  EXPECT_EQ(back->after_sequence, 5U);
  EXPECT_EQ(back->before_sequence, 6U);
  EXPECT_EQ(back->refused_accounted, 20U);
  EXPECT_EQ(back->reason, GapReason::kRingCondemned);
  EXPECT_EQ(back->text, "why");
  EXPECT_FALSE(decode_gap_body(Bytes(bytes).first(39)).has_value());
}

TEST(GapBody, IsRefusedWithAnUnknownReason) {
  for (const std::uint32_t reason : {0U, 5U, 0xffffffffU}) {
    auto bytes = encode(GapBody{});
    store(bytes.data() + 32, reason);
    EXPECT_FALSE(decode_gap_body(bytes).has_value());
  }
}

TEST(GapReason, HasANameForEach) {
  EXPECT_EQ(gap_reason_name(GapReason::kQueueFull), "queue_full");
  EXPECT_EQ(gap_reason_name(GapReason::kJournalDamaged), "journal_damaged");
}

TEST(ReceiptBody, ComesBackAsItWas) {
  ReceiptBody body;
  body.record_sequence = 1;
  body.record_leaf_hash.fill(std::byte{2});
  body.http_status = 422;
  body.flags = kReceiptPossibleDuplicate;
  body.attempts = 3;
  body.first_attempt_wall_ns = 4;
  body.answered_wall_ns = 5;
  body.error_code = 65;
  body.action = ReceiptAction::kRetryRequested;
  body.answer = "answer";
  const auto bytes = encode(body);
  const auto back = decode_receipt_body(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->record_sequence, 1U);
  EXPECT_EQ(back->record_leaf_hash, body.record_leaf_hash);
  EXPECT_EQ(back->http_status, 422);
  EXPECT_EQ(back->flags, kReceiptPossibleDuplicate);
  EXPECT_EQ(back->attempts, 3U);
  EXPECT_EQ(back->first_attempt_wall_ns, 4);
  EXPECT_EQ(back->answered_wall_ns, 5);
  EXPECT_EQ(back->error_code, 65U);
  EXPECT_EQ(back->action, ReceiptAction::kRetryRequested);
  EXPECT_EQ(back->answer, "answer");
  EXPECT_FALSE(decode_receipt_body(Bytes(bytes).first(71)).has_value());
}

TEST(ReceiptBody, IsRefusedWithAnUnknownAction) {
  auto bytes = encode(ReceiptBody{});
  store(bytes.data() + 68, std::uint32_t{2});
  EXPECT_FALSE(decode_receipt_body(bytes).has_value());
}

TEST(RejectedBody, ComesBackAsItWas) {
  RecordMask mask{};
  mask.fill(std::byte{0x55});
  mask[7] = std::byte{0xaa};
  const auto record = masked(as_bytes("the record"), mask);
  EXPECT_NE(as_text(record), "the record");
  const RejectedBody body{2, mask, "why", record};
  const auto bytes = encode(body);
  const auto back = decode_rejected_body(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->error_code, 2U);
  EXPECT_EQ(back->text, "why");
  EXPECT_EQ(as_text(masked(back->masked_record, back->mask)), "the record");
}

TEST(RejectedBody, IsRefusedWhereItsTextIsLongerThanItself) {
  auto bytes = encode(RejectedBody{2, {}, "why", {}});
  EXPECT_FALSE(decode_rejected_body(Bytes(bytes).first(15)).has_value());
  for (const std::uint32_t length : {4U, 0xffffffffU}) {
    store(bytes.data() + 4, length);
    EXPECT_FALSE(decode_rejected_body(bytes).has_value());
  }
}

TEST(ErrorCode, HasTheNamesOfThePublishedSdks) {
  EXPECT_EQ(error_name(ErrorCode::kMissingPolicy), "MISSING_POLICY");
  EXPECT_EQ(error_name(ErrorCode::kQueueFull), "QUEUE_FULL");
  EXPECT_EQ(error_name(ErrorCode::kRequestFailed), "REQUEST_FAILED");
  EXPECT_EQ(error_name(static_cast<ErrorCode>(999)), "UNKNOWN_ERROR");
}

TEST(AuditBody, ComesBackAndLiesAsItsLayoutSays) {
  AuditBody body;
  body.record_sequence = 7;
  body.record_leaf_hash.fill(std::byte{0xab});
  body.kind = AuditKind::kFork;
  body.http_status = 200;
  body.other_sequence = 5;
  body.answered_wall_ns = -3;
  body.answer = "{}";
  BodyBuffer bytes = encode(body);
  EXPECT_EQ(bytes.size(), 66U);
  EXPECT_EQ(load<std::uint64_t>(bytes.data() + 48), 5U);
  const auto back = decode_audit_body(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->record_sequence, 7U);
  EXPECT_EQ(back->record_leaf_hash, body.record_leaf_hash);
  EXPECT_EQ(back->kind, AuditKind::kFork);
  EXPECT_EQ(back->http_status, 200U);
  EXPECT_EQ(back->answered_wall_ns, -3);
  EXPECT_EQ(back->answer, "{}");
  bytes[42] = std::byte{1};
  EXPECT_FALSE(decode_audit_body(bytes).has_value());
  bytes[42] = std::byte{0};
  for (const unsigned kind : {0U, kAuditKinds + 1U}) {
    bytes[40] = static_cast<std::byte>(kind);
    EXPECT_FALSE(decode_audit_body(bytes).has_value()) << kind;
  }
  EXPECT_FALSE(decode_audit_body(Bytes(bytes).first(63)).has_value());
}

TEST(AnchorBody, ComesBackAndLiesAsItsLayoutSays) {
  AnchorBody body;
  body.size = 70000;
  body.root.fill(std::byte{1});
  body.http_status = 201;
  body.flags = kReceiptReplayed;
  body.attempts = 3;
  body.first_attempt_wall_ns = 4;
  body.answered_wall_ns = 5;
  body.note = "note";
  body.answer = "{}";
  BodyBuffer bytes = encode(body);
  EXPECT_EQ(bytes.size(), 78U);
  EXPECT_EQ(load<std::uint16_t>(bytes.data() + 40), 201U);
  const auto back = decode_anchor_body(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->size, 70000U);
  EXPECT_EQ(back->root, body.root);
  EXPECT_EQ(back->note, "note");
  EXPECT_EQ(back->flags, kReceiptReplayed);
  EXPECT_EQ(back->attempts, 3U);
  EXPECT_EQ(back->first_attempt_wall_ns, 4);
  EXPECT_EQ(back->answered_wall_ns, 5);
  EXPECT_EQ(back->answer, "{}");
  EXPECT_FALSE(decode_anchor_body(Bytes(bytes).first(71)).has_value());
  EXPECT_FALSE(decode_anchor_body(Bytes(bytes).first(75)).has_value());
  store(bytes.data() + 68, std::uint32_t{1});
  EXPECT_FALSE(decode_anchor_body(bytes).has_value());
}

TEST(EraseBody, ComesBackAndLiesAsItsLayoutSays) {
  EraseBody body{EraseReason::kRoom, 5, 9, {}, 3, -7};
  body.last_leaf_hash.fill(std::byte{0xab});
  auto bytes = encode(body);
  EXPECT_EQ(load<std::uint16_t>(bytes.data()), 2U);
  EXPECT_EQ(load<std::uint64_t>(bytes.data() + 8), 5U);
  EXPECT_EQ(load<std::uint64_t>(bytes.data() + 16), 9U);
  EXPECT_EQ(load<Hash>(bytes.data() + 24), body.last_leaf_hash);
  EXPECT_EQ(load<std::uint64_t>(bytes.data() + 56), 3U);
  EXPECT_EQ(load<std::int64_t>(bytes.data() + 64), -7);
  const auto back = decode_erase_body(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->reason, EraseReason::kRoom);
  EXPECT_EQ(back->first_sequence, 5U);
  EXPECT_EQ(back->last_sequence, 9U);
  EXPECT_EQ(back->last_leaf_hash, body.last_leaf_hash);
  EXPECT_EQ(back->records, 3U);
  EXPECT_EQ(back->until_wall_ns, -7);
  EXPECT_FALSE(decode_erase_body(Bytes(bytes).first(kEraseBodyBytes - 1)).has_value());
  for (const std::size_t at : {std::size_t{0}, std::size_t{2}, std::size_t{7}}) {
    auto bad = bytes;
    bad[at] = std::byte{9};
    EXPECT_FALSE(decode_erase_body(bad).has_value()) << at;
  }
  store(bytes.data() + 8, std::uint64_t{10});
  EXPECT_FALSE(decode_erase_body(bytes).has_value());
  store(bytes.data() + 8, std::uint64_t{0});
  EXPECT_FALSE(decode_erase_body(bytes).has_value());
}

TEST(AuditKind, HasANameForEach) {
  for (std::uint16_t kind = 1; kind <= kAuditKinds; ++kind) {
    EXPECT_NE(audit_kind_name(static_cast<AuditKind>(kind)), "unknown") << kind;
    EXPECT_NE(audit_kind_words(static_cast<AuditKind>(kind)), "unknown") << kind;
  }
}

}  // namespace
}  // namespace xase::proto
