// What the daemon tells, as text: JSON for people and tools, Prometheus text for metrics.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/control/control_server.hpp"
#include "daemon/control/snapshot.hpp"

namespace xased {

// A JSON object whose names are those of Snapshot, `paused` being the reason or null.
std::string stats_json(const Snapshot& snapshot);

// Prometheus text exposition format, version 0.0.4.
std::string metrics_text(const Snapshot& snapshot);

// {"entries": [...], "next_after": N}. Payload texts stand in it as JSON strings: exactly the bytes
// that the ledger holds, where those are UTF-8.
std::string entries_json(const EntryPage& page);

// {"dead_letters": [...]}.
std::string dead_letters_json(const std::vector<DeadLetterLine>& lines, bool with_transaction_id);

// {"error": message, "code": code}.
std::string error_json(std::string_view code, std::string_view message);

}  // namespace xased
