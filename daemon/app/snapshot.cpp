// What the daemon says of itself, gathered from the stages.
#include <unistd.h>

#include "daemon/app/daemon.hpp"
#include "daemon/app/version.hpp"
#include "proto/run_dir.hpp"

namespace xased {

using xase::proto::to_hex;

namespace {

constexpr double kNsPerSecond = 1e9;

void add_ledger(const LedgerView& view, Snapshot& out) {
  out.journaled = view.journaled_records;
  out.committed = view.journaled_records + view.pending_records;
  out.durable = view.durable_records;
  out.delivered = view.delivered_records;
  out.dead_letter = view.dead_letters;
  out.dead_letter_total = view.totals.dead_letters;
  const std::uint64_t settled = view.delivered_records + view.dead_letters + view.totals.rejected;
  out.undelivered = view.journaled_records > settled ? view.journaled_records - settled : 0;
  out.rejected = view.totals.rejected;
  out.replayed = view.totals.replayed;
  out.possible_duplicates = view.totals.possible_duplicates;
  out.gaps = view.totals.gaps;
  out.missing = view.totals.missing;
  out.refused = view.refused;
  out.log_id = to_hex(view.log_id);
  out.last_sequence = view.last_sequence;
  out.head = to_hex(view.head);
  out.journal_bytes = view.journal_bytes;
  out.segments = view.segments;
  out.producers = view.producers;
}

void add_delivery(const DeliveryCounters& counters, const Clock& clock, Snapshot& out) {
  const auto relaxed = std::memory_order_relaxed;
  const PauseReason reason = counters.paused.load(relaxed);
  if (reason != PauseReason::kNone) {
    out.paused = pause_reason_name(reason);
    out.paused_http_status = counters.paused_http_status.load(relaxed);
    out.paused_since_wall_ns = counters.paused_since_wall_ns.load(relaxed);
    const std::int64_t probe = counters.next_probe_boot_ns.load(relaxed) - clock.boot_ns();
    out.next_probe_seconds = probe > 0 ? static_cast<double>(probe) / kNsPerSecond : 0;
  }
  out.in_flight = counters.in_flight.load(relaxed);
  out.in_flight_max = counters.in_flight_max.load(relaxed);
  out.attempts = counters.attempts.load(relaxed);
  out.retries = counters.retries.load(relaxed);
  out.answers_created = counters.answers_created.load(relaxed);
  out.answers_replayed = counters.answers_replayed.load(relaxed);
  out.answers_refused = counters.answers_refused.load(relaxed);
  out.answers_limited = counters.answers_limited.load(relaxed);
  out.answers_paused = counters.answers_paused.load(relaxed);
  out.answers_failed = counters.answers_failed.load(relaxed);
  out.no_answer = counters.no_answer.load(relaxed);
  out.no_answer_why = counters.no_answer_why.get();
  out.anchored_size = counters.anchored_size.load(relaxed);
  out.anchored_wall_ns = counters.anchored_wall_ns.load(relaxed);
  out.audits = counters.audits.load(relaxed);
  for (std::uint16_t i = 1; i <= xase::proto::kAuditKinds; ++i) {
    const auto kind = static_cast<xase::proto::AuditKind>(i);
    const std::uint64_t count = counters.audit_findings.at(i).load(relaxed);
    out.audit_findings.push_back({std::string(xase::proto::audit_kind_name(kind)), count});
    if (kind != xase::proto::AuditKind::kRace) out.audit_failures += count;
  }
  const std::int64_t oldest = counters.oldest_undelivered_wall_ns.load(relaxed);
  if (oldest != 0 && clock.wall_ns() > oldest) {
    out.oldest_undelivered_seconds = static_cast<double>(clock.wall_ns() - oldest) / kNsPerSecond;
  }
}

}  // namespace

Snapshot Daemon::snapshot() const {
  Snapshot out;
  const Config config = this->config();
  out.version = kVersion;
  out.pid = static_cast<std::uint32_t>(::getpid());
  out.started_wall_ns = started_wall_ns_;
  out.run_dir = config.run_dir;
  out.state_dir = config.state_dir;
  out.base_url = config.api.base_url;
  out.api_key_masked = delivery_->api_key_masked();
  out.api_key_fingerprint = delivery_->api_key_fingerprint();
  out.origin = config.ledger.origin;
  out.journal_bytes_max = config.journal.max_bytes;
  out.live = is_live();
  out.stopping = stopping_.load(std::memory_order_relaxed);
  const IntakeCounters& intake = intake_->counters();
  const bool waits = intake.disk_full.load(std::memory_order_relaxed);
  const int error = intake.journal_error.load(std::memory_order_relaxed);
  // Who reads of a full disk frees space, and that opens no folder.
  out.disk_full = waits && (error == 0 || os_status("", error).code() == Code::kNoSpace);
  if (intake_->failed()) {
    out.not_ready_reason = "the ledger can no longer be written";
  } else if (out.disk_full) {
    out.not_ready_reason = "there is no room for the journal: records wait in their rings";
  } else if (waits) {
    out.not_ready_reason =
        os_status("the journal cannot be written, records wait in their rings", error).message();
  } else if (out.stopping) {
    out.not_ready_reason = "stopping";
  }
  out.ready = out.not_ready_reason.empty();
  add_ledger(intake.ledger.read(), out);
  out.refused_total = intake.refused.load(std::memory_order_relaxed);
  const TreeCounters& tree = tree_->counters();
  const RetentionCounters& retention = retention_->counters();
  out.segments_removed = retention.segments.load(std::memory_order_relaxed);
  out.segments_removed_early = retention.early.load(std::memory_order_relaxed);
  out.removed_through = retention.removed_through.load(std::memory_order_relaxed);
  out.checkpoint_size = tree.checkpoint_size.load(std::memory_order_relaxed);
  out.checkpoint_wall_ns = tree.checkpoint_wall_ns.load(std::memory_order_relaxed);
  out.tree_size = tree.size.load(std::memory_order_relaxed);
  out.tree_lost = tree.lost.load(std::memory_order_relaxed);
  out.tree_stalled = tree.is_stalled.load(std::memory_order_relaxed);
  out.head_disagreed = tree.disagreements.load(std::memory_order_relaxed) != 0;
  out.checkpoint_waits = tree.waits_for_keys.load(std::memory_order_relaxed);
  out.keys_trouble = key_keeper_->trouble();
  out.durable_sequence = positions_.durable.load(std::memory_order_acquire);
  out.settled_through = delivery_->counters().settled_through.load(std::memory_order_acquire);
  out.rings_condemned = intake.rings_condemned.load(std::memory_order_relaxed);
  out.rings_waiting = intake.rings_waiting.load(std::memory_order_relaxed);
  for (const RingView& ring : intake_->rings()) {
    out.rings.push_back({to_hex(ring.id), ring.pid, ring.uid, true, ring.journaled, ring.refused,
                         ring.used_bytes, ring.capacity_bytes, ring.journaled + ring.pending,
                         ring.journaled});
  }
  out.syncs = sync_->counters().syncs.load(std::memory_order_relaxed);
  out.sync_seconds =
      static_cast<double>(sync_->counters().sync_ns.load(std::memory_order_relaxed)) / kNsPerSecond;
  add_delivery(delivery_->counters(), system_clock(), out);
  out.alarms = logged_errors();
  return out;
}

}  // namespace xased
