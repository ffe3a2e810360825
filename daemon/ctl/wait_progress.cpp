#include "daemon/ctl/wait_progress.hpp"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include "daemon/ctl/terminal.hpp"
#include "proto/run_dir.hpp"

namespace xased::ctl {

WaitProgress::WaitProgress(Level level, std::optional<std::set<std::string>> rings_there)
    : level_(level), lists_rings_(rings_there.has_value()) {
  if (!rings_there) return;
  for (const std::string& ring : *rings_there) rings_left_.emplace(ring, std::nullopt);
}

void WaitProgress::observe(const Snapshot& now,
                           const std::optional<std::set<std::string>>& rings_there) {
  if (!began_) {
    began_ = true;
    first_ = now;
    // A ring that was made after the listing and before the first answer does no harm: it adds.
    for (const RingSnapshot& ring : now.rings) rings_left_.emplace(ring.ring_id, std::nullopt);
  }
  last_ = now;
  if (level_ == Level::kCommitted) {
    reached_ = true;
  } else if (!rings_left_.empty()) {
    observe_rings(now, rings_there);
    if (rings_left_.empty() && level_ == Level::kJournaled) reached_ = true;
  } else if (!through_) {
    // Taken after the last ring was seen empty, so none of its entries is behind this one.
    through_ = now.last_sequence;
  }
  if (level_ == Level::kJournaled && rings_left_.empty()) reached_ = true;
  if (through_ && settled(now)) reached_ = true;
}

void WaitProgress::observe_rings(const Snapshot& now,
                                 const std::optional<std::set<std::string>>& rings_there) {
  std::map<std::string_view, const RingSnapshot*> attached;
  for (const RingSnapshot& ring : now.rings) attached.emplace(ring.ring_id, &ring);
  for (auto place = rings_left_.begin(); place != rings_left_.end();) {
    auto& [ring_id, target] = *place;
    bool done = false;
    if (const auto found = attached.find(ring_id); found != attached.end()) {
      const RingSnapshot& ring = *found->second;
      if (!target) target = ring.committed_sequence;
      // An empty ring holds nothing of ours whatever its owner claims to have committed.
      done = ring.used_bytes == 0 || (*target != 0 && ring.journaled_sequence >= *target);
    } else if (rings_there) {
      // Gone from the folder: drained and removed. There, but not attached yet: wait.
      done = !rings_there->contains(ring_id);
    } else {
      // It was attached when we began; a ready daemon that knows it no more has removed it.
      done = true;
    }
    place = done ? rings_left_.erase(place) : std::next(place);
  }
}

bool WaitProgress::settled(const Snapshot& now) const {
  if (level_ == Level::kDurable) {
    return now.durable_sequence >= *through_ || now.durable >= now.journaled;
  }
  return now.settled_through >= *through_ || now.undelivered == 0;
}

std::uint64_t WaitProgress::set_aside_meanwhile() const {
  if (!last_ || last_->dead_letter <= first_->dead_letter) return 0;
  return last_->dead_letter - first_->dead_letter;
}

std::string WaitProgress::missing() const {
  if (!last_) return "no daemon has answered";
  if (!rings_left_.empty()) {
    return with_commas(rings_left_.size()) + (rings_left_.size() == 1 ? " ring is" : " rings are") +
           " not drained yet (ring " + printable(rings_left_.begin()->first).substr(0, 8) +
           (rings_left_.size() == 1 ? ")" : " and others)");
  }
  if (level_ == Level::kDurable) {
    return with_commas(last_->journaled - std::min(last_->journaled, last_->durable)) +
           " records are written and not synced";
  }
  std::string text = with_commas(last_->undelivered) + " records are not delivered";
  if (last_->paused) text += "; delivery waits: " + printable(*last_->paused);
  return text;
}

std::optional<std::set<std::string>> list_rings(const std::string& run_dir) {
  const std::string folder = run_dir + "/" + std::string(xase::proto::kRingsFolder);
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(folder.c_str()), closedir);
  std::set<std::string> rings;
  if (!directory) {
    if (errno == ENOENT) return rings;
    return std::nullopt;
  }
  // Names alone, so what an app puts there can at worst be waited for.
  while (const dirent* entry = readdir(directory.get())) {  // NOLINT(concurrency-mt-unsafe)
    std::string_view name = entry->d_name;
    if (!name.ends_with(xase::proto::kRingSuffix) || name.starts_with('.')) continue;
    name.remove_suffix(xase::proto::kRingSuffix.size());
    rings.emplace(name);
  }
  return rings;
}

}  // namespace xased::ctl
