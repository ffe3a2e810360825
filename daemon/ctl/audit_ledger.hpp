// What a ledger knows of the records that the service took.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "daemon/delivery/service_audit.hpp"
#include "daemon/platform/file_system.hpp"

namespace xased::ctl {

struct AuditLedger {
  // In the order of their receipts; one a record.
  std::vector<AuditSubject> subjects;
  // Receipts of which nothing can be asked: erased, or not as the service writes them.
  std::uint64_t receipts_unreadable = 0;
  // Stretches of the journal that cannot be read.
  std::uint64_t damages = 0;
  // Why a subject has no hashes.
  std::uint64_t records_erased = 0;
  std::uint64_t records_replayed = 0;  // the receipt is one to an earlier request
  std::uint64_t records_untold = 0;    // what the service hashes of it cannot be told for certain
  std::uint64_t records_missing = 0;   // the journal no longer has it
};

// Reads the journal, also while a daemon writes it, and builds every body anew. Memory: some 300
// bytes a record. `progress`: entries read, and how many there are. kNotFound where there is no
// journal. What is read is not verified: that is xasectl verify's to do.
Result<AuditLedger> read_audit_ledger(
    FileSystem& fs, const std::string& state_dir,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress);

}  // namespace xased::ctl
