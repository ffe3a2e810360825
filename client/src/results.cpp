#include "client/src/results.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "client/src/answer.hpp"
#include "proto/ring_reader.hpp"

namespace xase::client {
namespace {

// What a receipt's texts point into.
struct ReceiptOwner {
  Answer answer;
  std::string message;
  std::string payload;
  std::string producer_id;
};

xase_text text_of(const std::string& text) { return {text.c_str(), text.size()}; }

}  // namespace

void fill_receipt(ResultItem item, xase_receipt& receipt) {
  auto owner = std::make_unique<ReceiptOwner>();
  owner->answer = parse_answer(item.payload);
  owner->payload = std::move(item.payload);
  owner->producer_id = std::move(item.producer_id);
  if (item.code != ErrorCode::kOk) {
    owner->message = owner->answer.error.empty() ? owner->payload : owner->answer.error;
  }
  xase_receipt full = XASE_RECEIPT_INIT;
  full.size = receipt.size;
  full.code = static_cast<xase_error>(item.code);
  full.http_status = item.http_status;
  full.success = item.code == ErrorCode::kOk && item.http_status != 0 ? 1 : 0;
  full.replayed = (item.flags & proto::kResultReplayed) != 0 ? 1 : 0;
  full.possible_duplicate = (item.flags & proto::kResultPossibleDuplicate) != 0 ? 1 : 0;
  full.sequence = item.sequence;
  full.producer_id = text_of(owner->producer_id);
  full.transaction_id = text_of(owner->answer.transaction_id);
  full.receipt_url = text_of(owner->answer.receipt_url);
  full.timestamp = text_of(owner->answer.timestamp);
  full.record_hash = text_of(owner->answer.record_hash);
  full.chain_position = text_of(owner->answer.chain_position);
  full.api_code = text_of(owner->answer.code);
  full.message = text_of(owner->message);
  full.answer = text_of(owner->payload);
  full.owner = owner.release();
  std::memcpy(&receipt, &full, std::min(receipt.size, sizeof full));
}

void free_receipt(xase_receipt& receipt) noexcept {
  const std::unique_ptr<ReceiptOwner> owner(static_cast<ReceiptOwner*>(receipt.owner));
  const std::size_t size = receipt.size;
  std::memset(static_cast<void*>(&receipt), 0, std::min(size, sizeof receipt));
  receipt.size = size;
}

void Results::add(Waiter& waiter) noexcept {
  const std::lock_guard lock(mutex_);
  waiter.next = waiters_;
  waiters_ = &waiter;
}

void Results::remove(Waiter& waiter) noexcept {
  const std::lock_guard lock(mutex_);
  for (Waiter** link = &waiters_; *link != nullptr; link = &(*link)->next) {
    if (*link != &waiter) continue;
    *link = waiter.next;
    return;
  }
}

bool Results::drain(RingFile& file, const Waiter* waiter) {
  const std::lock_guard lock(mutex_);
  RingFile::ResultsCursor& cursor = file.results_cursor;
  const proto::RingReader reader(file.results(), file.results_bytes(),
                                 &file.daemon().results_committed);
  while (!cursor.broken && reader.has_data(cursor.position)) {
    buffer_.resize(std::max<std::size_t>(buffer_.size(), file.results_bytes()));
    const auto chunk = reader.copy_out(cursor.position, buffer_);
    proto::RingFrames frames(proto::Bytes(buffer_).first(chunk.bytes), cursor.position,
                             file.results_bytes());
    while (const auto frame = frames.next(proto::kRingFrameResult)) {
      ResultItem item;
      item.code = static_cast<ErrorCode>(frame->header.word & 0xffffffffU);
      item.http_status = static_cast<std::uint16_t>(frame->header.word >> 32U);
      item.flags = frame->header.flags;
      item.sequence = frame->header.sequence;
      item.producer_id = file.id();
      item.payload = proto::as_text(frame->payload);
      dispatch(std::move(item), file);
    }
    // Results are a courtesy; where they make no sense, this ring has none any more.
    cursor.broken = chunk.fault != proto::RingFault::kNone ||
                    frames.fault() != proto::RingFault::kNone ||
                    frames.position() == cursor.position;
    cursor.position = frames.position();
    file.producer().results_released.store(cursor.position, std::memory_order_release);
  }
  return waiter != nullptr && waiter->item.has_value();
}

void Results::dispatch(ResultItem item, const RingFile& file) {
  for (Waiter* waiter = waiters_; waiter != nullptr; waiter = waiter->next) {
    if (waiter->file == &file && waiter->sequence == item.sequence) {
      waiter->item = std::move(item);
      return;
    }
  }
  if (!queues_) return;
  if (queue_.size() >= kQueueItemsMax || queue_bytes_ + item.payload.size() > kQueueBytesMax) {
    ++dropped_;
    return;
  }
  queue_bytes_ += item.payload.size();
  queue_.push_back(std::move(item));
}

std::optional<ResultItem> Results::take() {
  const std::lock_guard lock(mutex_);
  if (queue_.empty()) return std::nullopt;
  ResultItem item = std::move(queue_.front());
  queue_.pop_front();
  queue_bytes_ -= item.payload.size();
  return item;
}

std::uint64_t Results::dropped() const noexcept {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

}  // namespace xase::client
