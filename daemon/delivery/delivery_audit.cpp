// The part of delivery that watches the witness: whether the service still says what it said.
#include <algorithm>

#include "daemon/delivery/delivery_core.hpp"

namespace xased {

using std::chrono::nanoseconds;
using xase::proto::audit_kind_name;
using xase::proto::audit_kind_words;
using xase::proto::AuditKind;

// Before the shipment lets go of its request.
void DeliveryCore::note_receipt(const Shipment& shipment, const Answer& answer, bool is_ours) {
  if (!sampler_.enabled()) return;
  const auto receipt = service_answers_.receipt(answer.body);
  if (!receipt) return;
  AuditSubject subject;
  subject.sequence = shipment.sequence;
  subject.answered_at = positions_.durable.load(std::memory_order_acquire);
  subject.transaction_id = receipt->transaction_id;
  subject.record_hash = receipt->record_hash;
  const bool chosen = sampler_.chooses();
  if (chosen && is_ours) subject.hashes = service_hasher_.of_body(shipment.request->body);
  sampler_.on_receipt(std::move(subject), shipment.leaf_hash, chosen);
}

// Where we are the tenant's only writer, what the service chains a record behind is ours as well.
void DeliveryCore::watch_writer(const Watched& watched, const JobResult& result,
                                const Verdict& verdict) {
  const std::int64_t now_ns = now();
  const bool made_one = verdict.outcome == Outcome::kDelivered && !verdict.replayed;
  const auto receipt = made_one && options_.only_writer && result.route == route_
                           ? service_answers_.receipt(result.answer.body)
                           : std::nullopt;
  std::optional<WriterWatch::Alarm> alarm;
  if (receipt && !watched.is_doubtful) {
    WriterWatch::Receipt told;
    told.subject = {watched.sequence, watched.leaf_hash, result.answer.body};
    told.hashes = service_hasher_.of_body(watched.request->body);
    told.record_hash = receipt->record_hash;
    alarm = writer_watch_.on_receipt(watched.ticket, std::move(told), now_ns);
  } else if (made_one || verdict.may_have_reached) {
    writer_watch_.on_doubt(watched.ticket, now_ns);
  } else {
    alarm = writer_watch_.on_no_record(watched.ticket, now_ns);
  }
  if (!alarm) return;
  AuditSampler::Found found;
  found.finding.kind = AuditKind::kAnotherWriter;
  found.sequence = alarm->sequence;
  found.leaf_hash = alarm->leaf_hash;
  Answer answer;
  answer.status = 201;
  answer.body = std::move(alarm->answer);
  report_audit(found, answer);
}

// Beside deliveries and never in their place: one question at a time, on a connection of its own
// where all others are busy, and none while the service is not to be bothered.
bool DeliveryCore::ask_service() {
  if (destination_.paused() || destination_.away()) return false;
  const std::optional<std::string> id = sampler_.ask(now());
  if (!id) return false;
  auto request = std::make_shared<Request>();
  request->verify_id = *id;
  dispatch_.send({kAuditJob, std::move(request), route_});
  return true;
}

void DeliveryCore::take_audit(const JobResult& result) {
  // Another service's word says nothing of this one.
  const Answer& answer = result.route == route_ ? result.answer : Answer{};
  const auto found = sampler_.on_answer(answer, now(), clock_.wall_ns());
  counters_.audits.store(sampler_.audits(), std::memory_order_relaxed);
  if (found) report_audit(*found, answer);
}

void DeliveryCore::report_audit(const AuditSampler::Found& found, const Answer& answer) {
  const AuditKind kind = found.finding.kind;
  counters_.audit_findings[static_cast<std::size_t>(kind)].fetch_add(1, std::memory_order_relaxed);
  log_line(kind == AuditKind::kRace ? LogLevel::kWarn : LogLevel::kError, "delivery",
           audit_kind_words(kind),
           {{"kind", audit_kind_name(kind)},
            {"sequence", found.sequence},
            {"other_sequence", found.finding.other_sequence}});
  Handback handback;
  handback.kind = Handback::Kind::kAudit;
  handback.text = cut_text(answer.body, xase::proto::kBodyTextBytesMax);
  handback.audit.record_sequence = found.sequence;
  handback.audit.record_leaf_hash = found.leaf_hash;
  handback.audit.kind = kind;
  handback.audit.http_status = static_cast<std::uint32_t>(std::max(answer.status, 0));
  handback.audit.other_sequence = found.finding.other_sequence;
  handback.audit.answered_wall_ns = clock_.wall_ns();
  hand_back(std::move(handback), {});
}

}  // namespace xased
