// Makes a bundle out of a state directory.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/evidence/bundle.hpp"
#include "daemon/evidence/make_proof.hpp"
#include "daemon/platform/file_system.hpp"

namespace xased {

struct MadeBundle {
  // Nothing: no signed head covers the last entry yet.
  std::optional<Bundle> bundle;
  std::uint64_t covered = 0;      // entries that the head covers
  std::uint64_t not_at_hand = 0;  // parts that were to be disclosed and are no longer there
};

// What a transaction's bundle is made of.
struct TransactionStretch {
  std::uint64_t first = 0;  // the oldest of its records
  std::uint64_t last = 0;   // the newest of them, or of the answers to them that the head covers
  std::vector<std::uint64_t> records;  // ascending; at most EntryFinder::kRecordsMax
  std::vector<std::uint64_t> answers;
};

// kNotFound where no record has that id.
Result<TransactionStretch> find_transaction(FileSystem& fs, const std::string& state_dir,
                                            std::string_view transaction_id);

// The stretch from a transaction's first record to the answer to its last, where that has at most
// kBundleEntriesMax entries (kInvalid else). Of what lies between them, which is others', the
// leaves alone: `disclose` is for its records; its answers are disclosed whole. Reads of the
// journal these entries alone. Else as below.
Result<MadeBundle> make_transaction_bundle(FileSystem& fs, const std::string& state_dir,
                                           const TransactionStretch& transaction,
                                           const Disclosure& disclose);

// Entries `first` to `last`, at most kBundleEntriesMax, with the parts that `disclose` names and
// that they have. Reads files alone, also while a daemon writes them, and proves what it reads:
// kCorrupt where journal, tree and head do not agree; kInvalid where there is no such stretch, or
// where what is to be disclosed makes more than kBundleBytesMax. `progress`: entries read, of how
// many; now and then, in the caller's thread.
Result<MadeBundle> make_bundle(
    FileSystem& fs, const std::string& state_dir, std::uint64_t first, std::uint64_t last,
    const Disclosure& disclose,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress = {});

}  // namespace xased
