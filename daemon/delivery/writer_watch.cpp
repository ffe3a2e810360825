#include "daemon/delivery/writer_watch.hpp"

#include <algorithm>
#include <utility>

namespace xased {

using std::chrono::nanoseconds;
using xase::proto::Hash;

void WriterWatch::forget() {
  hashes_.clear();
  exact_head_.reset();
  waiting_.clear();
  is_known_ = false;
  doubt_until_ns_ = INT64_MIN;
}

std::uint64_t WriterWatch::on_sent() {
  const std::uint64_t ticket = ++tickets_;
  under_way_[ticket] = under_way_.empty();
  return ticket;
}

void WriterWatch::add(const Hash& hash) {
  hashes_.push_front(hash);
  if (hashes_.size() > kHashesMax) hashes_.pop_back();
}

bool WriterWatch::goes_on_from_ours(const Receipt& receipt) {
  return std::any_of(hashes_.begin(), hashes_.end(), [&](const Hash& hash) {
    return hasher_.record_hash(hash, *receipt.hashes) == receipt.record_hash;
  });
}

std::optional<WriterWatch::Alarm> WriterWatch::raise(Alarm alarm, std::int64_t now_ns) {
  if (now_ns < quiet_until_ns_) return std::nullopt;
  quiet_until_ns_ = now_ns + nanoseconds(kQuiet).count();
  return alarm;
}

std::optional<WriterWatch::Alarm> WriterWatch::on_receipt(std::uint64_t ticket, Receipt receipt,
                                                          std::int64_t now_ns) {
  const auto at = under_way_.find(ticket);
  const bool alone = at != under_way_.end() && at->second && ticket == tickets_;
  under_way_.erase(ticket);
  const std::optional<Hash> head = std::exchange(exact_head_, std::nullopt);
  const bool was_known = is_known_ && ticket > known_from_;
  const Hash hash = receipt.record_hash;
  std::optional<Alarm> alarm;
  if (now_ns < doubt_until_ns_) {
    // What an attempt without an answer made may still come between.
  } else if (was_known && receipt.hashes) {
    if (alone && head) {
      if (hasher_.record_hash(head, *receipt.hashes) != hash) {
        alarm = raise(std::move(receipt.subject), now_ns);
      }
    } else if (!goes_on_from_ours(receipt)) {
      waiting_.push_back({std::move(receipt), tickets_});
    }
  } else if (!is_known_) {
    is_known_ = true;
    // Those under way may have read the service's latest record before this one was.
    known_from_ = tickets_;
  }
  add(hash);
  if (alone && is_known_) exact_head_ = hash;
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    return hasher_.record_hash(hash, *waiting.receipt.hashes) == waiting.receipt.record_hash;
  });
  std::optional<Alarm> later = settle(now_ns);
  return alarm ? std::move(alarm) : std::move(later);
}

// Those of which nothing that they could go on from is still to come.
std::optional<WriterWatch::Alarm> WriterWatch::settle(std::int64_t now_ns) {
  std::optional<Alarm> alarm;
  const std::uint64_t oldest = under_way_.empty() ? tickets_ + 1 : under_way_.begin()->first;
  while (!waiting_.empty() && waiting_.front().through < oldest) {
    std::optional<Alarm> one = raise(std::move(waiting_.front().receipt.subject), now_ns);
    if (one) alarm = std::move(one);
    waiting_.pop_front();
  }
  return alarm;
}

std::optional<WriterWatch::Alarm> WriterWatch::on_no_record(std::uint64_t ticket,
                                                            std::int64_t now_ns) {
  under_way_.erase(ticket);
  return settle(now_ns);
}

void WriterWatch::on_doubt(std::uint64_t ticket, std::int64_t now_ns) {
  under_way_.erase(ticket);
  exact_head_.reset();
  waiting_.clear();
  is_known_ = false;
  doubt_until_ns_ = now_ns + nanoseconds(kDoubt).count();
}

}  // namespace xased
