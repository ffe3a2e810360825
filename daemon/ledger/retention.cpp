#include "daemon/ledger/retention.hpp"

#include <algorithm>
#include <utility>

#include "daemon/ledger/segment_names.hpp"
#include "daemon/ledger/segment_reader.hpp"

namespace xased {

using std::chrono::nanoseconds;
using xase::proto::EraseBody;
using xase::proto::EraseReason;

namespace {

// Between two looks whether anything is old enough.
constexpr nanoseconds kLookEvery = std::chrono::seconds(10);
constexpr nanoseconds kLookSoon = std::chrono::seconds(1);
constexpr nanoseconds kLooksSoonBelow = std::chrono::hours(1);
constexpr nanoseconds kLookUrgent = std::chrono::milliseconds(100);
// Of the journal, what goes at once where there is no room: enough that new records need not wait
// for the next look, and little enough that most is kept.
constexpr std::size_t kShareForRoom = 16;
// For the sync that makes the ERASE entry durable.
constexpr nanoseconds kLookAgain = std::chrono::milliseconds(5);
constexpr nanoseconds kRetryAfter = std::chrono::seconds(1);

}  // namespace

SteadyWall::SteadyWall(const Clock& clock) : clock_(clock), started_boot_ns_(clock.boot_ns()) {}

std::optional<std::int64_t> SteadyWall::now() {
  const std::int64_t boot_ns = clock_.boot_ns();
  if (!is_settled_) {
    if (boot_ns - started_boot_ns_ < kSettles.count()) return std::nullopt;
    offset_ns_ = clock_.wall_ns() - boot_ns;
    is_settled_ = true;
  }
  return boot_ns + offset_ns_;
}

Retention::Retention(Peers peers, std::string directory, std::uint64_t removed_through,
                     nanoseconds keep_payloads)
    : peers_(std::move(peers)),
      directory_(std::move(directory)),
      keep_ns_(keep_payloads.count()),
      wall_(peers_.clock) {
  counters_.removed_through.store(removed_through, std::memory_order_relaxed);
}

void Retention::entered(std::uint64_t sequence) {
  entered_ = sequence;
  state_.store(State::kEntered, std::memory_order_release);
}

// The segments as they are now; each header is read once.
Status Retention::refresh() {
  const auto firsts = list_segments(peers_.fs, directory_);
  if (!firsts.ok()) return firsts.status();
  std::vector<Segment> now;
  now.reserve(firsts->size());
  for (const std::uint64_t first : *firsts) {
    const auto known = std::lower_bound(
        segments_.begin(), segments_.end(), first,
        [](const Segment& segment, std::uint64_t value) { return segment.first < value; });
    if (known != segments_.end() && known->first == first) {
      now.push_back(*known);
      continue;
    }
    const auto reader = SegmentReader::open(peers_.fs, directory_, first);
    if (!reader.ok()) return reader.status();
    const auto& [fault, header] = (*reader)->header();
    now.push_back({first, header,
                   fault == xase::proto::SegmentFault::kNone && header.first_sequence == first});
  }
  segments_ = std::move(now);
  return {};
}

// Index of the segment that the journal may begin with, so that at most so many before it go; 0:
// none may. Older than: the last entry of each that goes, as the header behind it has the time.
std::size_t Retention::keep_from(std::optional<std::int64_t> older_than_ns,
                                 std::size_t at_most) const {
  const std::uint64_t through = std::min(peers_.settled_through.load(std::memory_order_acquire),
                                         peers_.checkpoint_size.load(std::memory_order_relaxed));
  std::size_t keep = 0;
  std::int64_t written_until_ns = 0;
  for (std::size_t i = 1; i < segments_.size() && (keep == 0 || i <= at_most); ++i) {
    const Segment& segment = segments_[i];
    if (segment.first - 1 > through) break;
    // Where the clock went back, the later of two times counts: what is kept is kept for too long.
    written_until_ns = std::max(written_until_ns, segment.header.created_wall_ns);
    if (older_than_ns && written_until_ns > *older_than_ns) break;
    // A restart reads from the first on, and must learn of every ring there.
    if (!segment.continues() && !segments_[i - 1].continues()) keep = i;
  }
  return keep;
}

void Retention::propose(std::size_t keep, EraseReason reason) {
  const Segment& first = segments_.front();
  const Segment& next = segments_[keep];
  removal_ = EraseBody{};
  removal_.reason = reason;
  removal_.first_sequence = first.first;
  removal_.last_sequence = next.first - 1;
  removal_.last_leaf_hash = next.header.previous;
  const std::uint64_t before = first.is_sound ? first.header.totals.records : 0;
  removal_.records = next.header.totals.records - std::min(before, next.header.totals.records);
  removal_.until_wall_ns = next.header.created_wall_ns;
  index_is_forgotten_ = false;
  state_.store(State::kProposed, std::memory_order_release);
  peers_.intake_wake.ring();
}

nanoseconds Retention::look_interval() const {
  if (peers_.positions.wants_room.load(std::memory_order_relaxed)) return kLookUrgent;
  const nanoseconds keep(keep_ns_.load(std::memory_order_relaxed));
  return keep < kLooksSoonBelow ? kLookSoon : kLookEvery;
}

Status Retention::look() {
  const bool wants_room = peers_.positions.wants_room.load(std::memory_order_relaxed);
  const std::int64_t keep_ns = keep_ns_.load(std::memory_order_relaxed);
  const auto now = wall_.now();
  last_look_boot_ns_ = peers_.clock.boot_ns();
  const bool can_tell_age = now.has_value() || keep_ns == 0;
  if (!can_tell_age && !wants_room) return {};
  if (Status status = refresh(); !status.ok()) return status;
  const std::optional<std::int64_t> older_than =
      keep_ns == 0 ? std::nullopt : std::optional(now.value_or(0) - keep_ns);
  if (can_tell_age) {
    if (const std::size_t keep = keep_from(older_than, segments_.size()); keep != 0) {
      propose(keep, EraseReason::kAge);
      return {};
    }
  }
  if (!wants_room) return {};
  if (const std::size_t keep = keep_from(std::nullopt, segments_.size() / kShareForRoom);
      keep != 0) {
    propose(keep, EraseReason::kRoom);
  }
  return {};
}

// The oldest goes first, durably before the next: power loss leaves no hole.
Status Retention::remove_next() {
  if (!index_is_forgotten_) {
    if (Status status = peers_.forget_index(removal_.last_sequence); !status.ok()) return status;
    index_is_forgotten_ = true;
    return {};
  }
  const bool is_done = segments_.empty() || segments_.front().first > removal_.last_sequence;
  if (is_done) {
    log_info("retention", "segments of the journal are removed",
             {{"first", removal_.first_sequence},
              {"last", removal_.last_sequence},
              {"records", removal_.records},
              {"why", erase_reason_name(removal_.reason)}});
    state_.store(State::kIdle, std::memory_order_release);
    last_look_boot_ns_ = INT64_MIN / 2;  // there may be more
    return {};
  }
  const std::string path = directory_ + "/" + segment_name(segments_.front().first);
  Status status = peers_.fs.remove(path);
  if (!status.ok() && status.code() != Code::kNotFound) return status;
  if (status = peers_.fs.sync_directory(directory_); !status.ok()) return status;
  segments_.erase(segments_.begin());
  counters_.segments.fetch_add(1, std::memory_order_relaxed);
  const bool is_early = removal_.reason == EraseReason::kRoom;
  if (is_early) counters_.early.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t through =
      segments_.empty() ? removal_.last_sequence : segments_.front().first - 1;
  counters_.removed_through.store(through, std::memory_order_release);
  peers_.intake_wake.ring();
  return {};
}

nanoseconds Retention::put_off(const Status& status) {
  const std::int64_t now = peers_.clock.boot_ns();
  retry_boot_ns_ = now + kRetryAfter.count();
  log_.log(LogLevel::kWarn, "files", "what was kept for long enough cannot be removed",
           {{"error", status.message()}}, nanoseconds(now));
  return kRetryAfter;
}

nanoseconds Retention::step() {
  const std::int64_t now = peers_.clock.boot_ns();
  log_.flush(nanoseconds(now));
  if (now < retry_boot_ns_) return nanoseconds(retry_boot_ns_ - now);
  switch (state_.load(std::memory_order_acquire)) {
    case State::kProposed:
      return kLookSoon;
    case State::kIdle:
      if (now >= last_look_boot_ns_ + look_interval().count()) {
        if (Status status = look(); !status.ok()) return put_off(status);
      }
      return nanoseconds(last_look_boot_ns_ - now) + look_interval();
    case State::kEntered:
      break;
  }
  if (peers_.positions.durable.load(std::memory_order_acquire) < entered_) return kLookAgain;
  if (Status status = remove_next(); !status.ok()) return put_off(status);
  return nanoseconds(0);
}

}  // namespace xased
