#include "daemon/ledger/journal_tap.hpp"

#include <algorithm>

namespace xased {

Result<std::uint64_t> JournalTap::for_each(std::uint64_t after,
                                           const std::function<bool(const Entry&)>& visit) {
  std::list<JournalReader> mine;
  {
    const std::scoped_lock lock(mutex_);
    const auto at_place = std::find_if(idle_.begin(), idle_.end(), [&](const JournalReader& r) {
      return r.next_sequence() == after + 1;
    });
    if (at_place != idle_.end()) mine.splice(mine.begin(), idle_, at_place);
  }
  if (mine.empty()) {
    mine.emplace_back(fs_, directory_);
    if (Status status = mine.front().seek(after + 1); !status.ok()) return status;
  }
  JournalReader& reader = mine.front();
  const std::uint64_t through = positions_.journaled.load(std::memory_order_acquire);
  std::uint64_t visited = after;
  for (bool go_on = true; go_on;) {
    const auto step = reader.next(through);
    if (!step.ok()) return step.status();
    if (*step == JournalReader::Step::kEnd) break;
    if (*step == JournalReader::Step::kEntry) {
      go_on = visit(reader.entry());
      visited = reader.entry().leaf.sequence;
    } else {
      visited = reader.damage().last;
    }
  }
  const std::scoped_lock lock(mutex_);
  idle_.splice(idle_.begin(), mine);
  if (idle_.size() > kReadersMax) idle_.pop_back();
  return visited;
}

}  // namespace xased
