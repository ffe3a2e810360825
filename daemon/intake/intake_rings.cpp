// The part of the intake stage that deals with rings.
#include <algorithm>
#include <unordered_set>
#include <utility>

#include "daemon/intake/intake_stage.hpp"
#include "proto/entry_body.hpp"
#include "proto/leaf.hpp"
#include "proto/run_dir.hpp"

namespace xased {

using std::chrono::nanoseconds;
using xase::proto::Bytes;
using xase::proto::EntryType;
using xase::proto::ErrorCode;
using xase::proto::GapReason;
using xase::proto::Id;
using xase::proto::RingFault;
using xase::proto::RingFrameHeader;

namespace {

constexpr std::size_t kBatchBytesMax = std::size_t{1} << 20;
// Written and not yet durable: beyond this, records wait in their rings.
constexpr std::uint64_t kUnsyncedBytesMax = std::uint64_t{64} << 20;
// How long rings are drained after the stop was asked for, where a producer goes on and on.
constexpr std::int64_t kDrainNs = 2'000'000'000;
constexpr std::int64_t kReportRefusedEveryNs = 1'000'000'000;
constexpr std::uint64_t kFrameBytesMax =
    xase::proto::ring_frame_bytes(xase::proto::kRecordBytesMax);

}  // namespace

AttachedRing* IntakeStage::find(const Id& id) {
  const auto found = rings_.find(id);
  return found == rings_.end() ? nullptr : found->second.get();
}

bool IntakeStage::look_for_rings(bool list) {
  if (!folder_is_ours_.load(std::memory_order_acquire)) return false;
  auto changes = folder_.poll(list);
  if (!changes.ok()) {
    log_.log(LogLevel::kWarn, "folder", "cannot look for rings",
             {{"error", changes.status().message()}}, nanoseconds(clock_.boot_ns()));
    return false;
  }
  if (changes->listed) {
    if (Status status = doorbell_.ensure(own_wake_); !status.ok()) {
      log_.log(LogLevel::kWarn, "doorbell", "producers cannot wake the daemon",
               {{"error", status.message()}}, nanoseconds(clock_.boot_ns()));
    }
    for (auto& [id, ring] : rings_) ring->check_owner = true;
    forget_rings_that_are_gone(changes->rings);
    rings_waiting_ = 0;
  }
  for (const std::string& name : changes->closed) {
    if (AttachedRing* ring = find(xase::proto::ring_id_of(name))) ring->check_owner = true;
  }
  bool attached = false;
  for (const std::string& name : changes->rings) attached = attach(name) || attached;
  counters_.rings_waiting.store(rings_waiting_, std::memory_order_relaxed);
  return attached;
}

// Of a ring without a file nothing more can come, unless it is attached: what was wrong with it
// does not matter any more, nor its history but for how far it was read. What its owner records
// into one that is attached would not outlive this process.
void IntakeStage::forget_rings_that_are_gone(const std::vector<std::string>& names) {
  if (rings_.empty() && history_.empty() && unmovable_.empty()) return;
  const std::unordered_set<std::string> there(names.begin(), names.end());
  for (auto& [id, ring] : rings_) {
    if (!there.contains(ring->name())) ring->publish_moved();
  }
  std::erase_if(history_, [&](const auto& known) {
    const bool is_gone = !there.contains(xase::proto::ring_file_name(known.first));
    if (is_gone) remember_gone(known.first, known.second.last_ring_sequence);
    return is_gone;
  });
  std::erase_if(unmovable_, [&](const std::string& name) { return !there.contains(name); });
}

// True where a ring was attached that was not before.
bool IntakeStage::attach(const std::string& name) {
  if (unmovable_.contains(name) ||
      std::find(given_up_.begin(), given_up_.end(), name) != given_up_.end()) {
    return false;
  }
  if (find(xase::proto::ring_id_of(name)) != nullptr) return false;
  if (rings_.size() >= options_.rings_max) {
    ++rings_waiting_;
    log_.log(LogLevel::kError, "rings_max", "too many rings: some wait until others are gone",
             {{"rings_max", options_.rings_max}}, nanoseconds(clock_.boot_ns()));
    return false;
  }
  auto ring = AttachedRing::attach(folder_.directory(), name);
  if (!ring.ok()) {
    if (ring.status().code() == Code::kInvalid) {
      condemn_file(name, ring.status().message());
    } else if (ring.status().code() != Code::kNotFound) {
      log_.log(LogLevel::kError, name, "cannot attach a ring",
               {{"ring", name}, {"error", ring.status().message()}}, nanoseconds(clock_.boot_ns()));
    }
    return false;
  }
  const auto known = history_.find((*ring)->id());
  (*ring)->resume(known == history_.end() ? RingHistory{} : known->second);
  (*ring)->attached_as = ++rings_attached_;
  // Of one that the ledger knows, it tells already.
  if ((*ring)->before().ring_id != Id{}) {
    (*ring)->has_told_of_before = known != history_.end();
    (*ring)->tells_of_before = known == history_.end();
    if (known == history_.end()) telling_.push_back((*ring)->id());
  }
  if (known != history_.end()) history_.erase(known);
  log_debug("intake", "ring attached",
            {{"ring", name}, {"uid", (*ring)->uid()}, {"pid", (*ring)->pid()}});
  if ((*ring)->uid() == xase::proto::kNoUid) {
    log_warn("intake", "a ring was not made in its place: its entries attest no uid",
             {{"ring", name}});
  }
  const Id id = (*ring)->id();
  rings_.emplace(id, std::move(*ring));
  return true;
}

// A file that was never a ring of ours.
void IntakeStage::condemn_file(const std::string& name, const std::string& why) {
  xase::proto::GapBody gap;
  gap.reason = GapReason::kRingCondemned;
  gap.text = why;
  // Without room for the entry the file stays, and is met again.
  if (ledger_.append_body(EntryType::kGap, Subject{}, xase::proto::encode(gap)) == 0) return;
  counters_.rings_condemned.fetch_add(1, std::memory_order_relaxed);
  log_error("intake", "a file in the rings folder is set aside", {{"ring", name}, {"why", why}});
  given_up_.push_back(name);
}

// The entries that tell why are written: now the files go.
void IntakeStage::set_given_up_aside() {
  if (given_up_.empty() || !ledger_.journal().batch_is_empty()) return;
  for (auto& [id, ring] : rings_) {
    if (!ring->is_given_up) continue;
    ring->publish_condemned();  // first: a file without a name would be taken for a moved one
    remember_gone(id, UINT64_MAX);
  }
  for (const std::string& name : given_up_) {
    if (Status status = folder_.condemn(name); !status.ok()) {
      unmovable_.insert(name);
      log_error("intake", "cannot set a file in the rings folder aside; it is passed over",
                {{"ring", name}, {"error", status.message()}});
    }
  }
  given_up_.clear();
  for (auto at = rings_.begin(); at != rings_.end();) {
    AttachedRing& ring = *at->second;
    if (ring.is_given_up) ring.notify();
    at = ring.is_given_up ? rings_.erase(at) : std::next(at);
  }
}

bool IntakeStage::drain_rings() {
  const int stop = stop_.load(std::memory_order_acquire);
  if (stop == kStopped || sync_.failed() || failed() || write_failed_ ||
      ledger_.journal().unsynced_bytes() > kUnsyncedBytesMax || must_wait_for_epoch()) {
    return false;
  }
  bool worked = tell_of_those_before();
  bool is_limited = false;
  auto at = rings_.upper_bound(next_ring_);
  for (std::size_t i = rings_.size(); i != 0 && !is_limited; --i) {
    if (at == rings_.end()) at = rings_.begin();
    AttachedRing& ring = *(at++)->second;
    if (ring.is_given_up || (!ring.has_data() && !ring.is_truncated())) continue;
    if (ring.tells_of_before) continue;
    next_ring_ = ring.id();
    const Drained drained = drain(ring);
    worked = worked || drained == Drained::kSome;
    is_limited = drained == Drained::kNoRoom || ledger_.journal().batch().size() >= kBatchBytesMax;
    if (drained == Drained::kNoRoom)
      set_trouble(ledger_.trouble());
    else if (drained == Drained::kSome)
      counters_.disk_full.store(false, std::memory_order_relaxed);
  }
  if (stop == kStopping) {
    const std::int64_t now = clock_.boot_ns();
    if (take_until_boot_ns_ == 0) take_until_boot_ns_ = now + kDrainNs;
    if ((!worked && !is_limited) || now >= take_until_boot_ns_) {
      stop_.store(kStopped, std::memory_order_release);
    }
  }
  return worked;
}

IntakeStage::Drained IntakeStage::drain(AttachedRing& ring) {
  const std::span<std::byte> to(copy_.data(), copy_.size() - kJsonPaddingBytes);
  const auto chunk = ring.copy_out(to);
  if (chunk.fault != RingFault::kNone) return condemn(ring, chunk.fault);
  xase::proto::RingFrames frames({to.data(), chunk.bytes}, ring.taken_position(),
                                 ring.capacity_bytes());
  std::uint64_t taken_to = ring.taken_position();
  Drained result = Drained::kNothing;
  RingFault fault = RingFault::kNone;
  for (;;) {
    const auto frame = frames.next(xase::proto::kRingFrameRecord);
    if (!frame) break;
    const Take taken = take(ring, frame->header, frame->payload, fault);
    if (taken == Take::kNoRoom) {
      ring.move_taken_position(taken_to);
      if (result == Drained::kSome) touched_.push_back(&ring);
      return Drained::kNoRoom;
    }
    if (taken == Take::kFault) break;
    taken_to = frames.position();
    result = Drained::kSome;
  }
  if (fault == RingFault::kNone) {
    fault = frames.fault();
    if (fault == RingFault::kNone && frames.position() != taken_to) {
      taken_to = frames.position();  // padding at the end of the area
      result = Drained::kSome;
    }
  }
  ring.move_taken_position(taken_to);
  if (result == Drained::kSome) touched_.push_back(&ring);
  if (fault == RingFault::kNone && result == Drained::kNothing) {
    // A frame larger than the buffer makes it grow, to the largest that a ring may hold; one that
    // goes on beyond what is committed makes no sense.
    if (chunk.bytes < to.size() || frames.needed_bytes() <= to.size() ||
        frames.needed_bytes() > kFrameBytesMax) {
      fault = RingFault::kBadFrameLength;
    } else {
      copy_.resize(frames.needed_bytes() + kJsonPaddingBytes);
      result = Drained::kSome;
    }
  }
  return fault == RingFault::kNone ? result : condemn(ring, fault);
}

IntakeStage::Take IntakeStage::take(AttachedRing& ring, const RingFrameHeader& header,
                                    Bytes payload, RingFault& fault) {
  const std::uint64_t expected = ring.taken_sequence() + 1;
  if (header.sequence != expected) {
    // Where the daemon died between the journal's write and the release, the journal has it.
    // Sequences may be missing only where they were released: then a ledger lost them.
    const std::uint64_t released_max = ring.taken_position() / xase::proto::kRingFrameAlignment;
    const bool may_be = ring.is_resumed && header.sequence != 0 &&
                        (header.sequence < expected || header.sequence - expected <= released_max);
    if (!may_be) {
      fault = RingFault::kBadSequence;
      return Take::kFault;
    }
    if (header.sequence < expected) return Take::kTaken;
  }
  if (header.word < ring.refused_accounted() || header.word > xase::proto::kRingRefusedMax) {
    fault = RingFault::kBadRefusedCount;
    return Take::kFault;
  }
  if (!append_producer(ring)) return Take::kNoRoom;
  if (header.sequence != expected) {
    // The ring had released them, so they were journaled, and the journal lost them.
    if (!append_gap(ring, GapReason::kJournalDamaged, header.sequence - expected, header.sequence,
                    "the ledger no longer has these records of the ring")) {
      return Take::kNoRoom;
    }
    ring.take(header.sequence - 1, ring.last_record_sequence());
  }
  ring.is_resumed = false;
  if (header.word > ring.refused_accounted()) {
    const std::uint64_t count = header.word - ring.refused_accounted();
    ring.account_refused(header.word);
    if (!append_gap(ring, GapReason::kQueueFull, count, header.sequence, {})) {
      ring.account_refused(header.word - count);
      return Take::kNoRoom;
    }
  }
  const Subject subject{ring.id(), header.sequence, header.stamp_ns, ring.uid(), ring.pid()};
  RecordVerdict verdict{ErrorCode::kQueueError, "the bytes in the ring are no record"};
  if (const auto fields = xase::proto::decode_record(payload)) verdict = check_.check(*fields);
  std::uint64_t sequence = 0;
  if (verdict.ok()) {
    sequence = ledger_.append_record(subject, payload);
  } else {
    sequence = append_rejected(subject, verdict, payload);
  }
  if (sequence == 0) return Take::kNoRoom;
  ring.take(header.sequence, sequence);
  return Take::kTaken;
}

// Appends the PRODUCER entry that must come before the ring's first record in a segment.
bool IntakeStage::append_producer(AttachedRing& ring) {
  if (ring.has_producer_entry) return true;
  xase::proto::ProducerBody body;
  body.next_ring_sequence = ring.taken_sequence() + 1;
  body.refused_accounted = ring.refused_accounted();
  body.created_wall_ns = ring.created_wall_ns();
  body.last_record_sequence = ring.last_record_sequence();
  // Delivery merges it into what it sends, and must not fail there.
  body.context = check_.is_json_object(ring.context()) ? ring.context() : "{}";
  const Subject subject{ring.id(), 0, 0, ring.uid(), ring.pid()};
  const std::uint64_t sequence =
      ledger_.append_body(EntryType::kProducer, subject, xase::proto::encode(body));
  ring.has_producer_entry = sequence != 0;
  return ring.has_producer_entry;
}

bool IntakeStage::append_gap(AttachedRing& ring, GapReason reason, std::uint64_t count,
                             std::uint64_t before_sequence, std::string_view text) {
  xase::proto::GapBody gap;
  gap.count = count;
  gap.after_sequence = ring.taken_sequence();
  gap.before_sequence = before_sequence;
  gap.refused_accounted = ring.refused_accounted();
  gap.reason = reason;
  gap.text = text;
  const Subject subject{ring.id(), ring.taken_sequence(), 0, ring.uid(), ring.pid()};
  const bool appended =
      ledger_.append_body(EntryType::kGap, subject, xase::proto::encode(gap)) != 0;
  if (appended) {
    if (reason == GapReason::kQueueFull) {
      counters_.refused.fetch_add(count, std::memory_order_relaxed);
    }
    log_.log(LogLevel::kWarn, "gap", "records are missing",
             {{"count", count},
              {"reason", xase::proto::gap_reason_name(reason)},
              {"ring", ring.name()},
              {"uid", ring.uid()}},
             nanoseconds(clock_.boot_ns()));
  }
  return appended;
}

std::uint64_t IntakeStage::append_rejected(const Subject& subject, const RecordVerdict& verdict,
                                           Bytes record) {
  const auto code = static_cast<std::uint32_t>(verdict.code);
  AwaitedOutcome awaited;
  awaited.entry_sequence = ledger_.append_rejected(subject, code, verdict.message, record);
  if (awaited.entry_sequence == 0) return 0;
  log_.log(LogLevel::kWarn, "rejected", "a record was refused",
           {{"code", xase::proto::error_name(verdict.code)},
            {"why", verdict.message},
            {"uid", subject.uid}},
           nanoseconds(clock_.boot_ns()));
  awaited.outcome = Outcome::kRejected;
  awaited.ring_id = subject.ring_id;
  awaited.result.sequence = subject.ring_sequence;
  awaited.result.word = xase::proto::result_word(code, 0);
  awaited.result.stamp_ns = clock_.wall_ns();
  awaited.text = verdict.message;
  awaited_.push_back(std::move(awaited));
  return awaited_.back().entry_sequence;
}

// Gives a ring up: its file is set aside, the harm is an entry. kNoRoom: not yet.
IntakeStage::Drained IntakeStage::condemn(AttachedRing& ring, RingFault fault) {
  const std::string_view why = xase::proto::ring_fault_name(fault);
  if (!append_gap(ring, GapReason::kRingCondemned, ring.pending_records(), 0, why)) {
    return Drained::kNoRoom;
  }
  counters_.rings_condemned.fetch_add(1, std::memory_order_relaxed);
  log_error("intake", "a ring makes no sense and is set aside",
            {{"ring", ring.name()}, {"why", why}, {"uid", ring.uid()}, {"pid", ring.pid()}});
  ring.is_given_up = true;
  given_up_.push_back(ring.name());
  return Drained::kSome;
}

// Refused records that no later record tells of. `refused` was read before the ring was seen empty:
// a record that came since then tells of no fewer.
bool IntakeStage::report_refused(AttachedRing& ring, std::uint64_t refused) {
  if (refused <= ring.refused_accounted()) return true;
  const std::uint64_t count = refused - ring.refused_accounted();
  if (!append_producer(ring)) return false;
  ring.account_refused(refused);
  if (append_gap(ring, GapReason::kQueueFull, count, 0, {})) return true;
  ring.account_refused(refused - count);
  return false;
}

// Removes the rings whose owner is gone and whose records are all written.
void IntakeStage::retire_rings() {
  if (!ledger_.journal().batch_is_empty() || !touched_.empty()) return;
  const std::int64_t now = clock_.boot_ns();
  const bool report = now - refused_reported_boot_ns_ >= kReportRefusedEveryNs;
  if (report) refused_reported_boot_ns_ = now;
  for (auto at = rings_.begin(); at != rings_.end();) {
    AttachedRing& ring = *at->second;
    const std::uint64_t refused = ring.refused();
    if (ring.has_data() || ring.is_truncated() || ring.tells_of_before) {
      ++at;
      continue;
    }
    if (report) (void)report_refused(ring, refused);
    const bool check = std::exchange(ring.check_owner, false);
    // The owner's last record may have come between the two looks: data first would miss it.
    if (!check || !ring.owner_is_gone() || ring.has_data()) {
      ++at;
      continue;
    }
    // What the ring alone knows must be written before the file goes.
    if (!report_refused(ring, ring.refused()) || !ledger_.journal().batch_is_empty()) {
      ring.check_owner = true;
      ++at;
      continue;
    }
    const auto was_there = folder_.remove(ring.name());
    if (!was_there.ok()) {
      log_.log(LogLevel::kError, ring.name(), "cannot remove a ring",
               {{"error", was_there.status().message()}}, nanoseconds(now));
      ++at;
      continue;
    }
    if (!*was_there) remember_gone(ring.id(), ring.taken_sequence());
    log_debug("intake", "ring removed", {{"ring", ring.name()}});
    at = rings_.erase(at);
  }
}

}  // namespace xased
