// The part of delivery that reads the journal: which entries need sending, and with what request.
#include <algorithm>

#include "daemon/delivery/delivery_core.hpp"
#include "proto/hashing.hpp"

namespace xased {

using std::chrono::nanoseconds;
using xase::proto::EntryType;
using xase::proto::Id;
using xase::proto::ReceiptAction;

namespace {

constexpr std::size_t kEntriesPerStep = 1024;
constexpr std::size_t kRetriesAtOnce = 64;
constexpr std::int64_t kReadAgainNs = 1'000'000'000;
// Of request bodies; one record is always taken.
constexpr std::size_t kHeldBytesMax = std::size_t{16} << 20;

}  // namespace

// Some for each request that may be under way, so that none waits for the disk.
std::size_t DeliveryCore::shipments_max() const {
  return std::clamp<std::size_t>(std::size_t{options_.max_in_flight} * 4, 64, 1024);
}

bool DeliveryCore::read_more() {
  const std::int64_t now_ns = now();
  if (now_ns < read_again_boot_ns_) return false;
  bool worked = false;
  for (std::size_t i = 0; i < kEntriesPerStep && spill_.empty(); ++i) {
    if (shipments_.size() >= shipments_max() || held_bytes_ >= kHeldBytesMax) break;
    if (!read_entry()) break;
    worked = true;
  }
  return worked;
}

// Takes the next durable entry; false where there is none, or none that can be read now.
bool DeliveryCore::read_entry() {
  const auto step = source_.next(positions_.durable.load(std::memory_order_acquire));
  if (!step.ok()) {
    log_.log(LogLevel::kError, "read", "cannot read the journal",
             {{"error", step.status().message()}}, nanoseconds(now()));
    read_again_boot_ns_ = now() + kReadAgainNs;
    return false;
  }
  if (*step == JournalReader::Step::kEnd) return false;
  if (*step == JournalReader::Step::kDamage) {
    const JournalDamage& damage = source_.damage();
    const auto tells = [&damage](const SequenceRange& range) {
      return range.first <= damage.first && damage.last <= range.last;
    };
    if (std::any_of(damages_.begin(), damages_.end(), tells) ||
        std::any_of(known_damage_.begin(), known_damage_.end(), tells)) {
      return true;
    }
    log_error("delivery", "entries of the journal can no longer be read",
              {{"first", damage.first}, {"last", damage.last}, {"segment", damage.segment}});
    Handback handback;
    handback.kind = Handback::Kind::kJournalDamaged;
    handback.first = damage.first;
    handback.last = damage.last;
    handback.text = damage.what;
    hand_back(std::move(handback), {});
    return true;
  }
  const Entry& entry = source_.entry();
  const std::uint64_t sequence = entry.leaf.sequence;
  if (resume_ != nullptr && resume_->is_past(sequence)) resume_.reset();
  if (sequence <= resumed_settled_through_) {
    pass_settled(entry);
    return true;
  }
  if (log_id_ == xase::proto::Hash{}) log_id_ = entry.leaf.log_id;
  const bool settled = resume_ != nullptr && resume_->settled(sequence);
  if (entry.leaf.type == EntryType::kRejected ||
      (entry.leaf.type == EntryType::kRecord && settled)) {
    pass_by(entry);
    return true;
  }
  if (entry.leaf.type != EntryType::kRecord) return true;
  const auto context = source_.context();
  if (!context.ok()) {
    log_.log(LogLevel::kError, "context", "cannot read a producer's context",
             {{"error", context.status().message()}}, nanoseconds(now()));
  }
  last_record_ = sequence;
  Shipment& shipment = shipments_[sequence];
  const Status built = fill(shipment, entry, context.ok() ? *context : std::string_view());
  last_read_[shipment.ring_id] = shipment.ring_sequence;
  if (resume_ != nullptr && resume_->may_have_been_sent(sequence)) {
    shipment.maybe_since = resume_->first_intent().value_or(Moment{});
    shipment.first_attempt_wall_ns = shipment.maybe_since->wall_ns;
    shipment.attempts = 1;
    // How often it was sent since then, nobody wrote down.
    shipment.may_be_twice = older_than_key_memory(*shipment.maybe_since);
  }
  if (!built.ok()) hand_back_unsendable(shipment, built.message());
  return true;
}

Status DeliveryCore::fill(Shipment& shipment, const Entry& entry, std::string_view context) {
  shipment.sequence = entry.leaf.sequence;
  shipment.wall_ns = entry.leaf.wall_ns;
  shipment.ring_id = entry.leaf.ring_id;
  shipment.ring_sequence = entry.leaf.ring_sequence;
  shipment.uid = entry.leaf.uid;
  shipment.pid = entry.leaf.pid;
  shipment.leaf_hash = xase::proto::leaf_hash(sha256_, entry.leaf_bytes);
  if (entry.erased()) return {Code::kInvalid, "its payload was erased before it was delivered"};
  auto request = std::make_shared<Request>();
  if (Status status = builder_.build(entry, shipment.leaf_hash, context, *request); !status.ok()) {
    return status;
  }
  held_bytes_ += request->body.size();
  shipment.request = std::move(request);
  return {};
}

// An entry of a ring that needs no sending: refused by intake, or settled before this start.
void DeliveryCore::pass_by(const Entry& entry) {
  last_read_[entry.leaf.ring_id] = entry.leaf.ring_sequence;
  announce(entry.leaf.ring_id);
}

// An entry up to which all was settled before this start. Its producer may not have been told: that
// is not durable, and happens after the cursor is.
void DeliveryCore::pass_settled(const Entry& entry) {
  if (entry.leaf.type == EntryType::kRecord || entry.leaf.type == EntryType::kRejected) {
    last_read_[entry.leaf.ring_id] = entry.leaf.ring_sequence;
  }
  if (entry.leaf.sequence != resumed_settled_through_) return;
  std::vector<Id> rings;
  for (const auto& [ring, last] : last_read_) rings.push_back(ring);
  for (const Id& ring : rings) announce(ring);
}

// Operators' wishes become entries first.
bool DeliveryCore::take_asked() {
  if (asked_.empty()) return false;
  std::vector<std::uint64_t> asked;
  asked.swap(asked_);
  for (const std::uint64_t sequence : asked) {
    const auto fetched =
        source_.fetch(sequence, positions_.durable.load(std::memory_order_acquire));
    if (!fetched.ok()) {
      log_warn("delivery", "cannot try a record again",
               {{"sequence", sequence}, {"error", fetched.status().message()}});
      continue;
    }
    const xase::proto::Leaf& leaf = fetched->entry.leaf;
    Handback handback;
    handback.kind = Handback::Kind::kDeadLetter;
    handback.ring_id = leaf.ring_id;
    handback.ring_sequence = leaf.ring_sequence;
    handback.uid = leaf.uid;
    handback.pid = leaf.pid;
    handback.body.record_sequence = sequence;
    handback.body.record_leaf_hash = xase::proto::leaf_hash(sha256_, fetched->entry.leaf_bytes);
    handback.body.answered_wall_ns = clock_.wall_ns();
    handback.body.action = ReceiptAction::kRetryRequested;
    hand_back(std::move(handback), {});
  }
  source_.end_fetch();
  return true;
}

bool DeliveryCore::start_retries() {
  bool worked = false;
  while (!pending_retries_.empty() && retries_.size() < kRetriesAtOnce &&
         (retries_.empty() || held_bytes_ < kHeldBytesMax)) {
    const PendingRetry retry = pending_retries_.front();
    const auto fetched =
        source_.fetch(retry.sequence, positions_.durable.load(std::memory_order_acquire));
    if (!fetched.ok() && fetched.status().code() != Code::kNotFound) {
      log_.log(LogLevel::kError, "retry", "cannot read a record that is to be tried again",
               {{"error", fetched.status().message()}}, nanoseconds(now()));
      break;
    }
    pending_retries_.erase(pending_retries_.begin());
    if (!fetched.ok()) continue;
    worked = true;
    Shipment& shipment = retries_[retry.sequence];
    shipment.is_retry = true;
    // Whether it was under way when an earlier life of the daemon ended, nobody wrote down.
    shipment.maybe_since = Moment{0, retry.requested_wall_ns, {}};
    shipment.may_be_twice = older_than_key_memory(*shipment.maybe_since);
    const Status built = fill(shipment, fetched->entry, fetched->context);
    if (!built.ok()) hand_back_unsendable(shipment, built.message());
  }
  if (worked) source_.end_fetch();
  return worked;
}

}  // namespace xased
