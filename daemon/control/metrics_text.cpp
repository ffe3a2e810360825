#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include "daemon/control/render.hpp"
#include "daemon/delivery/counters.hpp"

namespace xased {
namespace {

std::string number(double value) {
  std::array<char, 32> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), result.ptr};
}
std::string number(std::uint64_t value) { return std::to_string(value); }

std::string escaped(std::string_view label) {
  std::string text;
  for (const char c : label) {
    if (c == '\n') {
      text += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') text += '\\';
    text += c;
  }
  return text;
}

// Writes families one after the other, each with its help and type.
class Exposition {
 public:
  Exposition& family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_.append("# HELP ").append(name).append(" ").append(help).append("\n");
    text_.append("# TYPE ").append(name).append(" ").append(type).append("\n");
    return *this;
  }
  template <class Number>
  Exposition& sample(Number value, std::string_view suffix = {}) {
    text_.append(name_).append(suffix).append(" ").append(number(value)).append("\n");
    return *this;
  }
  Exposition& labelled(std::string_view label, std::string_view label_value, std::uint64_t value) {
    text_.append(name_).append("{").append(label).append("=\"").append(escaped(label_value));
    text_.append("\"} ").append(number(value)).append("\n");
    return *this;
  }
  void counter(std::string_view name, std::uint64_t value, std::string_view help) {
    family(name, "counter", help).sample(value);
  }
  template <class Number>
  void gauge(std::string_view name, Number value, std::string_view help) {
    family(name, "gauge", help).sample(value);
  }
  void flag(std::string_view name, bool value, std::string_view help) {
    gauge(name, std::uint64_t{value ? 1U : 0U}, help);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  std::string_view name_;
};

void add_records(Exposition& out, const Snapshot& s) {
  out.counter("xased_records_committed_total", s.committed,
              "Records that producers committed to their rings.");
  out.counter("xased_records_journaled_total", s.journaled,
              "Records that are entries of the ledger.");
  out.counter("xased_records_durable_total", s.durable,
              "Records whose entries are synced to disk.");
  out.counter("xased_records_delivered_total", s.delivered,
              "Records whose receipts are durable entries.");
  out.counter("xased_records_dead_letter_total", s.dead_letter_total,
              "Times that a record was set aside because the API refused it.");
  out.gauge("xased_records_dead_letter", s.dead_letter, "Records that are set aside now.");
  out.gauge("xased_records_undelivered", s.undelivered,
            "Records in the ledger that are neither delivered nor set aside.");
  out.counter("xased_records_rejected_total", s.rejected,
              "Records that the daemon refused because of what they hold.");
  out.counter("xased_records_replayed_total", s.replayed,
              "Receipts that belong to an earlier record, because the idempotency key was used "
              "before.");
  out.counter("xased_records_possible_duplicates_total", s.possible_duplicates,
              "Delivered records that the API may hold twice.");
  out.counter("xased_gaps_total", s.gaps, "Gap entries in the ledger.");
  out.counter("xased_records_missing_total", s.missing,
              "Records, or damaged entries, that the gaps say are missing.");
  out.counter("xased_records_refused_total", s.refused_total,
              "Records refused to the caller because a ring was full.");
}

void add_ledger(Exposition& out, const Snapshot& s) {
  out.gauge("xased_last_sequence", s.last_sequence, "Sequence of the ledger's last entry.");
  out.gauge("xased_checkpoint_size", s.checkpoint_size,
            "Entries of the ledger that the signed head covers.");
  out.counter("xased_tree_lost_total", s.tree_lost,
              "Entries that the journal lost before they were in the tree, which says so.");
  out.flag("xased_tree_stalled", s.tree_stalled,
           "1 where leaves that were signed over are lost: no further checkpoint comes.");
  out.flag("xased_head_disagreed", s.head_disagreed,
           "1 where the head found at the start was not one of this journal.");
  out.flag("xased_keys_trouble", !s.keys_trouble.empty(),
           "1 while a signing key that is wanted or in force does not sign; status says why.");
  out.flag("xased_checkpoint_waits", s.checkpoint_waits,
           "1 while a checkpoint is due and a key that must sign it does not.");
  out.gauge("xased_journal_bytes", s.journal_bytes, "Bytes that the journal takes on disk.");
  out.gauge("xased_journal_bytes_max", s.journal_bytes_max, "Bytes that the journal may take.");
  out.gauge("xased_segments", s.segments, "Segments of the journal.");
  out.counter("xased_segments_removed_total", s.segments_removed,
              "Segments that were kept for long enough, and are removed.");
  out.counter("xased_segments_removed_early_total", s.segments_removed_early,
              "Of these, those that went before their time because the journal had no room.");
  out.flag("xased_disk_full", s.disk_full, "1 while intake waits for room on the disk.");
  out.family("xased_sync_seconds", "summary", "Syncs of the journal and the time they took.")
      .sample(s.sync_seconds, "_sum")
      .sample(s.syncs, "_count");
}

void add_delivery(Exposition& out, const Snapshot& s) {
  out.family("xased_delivery_paused", "gauge",
             "1 for the reason why delivery waits, 0 for all others.");
  bool known = false;
  constexpr auto kLast = static_cast<std::uint32_t>(PauseReason::kDisabled);
  for (std::uint32_t i = 1; i <= kLast; ++i) {
    const std::string_view name = pause_reason_name(static_cast<PauseReason>(i));
    const bool is_it = s.paused == name;
    known = known || is_it;
    out.labelled("reason", name, is_it ? 1 : 0);
  }
  if (s.paused && !known) out.labelled("reason", *s.paused, 1);

  out.family("xased_delivery_attempts_total", "counter",
             "Answered or failed attempts since the daemon's start, by what came of them.")
      .labelled("result", "created", s.answers_created)
      .labelled("result", "replayed", s.answers_replayed)
      .labelled("result", "refused", s.answers_refused)
      .labelled("result", "limited", s.answers_limited)
      .labelled("result", "paused", s.answers_paused)
      .labelled("result", "failed", s.answers_failed)
      .labelled("result", "no_answer", s.no_answer);
  out.counter("xased_delivery_retries_total", s.retries,
              "Attempts since the daemon's start that were not a record's first.");
  out.gauge("xased_delivery_in_flight", std::uint64_t{s.in_flight}, "Requests under way.");
  out.gauge("xased_delivery_in_flight_max", std::uint64_t{s.in_flight_max},
            "Requests that may be under way at the moment.");
  out.gauge("xased_oldest_undelivered_seconds", s.oldest_undelivered_seconds,
            "Age of the oldest record that is not delivered; 0: there is none.");
  out.gauge("xased_anchored_size", s.anchored_size,
            "Entries that the signed head covers which the API took last.");
  out.counter("xased_audits_total", s.audits,
              "Records that the API was asked about again, since the daemon's start.");
  out.family("xased_audit_failures_total", "counter",
             "Receipts that the API did not stand by, since the daemon's start, by kind; race is "
             "what its known race explains.");
  for (const Snapshot::AuditCount& finding : s.audit_findings) {
    out.labelled("kind", finding.kind, finding.count);
  }
}

}  // namespace

std::string metrics_text(const Snapshot& s) {
  Exposition out;
  out.family("xased_build_info", "gauge", "1, with the version of the daemon.")
      .labelled("version", s.version, 1);
  out.gauge("xased_start_time_seconds", static_cast<double>(s.started_wall_ns) / 1e9,
            "When the daemon started, in seconds since the epoch.");
  out.flag("xased_ready", s.ready, "1 while the daemon is recovered and can write.");
  add_records(out, s);
  out.gauge("xased_producers", s.producers, "Rings attached.");
  out.gauge("xased_rings_waiting", s.rings_waiting,
            "Rings that are not read before others are gone: there are more than rings_max.");
  out.counter("xased_rings_condemned_total", s.rings_condemned,
              "Rings given up because their content made no sense.");
  add_ledger(out, s);
  add_delivery(out, s);
  out.counter("xased_log_alarms_total", s.alarms, "Errors and worse that were logged.");
  return out.take();
}

}  // namespace xased
