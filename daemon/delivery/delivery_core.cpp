#include "daemon/delivery/delivery_core.hpp"

#include <algorithm>
#include <limits>

#include "daemon/ledger/segment_names.hpp"
#include "proto/error_code.hpp"
#include "proto/hashing.hpp"

namespace xased {

using std::chrono::nanoseconds;
using xase::proto::EntryType;
using xase::proto::ErrorCode;
using xase::proto::Id;
using xase::proto::ReceiptAction;

namespace {

constexpr std::size_t kEntriesPerStep = 1024;
constexpr std::size_t kResumeEntriesPerStep = 8192;
constexpr std::size_t kRetriesAtOnce = 64;
constexpr nanoseconds kIdle = std::chrono::milliseconds(250);
constexpr std::int64_t kReadAgainNs = 1'000'000'000;
// Of request bodies; one record is always taken.
constexpr std::size_t kHeldBytesMax = std::size_t{16} << 20;

bool is_about_the_account(PauseReason reason) {
  return reason == PauseReason::kUnauthorized || reason == PauseReason::kQuotaExceeded;
}

}  // namespace

DeliveryCore::DeliveryCore(const DeliverySurroundings& surroundings, const DeliveryOptions& options,
                           Dispatch& dispatch, DeadLetters& dead_letters,
                           DeliveryCounters& counters)
    : fs_(surroundings.fs),
      clock_(surroundings.clock),
      random_(surroundings.random),
      state_dir_(surroundings.state_dir),
      positions_(surroundings.positions),
      handbacks_(surroundings.handbacks),
      intake_wake_(surroundings.intake_wake),
      options_(options),
      dispatch_(dispatch),
      dead_letters_(dead_letters),
      counters_(counters),
      log_("delivery"),
      boot_id_(surroundings.clock.boot_id()),
      cursor_store_(surroundings.fs, surroundings.state_dir + "/delivery"),
      source_(surroundings.fs, surroundings.state_dir + "/" + std::string(kJournalFolder)),
      destination_(options, surroundings.random) {}

Moment DeliveryCore::moment() const { return {clock_.boot_ns(), clock_.wall_ns(), boot_id_}; }

// Within one boot by the boot clock, which no jump of the wall clock moves.
bool DeliveryCore::older_than_key_memory(const Moment& since) const {
  const std::int64_t age_ns = since.boot_id == boot_id_ ? clock_.boot_ns() - since.boot_ns
                                                        : clock_.wall_ns() - since.wall_ns;
  return age_ns < 0 || age_ns >= options_.key_memory.count();
}

Status DeliveryCore::start() {
  auto loaded = cursor_store_.load();
  if (!loaded.ok()) return loaded.status();
  const Status index = dead_letters_.open();
  const bool rebuild = index.code() == Code::kNotFound;
  if (!index.ok() && !rebuild) return index;
  resume_ = std::make_unique<Resume>(fs_, state_dir_ + "/" + std::string(kJournalFolder),
                                     dead_letters_, std::move(*loaded), rebuild,
                                     positions_.durable.load(std::memory_order_acquire));
  acknowledged_ = positions_.handbacks_durable.load(std::memory_order_acquire);
  return {};
}

void DeliveryCore::configure(const DeliveryOptions& options, bool same_destination) {
  options_ = options;
  destination_.configure(options);
  if (!same_destination) destination_.forget();
}

nanoseconds DeliveryCore::step(bool may_send) {
  counters_.steps.fetch_add(1, std::memory_order_relaxed);
  const std::int64_t now_ns = now();
  if (!resumed_) {
    const auto done = resume_->step(kResumeEntriesPerStep);
    if (!done.ok()) {
      log_.log(LogLevel::kError, "resume", "cannot read the journal",
               {{"error", done.status().message()}}, nanoseconds(now_ns));
      return kIdle;
    }
    if (!*done) return nanoseconds(0);
    finish_resume();
  }
  bool worked = take_results();
  worked = acknowledge() || worked;
  worked = flush_spill() || worked;
  if (spill_.empty()) {
    worked = take_asked() || worked;
    worked = read_more() || worked;
    worked = start_retries() || worked;
    if (may_send && options_.enabled) worked = send_due() || worked;
  }
  refresh_cursor();
  publish(now_ns);
  log_.flush(nanoseconds(now_ns));
  return worked ? nanoseconds(0) : wait_time(now_ns, may_send);
}

// What the past left behind becomes where this life starts.
void DeliveryCore::finish_resume() {
  resumed_ = true;
  log_id_ = resume_->log_id();
  // Behind the entries there were, nothing can have been sent.
  window_end_ = std::min(resume_->window_end(), resume_->end());
  damages_ = resume_->damages();
  pending_retries_ = resume_->retries();
  resumed_settled_through_ = resume_->settled_through();
  counters_.cursor_settled_through.store(resumed_settled_through_, std::memory_order_release);
  if (resume_->may_have_been_sent(resume_->settled_through() + 1)) {
    // Where nobody knows since when, it is older than anything.
    intents_.push_back({resume_->end(), resume_->first_intent().value_or(Moment{})});
  }
  const bool window_shrank = window_end_ < resume_->window_end();
  if (Status status = source_.start(resume_->settled_through() + 1); !status.ok()) {
    log_.log(LogLevel::kError, "start", "cannot read the journal", {{"error", status.message()}},
             nanoseconds(now()));
  }
  // Entries that are yet to come are not in doubt, whatever was declared for them: else the next
  // crash would make them so. A failure costs only that.
  if (window_shrank) (void)store_cursor_now();
}

std::uint64_t DeliveryCore::read_through() const {
  return resumed_ ? std::max(source_.next_sequence() - 1, resumed_settled_through_) : 0;
}

std::uint64_t DeliveryCore::settled_through() const {
  return shipments_.empty() ? read_through() : shipments_.begin()->first - 1;
}

bool DeliveryCore::is_at_end() const {
  return resumed_ && source_.next_sequence() > positions_.durable.load(std::memory_order_acquire);
}

// Some for each request that may be under way, so that none waits for the disk.
std::size_t DeliveryCore::shipments_max() const {
  return std::clamp<std::size_t>(std::size_t{options_.max_in_flight} * 4, 64, 1024);
}

bool DeliveryCore::take_results() {
  results_.clear();
  dispatch_.receive(results_);
  for (const JobResult& result : results_) take_result(result);
  return !results_.empty();
}

void DeliveryCore::take_result(const JobResult& result) {
  --under_way_;
  auto at = shipments_.find(result.id);
  if (at == shipments_.end() || at->second.state != State::kUnderWay) at = retries_.find(result.id);
  if (at == shipments_.end() || at == retries_.end()) return;
  Shipment& shipment = at->second;
  shipment.state = State::kDue;
  const std::int64_t now_ns = now();
  const Verdict verdict = answers_.read(result.answer, clock_.wall_ns());
  if (verdict.may_have_reached && !shipment.maybe_since) {
    Moment sent = moment();
    sent.wall_ns -= sent.boot_ns - result.sent_boot_ns;
    sent.boot_ns = result.sent_boot_ns;
    shipment.maybe_since = sent;
  }
  if (verdict.reason == PauseReason::kUnauthorized &&
      result.answer.key_generation < key_generation_) {
    // It went out with the key that was replaced meanwhile: that says nothing of the new one.
    return;
  }
  // In order, one that is refused again would hold up all behind it for ever.
  const bool sets_aside = destination_.sets_aside() || options_.ordered;
  destination_.on_answer(verdict, result.answer.status, result.took, now_ns);
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
  if (is_receipt && !verdict.replayed && shipment.maybe_since &&
      older_than_key_memory(*shipment.maybe_since)) {
    body.flags |= xase::proto::kReceiptPossibleDuplicate;
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
  } else {
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
    const bool known =
        std::any_of(damages_.begin(), damages_.end(), [&](const SequenceRange& range) {
          return range.first <= damage.first && damage.last <= range.last;
        });
    if (known) return true;
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
  Shipment& shipment = shipments_[sequence];
  const Status built = fill(shipment, entry, context.ok() ? *context : std::string_view());
  last_read_[shipment.ring_id] = shipment.ring_sequence;
  if (resume_ != nullptr && resume_->may_have_been_sent(sequence)) {
    shipment.maybe_since = resume_->first_intent().value_or(Moment{});
    shipment.first_attempt_wall_ns = shipment.maybe_since->wall_ns;
    shipment.attempts = 1;
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
    const Status built = fill(shipment, fetched->entry, fetched->context);
    if (!built.ok()) hand_back_unsendable(shipment, built.message());
  }
  if (worked) source_.end_fetch();
  return worked;
}

DeliveryCore::Shipment* DeliveryCore::next_due(std::int64_t now_ns) {
  // A probe's time is the destination's to say.
  const bool probing = destination_.paused() || destination_.away();
  Shipment* longest = nullptr;
  for (auto* all : {&shipments_, &retries_}) {
    for (auto& [sequence, shipment] : *all) {
      const bool is_due = shipment.state == State::kDue;
      if (is_due && !probing && shipment.due_boot_ns <= now_ns) return &shipment;
      const bool longer = longest == nullptr || shipment.due_boot_ns < longest->due_boot_ns;
      if (is_due && probing && longer) longest = &shipment;
      // In order means that none goes before the one in front of it is settled.
      if (options_.ordered && all == &shipments_) break;
    }
  }
  return longest;
}

bool DeliveryCore::send_due() {
  bool worked = false;
  for (;;) {
    const std::int64_t now_ns = now();
    if (!destination_.may_send(now_ns, under_way_)) return worked;
    Shipment* shipment = next_due(now_ns);
    if (shipment == nullptr) return worked;
    if (!shipment->is_retry && !declare_intent(shipment->sequence)) return worked;
    send(*shipment);
    worked = true;
  }
}

void DeliveryCore::send(Shipment& shipment) {
  const auto relaxed = std::memory_order_relaxed;
  shipment.state = State::kUnderWay;
  counters_.attempts.fetch_add(1, relaxed);
  if (shipment.attempts++ != 0) counters_.retries.fetch_add(1, relaxed);
  if (shipment.first_attempt_wall_ns == 0) shipment.first_attempt_wall_ns = clock_.wall_ns();
  ++under_way_;
  destination_.on_sent(now());
  dispatch_.send({shipment.sequence, shipment.request});
}

bool DeliveryCore::drained() const {
  if (!resumed_ || !quiet()) return false;
  if (!options_.enabled || destination_.paused() || destination_.limited(now())) return true;
  return shipments_.empty() && retries_.empty() && pending_retries_.empty() && is_at_end();
}

void DeliveryCore::publish(std::int64_t now_ns) {
  const auto relaxed = std::memory_order_relaxed;
  counters_.in_flight.store(under_way_, relaxed);
  counters_.in_flight_max.store(destination_.in_flight_max(), relaxed);
  counters_.settled_through.store(settled_through(), relaxed);
  counters_.oldest_undelivered_wall_ns.store(
      shipments_.empty() ? 0 : shipments_.begin()->second.wall_ns, relaxed);
  const PauseReason reason = !options_.enabled              ? PauseReason::kDisabled
                             : destination_.paused()        ? destination_.reason()
                             : destination_.limited(now_ns) ? PauseReason::kRateLimited
                                                            : PauseReason::kNone;
  if (reason != counters_.paused.load(relaxed)) {
    counters_.paused_since_wall_ns.store(clock_.wall_ns(), relaxed);
    counters_.paused.store(reason, relaxed);
  }
  counters_.paused_http_status.store(static_cast<std::uint32_t>(destination_.reason_http_status()),
                                     relaxed);
  counters_.next_probe_boot_ns.store(destination_.next_at(now_ns), relaxed);
}

nanoseconds DeliveryCore::wait_time(std::int64_t now_ns, bool may_send) const {
  if (!may_send || !options_.enabled || shipments_.size() + retries_.size() == 0) return kIdle;
  std::int64_t due_ns = std::numeric_limits<std::int64_t>::max();
  for (const auto* all : {&shipments_, &retries_}) {
    for (const auto& [sequence, shipment] : *all) {
      if (shipment.state == State::kDue) due_ns = std::min(due_ns, shipment.due_boot_ns);
    }
  }
  if (due_ns == std::numeric_limits<std::int64_t>::max()) return kIdle;
  if (destination_.paused() || destination_.away()) due_ns = now_ns;
  const std::int64_t next_ns = std::max(due_ns, destination_.next_at(now_ns));
  // What is due now and not sent waits for an answer, which rings.
  if (next_ns <= now_ns) return kIdle;
  return std::min(nanoseconds(next_ns - now_ns), kIdle);
}

}  // namespace xased
