// The stats socket: HTTP over the Unix socket RUN_DIR/stats.sock.
//
//   GET  /livez                      200 "ok", else 503: the loops make progress
//   GET  /readyz                     200 "ok", else 503 and the reason: recovered and writable
//   GET  /stats[?fresh=1]            JSON; fresh: rings are looked at anew before, not up to 1 s
//   old GET  /metrics                    Prometheus text GET  /config                     JSON,
//   keys masked GET  /deadletters?after=&limit=  JSON GET  /deadletters/SEQ            JSON with
//   the API's answer                        privileged POST /deadletters/SEQ/retry privileged POST
//   /deadletters/retry          all of them                                       privileged POST
//   /reload                     what SIGHUP does                                  privileged POST
//   /keys/rotate                a new signing key takes over                      privileged GET
//   /entries?after=&limit=&wait_ms=&payload=0|1   JSON; payload=1:                privileged
//
// Privileged: the peer's uid, as the kernel tells it, is the daemon's or root. What needs no
// privilege holds neither payloads nor transaction ids. Errors are {"error": text, "code": CODE}.
//
// A slow or hostile peer costs its own connection alone: a thread each, a limit on connections of
// one uid, on a request's size, and on the time for a request and for its answer.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/control/snapshot.hpp"
#include "daemon/platform/status.hpp"

namespace xased {

// A record that the API refused.
struct DeadLetterLine {
  std::uint64_t sequence = 0;  // the record's
  std::int64_t set_aside_wall_ns = 0;
  std::uint32_t http_status = 0;
  std::uint32_t attempts = 0;
  std::string policy;
  std::string transaction_id;  // shown to privileged peers
  std::string api_code;        // like "VALIDATION_ERROR"
  std::string message;
  bool is_removed = false;  // retention removed the record: it cannot be sent again
};

// An entry of the ledger, as `tap` shows it.
struct EntryLine {
  std::uint64_t sequence = 0;
  std::string type;  // as entry_type_name() says it
  std::int64_t wall_ns = 0;
  std::string leaf_hash;                     // hex
  std::string ring_id;                       // hex; empty: no producer is meant
  std::uint64_t ring_sequence = 0;           // 0: no record of a ring is meant
  std::uint32_t pid = 0;                     // 0: none
  std::optional<std::uint32_t> uid;          //
  std::string policy;                        // of a record
  std::string decision_type;                 // of a record
  std::uint64_t payload_bytes = 0;           // of a record: input, output, context, explanation
  std::optional<std::uint64_t> of_sequence;  // of a receipt or dead letter: the record's
  std::string note;  // what happened, for people: "201", "3 missing: queue_full"; no payload
  // Of a record, where the query asks for it: "input", "output", "transaction_id", ... and their
  // exact text.
  std::vector<std::pair<std::string, std::string>> payload;
};

struct EntryQuery {
  std::uint64_t after = 0;  // entries behind this sequence
  std::size_t limit = 0;    // at most so many
  bool payload = false;
  std::size_t bytes_max = 0;  // stop before payloads beyond this, but give one entry at least
};

struct EntryPage {
  std::vector<EntryLine> entries;
  std::uint64_t next_after = 0;  // to go on behind what this page covers, damage included
};

// What the server asks of the daemon. All are called from the server's threads, several at once;
// none may throw. One that is not set answers 501.
struct ControlHooks {
  std::function<Snapshot()> snapshot;  // required
  // Sequence of the last journaled entry: asked often.
  std::function<std::uint64_t()> last_sequence;
  // Returns once intake has attached every ring that was in the rings folder when this was called,
  // or kTimeout. Not set: /stats?fresh=1 is as /stats.
  std::function<Status(std::chrono::milliseconds)> scan_rings;
  // A JSON text: the configuration in force with origins, keys masked.
  std::function<std::string()> config_json;
  std::function<Status()> reload;
  // Has a new key take over; gives the verifier keys in force then, as a JSON array.
  std::function<Result<std::string>()> rotate_keys;
  // Open ones with a sequence behind `after`, in order, at most `limit`.
  std::function<Result<std::vector<DeadLetterLine>>(std::uint64_t after, std::size_t limit)>
      dead_letters;
  // A JSON text: all that is known of one, the API's answer included. kNotFound: it is none.
  std::function<Result<std::string>(std::uint64_t sequence)> dead_letter;
  // Asks for another try. kNotFound: it is none.
  std::function<Status(std::uint64_t sequence)> retry;
  // How many.
  std::function<Result<std::uint64_t>()> retry_all;
  std::function<Result<EntryPage>(const EntryQuery&)> entries;
};

struct ControlOptions {
  std::uint32_t mode = 0660;         // of the socket
  std::optional<std::string> group;  // its group, by name or number; unset: the daemon's
  // Also privileged, beside root; the daemon's own.
  std::optional<std::uint32_t> privileged_uid;  // unset: geteuid()
  std::size_t connections_max = 128;
  std::size_t connections_per_uid_max = 32;          // of uids that are not privileged
  std::chrono::milliseconds request_timeout{5000};   // for a whole request, idle time included
  std::chrono::milliseconds response_timeout{5000};  // for a whole answer
};

// Owns the socket and its threads. start() and stop() belong to one thread.
class ControlServer {
 public:
  // Serves RUN_DIR/stats.sock. What a dead daemon left there is replaced in one step; kExists, with
  // the pid, where a living one answers. `run_dir` must exist and may be of any length.
  static Result<std::unique_ptr<ControlServer>> start(const std::string& run_dir,
                                                      const ControlOptions& options,
                                                      ControlHooks hooks);
  virtual ~ControlServer() = default;
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // Takes no more connections, cuts off the open ones, waits for the hooks that run, and removes
  // the socket where it is still ours. Calling it again does nothing; the destructor calls it.
  virtual void stop() = 0;

 protected:
  ControlServer() = default;
};

}  // namespace xased
