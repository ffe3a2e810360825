// Holds a ledger's receipts against what the service says of them now.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/ctl/audit_ledger.hpp"
#include "daemon/delivery/transport.hpp"

namespace xased::ctl {

struct AuditLine {
  AuditFinding finding;
  std::uint64_t sequence = 0;
  std::string transaction_id;
};

struct AuditReport {
  std::uint64_t receipts = 0;       // that the ledger has
  std::uint64_t asked = 0;          // about, with an answer that says something
  std::uint64_t good = 0;           // of these: checked whole, and nothing found
  std::uint64_t without_bytes = 0;  // of these: nothing found, but its hash could not be computed
  std::uint64_t unanswered = 0;     // the service said nothing of them
  std::uint64_t not_asked = 0;      // the service was away
  std::vector<AuditLine> findings;
  std::string last_failure;  // why there was no answer; no payload

  bool refuted() const;
  bool has_race() const;
};

// So many records in a row without an answer: the service is away, the others are not asked about.
inline constexpr std::uint64_t kUnansweredMax = 3;

// Asks with `ask` about the subjects at `chosen`, which ascend. `progress`: done, of how many.
AuditReport run_audit(const AuditLedger& ledger, const std::vector<std::size_t>& chosen,
                      const std::function<Answer(const std::string& transaction_id)>& ask,
                      const std::function<void(std::uint64_t, std::uint64_t)>& progress);

// `count` of `size` indices, each as likely as any other, ascending.
std::vector<std::size_t> choose(std::size_t size, std::optional<std::size_t> count);

}  // namespace xased::ctl
