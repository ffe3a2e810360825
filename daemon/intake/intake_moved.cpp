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
// Of them all, the ledger can name some without the rings.
constexpr std::size_t kGoneMax = 16'384;

}  // namespace

// Such a ring was read up to `taken`, and nobody will read more of it. The next one of its thread
// may come after this.
void IntakeStage::remember_gone(const Id& id, std::uint64_t taken) {
  if (gone_.size() >= kGoneMax) gone_.erase(gone_.begin());
  gone_[id] = taken;
}

// A thread that moved from one ring to the next: the ledger has its records in their order, and
// what is missing in between is known once there is nothing more to read. One that was attached
// later cannot have come before: so no ring waits for itself.
bool IntakeStage::waits_for_before(const AttachedRing& ring) {
  if (!ring.tells_of_before) return false;
  const AttachedRing* before = find(ring.before().ring_id);
  return before != nullptr && before->attached_as < ring.attached_as && !before->is_given_up &&
         before->has_data();
}

// Without a name, only the daemon that has a ring attached reads what is in it. If that one is
// gone, the next ring of the thread tells how much it was. False: no room for the entry now.
bool IntakeStage::tell_of_before(AttachedRing& ring) {
  if (!ring.tells_of_before) return true;
  const xase::proto::RingBefore& before = ring.before();
  std::uint64_t taken = before.journaled;
  if (const AttachedRing* there = find(before.ring_id)) {
    taken = std::max(taken, there->taken_sequence());
  } else if (const auto gone = gone_.find(before.ring_id); gone != gone_.end()) {
    taken = std::max(taken, gone->second);
  }
  const std::uint64_t unread =
      before.committed > taken ? std::min(before.committed - taken, kRingRecordsMax) : 0;
  const std::uint64_t earlier = std::min(before.earlier, kRingRecordsMax);
  if (unread + earlier != 0) {
    std::string text = "ring " + xase::proto::to_hex(before.ring_id) + " lost its file";
    if (unread != 0) {
      text += " with its records " + std::to_string(before.committed - unread + 1) + " to " +
              std::to_string(before.committed);
    }
    if (earlier != 0) text += "; " + std::to_string(earlier) + " were in rings before it";
    if (!append_gap(ring, xase::proto::GapReason::kRingDisappeared, unread + earlier, 0, text)) {
      return false;
    }
  }
  ring.tells_of_before = false;
  return true;
}

}  // namespace xased
