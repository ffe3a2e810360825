// The part of delivery that has the ledger's signed head witnessed ahead of the backlog.
#include <algorithm>
#include <array>
#include <charconv>

#include "daemon/delivery/delivery_core.hpp"

namespace xased {

using std::chrono::nanoseconds;

namespace {

// What `status` shows after a restart; the ANCHOR entries are what counts.
constexpr std::string_view kAnchoredFile = "/delivery/anchored";
constexpr std::size_t kAnchoredBytesMax = 64;

}  // namespace

void DeliveryCore::load_anchored() {
  const auto bytes = read_file(fs_, state_dir_ + std::string(kAnchoredFile), kAnchoredBytesMax);
  if (!bytes.ok()) return;
  const std::string_view text = xase::proto::as_text(*bytes);
  std::uint64_t size = 0;
  std::int64_t wall_ns = 0;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, size);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ' ') return;
  if (std::from_chars(first.ptr + 1, end, wall_ns).ec != std::errc()) return;
  show_anchored(size, wall_ns);
}

void DeliveryCore::show_anchored(std::uint64_t size, std::int64_t wall_ns) {
  counters_.anchored_size.store(size, std::memory_order_relaxed);
  counters_.anchored_wall_ns.store(wall_ns, std::memory_order_relaxed);
}

// Always, where that is asked for; else where the service's limit keeps a record waiting too long.
bool DeliveryCore::wants_anchor(std::int64_t now_ns) const {
  if (options_.anchor_interval.count() == 0 || now_ns < next_anchor_boot_ns_) return false;
  const bool has_backlog = !shipments_.empty() || !is_at_end();
  if (options_.anchor_always) return has_backlog || last_record_ > anchored_;
  if (!destination_.is_rate_limited(now_ns) || shipments_.empty()) return false;
  return clock_.wall_ns() - shipments_.begin()->second.wall_ns >= options_.anchor_after.count();
}

// Makes the next one, in place of one that is not on its way: the newer head covers the older.
bool DeliveryCore::renew_anchor() {
  const std::int64_t now_ns = now();
  const bool is_under_way = anchor_ && anchor_->state != State::kDue;
  if (is_under_way || !wants_anchor(now_ns)) return false;
  next_anchor_boot_ns_ = now_ns + options_.anchor_interval.count();
  Result<Anchor> made = make_anchor(fs_, state_dir_);
  if (!made.ok()) {
    if (made.status().code() == Code::kNotFound) return false;
    log_.log(LogLevel::kError, "anchor", "cannot read the signed head",
             {{"error", made.status().message()}}, nanoseconds(now_ns));
    return false;
  }
  if (made->size <= anchored_ || (anchor_ && made->size <= anchor_->anchor.size)) return false;
  anchor_.emplace(std::move(*made));
  return true;
}

// Ahead of every record; true where it went.
bool DeliveryCore::send_anchor(std::int64_t now_ns) {
  if (!anchor_ || anchor_->state != State::kDue || now_ns < anchor_->due_boot_ns) return false;
  anchor_->state = State::kUnderWay;
  if (anchor_->attempts++ == 0) anchor_->first_attempt_wall_ns = clock_.wall_ns();
  counters_.attempts.fetch_add(1, std::memory_order_relaxed);
  ++under_way_;
  destination_.on_sent(now_ns);
  anchor_->ticket = writer_watch_.on_sent();
  dispatch_.send({kAnchorJob, anchor_->anchor.request, route_});
  return true;
}

void DeliveryCore::take_anchor(const JobResult& result) {
  --under_way_;
  if (!anchor_ || anchor_->state != State::kUnderWay) return;
  const std::int64_t now_ns = now();
  anchor_->state = State::kDue;
  const Verdict verdict = answers_.read(result.answer, clock_.wall_ns());
  watch_writer({anchor_->ticket, 0, {}, anchor_->anchor.request.get(), false}, result, verdict);
  if (result.route != route_ && verdict.outcome != Outcome::kDelivered) return;
  if (verdict.reason == PauseReason::kUnauthorized &&
      result.answer.key_generation < key_generation_) {
    return;
  }
  destination_.on_answer(verdict, result.answer.status, result.took, now_ns);
  counters_.no_answer_why.set(result.answer.failure);
  const auto relaxed = std::memory_order_relaxed;
  switch (verdict.outcome) {
    case Outcome::kDelivered:
      counters_.answers_created.fetch_add(1, relaxed);
      hand_back_anchor(result.answer, verdict);
      return;
    case Outcome::kRefused:
      counters_.answers_refused.fetch_add(1, relaxed);
      log_.log(LogLevel::kError, "anchor", "the API refuses the signed head",
               {{"status", result.answer.status}, {"code", verdict.api_code}}, nanoseconds(now_ns));
      anchor_.reset();
      return;
    case Outcome::kWait:
      counters_.answers_limited.fetch_add(1, relaxed);
      return;
    case Outcome::kPause:
      counters_.answers_paused.fetch_add(1, relaxed);
      return;
    case Outcome::kRetry:
      break;
  }
  const bool answered = result.answer.reach == Reach::kAnswered;
  (answered ? counters_.answers_failed : counters_.no_answer).fetch_add(1, relaxed);
  anchor_->due_boot_ns =
      now_ns +
      backoff(++anchor_->failures, options_.backoff_min, options_.backoff_max, random_).count();
}

void DeliveryCore::hand_back_anchor(const Answer& answer, const Verdict& verdict) {
  Handback handback;
  handback.kind = Handback::Kind::kAnchor;
  handback.text = cut_text(answer.body, xase::proto::kBodyTextBytesMax);
  handback.anchor.size = anchor_->anchor.size;
  handback.anchor.root = anchor_->anchor.root;
  handback.note = anchor_->anchor.note;
  handback.anchor.http_status = static_cast<std::uint16_t>(answer.status);
  handback.anchor.flags = verdict.replayed ? xase::proto::kReceiptReplayed : std::uint16_t{0};
  handback.anchor.attempts = anchor_->attempts;
  handback.anchor.first_attempt_wall_ns = anchor_->first_attempt_wall_ns;
  handback.anchor.answered_wall_ns = clock_.wall_ns();
  anchored_ = std::max(anchored_, anchor_->anchor.size);
  anchor_.reset();
  hand_back(std::move(handback), {});
}

// Its entry is durable.
void DeliveryCore::settle_anchor(std::uint64_t size, std::int64_t wall_ns) {
  show_anchored(size, wall_ns);
  const std::string text = std::to_string(size) + " " + std::to_string(wall_ns) + "\n";
  const Status status = write_file_atomically(fs_, state_dir_ + std::string(kAnchoredFile),
                                              xase::proto::as_bytes(text));
  if (status.ok()) return;
  log_.log(LogLevel::kWarn, "anchored", "cannot write down what is anchored",
           {{"error", status.message()}}, nanoseconds(now()));
}

}  // namespace xased
