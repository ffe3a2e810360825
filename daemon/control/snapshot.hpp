// What the daemon says of itself at one moment: plain data, gathered by the application from the
// stages' counters, and shown as JSON and as Prometheus text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace xased {

// One ring, as `status` and `tap` show it.
struct RingSnapshot {
  std::string ring_id;  // hex
  std::uint32_t pid = 0;
  std::uint32_t uid = 0;
  bool owned = false;  // its owner is alive
  std::uint64_t journaled = 0;
  std::uint64_t refused = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t capacity_bytes = 0;
  // Sequences of the ring: the last record committed, as the producer says, and the last one that
  // is an entry. `wait` compares them.
  std::uint64_t committed_sequence = 0;
  std::uint64_t journaled_sequence = 0;
};

struct Snapshot {
  // The daemon.
  std::string version;
  std::uint32_t pid = 0;
  std::int64_t started_wall_ns = 0;
  std::string run_dir;
  std::string state_dir;
  std::string base_url;
  std::string api_key_masked;  // empty: none
  std::string api_key_fingerprint;
  bool live = false;
  bool ready = false;
  std::string not_ready_reason;
  bool stopping = false;

  // Records, over the whole life of the ledger: delivered <= durable <= journaled <= committed.
  std::uint64_t committed = 0;
  std::uint64_t journaled = 0;
  std::uint64_t durable = 0;
  std::uint64_t delivered = 0;
  std::uint64_t dead_letter = 0;        // set aside now
  std::uint64_t dead_letter_total = 0;  // set aside ever: never falls
  std::uint64_t undelivered = 0;        // journaled, neither delivered nor set aside
  std::uint64_t rejected = 0;
  std::uint64_t replayed = 0;
  std::uint64_t possible_duplicates = 0;
  std::uint64_t gaps = 0;
  std::uint64_t missing = 0;        // records, or damaged entries, that the gaps say are missing
  std::uint64_t refused = 0;        // refused because a ring was full, by rings that exist now
  std::uint64_t refused_total = 0;  // the same, since the start and of gone rings too: never falls

  // The ledger.
  std::string log_id;  // hex
  std::string origin;
  std::uint64_t last_sequence = 0;
  std::uint64_t durable_sequence = 0;  // entries up to here are synced
  // Every record up to here is delivered or set aside, durably (DeliveryCounters::settled_through).
  // Reaches last_sequence when nothing is undelivered, also where the last entries are no records.
  std::uint64_t settled_through = 0;
  std::string head;  // hex: leaf hash of the last entry
  // The signed head: how many entries it covers (0: there is none yet), and when it was signed (0:
  // not since the start).
  std::uint64_t checkpoint_size = 0;
  std::int64_t checkpoint_wall_ns = 0;
  std::uint64_t tree_size = 0;  // entries in the tree
  // Why a key that is wanted or in force does not sign; empty: all do.
  std::string keys_trouble;
  bool checkpoint_waits = false;  // one is due, and a key that must sign it does not
  // Entries that the journal lost before they were in the tree, which says so in their place; of
  // this run.
  std::uint64_t tree_lost = 0;
  // Leaves that a signed head is over are lost: there will be no further checkpoint.
  bool tree_stalled = false;
  // The head found at the start was not one of this journal.
  bool head_disagreed = false;
  std::uint64_t journal_bytes = 0;
  std::uint64_t journal_bytes_max = 0;
  std::uint64_t segments = 0;
  // Since the start: segments that retention removed, and of these before their time for want of
  // room; entries up to there are gone (0: none since the start).
  std::uint64_t segments_removed = 0;
  std::uint64_t segments_removed_early = 0;
  std::uint64_t removed_through = 0;
  bool disk_full = false;
  std::uint64_t syncs = 0;
  double sync_seconds = 0;

  // Producers.
  std::uint64_t producers = 0;  // rings attached
  std::uint64_t rings_condemned = 0;
  std::uint64_t rings_waiting = 0;  // in the folder, and more than may be attached
  std::vector<RingSnapshot> rings;

  // Delivery.
  std::optional<std::string> paused;  // reason
  std::uint32_t paused_http_status = 0;
  std::int64_t paused_since_wall_ns = 0;
  double next_probe_seconds = 0;
  std::uint32_t in_flight = 0;
  std::uint32_t in_flight_max = 0;
  std::uint64_t attempts = 0;
  std::uint64_t retries = 0;
  std::uint64_t answers_created = 0;
  std::uint64_t answers_replayed = 0;
  std::uint64_t answers_refused = 0;
  std::uint64_t answers_limited = 0;
  std::uint64_t answers_paused = 0;
  std::uint64_t answers_failed = 0;
  std::uint64_t no_answer = 0;
  std::string no_answer_why;  // of the last attempt; empty: it was answered
  double oldest_undelivered_seconds = 0;

  // Since the start: records that the service was asked about again, and what was found, by kind.
  std::uint64_t audits = 0;
  // The signed head that the service took last: entries it covers (0: none), and when.
  std::uint64_t anchored_size = 0;
  std::int64_t anchored_wall_ns = 0;
  struct AuditCount {
    std::string kind;
    std::uint64_t count = 0;
  };
  std::vector<AuditCount> audit_findings;
  std::uint64_t audit_failures = 0;  // all of these but races

  std::uint64_t alarms = 0;  // errors and worse that were logged
};

}  // namespace xased
