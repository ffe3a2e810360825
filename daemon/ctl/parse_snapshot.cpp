#include <nlohmann/json.hpp>

#include "daemon/ctl/control_client.hpp"

namespace xased::ctl {
namespace {

using Json = nlohmann::json;

// Reads one object's members. A member of another type than ours is another program's answer.
class Members {
 public:
  explicit Members(const Json& json) : json_(json) {}

  void read(const char* name, std::string& to) {
    if (const Json* member = find(name, &Json::is_string)) to = member->get<std::string>();
  }
  void read(const char* name, bool& to) {
    if (const Json* member = find(name, &Json::is_boolean)) to = member->get<bool>();
  }
  void read(const char* name, double& to) {
    if (const Json* member = find(name, &Json::is_number)) to = member->get<double>();
  }
  void read(const char* name, std::uint64_t& to) {
    if (const Json* member = find(name, &Json::is_number)) to = member->get<std::uint64_t>();
  }
  void read(const char* name, std::uint32_t& to) {
    if (const Json* member = find(name, &Json::is_number)) to = member->get<std::uint32_t>();
  }
  void read(const char* name, std::int64_t& to) {
    if (const Json* member = find(name, &Json::is_number)) to = member->get<std::int64_t>();
  }
  bool sound() const { return sound_; }

 private:
  const Json* find(const char* name, bool (Json::*is_type)() const noexcept) {
    const auto place = json_.find(name);
    if (place == json_.end()) return nullptr;
    if (((*place).*is_type)()) return &*place;
    sound_ = false;
    return nullptr;
  }

  const Json& json_;
  bool sound_ = true;
};

void read_daemon(Members& in, Snapshot& s) {
  in.read("version", s.version);
  in.read("pid", s.pid);
  in.read("started_wall_ns", s.started_wall_ns);
  in.read("run_dir", s.run_dir);
  in.read("state_dir", s.state_dir);
  in.read("base_url", s.base_url);
  in.read("api_key_masked", s.api_key_masked);
  in.read("api_key_fingerprint", s.api_key_fingerprint);
  in.read("live", s.live);
  in.read("ready", s.ready);
  in.read("not_ready_reason", s.not_ready_reason);
  in.read("stopping", s.stopping);
  in.read("alarms", s.alarms);
  in.read("producers", s.producers);
  in.read("rings_condemned", s.rings_condemned);
  in.read("rings_waiting", s.rings_waiting);
}

void read_records(Members& in, Snapshot& s) {
  in.read("committed", s.committed);
  in.read("journaled", s.journaled);
  in.read("durable", s.durable);
  in.read("delivered", s.delivered);
  in.read("dead_letter", s.dead_letter);
  in.read("dead_letter_total", s.dead_letter_total);
  in.read("undelivered", s.undelivered);
  in.read("rejected", s.rejected);
  in.read("replayed", s.replayed);
  in.read("possible_duplicates", s.possible_duplicates);
  in.read("gaps", s.gaps);
  in.read("missing", s.missing);
  in.read("refused", s.refused);
  in.read("refused_total", s.refused_total);
}

void read_ledger(Members& in, Snapshot& s) {
  in.read("log_id", s.log_id);
  in.read("origin", s.origin);
  in.read("last_sequence", s.last_sequence);
  in.read("durable_sequence", s.durable_sequence);
  in.read("settled_through", s.settled_through);
  in.read("head", s.head);
  in.read("checkpoint_size", s.checkpoint_size);
  in.read("checkpoint_wall_ns", s.checkpoint_wall_ns);
  in.read("tree_size", s.tree_size);
  in.read("tree_lost", s.tree_lost);
  in.read("tree_stalled", s.tree_stalled);
  in.read("head_disagreed", s.head_disagreed);
  in.read("keys_trouble", s.keys_trouble);
  in.read("checkpoint_waits", s.checkpoint_waits);
  in.read("journal_bytes", s.journal_bytes);
  in.read("journal_bytes_max", s.journal_bytes_max);
  in.read("segments", s.segments);
  in.read("segments_removed", s.segments_removed);
  in.read("segments_removed_early", s.segments_removed_early);
  in.read("removed_through", s.removed_through);
  in.read("disk_full", s.disk_full);
  in.read("syncs", s.syncs);
  in.read("sync_seconds", s.sync_seconds);
}

void read_delivery(Members& in, Snapshot& s) {
  in.read("paused_http_status", s.paused_http_status);
  in.read("paused_since_wall_ns", s.paused_since_wall_ns);
  in.read("next_probe_seconds", s.next_probe_seconds);
  in.read("in_flight", s.in_flight);
  in.read("in_flight_max", s.in_flight_max);
  in.read("attempts", s.attempts);
  in.read("retries", s.retries);
  in.read("answers_created", s.answers_created);
  in.read("answers_replayed", s.answers_replayed);
  in.read("answers_refused", s.answers_refused);
  in.read("answers_limited", s.answers_limited);
  in.read("answers_paused", s.answers_paused);
  in.read("answers_failed", s.answers_failed);
  in.read("no_answer", s.no_answer);
  in.read("no_answer_why", s.no_answer_why);
  in.read("oldest_undelivered_seconds", s.oldest_undelivered_seconds);
  in.read("anchored_size", s.anchored_size);
  in.read("anchored_wall_ns", s.anchored_wall_ns);
  in.read("audits", s.audits);
  in.read("audit_failures", s.audit_failures);
}

bool read_ring(const Json& json, RingSnapshot& ring) {
  Members in(json);
  in.read("ring_id", ring.ring_id);
  in.read("pid", ring.pid);
  in.read("uid", ring.uid);
  in.read("owned", ring.owned);
  in.read("journaled", ring.journaled);
  in.read("refused", ring.refused);
  in.read("used_bytes", ring.used_bytes);
  in.read("capacity_bytes", ring.capacity_bytes);
  in.read("committed_sequence", ring.committed_sequence);
  in.read("journaled_sequence", ring.journaled_sequence);
  return in.sound();
}

bool read_all(const Json& json, Snapshot& snapshot) {
  Members in(json);
  read_daemon(in, snapshot);
  read_records(in, snapshot);
  read_ledger(in, snapshot);
  read_delivery(in, snapshot);
  if (const auto paused = json.find("paused"); paused != json.end() && paused->is_string()) {
    snapshot.paused = paused->get<std::string>();
  }
  if (const auto rings = json.find("rings"); rings != json.end() && rings->is_array()) {
    for (const Json& ring : *rings) {
      if (!ring.is_object() || !read_ring(ring, snapshot.rings.emplace_back())) return false;
    }
  }
  return in.sound();
}

}  // namespace

Result<Snapshot> parse_snapshot(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  Snapshot snapshot;
  if (!json.is_object() || !json.contains("committed") || !read_all(json, snapshot)) {
    return Status(Code::kCorrupt,
                  "the answer is not that of a daemon of this version: compare xased --version "
                  "with xasectl --version");
  }
  return snapshot;
}

}  // namespace xased::ctl
