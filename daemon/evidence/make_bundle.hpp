// Makes a bundle out of a state directory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

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

// Entries `first` to `last`, at most kBundleEntriesMax, with the parts that `disclose` names and
// that they have. Reads files alone, also while a daemon writes them, and proves what it reads:
// kCorrupt where journal, tree and head do not agree; kInvalid where there is no such stretch, or
// where what is to be disclosed makes more than kBundleBytesMax.
Result<MadeBundle> make_bundle(FileSystem& fs, const std::string& state_dir, std::uint64_t first,
                               std::uint64_t last, const Disclosure& disclose);

}  // namespace xased
