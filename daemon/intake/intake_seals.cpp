// The part of the intake stage that deals with what bounds segments and epochs.
#include "daemon/intake/intake_stage.hpp"

namespace xased {
namespace {

// Whether entries tell of it.
bool is_known(const AttachedRing& ring) {
  return ring.has_producer_entry || ring.taken_sequence() != 0 || ring.refused_accounted() != 0 ||
         ring.has_told_of_before;
}

}  // namespace

// What a seal says of producers: those whose rings are attached first, then those that recovery
// knows and whose files were not looked for yet.
Seals::Producers IntakeStage::seal_producers() const {
  Seals::Producers producers;
  for (const auto& [id, ring] : rings_) {
    if (producers.size() == xase::proto::kSealProducersMax) return producers;
    if (is_known(*ring)) {
      producers.push_back({id, ring->taken_sequence(), ring->refused_accounted()});
    }
  }
  for (const auto& [id, ring] : history_) {
    if (producers.size() == xase::proto::kSealProducersMax) break;
    producers.push_back({id, ring.last_ring_sequence, ring.refused_accounted});
  }
  return producers;
}

// On a full disk seals and keys wait: what is set apart there is for receipts.
bool IntakeStage::seal() {
  if (write_failed_ || counters_.disk_full.load(std::memory_order_relaxed)) return false;
  const bool worked = keys_ != nullptr && keys_->step();
  if (seals_ == nullptr) return worked;
  if (keys_ != nullptr && keys_->take_changed()) seals_->renew();
  return seals_->step([this] { return seal_producers(); }) || worked;
}

// No epoch is open, and the keys that open one are about to answer.
bool IntakeStage::must_wait_for_epoch() const {
  return seals_ != nullptr && keys_ != nullptr && seals_->asks_to_wait();
}

void IntakeStage::keep_keys(KeyKeeper& keys) {
  keys_ = &keys;
  keys.begin();
}

// What shall be removed from the journal is told first; what is gone is let go of.
bool IntakeStage::take_removals() {
  if (retention_ == nullptr) return false;
  ledger_.journal().forget_removed(
      retention_->counters().removed_through.load(std::memory_order_acquire));
  const bool wants_room = ledger_.journal().wants_room();
  if (positions_.wants_room.load(std::memory_order_relaxed) != wants_room) {
    positions_.wants_room.store(wants_room, std::memory_order_relaxed);
    delivery_wake_.ring();
    upkeep_wake_->ring();
  }
  const xase::proto::EraseBody* removal = retention_->proposed();
  if (removal == nullptr || write_failed_ || must_wait_for_epoch()) return false;
  // The keys in force are told by entries: some stay.
  if (keys_ != nullptr && !keys_->tell_again(removal->last_sequence)) return false;
  const std::uint64_t sequence =
      ledger_.append_body(xase::proto::EntryType::kErase, Subject{}, xase::proto::encode(*removal));
  if (sequence == 0) return false;
  retention_->entered(sequence);
  return true;
}

// What every segment must start with: the epoch and all rings that the ledger knows, so that a
// restart needs to read no earlier segment. False: of some no more is known than that segment says,
// since no epoch is open, or their files were not attached.
bool IntakeStage::start_segment() {
  bool has_all = history_.empty();
  if (seals_ != nullptr) has_all = seals_->start_segment(seal_producers()) && has_all;
  for (auto& [id, ring] : rings_) {
    const bool was_known = is_known(*ring);
    ring->has_producer_entry = false;
    if (was_known) has_all = append_producer(*ring) && has_all;
  }
  return has_all;
}

}  // namespace xased
