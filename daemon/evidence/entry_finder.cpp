#include "daemon/evidence/entry_finder.hpp"

#include <algorithm>
#include <limits>

#include "daemon/evidence/entry_scan.hpp"
#include "daemon/ledger/segment_names.hpp"
#include "proto/entry_body.hpp"
#include "proto/record.hpp"

namespace xased {

using xase::proto::EntryType;

namespace {

constexpr std::uint64_t kNoLast = std::numeric_limits<std::uint64_t>::max();

FoundEntry keep(const Entry& entry) {
  return {entry.leaf,
          {entry.leaf_bytes.begin(), entry.leaf_bytes.end()},
          {entry.erasable_bytes.begin(), entry.erasable_bytes.end()}};
}

bool is_answer(EntryType type) {
  return type == EntryType::kReceipt || type == EntryType::kDeadLetter;
}

}  // namespace

xase::proto::Erasable FoundEntry::erasable() const {
  return xase::proto::decode_erasable(erasable_bytes).value_or(xase::proto::Erasable{});
}

std::optional<IndexedBy> indexed_by(Sha256& sha, const Entry& entry) {
  if (entry.erased()) return std::nullopt;
  if (entry.leaf.type == EntryType::kRecord) {
    const auto fields = xase::proto::decode_record_parts(entry.erasable);
    if (!fields) return std::nullopt;
    const std::string_view id = fields->span(xase::proto::Span::kTransactionId);
    if (id.empty()) return std::nullopt;
    return IndexedBy{IndexKind::kTransaction, transaction_key(sha, id)};
  }
  if (!is_answer(entry.leaf.type)) return std::nullopt;
  const auto body = xase::proto::decode_receipt_body(entry.body());
  if (!body) return std::nullopt;
  return IndexedBy{IndexKind::kAnswer, body->record_sequence};
}

EntryFinder::EntryFinder(FileSystem& fs, const std::string& state_dir)
    : fs_(fs),
      journal_(state_dir + "/" + std::string(kJournalFolder)),
      index_(index_directory(state_dir)) {}

Result<FoundEntry> EntryFinder::entry(std::uint64_t sequence) {
  std::optional<FoundEntry> found;
  Status status = scan_entries(fs_, journal_, sequence, sequence, [&](const Entry& entry) {
    found = keep(entry);
    return false;
  });
  if (!status.ok()) return status;
  if (!found) {
    return Status(Code::kNotFound, "no entry " + std::to_string(sequence) + " in " + journal_);
  }
  return std::move(*found);
}

Result<std::uint64_t> EntryFinder::last_sequence() {
  const auto segments = list_segments(fs_, journal_);
  if (!segments.ok()) return segments.status();
  if (segments->empty()) return std::uint64_t{0};
  std::uint64_t last = segments->back() - 1;
  Status status = scan_entries(fs_, journal_, last + 1, kNoLast, [&](const Entry& entry) {
    last = entry.leaf.sequence;
    return true;
  });
  if (!status.ok()) return status;
  return last;
}

// All of the journal from entry `from` on, in order.
Result<std::vector<EntryFinder::Stretch>> EntryFinder::stretches(std::uint64_t from) {
  const auto firsts = list_index(fs_, index_);
  if (!firsts.ok()) return firsts.status();
  std::vector<Stretch> all;
  std::uint64_t next = from;
  for (const std::uint64_t first : *firsts) {
    const auto file = IndexFile::open(fs_, index_, first);
    if (!file.ok() && file.status().code() == Code::kDenied) return file.status();
    // One that cannot be read is none.
    if (!file.ok()) continue;
    const std::uint64_t last = (*file)->header().last;
    if (last < next) continue;
    if (first > next) all.push_back({next, first - 1, std::nullopt});
    all.push_back({std::max(first, next), last, first});
    next = last + 1;
  }
  all.push_back({next, kNoLast, std::nullopt});
  return all;
}

Result<std::vector<std::uint64_t>> EntryFinder::search(
    const Stretch& stretch, IndexKind kind, std::uint64_t key,
    const std::function<bool(const Entry&)>& wants) {
  if (stretch.index) {
    const auto file = IndexFile::open(fs_, index_, *stretch.index);
    if (file.ok()) {
      auto found = (*file)->find(kind, key);
      if (found.ok() || found.status().code() != Code::kCorrupt) return found;
    }
  }
  std::vector<std::uint64_t> found;
  Status status = scan_entries(fs_, journal_, stretch.first, stretch.last, [&](const Entry& entry) {
    ++entries_scanned_;
    if (wants(entry)) found.push_back(entry.leaf.sequence);
    return true;
  });
  if (!status.ok()) return status;
  return found;
}

bool EntryFinder::is_record_of(const Entry& entry, std::string_view transaction_id) const {
  if (entry.leaf.type != EntryType::kRecord || entry.erased()) return false;
  const auto fields = xase::proto::decode_record_parts(entry.erasable);
  return fields && fields->span(xase::proto::Span::kTransactionId) == transaction_id;
}

Result<std::vector<std::uint64_t>> EntryFinder::records_of(std::string_view transaction_id) {
  if (transaction_id.empty()) return std::vector<std::uint64_t>{};
  const auto all = stretches(1);
  if (!all.ok()) return all.status();
  const std::uint64_t key = transaction_key(sha_, transaction_id);
  const auto wants = [&](const Entry& entry) { return is_record_of(entry, transaction_id); };
  std::vector<std::uint64_t> records;  // newest first
  for (auto stretch = all->rbegin(); stretch != all->rend(); ++stretch) {
    const auto found = search(*stretch, IndexKind::kTransaction, key, wants);
    if (!found.ok()) return found.status();
    for (auto one = found->rbegin(); one != found->rend(); ++one) {
      if (records.size() == kRecordsMax) break;
      bool is_it = !stretch->index;
      if (stretch->index) {
        // Two ids may share a key, and the file may be of a journal that was replaced.
        Status status = scan_entries(fs_, journal_, *one, *one, [&](const Entry& entry) {
          is_it = wants(entry);
          return false;
        });
        if (!status.ok()) return status;
      }
      if (is_it) records.push_back(*one);
    }
    if (records.size() == kRecordsMax) break;
  }
  std::reverse(records.begin(), records.end());
  return records;
}

Result<std::optional<FoundEntry>> EntryFinder::answer_to(const FoundEntry& record) {
  const std::uint64_t sequence = record.leaf.sequence;
  const auto all = stretches(sequence + 1);
  if (!all.ok()) return all.status();
  const auto hash = xase::proto::leaf_hash(sha_, record.leaf_bytes);
  const auto body_about_it = [&](const Entry& entry) {
    auto body = is_answer(entry.leaf.type) && !entry.erased()
                    ? xase::proto::decode_receipt_body(entry.body())
                    : std::nullopt;
    if (body && (body->record_sequence != sequence || body->record_leaf_hash != hash)) body.reset();
    return body;
  };
  std::optional<FoundEntry> answer;
  for (const Stretch& stretch : *all) {
    const auto found = search(stretch, IndexKind::kAnswer, sequence,
                              [&](const Entry& entry) { return body_about_it(entry).has_value(); });
    if (!found.ok()) return found.status();
    for (const std::uint64_t one : *found) {
      bool is_receipt = false;
      Status status = scan_entries(fs_, journal_, one, one, [&](const Entry& entry) {
        const auto body = body_about_it(entry);
        is_receipt = body && entry.leaf.type == EntryType::kReceipt;
        if (body && body->action == xase::proto::ReceiptAction::kAnswer) answer = keep(entry);
        return false;
      });
      if (!status.ok()) return status;
      // A record has one at most.
      if (is_receipt) return answer;
    }
  }
  return answer;
}

}  // namespace xased
