#include "daemon/ledger/chain.hpp"

#include <algorithm>
#include <cassert>

#include "proto/entry_body.hpp"
#include "proto/hashing.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::EntryType;
using xase::proto::Id;
using xase::proto::kErasableHeaderBytes;
using xase::proto::kFrameHeaderBytes;
using xase::proto::kLeafBytes;
using xase::proto::kParts;

Chain::Chain(ChainState state, const Clock& clock, Random& random)
    : state_(state),
      clock_(clock),
      random_(random),
      boot_id_(clock.boot_id()),
      salts_(kSaltPoolBytes),
      salts_used_(kSaltPoolBytes) {
  start_batch();
}

void Chain::start_batch() {
  wall_ns_ = clock_.wall_ns();
  boot_ns_ = clock_.boot_ns();
}

void Chain::take_salts(std::span<std::byte> to) {
  if (salts_.size() - salts_used_ < to.size()) {
    random_.fill(salts_);
    salts_used_ = 0;
  }
  std::byte* from = salts_.data() + salts_used_;
  std::memcpy(to.data(), from, to.size());
  // A salt that went into an entry lives there alone, so that dropping it there drops it.
  std::memset(from, 0, to.size());
  salts_used_ += to.size();
}

std::size_t Chain::record_frame_bytes(std::size_t record_bytes) {
  return xase::proto::frame_bytes(kLeafBytes, xase::proto::record_erasable_bytes(record_bytes));
}

std::size_t Chain::body_frame_bytes(std::size_t body_bytes) {
  return xase::proto::frame_bytes(kLeafBytes, kErasableHeaderBytes + body_bytes);
}

void Chain::append_record(const Subject& subject, Bytes record, std::vector<std::byte>& out) {
  const std::size_t offset = out.size();
  out.resize(offset + record_frame_bytes(record.size()));
  std::byte* frame = out.data() + offset;
  std::array<Id, kParts> salts{};
  take_salts(std::as_writable_bytes(std::span(salts)));
  xase::proto::encode_record_erasable(record, salts, frame + kFrameHeaderBytes + kLeafBytes);
  seal(EntryType::kRecord, subject, frame, xase::proto::record_erasable_bytes(record.size()));
  ++state_.totals.records;
}

void Chain::append_body(EntryType type, const Subject& subject, Bytes body,
                        std::vector<std::byte>& out) {
  assert(type != EntryType::kRecord);
  const std::size_t offset = out.size();
  out.resize(offset + body_frame_bytes(body.size()));
  std::byte* frame = out.data() + offset;
  Id salt{};
  take_salts(salt);
  xase::proto::encode_body_erasable(body, salt, frame + kFrameHeaderBytes + kLeafBytes);
  seal(type, subject, frame, kErasableHeaderBytes + body.size());
  count_entry(type, body, state_.totals);
}

// Hashes the erasable part, writes the leaf, and moves the chain on.
void Chain::seal(EntryType type, const Subject& subject, std::byte* frame,
                 std::size_t erasable_bytes) {
  std::byte* leaf_at = frame + kFrameHeaderBytes;
  const auto erasable = xase::proto::decode_erasable({leaf_at + kLeafBytes, erasable_bytes});
  assert(erasable.has_value());
  xase::proto::Leaf leaf;
  leaf.type = type;
  leaf.log_id = state_.log_id;
  leaf.sequence = state_.last_sequence + 1;
  leaf.previous = state_.head;
  leaf.wall_ns = wall_ns_;
  leaf.boot_id = boot_id_;
  leaf.boot_ns = boot_ns_;
  leaf.ring_id = subject.ring_id;
  leaf.ring_sequence = subject.ring_sequence;
  leaf.stamp_ns = subject.stamp_ns;
  leaf.uid = subject.uid;
  leaf.pid = subject.pid;
  leaf.commitments = xase::proto::commitments(sha256_, *erasable);
  xase::proto::encode_leaf(leaf, leaf_at);
  state_.head = xase::proto::leaf_hash(sha256_, {leaf_at, kLeafBytes});
  state_.last_sequence = leaf.sequence;
  xase::proto::seal_frame(frame, static_cast<std::uint16_t>(type), leaf.sequence, kLeafBytes,
                          erasable_bytes);
}

void count_entry(EntryType type, Bytes body, xase::proto::LedgerTotals& totals) {
  switch (type) {
    case EntryType::kRecord:
      ++totals.records;
      break;
    case EntryType::kRejected:
      ++totals.rejected;
      break;
    case EntryType::kGap: {
      ++totals.gaps;
      // Counts come from producers: a nonsense one must not wrap the sum around.
      if (const auto gap = xase::proto::decode_gap_body(body)) {
        totals.missing += std::min(gap->count, UINT64_MAX - totals.missing);
      }
      break;
    }
    case EntryType::kReceipt: {
      ++totals.receipts;
      const auto receipt = xase::proto::decode_receipt_body(body);
      if (!receipt) break;
      if ((receipt->flags & xase::proto::kReceiptReplayed) != 0) ++totals.replayed;
      if ((receipt->flags & xase::proto::kReceiptPossibleDuplicate) != 0) {
        ++totals.possible_duplicates;
      }
      break;
    }
    case EntryType::kDeadLetter: {
      const auto letter = xase::proto::decode_receipt_body(body);
      const bool retry = letter && letter->action == xase::proto::ReceiptAction::kRetryRequested;
      ++(retry ? totals.retries : totals.dead_letters);
      break;
    }
    default:
      break;
  }
}

}  // namespace xased
