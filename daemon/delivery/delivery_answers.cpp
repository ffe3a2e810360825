// The part of delivery that acts on answers: what each does to its record, the entry that says so,
// and what follows once that entry is durable.
#include <algorithm>

#include "daemon/delivery/delivery_core.hpp"
#include "proto/error_code.hpp"

namespace xased {

using std::chrono::nanoseconds;
using xase::proto::ErrorCode;
using xase::proto::Id;
using xase::proto::ReceiptAction;

namespace {

bool is_about_the_account(PauseReason reason) {
  return reason == PauseReason::kUnauthorized || reason == PauseReason::kQuotaExceeded;
}

}  // namespace

// Within one boot by the boot clock, which no jump of the wall clock moves.
bool DeliveryCore::older_than_key_memory(const Moment& since) const {
  const std::int64_t age_ns = since.boot_id == boot_id_ ? clock_.boot_ns() - since.boot_ns
                                                        : clock_.wall_ns() - since.wall_ns;
  return age_ns < 0 || age_ns >= options_.key_memory.count();
}

bool DeliveryCore::take_results() {
  results_.clear();
  dispatch_.receive(results_);
  for (const JobResult& result : results_) {
    if (result.id == kAuditJob) {
      take_audit(result);
    } else if (result.id == kAnchorJob) {
      take_anchor(result);
    } else {
      take_result(result);
    }
  }
  return !results_.empty();
}

void DeliveryCore::take_result(const JobResult& result) {
  --under_way_;
  auto at = shipments_.find(result.id);
  if (at == shipments_.end() || at->second.state != State::kUnderWay) {
    at = retries_.find(result.id);
    if (at == retries_.end()) return;
  }
  Shipment& shipment = at->second;
  shipment.state = State::kDue;
  const std::int64_t now_ns = now();
  const Verdict verdict = answers_.read(result.answer, clock_.wall_ns());
  if (verdict.may_have_reached && verdict.outcome != Outcome::kDelivered && shipment.maybe_since &&
      older_than_key_memory(*shipment.maybe_since)) {
    shipment.may_be_twice = true;
  }
  if (verdict.may_have_reached && !shipment.maybe_since) {
    Moment sent = moment();
    sent.wall_ns -= sent.boot_ns - result.sent_boot_ns;
    sent.boot_ns = result.sent_boot_ns;
    shipment.maybe_since = sent;
  }
  watch_writer({shipment.ticket, shipment.sequence, shipment.leaf_hash, shipment.request.get(),
                shipment.attempts > 1 && shipment.maybe_since.has_value()},
               result, verdict);
  // Of an earlier destination: unless it took the record, that says nothing of this one.
  if (result.route != route_ && verdict.outcome != Outcome::kDelivered) return;
  if (verdict.reason == PauseReason::kUnauthorized &&
      result.answer.key_generation < key_generation_) {
    // It went out with the key that was replaced meanwhile: that says nothing of the new one.
    return;
  }
  // In order, one that is refused again would hold up all behind it for ever.
  const bool sets_aside = destination_.sets_aside() || options_.ordered;
  destination_.on_answer(verdict, result.answer.status, result.took, now_ns);
  counters_.no_answer_why.set(result.answer.failure);
  const auto relaxed = std::memory_order_relaxed;
  switch (verdict.outcome) {
    case Outcome::kDelivered:
      counters_.answers_created.fetch_add(1, relaxed);
      if (verdict.replayed) counters_.answers_replayed.fetch_add(1, relaxed);
      hand_back_answer(shipment, result.answer, verdict);
      return;
    case Outcome::kRefused:
      counters_.answers_refused.fetch_add(1, relaxed);
      if (sets_aside) {
        hand_back_answer(shipment, result.answer, verdict);
      } else {
        wait_behind_others(shipment, now_ns);
      }
      return;
    case Outcome::kWait:
      counters_.answers_limited.fetch_add(1, relaxed);
      return;
    case Outcome::kPause:
      counters_.answers_paused.fetch_add(1, relaxed);
      if (!is_about_the_account(verdict.reason)) wait_behind_others(shipment, now_ns);
      return;
    case Outcome::kRetry:
      break;
  }
  const bool answered = result.answer.reach == Reach::kAnswered;
  (answered ? counters_.answers_failed : counters_.no_answer).fetch_add(1, relaxed);
  log_.log(LogLevel::kWarn, answered ? "failed" : "no_answer",
           "an attempt failed; it is made again",
           {{"sequence", shipment.sequence},
            {"status", result.answer.status},
            {"why", result.answer.failure}},
           nanoseconds(now_ns));
  wait_behind_others(shipment, now_ns);
}

// Jitter spreads those that failed together. Among probes, the one that waited longest goes first:
// should the answer be about one record alone, the next probe is another and ends the pause.
void DeliveryCore::wait_behind_others(Shipment& shipment, std::int64_t now_ns) {
  ++shipment.failures;
  shipment.due_boot_ns =
      now_ns +
      backoff(shipment.failures, options_.backoff_min, options_.backoff_max, random_).count();
}

void DeliveryCore::hand_back_answer(Shipment& shipment, const Answer& answer,
                                    const Verdict& verdict) {
  const bool is_receipt = verdict.outcome == Outcome::kDelivered;
  Handback handback;
  handback.kind = is_receipt ? Handback::Kind::kReceipt : Handback::Kind::kDeadLetter;
  handback.ring_id = shipment.ring_id;
  handback.ring_sequence = shipment.ring_sequence;
  handback.uid = shipment.uid;
  handback.pid = shipment.pid;
  handback.text = cut_text(answer.body, xase::proto::kBodyTextBytesMax);
  xase::proto::ReceiptBody& body = handback.body;
  body.record_sequence = shipment.sequence;
  body.record_leaf_hash = shipment.leaf_hash;
  body.http_status = static_cast<std::uint16_t>(answer.status);
  body.attempts = shipment.attempts;
  body.first_attempt_wall_ns = shipment.first_attempt_wall_ns;
  body.answered_wall_ns = clock_.wall_ns();
  body.error_code =
      static_cast<std::uint32_t>(is_receipt ? ErrorCode::kOk : ErrorCode::kRequestFailed);
  if (is_receipt && verdict.replayed && !shipment.maybe_since) {
    // Nothing of ours can have reached the service before: the key was used by someone else.
    body.flags |= xase::proto::kReceiptReplayed;
  }
  const bool is_forgotten =
      !verdict.replayed && shipment.maybe_since && older_than_key_memory(*shipment.maybe_since);
  if (is_receipt && (is_forgotten || shipment.may_be_twice)) {
    body.flags |= xase::proto::kReceiptPossibleDuplicate;
  }
  if (is_receipt) {
    note_receipt(shipment, answer, (body.flags & xase::proto::kReceiptReplayed) == 0);
  }
  Outstanding outstanding;
  outstanding.letter.api_code = verdict.api_code;
  shipment.state = State::kHandedBack;
  held_bytes_ -= shipment.request->body.size();
  shipment.request.reset();
  hand_back(std::move(handback), std::move(outstanding));
}

void DeliveryCore::hand_back_unsendable(Shipment& shipment, const std::string& why) {
  Handback handback;
  handback.kind = Handback::Kind::kDeadLetter;
  handback.ring_id = shipment.ring_id;
  handback.ring_sequence = shipment.ring_sequence;
  handback.uid = shipment.uid;
  handback.pid = shipment.pid;
  handback.text = why;
  handback.body.record_sequence = shipment.sequence;
  handback.body.record_leaf_hash = shipment.leaf_hash;
  handback.body.answered_wall_ns = clock_.wall_ns();
  handback.body.error_code = static_cast<std::uint32_t>(ErrorCode::kRequestFailed);
  shipment.state = State::kHandedBack;
  hand_back(std::move(handback), {});
}

void DeliveryCore::hand_back(Handback handback, Outstanding outstanding) {
  outstanding.kind = handback.kind;
  outstanding.floor = positions_.durable.load(std::memory_order_acquire);
  if (handback.kind == Handback::Kind::kJournalDamaged) {
    outstanding.damage = {handback.first, handback.last};
  } else if (handback.kind == Handback::Kind::kAnchor) {
    outstanding.anchor_size = handback.anchor.size;
    outstanding.anchor_wall_ns = handback.anchor.answered_wall_ns;
  } else if (handback.kind != Handback::Kind::kAudit) {
    outstanding.sequence = handback.body.record_sequence;
    outstanding.is_retry = retries_.contains(outstanding.sequence);
    outstanding.asks_again = handback.body.action == ReceiptAction::kRetryRequested;
    DeadLetter& letter = outstanding.letter;
    letter.record_sequence = outstanding.sequence;
    letter.near_sequence = outstanding.floor + 1;
    letter.wall_ns = handback.body.answered_wall_ns;
    letter.http_status = handback.body.http_status;
    letter.error_code = handback.body.error_code;
    letter.event = handback.kind == Handback::Kind::kReceipt ? DeadLetterEvent::kDelivered
                   : outstanding.asks_again                  ? DeadLetterEvent::kRetryRequested
                                                             : DeadLetterEvent::kSetAside;
  }
  outstanding_.push_back(std::move(outstanding));
  push(std::move(handback));
}

void DeliveryCore::push(Handback handback) {
  if (!spill_.empty() || !handbacks_.push(handback)) spill_.push_back(std::move(handback));
  intake_wake_.ring();
}

bool DeliveryCore::flush_spill() {
  bool worked = false;
  while (!spill_.empty() && handbacks_.push(spill_.front())) {
    spill_.pop_front();
    worked = true;
  }
  if (worked) intake_wake_.ring();
  return worked;
}

bool DeliveryCore::acknowledge() {
  const std::uint64_t durable = positions_.handbacks_durable.load(std::memory_order_acquire);
  const bool worked = acknowledged_ < durable;
  for (; acknowledged_ < durable && !outstanding_.empty(); ++acknowledged_) {
    settle(outstanding_.front());
    outstanding_.pop_front();
  }
  return worked;
}

// The entry that says what became of a record is durable.
void DeliveryCore::settle(const Outstanding& done) {
  cursor_is_stale_ = true;
  if (done.kind == Handback::Kind::kJournalDamaged) {
    if (damages_.size() >= Cursor::kDamagesMax) damages_.erase(damages_.begin());
    damages_.push_back(done.damage);
    return;
  }
  if (done.kind == Handback::Kind::kAudit) return;
  if (done.kind == Handback::Kind::kAnchor) {
    settle_anchor(done.anchor_size, done.anchor_wall_ns);
    return;
  }
  const bool is_letter = done.kind == Handback::Kind::kDeadLetter || done.is_retry;
  if (is_letter) {
    // The index can be rebuilt from the journal: a failure here is not one of the ledger.
    if (Status status = dead_letters_.append(done.letter); !status.ok()) {
      log_.log(LogLevel::kError, "index", "cannot write the index of dead letters",
               {{"error", status.message()}}, nanoseconds(now()));
    }
  }
  if (done.asks_again) {
    pending_retries_.push_back({done.sequence, done.letter.wall_ns});
    return;
  }
  if (done.is_retry) {
    retries_.erase(done.sequence);
    return;
  }
  const auto at = shipments_.find(done.sequence);
  if (at == shipments_.end()) return;
  const Id ring = at->second.ring_id;
  shipments_.erase(at);
  announce(ring);
}

// Tells the ring's producer how far all is settled.
void DeliveryCore::announce(const Id& ring) {
  const auto last = last_read_.find(ring);
  if (last == last_read_.end()) return;
  Handback handback;
  handback.kind = Handback::Kind::kSettled;
  handback.ring_id = ring;
  handback.ring_sequence = last->second;
  const auto open = std::find_if(shipments_.begin(), shipments_.end(),
                                 [&](const auto& at) { return at.second.ring_id == ring; });
  if (open != shipments_.end()) {
    handback.ring_sequence = open->second.ring_sequence - 1;
  } else {
    last_read_.erase(last);
  }
  push(std::move(handback));
}

}  // namespace xased
