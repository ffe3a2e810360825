#include "daemon/ctl/audit_ledger.hpp"

#include <unordered_map>
#include <utility>

#include "daemon/delivery/record_source.hpp"
#include "daemon/delivery/request_body.hpp"
#include "daemon/evidence/entry_finder.hpp"
#include "daemon/ledger/segment_names.hpp"
#include "proto/entry_body.hpp"
#include "proto/hashing.hpp"

namespace xased::ctl {

using xase::proto::EntryType;
using xase::proto::ReceiptBody;
using Step = JournalReader::Step;

namespace {

class Collector {
 public:
  explicit Collector(AuditLedger& ledger) : ledger_(ledger) {}

  void take_record(const Entry& entry, std::string_view context) {
    Record record;
    record.erased = entry.erased();
    if (!record.erased) {
      const xase::proto::Hash leaf = xase::proto::leaf_hash(sha256_, entry.leaf_bytes);
      if (builder_.build(entry, leaf, context, request_).ok()) {
        record.hashes = hasher_.of_body(request_.body);
      }
    }
    waiting_[entry.leaf.sequence] = record;
  }

  void take_receipt(const Entry& entry) {
    const auto body = xase::proto::decode_receipt_body(entry.body());
    auto receipt = entry.erased() || !body ? std::nullopt : answers_.receipt(body->answer);
    if (!receipt) {
      ++ledger_.receipts_unreadable;
      return;
    }
    AuditSubject subject;
    subject.sequence = body->record_sequence;
    subject.answered_at = entry.leaf.sequence;
    subject.transaction_id = std::move(receipt->transaction_id);
    subject.record_hash = receipt->record_hash;
    const auto record = waiting_.find(subject.sequence);
    if (record == waiting_.end()) {
      ++ledger_.records_missing;
    } else if ((body->flags & xase::proto::kReceiptReplayed) != 0) {
      ++ledger_.records_replayed;
    } else if (record->second.erased) {
      ++ledger_.records_erased;
    } else if (!record->second.hashes) {
      ++ledger_.records_untold;
    } else {
      subject.hashes = record->second.hashes;
    }
    if (record != waiting_.end()) waiting_.erase(record);
    ledger_.subjects.push_back(std::move(subject));
  }

 private:
  struct Record {
    bool erased = false;
    std::optional<ServiceHashes> hashes;
  };

  AuditLedger& ledger_;
  RequestBuilder builder_;
  Request request_;
  ServiceHasher hasher_;
  ServiceAnswerReader answers_;
  Sha256 sha256_;
  std::unordered_map<std::uint64_t, Record> waiting_;  // for their receipts, by sequence
};

}  // namespace

Result<AuditLedger> read_audit_ledger(
    FileSystem& fs, const std::string& state_dir,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  const auto last = EntryFinder(fs, state_dir).last_sequence();
  if (!last.ok()) return last.status();
  AuditLedger ledger;
  if (*last == 0) return ledger;
  RecordSource source(fs, state_dir + "/" + std::string(kJournalFolder));
  if (Status status = source.start(1); !status.ok()) return status;
  Collector collector(ledger);
  for (;;) {
    const auto step = source.next(*last);
    if (!step.ok()) return step.status();
    if (*step == Step::kEnd) return ledger;
    progress(source.next_sequence() - 1, *last);
    if (*step == Step::kDamage) {
      ++ledger.damages;
      continue;
    }
    const Entry& entry = source.entry();
    if (entry.leaf.type == EntryType::kReceipt) collector.take_receipt(entry);
    if (entry.leaf.type != EntryType::kRecord) continue;
    const auto context = source.context();
    collector.take_record(entry, context.ok() ? *context : std::string_view());
  }
}

}  // namespace xased::ctl
