// Finds entries in a state directory, by sequence, by transaction id, by the record they answer.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/evidence/index_file.hpp"
#include "daemon/ledger/entry.hpp"
#include "daemon/platform/file_system.hpp"
#include "daemon/platform/sha256.hpp"

namespace xased {

// An entry that owns its bytes.
struct FoundEntry {
  xase::proto::Leaf leaf;
  std::vector<std::byte> leaf_bytes;
  std::vector<std::byte> erasable_bytes;  // empty where it was dropped

  // Views into this.
  xase::proto::Erasable erasable() const;
};

// Reads files alone, also while a daemon writes them. One thread. What it finds is as the journal
// has it: nothing here is proven.
class EntryFinder {
 public:
  EntryFinder(FileSystem& fs, const std::string& state_dir);

  // kNotFound where no segment holds it. Reads one segment.
  Result<FoundEntry> entry(std::uint64_t sequence);

  // The records whose transaction_id this is, oldest first, at most kRecordsMax of the newest.
  static constexpr std::size_t kRecordsMax = 16;
  Result<std::vector<std::uint64_t>> records_of(std::string_view transaction_id);

  // The RECEIPT about `record`; without one, the last DEAD_LETTER that says that it was set aside.
  Result<std::optional<FoundEntry>> answer_to(const FoundEntry& record);

  // Last sequence of the journal; 0 where it holds none. Reads the last segment.
  Result<std::uint64_t> last_sequence();

  // What had to be read for want of an index, so far.
  std::uint64_t entries_scanned() const { return entries_scanned_; }

 private:
  // A stretch of the journal: in the index, or to be read.
  struct Stretch {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::optional<std::uint64_t> index;  // its file's first sequence
  };
  Result<std::vector<Stretch>> stretches(std::uint64_t from);
  // Candidates out of one stretch, ascending: `wants` chooses where there is no index.
  Result<std::vector<std::uint64_t>> search(const Stretch& stretch, IndexKind kind,
                                            std::uint64_t key,
                                            const std::function<bool(const Entry&)>& wants);
  bool is_record_of(const Entry& entry, std::string_view transaction_id) const;

  FileSystem& fs_;
  const std::string journal_;
  const std::string index_;
  Sha256 sha_;
  std::uint64_t entries_scanned_ = 0;
};

// What an entry is indexed by; nothing where it is by nothing.
struct IndexedBy {
  IndexKind kind = IndexKind::kTransaction;
  std::uint64_t key = 0;
};
std::optional<IndexedBy> indexed_by(Sha256& sha, const Entry& entry);

}  // namespace xased
