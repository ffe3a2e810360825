#include <nlohmann/json.hpp>

#include "daemon/control/render.hpp"

namespace xased {
namespace {

using Json = nlohmann::ordered_json;

// Text from apps and from the API may be anything: what is not UTF-8 must not make us throw.
std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json ring_json(const RingSnapshot& ring) {
  return {{"ring_id", ring.ring_id},
          {"pid", ring.pid},
          {"uid", ring.uid},
          {"owned", ring.owned},
          {"journaled", ring.journaled},
          {"refused", ring.refused},
          {"used_bytes", ring.used_bytes},
          {"capacity_bytes", ring.capacity_bytes},
          {"committed_sequence", ring.committed_sequence},
          {"journaled_sequence", ring.journaled_sequence}};
}

void add_daemon(Json& json, const Snapshot& s) {
  json["version"] = s.version;
  json["pid"] = s.pid;
  json["started_wall_ns"] = s.started_wall_ns;
  json["run_dir"] = s.run_dir;
  json["state_dir"] = s.state_dir;
  json["base_url"] = s.base_url;
  json["api_key_masked"] = s.api_key_masked;
  json["api_key_fingerprint"] = s.api_key_fingerprint;
  json["live"] = s.live;
  json["ready"] = s.ready;
  json["not_ready_reason"] = s.not_ready_reason;
  json["stopping"] = s.stopping;
}

void add_records(Json& json, const Snapshot& s) {
  json["committed"] = s.committed;
  json["journaled"] = s.journaled;
  json["durable"] = s.durable;
  json["delivered"] = s.delivered;
  json["dead_letter"] = s.dead_letter;
  json["dead_letter_total"] = s.dead_letter_total;
  json["undelivered"] = s.undelivered;
  json["rejected"] = s.rejected;
  json["replayed"] = s.replayed;
  json["possible_duplicates"] = s.possible_duplicates;
  json["gaps"] = s.gaps;
  json["missing"] = s.missing;
  json["refused"] = s.refused;
  json["refused_total"] = s.refused_total;
}

void add_ledger(Json& json, const Snapshot& s) {
  json["log_id"] = s.log_id;
  json["origin"] = s.origin;
  json["last_sequence"] = s.last_sequence;
  json["durable_sequence"] = s.durable_sequence;
  json["settled_through"] = s.settled_through;
  json["head"] = s.head;
  json["checkpoint_size"] = s.checkpoint_size;
  json["checkpoint_wall_ns"] = s.checkpoint_wall_ns;
  json["tree_size"] = s.tree_size;
  json["tree_lost"] = s.tree_lost;
  json["tree_stalled"] = s.tree_stalled;
  json["head_disagreed"] = s.head_disagreed;
  json["keys_trouble"] = s.keys_trouble;
  json["checkpoint_waits"] = s.checkpoint_waits;
  json["journal_bytes"] = s.journal_bytes;
  json["journal_bytes_max"] = s.journal_bytes_max;
  json["segments"] = s.segments;
  json["segments_removed"] = s.segments_removed;
  json["segments_removed_early"] = s.segments_removed_early;
  json["removed_through"] = s.removed_through;
  json["disk_full"] = s.disk_full;
  json["syncs"] = s.syncs;
  json["sync_seconds"] = s.sync_seconds;
}

void add_delivery(Json& json, const Snapshot& s) {
  json["paused"] = s.paused ? Json(*s.paused) : Json(nullptr);
  json["paused_http_status"] = s.paused_http_status;
  json["paused_since_wall_ns"] = s.paused_since_wall_ns;
  json["next_probe_seconds"] = s.next_probe_seconds;
  json["in_flight"] = s.in_flight;
  json["in_flight_max"] = s.in_flight_max;
  json["attempts"] = s.attempts;
  json["retries"] = s.retries;
  json["answers_created"] = s.answers_created;
  json["answers_replayed"] = s.answers_replayed;
  json["answers_refused"] = s.answers_refused;
  json["answers_limited"] = s.answers_limited;
  json["answers_paused"] = s.answers_paused;
  json["answers_failed"] = s.answers_failed;
  json["no_answer"] = s.no_answer;
  json["no_answer_why"] = s.no_answer_why;
  json["oldest_undelivered_seconds"] = s.oldest_undelivered_seconds;
  json["anchored_size"] = s.anchored_size;
  json["anchored_wall_ns"] = s.anchored_wall_ns;
  json["audits"] = s.audits;
  json["audit_failures"] = s.audit_failures;
  Json& findings = json["audit_findings"] = Json::object();
  for (const Snapshot::AuditCount& finding : s.audit_findings) {
    findings[finding.kind] = finding.count;
  }
}

Json entry_json(const EntryLine& entry) {
  Json json;
  json["sequence"] = entry.sequence;
  json["type"] = entry.type;
  json["wall_ns"] = entry.wall_ns;
  json["leaf_hash"] = entry.leaf_hash;
  if (!entry.ring_id.empty()) json["ring_id"] = entry.ring_id;
  if (entry.ring_sequence != 0) json["ring_sequence"] = entry.ring_sequence;
  if (entry.pid != 0) json["pid"] = entry.pid;
  if (entry.uid) json["uid"] = *entry.uid;
  if (!entry.policy.empty()) json["policy"] = entry.policy;
  if (!entry.decision_type.empty()) json["decision_type"] = entry.decision_type;
  if (entry.payload_bytes != 0) json["payload_bytes"] = entry.payload_bytes;
  if (entry.of_sequence) json["of_sequence"] = *entry.of_sequence;
  if (!entry.note.empty()) json["note"] = entry.note;
  if (!entry.payload.empty()) {
    Json& payload = json["payload"] = Json::object();
    for (const auto& [name, text] : entry.payload) payload[name] = text;
  }
  return json;
}

}  // namespace

std::string stats_json(const Snapshot& snapshot) {
  Json json;
  add_daemon(json, snapshot);
  add_records(json, snapshot);
  add_ledger(json, snapshot);
  json["producers"] = snapshot.producers;
  json["rings_condemned"] = snapshot.rings_condemned;
  json["rings_waiting"] = snapshot.rings_waiting;
  Json& rings = json["rings"] = Json::array();
  for (const RingSnapshot& ring : snapshot.rings) rings.push_back(ring_json(ring));
  add_delivery(json, snapshot);
  json["alarms"] = snapshot.alarms;
  return text_of(json) + "\n";
}

std::string entries_json(const EntryPage& page) {
  Json json;
  Json& entries = json["entries"] = Json::array();
  for (const EntryLine& entry : page.entries) entries.push_back(entry_json(entry));
  json["next_after"] = page.next_after;
  return text_of(json) + "\n";
}

std::string dead_letters_json(const std::vector<DeadLetterLine>& lines, bool with_transaction_id) {
  Json json;
  Json& list = json["dead_letters"] = Json::array();
  for (const DeadLetterLine& line : lines) {
    Json item{{"sequence", line.sequence},       {"set_aside_wall_ns", line.set_aside_wall_ns},
              {"http_status", line.http_status}, {"attempts", line.attempts},
              {"policy", line.policy},           {"api_code", line.api_code},
              {"message", line.message},         {"removed", line.is_removed}};
    if (with_transaction_id && !line.transaction_id.empty()) {
      item["transaction_id"] = line.transaction_id;
    }
    list.push_back(std::move(item));
  }
  return text_of(json) + "\n";
}

std::string error_json(std::string_view code, std::string_view message) {
  return text_of(Json{{"error", message}, {"code", code}}) + "\n";
}

}  // namespace xased
