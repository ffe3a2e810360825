#include "daemon/delivery/delivery_core.hpp"

#include <algorithm>
#include <limits>

#include "daemon/ledger/segment_names.hpp"

namespace xased {

using std::chrono::nanoseconds;

namespace {

constexpr std::size_t kResumeEntriesPerStep = 8192;
constexpr nanoseconds kIdle = std::chrono::seconds(1);

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
      known_damage_(surroundings.known_damage),
      options_(options),
      dispatch_(dispatch),
      dead_letters_(dead_letters),
      counters_(counters),
      log_("delivery"),
      boot_id_(surroundings.clock.boot_id()),
      cursor_store_(surroundings.fs, surroundings.state_dir + "/delivery"),
      source_(surroundings.fs, surroundings.state_dir + "/" + std::string(kJournalFolder)),
      destination_(options, surroundings.random),
      sampler_(surroundings.random) {
  sampler_.configure(options.audit_one_in, options.audit_max_per_minute);
}

Moment DeliveryCore::moment() const { return {clock_.boot_ns(), clock_.wall_ns(), boot_id_}; }

Status DeliveryCore::start() {
  auto loaded = cursor_store_.load();
  if (!loaded.ok()) return loaded.status();
  Status index = dead_letters_.open();
  const bool rebuild = index.code() == Code::kNotFound;
  if (!index.ok() && !rebuild) return index;
  resume_ = std::make_unique<Resume>(fs_, state_dir_ + "/" + std::string(kJournalFolder),
                                     dead_letters_, std::move(*loaded), rebuild,
                                     positions_.durable.load(std::memory_order_acquire));
  load_anchored();
  acknowledged_ = positions_.handbacks_durable.load(std::memory_order_acquire);
  return {};
}

void DeliveryCore::configure(const DeliveryOptions& options, bool same_destination) {
  options_ = options;
  destination_.configure(options);
  sampler_.configure(options.audit_one_in, options.audit_max_per_minute);
  if (!options_.only_writer) writer_watch_.forget();
  if (same_destination) return;
  ++route_;
  destination_.forget();
  sampler_.forget();
  writer_watch_.forget();
  // Another service has seen no head yet.
  anchored_ = 0;
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
    if (may_send && options_.enabled) worked = renew_anchor() || worked;
    if (may_send && options_.enabled) worked = send_due() || worked;
    if (may_send && options_.enabled) worked = ask_service() || worked;
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
  // The older slot may say less; the first store() writes over that one.
  cursor_needs_from_ = resumed_settled_through_;
  if (resume_->may_have_been_sent(resume_->settled_through() + 1)) {
    // Where nobody knows since when, it is older than anything.
    intents_.push_back({resume_->end(), resume_->first_intent().value_or(Moment{})});
    // What an earlier life sent may still come in at the service.
    writer_watch_.on_doubt(0, now());
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
    if (send_anchor(now_ns)) {
      worked = true;
      continue;
    }
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
  shipment.ticket = writer_watch_.on_sent();
  dispatch_.send({shipment.sequence, shipment.request, route_});
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
