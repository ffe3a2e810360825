#include "daemon/ledger/verify_receipts.hpp"

#include <simdjson.h>

#include <algorithm>

namespace xased {

using xase::proto::Bytes;
using xase::proto::EntryType;
using xase::proto::Hash;
using xase::proto::Leaf;
using xase::proto::ReceiptAction;
using xase::proto::ReceiptBody;

namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

// A cut ends at a character's edge, so up to three bytes early.
bool may_be_cut(std::string_view answer) {
  return answer.size() + 3 >= xase::proto::kBodyTextBytesMax;
}

}  // namespace

struct VerifyReceipts::Json {
  simdjson::dom::parser dom;
};

VerifyReceipts::VerifyReceipts(VerifyFindings& findings)
    : findings_(findings), json_(std::make_unique<Json>()) {}
VerifyReceipts::~VerifyReceipts() = default;

VerifyReceipts::Chunk& VerifyReceipts::chunk_of(std::uint64_t sequence) {
  const std::uint64_t chunk_number = sequence / kChunkEntries;
  if (cached_ == nullptr || cached_number_ != chunk_number) {
    cached_ = &chunks_[chunk_number];
    cached_number_ = chunk_number;
  }
  return *cached_;
}

void VerifyReceipts::apply(const Leaf& leaf, const Hash& hash, Bytes body, bool erased) {
  Chunk& chunk = chunk_of(leaf.sequence);
  chunk.read.set(leaf.sequence % kChunkEntries);
  if (leaf.type == EntryType::kRecord) {
    add_record(chunk, leaf, hash);
    return;
  }
  if (leaf.type != EntryType::kReceipt && leaf.type != EntryType::kDeadLetter) return;
  if (erased) {
    ++unmatched_;
    return;
  }
  const auto answer = xase::proto::decode_receipt_body(body);
  if (!answer) {
    refute(leaf, "the body of this " + std::string(xase::proto::entry_type_name(leaf.type)) +
                     " is malformed");
    return;
  }
  apply_answer(leaf, *answer);
}

void VerifyReceipts::add_record(Chunk& chunk, const Leaf& leaf, const Hash& hash) {
  chunk.is_record.set(leaf.sequence % kChunkEntries);
  chunk.open.push_back({hash, leaf.ring_id, leaf.ring_sequence, leaf.sequence, leaf.sequence});
  ++chunk.waiting;
  ++undelivered_;
}

void VerifyReceipts::apply_answer(const Leaf& leaf, const ReceiptBody& body) {
  const std::uint64_t sequence = body.record_sequence;
  if (sequence == 0 || sequence >= leaf.sequence) {
    refute(leaf, "the answer names entry " + number(sequence) + ", which does not come before it");
    return;
  }
  if (leaf.type == EntryType::kReceipt) check_answer_text(leaf, body);
  const auto found = chunks_.find(sequence / kChunkEntries);
  const std::size_t bit = sequence % kChunkEntries;
  if (found == chunks_.end() || !found->second.read[bit]) {
    ++unmatched_;
    return;
  }
  Chunk& chunk = found->second;
  if (!chunk.is_record[bit]) {
    refute(leaf, "the answer names entry " + number(sequence) + ", which is no record");
    return;
  }
  if (chunk.is_delivered[bit]) {
    refute(leaf, "record " + number(sequence) + " already has a receipt");
    return;
  }
  const auto record = std::lower_bound(
      chunk.open.begin(), chunk.open.end(), sequence,
      [](const Open& open, std::uint64_t wanted) { return open.sequence < wanted; });
  if (record->hash != body.record_leaf_hash) {
    refute(leaf, "the answer is to a record with another leaf hash than record " +
                     number(sequence) + " has");
    return;
  }
  if (record->ring_id != leaf.ring_id || record->ring_sequence != leaf.ring_sequence) {
    refute(leaf, "the answer names another producer than record " + number(sequence) + " has");
    return;
  }
  ++matched_;
  settle(chunk, *record, leaf, body);
}

// Moves the record to the state that this answer puts it in, where it may get there from its last.
void VerifyReceipts::settle(Chunk& chunk, Open& record, const Leaf& leaf, const ReceiptBody& body) {
  const bool is_receipt = leaf.type == EntryType::kReceipt;
  const bool is_retry = !is_receipt && body.action == ReceiptAction::kRetryRequested;
  // What led from one state to the other may lie in a place that cannot be read.
  const bool is_known = record.changed > lost_through_;
  if (is_known && record.is_set_aside != is_retry) {
    const std::string which = number(record.sequence);
    refute(leaf,
           is_retry ? "another try was asked for of record " + which + ", which is not set aside"
           : is_receipt
               ? "record " + which + " has a receipt, and was set aside with no other try asked for"
               : "record " + which + " is set aside twice");
  }
  const bool was_set_aside = record.is_set_aside;
  record.is_set_aside = !is_receipt && !is_retry;
  record.changed = leaf.sequence;
  if (was_set_aside) --set_aside_;
  if (!was_set_aside) --undelivered_;
  if (record.is_set_aside) ++set_aside_;
  if (is_retry) ++undelivered_;
  if (!is_receipt) return;
  chunk.is_delivered.set(record.sequence % kChunkEntries);
  --chunk.waiting;
  if (chunk.waiting * 2 >= chunk.open.size()) return;
  std::erase_if(chunk.open, [&chunk](const Open& open) {
    return chunk.is_delivered[open.sequence % kChunkEntries];
  });
  chunk.open.shrink_to_fit();
}

void VerifyReceipts::check_answer_text(const Leaf& leaf, const ReceiptBody& body) {
  if (body.error_code != 0 || body.action != ReceiptAction::kAnswer || body.http_status != 201) {
    refute(leaf, "the receipt says status " + number(body.http_status) +
                     ": only 201 without an error is one");
    return;
  }
  if (may_be_cut(body.answer)) return;
  simdjson::dom::object object;
  bool success = false;
  std::string_view transaction_id;
  const simdjson::error_code error =
      json_->dom.parse(body.answer.data(), body.answer.size()).get_object().get(object);
  if (error != simdjson::SUCCESS) {
    refute(leaf, "the receipt's answer is no JSON object");
  } else if (object["success"].get(success) != simdjson::SUCCESS || !success ||
             object["transaction_id"].get(transaction_id) != simdjson::SUCCESS ||
             transaction_id.empty()) {
    refute(leaf, "the receipt's answer tells of no success with a transaction_id");
  }
}

}  // namespace xased
