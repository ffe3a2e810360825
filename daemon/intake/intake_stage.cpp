#include "daemon/intake/intake_stage.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include "proto/entry_body.hpp"
#include "proto/frame.hpp"
#include "proto/run_dir.hpp"

namespace xased {

using std::chrono::nanoseconds;
using xase::proto::Bytes;
using xase::proto::EntryType;
using xase::proto::ErrorCode;
using xase::proto::Id;

namespace {

constexpr std::size_t kHandbacksPerStep = 256;
constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr unsigned kSpinRounds = 16;
constexpr nanoseconds kSleepMin = std::chrono::microseconds(100);
constexpr nanoseconds kSleepMax = std::chrono::milliseconds(50);
constexpr unsigned kFruitlessWakesMax = 16;

std::string rings_directory(const std::string& run_dir) {
  return run_dir + "/" + std::string(xase::proto::kRingsFolder);
}

// As much of an answer as an entry keeps, cut between characters: and nothing that a frame could
// start with, for an answer may be anything.
std::string kept_text(std::string_view answer) {
  std::size_t end = std::min(answer.size(), xase::proto::kBodyTextBytesMax);
  if (end < answer.size()) {
    while (end > 0 && (static_cast<unsigned char>(answer[end]) & 0xc0U) == 0x80U) --end;
  }
  std::string kept(answer.substr(0, end));
  const std::string_view magic(xase::proto::kFrameMagic.data(), xase::proto::kFrameMagic.size());
  for (std::size_t at = kept.find(magic); at != kept.npos; at = kept.find(magic, at)) {
    at += magic.size();
    kept[at - 1] = '?';
  }
  return kept;
}

}  // namespace

IntakeStage::IntakeStage(IntakeOptions options, const Peers& peers, Ledger& ledger,
                         std::map<Id, RingHistory> history)
    : options_(std::move(options)),
      clock_(peers.clock),
      positions_(peers.positions),
      sync_(peers.sync),
      handbacks_(peers.handbacks),
      own_wake_(peers.own_wake),
      delivery_wake_(peers.delivery_wake),
      ledger_(ledger),
      folder_(rings_directory(options_.run_dir), peers.clock),
      doorbell_(options_.run_dir),
      history_(std::move(history)),
      copy_(kCopyBytes + kJsonPaddingBytes),
      log_("intake") {
  ledger_.on_new_segment([this] { return start_segment(); });
  const xase::proto::LedgerTotals& totals = ledger_.state().totals;
  view_.delivered_records = totals.receipts;
  view_.dead_letters = totals.open_dead_letters();
  view_.durable_records = ledger_.written_records();
  publish_view();
}

void IntakeStage::keep_epochs(Seals& seals, const std::optional<EpochState>& found) {
  // First: making room for what begin() appends may start a segment.
  seals_ = &seals;
  seals.begin(found, seal_producers());
}

nanoseconds IntakeStage::step() {
  counters_.steps.fetch_add(1, std::memory_order_relaxed);
  if (failed()) return kSleepMax;
  const std::uint64_t scans_asked = scans_asked_.load(std::memory_order_acquire);
  const bool scan = scans_asked != scans_done_.load(std::memory_order_relaxed);
  bool worked = repair_after_failed_sync();
  worked = acknowledge_durable() || worked;
  worked = take_handbacks() || worked;
  worked = take_removals() || worked;
  worked = look_for_rings(scan) || worked;
  worked = drain_rings() || worked;
  worked = seal() || worked;
  write_batch();
  if (stop_.load(std::memory_order_relaxed) == kStopped && ledger_.journal().batch_is_empty()) {
    counters_.drained.store(true, std::memory_order_release);
  }
  retire_rings();
  if (worked || scan) {
    for (auto& [id, ring] : rings_) ring->notify();
    publish_view();
  }
  publish_rings(scan);
  scans_done_.store(scans_asked, std::memory_order_release);
  return pause(worked);
}

// What was written since the last good sync goes into a new segment. Where that fails too, nothing
// more can be promised: the daemon ends, and the rings keep what they hold.
bool IntakeStage::repair_after_failed_sync() {
  if (!sync_.failed()) return false;
  const Status failure = sync_.failure();
  log_error("intake", "sync failed: writing everything since the last good one again",
            {{"error", failure.message()}});
  if (Status status = ledger_.rewrite_unsynced(); !status.ok()) {
    fail(status);
    return true;
  }
  const std::uint64_t rewritten = positions_.journaled.load(std::memory_order_relaxed);
  (void)start_segment();
  (void)ledger_.append_text(
      EntryType::kRecovered,
      "{\"event\":\"sync_failed\",\"rewritten_through\":" + std::to_string(rewritten) + "}");
  return true;
}

void IntakeStage::fail(const Status& status) {
  log_error("intake", "the ledger can no longer be written: stopping; rings keep their records",
            {{"error", status.message()}});
  failed_.store(true, std::memory_order_release);
}

bool IntakeStage::acknowledge_durable() {
  const std::uint64_t durable = positions_.durable.load(std::memory_order_acquire);
  const bool is_quiet = idle_rounds_ > kSpinRounds;
  if (Status status = ledger_.journal().settle(is_quiet); !status.ok()) {
    log_.log(LogLevel::kWarn, "mark", "cannot write a commit mark", {{"error", status.message()}},
             nanoseconds(clock_.boot_ns()));
  }
  bool worked = false;
  while (!written_records_.empty() && written_records_.front().sequence <= durable) {
    view_.durable_records = written_records_.front().records;
    written_records_.pop_front();
    worked = true;
  }
  if (worked) {
    for (auto& [id, ring] : rings_) {
      if (ring->awaits_durable()) ring->publish_durable(durable);
    }
    delivery_wake_.ring();
  }
  std::uint64_t handbacks = 0;
  while (!awaited_.empty() && awaited_.front().entry_sequence <= durable) {
    settle_outcome(awaited_.front());
    if (awaited_.front().is_handback) ++handbacks;
    awaited_.pop_front();
    worked = true;
  }
  if (handbacks != 0) {
    positions_.handbacks_durable.fetch_add(handbacks, std::memory_order_release);
    delivery_wake_.ring();
  }
  return worked;
}

// The entry that says what became of a record is durable: counts it, and tells its producer.
void IntakeStage::settle_outcome(const AwaitedOutcome& outcome) {
  if (outcome.outcome == Outcome::kDelivered) ++view_.delivered_records;
  if (outcome.outcome == Outcome::kSetAside) ++view_.dead_letters;
  if (outcome.outcome == Outcome::kRetry) --view_.dead_letters;
  AttachedRing* ring = find(outcome.ring_id);
  const bool concerns_producer =
      outcome.outcome != Outcome::kNone && outcome.outcome != Outcome::kRetry;
  if (ring == nullptr || !concerns_producer) return;
  ring->count_outcome(outcome.outcome == Outcome::kDelivered);
  ring->publish_result(outcome.result, outcome.text);
}

bool IntakeStage::take_handbacks() {
  if (write_failed_ || must_wait_for_epoch()) return false;
  bool worked = false;
  for (std::size_t i = 0; i < kHandbacksPerStep && handbacks_.read_available() != 0; ++i) {
    if (!append_handback(handbacks_.front())) break;
    handbacks_.pop();
    worked = true;
  }
  if (worked) delivery_wake_.ring();
  return worked;
}

// False: there is no room for its entry now.
bool IntakeStage::append_handback(const Handback& handback) {
  if (handback.kind == Handback::Kind::kSettled) {
    if (AttachedRing* ring = find(handback.ring_id)) ring->publish_settled(handback.ring_sequence);
    return true;
  }
  const std::string text = kept_text(handback.text);
  AwaitedOutcome awaited;
  awaited.is_handback = true;
  if (handback.kind == Handback::Kind::kJournalDamaged) {
    xase::proto::GapBody gap;
    gap.count = handback.last - handback.first + 1;
    gap.after_sequence = handback.first - 1;
    gap.before_sequence = handback.last + 1;
    gap.reason = xase::proto::GapReason::kJournalDamaged;
    gap.text = text;
    awaited.entry_sequence =
        ledger_.append_body(EntryType::kGap, Subject{}, xase::proto::encode(gap));
    if (awaited.entry_sequence == 0) return false;
    awaited_.push_back(std::move(awaited));
    return true;
  }
  if (handback.kind == Handback::Kind::kAudit) {
    xase::proto::AuditBody audit = handback.audit;
    audit.answer = text;
    awaited.entry_sequence =
        ledger_.append_body(EntryType::kAudit, Subject{}, xase::proto::encode(audit));
    if (awaited.entry_sequence == 0) return false;
    awaited_.push_back(std::move(awaited));
    return true;
  }
  if (handback.kind == Handback::Kind::kAnchor) {
    xase::proto::AnchorBody anchor = handback.anchor;
    anchor.note = handback.note;
    anchor.answer = text;
    awaited.entry_sequence =
        ledger_.append_body(EntryType::kAnchor, Subject{}, xase::proto::encode(anchor));
    if (awaited.entry_sequence == 0) return false;
    awaited_.push_back(std::move(awaited));
    return true;
  }
  const bool is_receipt = handback.kind == Handback::Kind::kReceipt;
  const bool is_retry = handback.body.action == xase::proto::ReceiptAction::kRetryRequested;
  xase::proto::ReceiptBody body = handback.body;
  body.answer = text;
  const Subject subject{handback.ring_id, handback.ring_sequence, 0, handback.uid, handback.pid};
  awaited.entry_sequence =
      ledger_.append_body(is_receipt ? EntryType::kReceipt : EntryType::kDeadLetter, subject,
                          xase::proto::encode(body));
  if (awaited.entry_sequence == 0) return false;
  awaited.outcome = is_receipt ? Outcome::kDelivered
                    : is_retry ? Outcome::kRetry
                               : Outcome::kSetAside;
  awaited.ring_id = handback.ring_id;
  const auto code = is_receipt ? ErrorCode::kOk : ErrorCode::kRequestFailed;
  awaited.result.sequence = handback.ring_sequence;
  awaited.result.flags = body.flags;  // the same bits in both places
  awaited.result.word =
      xase::proto::result_word(static_cast<std::uint32_t>(code), body.http_status);
  awaited.result.stamp_ns = body.answered_wall_ns;
  awaited.text = text;
  awaited_.push_back(std::move(awaited));
  return true;
}

static_assert(xase::proto::kResultReplayed == xase::proto::kReceiptReplayed);
static_assert(xase::proto::kResultPossibleDuplicate == xase::proto::kReceiptPossibleDuplicate);

// Writes what this step appended, and only then frees its space in the rings.
void IntakeStage::write_batch() {
  const bool had_batch = !ledger_.journal().batch_is_empty();
  if (had_batch) {
    if (Status status = ledger_.flush(); !status.ok()) {
      write_failed_ = true;
      set_trouble(status);
      return;
    }
  }
  if (std::exchange(write_failed_, false)) {
    counters_.disk_full.store(false, std::memory_order_relaxed);
  }
  if (touched_.empty() && !had_batch) {
    set_given_up_aside();
    return;
  }
  bool hurry = false;
  for (AttachedRing* ring : touched_) {
    ring->publish_journaled();
    hurry = hurry || ring->has_waiters();
  }
  touched_.clear();
  const std::uint64_t written = ledger_.written_records();
  if (written_records_.empty() || written_records_.back().records != written) {
    written_records_.push_back({ledger_.state().last_sequence, written});
  }
  // Delivery waits for its receipts with every connection it has.
  if (hurry || !awaited_.empty()) sync_.hurry();
  set_given_up_aside();
}

void IntakeStage::set_trouble(const Status& status) {
  if (status.ok()) return;  // the next segment is being made: it takes a moment
  counters_.journal_error.store(status.os_error(), std::memory_order_relaxed);
  counters_.disk_full.store(true, std::memory_order_relaxed);
  log_.log(LogLevel::kError, "trouble", "records are not taken until the journal can be written",
           {{"error", status.message()}}, nanoseconds(clock_.boot_ns()));
}

void IntakeStage::publish_view() {
  const ChainState& state = ledger_.state();
  view_.log_id = state.log_id;
  view_.head = state.head;
  view_.last_sequence = state.last_sequence;
  view_.totals = state.totals;
  view_.journaled_records = ledger_.written_records();
  view_.journal_bytes = ledger_.journal().bytes();
  view_.segments = ledger_.journal().segment_count();
  view_.producers = rings_.size();
  view_.pending_records = 0;
  view_.refused = 0;
  for (const auto& [id, ring] : rings_) {
    view_.pending_records += ring->pending_records();
    view_.refused += ring->refused();
  }
  counters_.ledger.write(view_);
}

// Once a second, a list for people; and whenever someone asked for a scan.
void IntakeStage::publish_rings(bool at_once) {
  const std::int64_t now = clock_.boot_ns();
  if (!at_once && now - rings_published_boot_ns_ < kSecondNs) return;
  rings_published_boot_ns_ = now;
  publish_view();
  std::vector<RingView> views;
  views.reserve(rings_.size());
  for (const auto& [id, ring] : rings_) {
    views.push_back({id, ring->pid(), ring->uid(), ring->taken_sequence(), ring->pending_records(),
                     ring->refused(), ring->pending_bytes(), ring->capacity_bytes()});
  }
  log_.flush(nanoseconds(now));
  const std::scoped_lock lock(rings_mutex_);
  rings_view_.swap(views);
}

bool IntakeStage::scan(nanoseconds timeout) {
  constexpr nanoseconds kLookEvery = std::chrono::milliseconds(1);
  const std::uint64_t mine = scans_asked_.fetch_add(1, std::memory_order_acq_rel) + 1;
  const std::int64_t end = clock_.boot_ns() + timeout.count();
  own_wake_.ring();
  while (scans_done_.load(std::memory_order_acquire) < mine) {
    if (clock_.boot_ns() >= end) return false;
    std::this_thread::sleep_for(kLookEvery);
  }
  return true;
}

std::vector<RingView> IntakeStage::rings() const {
  const std::scoped_lock lock(rings_mutex_);
  return rings_view_;
}

// Decisions come sparsely, and a wake-up for each would cost their makers dear: so intake looks by
// itself, at once after work and then ever less often.
nanoseconds IntakeStage::pause(bool worked) {
  const std::int64_t now = clock_.boot_ns();
  if (worked) {
    idle_rounds_ = 0;
    fruitless_wakes_ = 0;
    return nanoseconds(0);
  }
  // A bell that rings on and on without work behind it must not keep a core busy.
  if (now < slept_until_boot_ns_ && ++fruitless_wakes_ > kFruitlessWakesMax) {
    std::this_thread::sleep_for(kSleepMin);
  }
  ++idle_rounds_;
  if (idle_rounds_ <= kSpinRounds) {
    std::this_thread::yield();
    return nanoseconds(0);
  }
  const unsigned doublings = std::min(idle_rounds_ - kSpinRounds - 1, 10U);
  const nanoseconds sleep = std::min(kSleepMin * (1U << doublings), kSleepMax);
  slept_until_boot_ns_ = now + sleep.count();
  return sleep;
}

void IntakeStage::finish() {
  constexpr std::int64_t kGraceNs = 10 * kSecondNs;
  const std::int64_t end = clock_.boot_ns() + kGraceNs;
  stop_.store(kStopped, std::memory_order_release);
  while (!failed() && handbacks_.read_available() != 0 && clock_.boot_ns() < end) (void)step();
  if (failed()) return;
  const bool stopped = (seals_ == nullptr || seals_->close(seal_producers())) &&
                       ledger_.append_text(EntryType::kStop, "{}") != 0;
  write_batch();
  const std::uint64_t last = ledger_.state().last_sequence;
  while (!failed() && clock_.boot_ns() < end) {
    const std::uint32_t ticket = own_wake_.ticket();
    if (positions_.durable.load(std::memory_order_acquire) >= last) break;
    sync_.hurry();
    own_wake_.wait(ticket, kSleepMin * 10);
    (void)repair_after_failed_sync();
  }
  (void)acknowledge_durable();
  idle_rounds_ = kSpinRounds + 1;
  (void)acknowledge_durable();  // writes the last commit mark
  for (auto& [id, ring] : rings_) ring->notify();
  publish_view();
  log_.flush_all();
  if (!stopped) log_warn("intake", "no room for a STOP entry: the next start will say so");
}

}  // namespace xased
