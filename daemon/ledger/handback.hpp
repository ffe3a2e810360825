// What delivery hands to intake, which alone writes to the ledger.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/platform/spsc_queue.hpp"
#include "proto/entry_body.hpp"
#include "proto/leaf.hpp"
#include "proto/witness_body.hpp"

namespace xased {

struct Handback {
  enum class Kind : std::uint8_t {
    kReceipt,         // becomes a RECEIPT entry
    kDeadLetter,      // becomes a DEAD_LETTER entry, also where an operator asks for another try
    kAudit,           // becomes an AUDIT entry
    kAnchor,          // becomes an ANCHOR entry
    kJournalDamaged,  // becomes a GAP entry: entries `first` to `last` can no longer be read
    // No entry: this record of its ring and every one before it there is delivered or set aside,
    // durably, so that the producer can be told "all up to here".
    kSettled,
  };
  Kind kind = Kind::kSettled;
  // The record's, from its leaf.
  xase::proto::Id ring_id{};
  std::uint64_t ring_sequence = 0;
  std::uint32_t uid = xase::proto::kNoUid;
  std::uint32_t pid = 0;
  // kReceipt and kDeadLetter. `body.answer` is not set: the text is `text`.
  xase::proto::ReceiptBody body{};
  // kAudit. `audit.answer` is not set: the text is `text`.
  xase::proto::AuditBody audit{};
  // kAnchor; the same, and neither is `anchor.note`.
  xase::proto::AnchorBody anchor{};
  std::string note;
  // The answer's body or, for kJournalDamaged, what is wrong.
  std::string text;
  std::uint64_t first = 0;
  std::uint64_t last = 0;

  bool becomes_entry() const { return kind != Kind::kSettled; }
};

inline constexpr std::size_t kHandbacksMax = 1024;
// Delivery pushes, intake pops. Where it is full, delivery waits: nothing is dropped.
using HandbackQueue = SpscQueue<Handback, kHandbacksMax>;

}  // namespace xased
