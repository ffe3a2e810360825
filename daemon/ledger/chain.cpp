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
  assert(open_.empty());
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

std::byte* Chain::lay_out(EntryType type, const Subject& subject, std::size_t erasable_bytes,
                          std::vector<std::byte>& out) {
  const std::size_t offset = out.size();
  out.resize(offset + xase::proto::frame_bytes(kLeafBytes, erasable_bytes));
  open_.push_back({type, subject, offset, erasable_bytes, {}});
  ++state_.last_sequence;
  return out.data() + offset + kFrameHeaderBytes + kLeafBytes;
}

void Chain::append_record(const Subject& subject, Bytes record, std::vector<std::byte>& out) {
  std::array<Id, kParts> salts{};
  take_salts(std::as_writable_bytes(std::span(salts)));
  xase::proto::encode_record_erasable(
      record, salts,
      lay_out(EntryType::kRecord, subject, xase::proto::record_erasable_bytes(record.size()), out));
  ++state_.totals.records;
}

void Chain::append_body(EntryType type, const Subject& subject, Bytes body,
                        std::vector<std::byte>& out) {
  assert(type != EntryType::kRecord);
  Id salt{};
  take_salts(salt);
  xase::proto::encode_body_erasable(
      body, salt, lay_out(type, subject, kErasableHeaderBytes + body.size(), out));
  count_entry(type, body, state_.totals);
}

const ChainState& Chain::state() const {
  assert(open_.empty());
  return state_;
}

void Chain::seal(std::vector<std::byte>& out) {
  // So many that what is hashed of them is still in the processor's cache when they are chained.
  constexpr std::size_t kGroup = 64;
  std::uint64_t sequence = state_.last_sequence - open_.size();
  for (std::span<Open> left(open_); !left.empty();) {
    const std::span<Open> group = left.first(std::min(kGroup, left.size()));
    left = left.subspan(group.size());
    commit_to(group, out);
    for (const Open& entry : group) seal(entry, ++sequence, out.data() + entry.offset);
  }
  open_.clear();
}

void Chain::commit_to(std::span<Open> entries, const std::vector<std::byte>& out) {
  for (Open& entry : entries) {
    const std::byte* at = out.data() + entry.offset + kFrameHeaderBytes + kLeafBytes;
    const auto erasable = xase::proto::decode_erasable({at, entry.erasable_bytes});
    assert(erasable.has_value());
    for (std::size_t i = 0; i < kParts; ++i) {
      if (erasable->parts[i].empty()) continue;
      batch_.start(entry.commitments[i]);
      xase::proto::add_part(batch_, i, erasable->salts[i], erasable->parts[i]);
    }
  }
  batch_.run();
}

// Writes the leaf and the frame's header, and moves the chain on.
void Chain::seal(const Open& entry, std::uint64_t sequence, std::byte* frame) {
  std::byte* leaf_at = frame + kFrameHeaderBytes;
  xase::proto::Leaf leaf;
  leaf.type = entry.type;
  leaf.log_id = state_.log_id;
  leaf.sequence = sequence;
  leaf.previous = state_.head;
  leaf.wall_ns = wall_ns_;
  leaf.boot_id = boot_id_;
  leaf.boot_ns = boot_ns_;
  leaf.ring_id = entry.subject.ring_id;
  leaf.ring_sequence = entry.subject.ring_sequence;
  leaf.stamp_ns = entry.subject.stamp_ns;
  leaf.uid = entry.subject.uid;
  leaf.pid = entry.subject.pid;
  leaf.commitments = entry.commitments;
  xase::proto::encode_leaf(leaf, leaf_at);
  state_.head = xase::proto::leaf_hash(sha256_, {leaf_at, kLeafBytes});
  xase::proto::seal_frame(frame, static_cast<std::uint16_t>(entry.type), sequence, kLeafBytes,
                          entry.erasable_bytes);
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
