#include "daemon/ledger/keys_in_force.hpp"

#include "daemon/ledger/journal_reader.hpp"
#include "daemon/ledger/segment_names.hpp"

namespace xased {
namespace {

Result<std::optional<KeySet>> last_in(JournalReader& reader, std::uint64_t last) {
  std::optional<KeySet> keys;
  for (;;) {
    const auto step = reader.next(last);
    if (!step.ok()) return step.status();
    if (*step == JournalReader::Step::kEnd) return keys;
    if (*step == JournalReader::Step::kDamage) continue;
    const Entry& entry = reader.entry();
    if (entry.leaf.type != xase::proto::EntryType::kKey) continue;
    KeyEntryResult result = parse_key_entry(entry.body());
    if (result.fault == KeyEntryFault::kNone && result.entry.event != KeyEvent::kAway) {
      keys = std::move(result.entry.keys);
    }
  }
}

}  // namespace

Result<std::optional<KeySet>> keys_in_force(FileSystem& fs, const std::string& state_dir,
                                            std::uint64_t last) {
  const std::string directory = state_dir + "/" + std::string(kJournalFolder);
  const auto firsts = list_segments(fs, directory);
  if (!firsts.ok()) return firsts.status();
  for (auto first = firsts->rbegin(); first != firsts->rend(); ++first) {
    if (*first > last) continue;
    JournalReader reader(fs, directory);
    if (Status status = reader.seek(*first); !status.ok()) return status;
    auto keys = last_in(reader, last);
    if (!keys.ok() || keys->has_value()) return keys;
    last = *first - 1;
  }
  return std::optional<KeySet>();
}

}  // namespace xased
