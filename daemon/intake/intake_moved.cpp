// The part of the intake stage that deals with rings whose files lost their names.
#include <algorithm>
#include <string>

#include "daemon/intake/intake_stage.hpp"

namespace xased {

using xase::proto::Id;

namespace {

// No ring holds more.
constexpr std::uint64_t kRingRecordsMax =
    xase::proto::kRingDataBytesMax / xase::proto::ring_frame_bytes(0);
// Of more than these, what their producers knew must do.
constexpr std::size_t kGoneMax = 16'384;

}  // namespace

// Such a ring was read up to `taken`, and nobody will read more of it. The next one of its thread
// may come after this.
void IntakeStage::remember_gone(const Id& id, std::uint64_t taken) {
  if (gone_.size() >= kGoneMax) gone_.erase(gone_.begin());
  gone_[id] = taken;
}

// Before anything is taken out of such a ring: so the ledger has the thread's records in their
// order, and what is missing between them in its place. True where something was told.
bool IntakeStage::tell_of_those_before() {
  bool worked = false;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < telling_.size(); ++i) {
    AttachedRing* ring = find(telling_[i]);
    if (ring == nullptr || ring->is_given_up) continue;
    const bool told = !waits_for_before(*ring) && tell_of_before(*ring);
    if (!told) telling_[kept++] = telling_[i];
    worked = worked || told;
  }
  telling_.resize(kept);
  return worked;
}

// What is missing is known once there is nothing more to read. A ring that was attached later
// cannot have come before: so none waits for itself.
bool IntakeStage::waits_for_before(const AttachedRing& ring) {
  const AttachedRing* before = find(ring.before().ring_id);
  return before != nullptr && before->attached_as < ring.attached_as && !before->is_given_up &&
         (before->has_data() || before->tells_of_before);
}

// Without a name, only the daemon that has a ring attached reads what is in it. If that one is
// gone, the next ring of the thread tells how much it was. False: no room for the entry now.
bool IntakeStage::tell_of_before(AttachedRing& ring) {
  const xase::proto::RingBefore& before = ring.before();
  const auto taken = taken_of(before.ring_id);
  const std::uint64_t from = std::max(before.journaled, taken.value_or(0));
  const std::uint64_t unread =
      before.committed > from ? std::min(before.committed - from, kRingRecordsMax) : 0;
  // A ring that was known told of those before it by itself.
  const std::uint64_t earlier = taken ? 0 : std::min(before.earlier, kRingRecordsMax);
  if (unread + earlier != 0) {
    std::string text = "ring " + xase::proto::to_hex(before.ring_id) + " lost its file";
    if (unread != 0) {
      text += " with its records " + std::to_string(before.committed - unread + 1) + " to " +
              std::to_string(before.committed);
    }
    if (earlier != 0) text += "; " + std::to_string(earlier) + " were in rings before it";
    if (!append_gap(ring, xase::proto::GapReason::kRingDisappeared, unread + earlier, 0, text)) {
      set_trouble(ledger_.trouble());
      return false;
    }
    ring.has_told_of_before = true;
  }
  ring.tells_of_before = false;
  return true;
}

// The sequence up to which a ring was read, as far as this daemon knows of it. Of one that was
// given up, an entry tells already.
std::optional<std::uint64_t> IntakeStage::taken_of(const Id& id) {
  if (const AttachedRing* there = find(id)) {
    return there->is_given_up ? UINT64_MAX : there->taken_sequence();
  }
  if (const auto gone = gone_.find(id); gone != gone_.end()) return gone->second;
  if (const auto known = history_.find(id); known != history_.end()) {
    return known->second.last_ring_sequence;
  }
  return std::nullopt;
}

}  // namespace xased
