#include "daemon/intake/attached_ring.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "daemon/platform/wake.hpp"
#include "proto/frame.hpp"
#include "proto/run_dir.hpp"

namespace xased {

using xase::proto::RingDaemonWords;
using xase::proto::RingFault;
using xase::proto::RingFrameHeader;
using xase::proto::RingIdentity;
using xase::proto::RingProducerWords;

namespace {

Status not_a_ring(const std::string& name, const std::string& why) {
  return {Code::kInvalid, name + " is not a ring: " + why};
}

// Whether the owner of a file is who wrote it. What is made in a set-group-id folder has the
// folder's group; a file with another group, or with another name as well, was moved or linked in
// from where others than its owner may have written to it.
bool owner_vouches(const std::string& directory, const struct stat& file) {
  struct stat folder {};
  if (file.st_nlink != 1 || ::stat(directory.c_str(), &folder) != 0) return false;
  return (folder.st_mode & S_ISGID) == 0 || file.st_gid == folder.st_gid;
}

}  // namespace

Result<std::unique_ptr<AttachedRing>> AttachedRing::attach(const std::string& directory,
                                                           const std::string& name) {
  std::unique_ptr<AttachedRing> ring(new AttachedRing);
  ring->name_ = name;
  const std::string path = directory + "/" + name;
  // Neither a link nor a fifo may lead us elsewhere or hold us up.
  ring->fd_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (ring->fd_ < 0) {
    if (errno == ELOOP || errno == EISDIR || errno == ENXIO) {
      return not_a_ring(name, "it is no regular file");
    }
    return os_status("open " + path, errno);
  }
  struct stat info {};
  if (::fstat(ring->fd_, &info) != 0) return os_status("stat " + path, errno);
  if (!S_ISREG(info.st_mode)) return not_a_ring(name, "it is no regular file");
  if (owner_vouches(directory, info)) ring->uid_ = info.st_uid;
  RingIdentity& identity = ring->identity_;
  const auto file_bytes = static_cast<std::uint64_t>(info.st_size);
  if (::pread(ring->fd_, &identity, sizeof identity, 0) != sizeof identity ||
      !xase::proto::ring_identity_is_sound(identity, file_bytes)) {
    return not_a_ring(name, "its header makes no sense");
  }
  if (xase::proto::ring_file_name(identity.ring_id) != name) {
    return not_a_ring(name, "its header names another ring");
  }
  // It is in every leaf of the ring, and 2^32 honest ones have another.
  if (std::memcmp(identity.ring_id.data(), xase::proto::kFrameMagic.data(),
                  xase::proto::kFrameMagic.size()) == 0) {
    return not_a_ring(name, "its id is what frames of the journal start with");
  }
  ring->context_.resize(identity.context_bytes);
  if (::pread(ring->fd_, ring->context_.data(), ring->context_.size(), sizeof identity) !=
      static_cast<ssize_t>(ring->context_.size())) {
    return not_a_ring(name, "its context is cut short");
  }
  if (const int error = ring->mapping_.map(ring->fd_, file_bytes); error != 0) {
    return os_status("map " + path, error);
  }
  ring->guard_ = std::make_unique<BusGuard>(ring->mapping_.data(), file_bytes);
  if (!ring->guard_->ok()) return Status(Code::kNoSpace, "too many rings are attached");
  std::byte* base = ring->mapping_.data();
  RingProducerWords& theirs = ring->producer_words();
  RingDaemonWords& ours = ring->daemon_words();
  const std::uint64_t results_bytes = identity.results_bytes;
  ring->reader_ = {base + xase::proto::kRingResultsOffset + results_bytes, identity.data_bytes,
                   &theirs.committed};
  // Both positions may have been scribbled on. A wrong start of the data shows in the frames; a
  // wrong start of the results can hurt only the producer that reads them.
  ring->taken_position_ =
      ours.released.load(std::memory_order_relaxed) & ~(xase::proto::kRingFrameAlignment - 1);
  const std::uint64_t results_start = ours.results_committed.load(std::memory_order_relaxed) &
                                      ~(xase::proto::kRingFrameAlignment - 1);
  const std::uint64_t results_released = theirs.results_released.load(std::memory_order_relaxed) &
                                         ~(xase::proto::kRingFrameAlignment - 1);
  const bool released_is_sound =
      results_released <= results_start && results_start - results_released <= results_bytes;
  ring->results_ = {base + xase::proto::kRingResultsOffset,
                    results_bytes,
                    &ours.results_committed,
                    &theirs.results_released,
                    results_start,
                    released_is_sound ? results_released : results_start};
  ring->delivered_ = ours.delivered.load(std::memory_order_relaxed);
  ring->failed_ = ours.failed.load(std::memory_order_relaxed);
  return ring;
}

AttachedRing::~AttachedRing() {
  if (fd_ >= 0) ::close(fd_);
}

RingProducerWords& AttachedRing::producer_words() const {
  return *reinterpret_cast<RingProducerWords*>(mapping_.data() + xase::proto::kRingProducerOffset);
}

RingDaemonWords& AttachedRing::daemon_words() const {
  return *reinterpret_cast<RingDaemonWords*>(mapping_.data() + xase::proto::kRingDaemonOffset);
}

void AttachedRing::resume(const RingHistory& history) {
  taken_sequence_ = history.last_ring_sequence;
  last_record_sequence_ = history.last_record_sequence;
  refused_accounted_ = history.refused_accounted;
  RingDaemonWords& words = daemon_words();
  journaled_published_ = taken_sequence_;
  words.journaled_sequence.store(taken_sequence_, std::memory_order_release);
  words.durable_sequence.store(taken_sequence_, std::memory_order_release);
  settled_sequence =
      std::min(words.settled_sequence.load(std::memory_order_relaxed), taken_sequence_);
  changed_ = true;
}

xase::proto::RingReader::Chunk AttachedRing::copy_out(std::span<std::byte> to) const {
  xase::proto::RingReader::Chunk chunk = reader_.copy_out(taken_position_, to);
  if (guard_->faulted()) chunk = {0, RingFault::kTruncated};
  return chunk;
}

bool AttachedRing::owner_is_gone() const {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd_, F_OFD_GETLK, &lock) != 0) return false;
  return lock.l_type == F_UNLCK;
}

std::uint64_t AttachedRing::pending_bytes() const {
  const std::uint64_t committed = producer_words().committed.load(std::memory_order_relaxed);
  return committed < taken_position_ ? 0 : std::min(committed - taken_position_, capacity_bytes());
}

std::uint64_t AttachedRing::pending_records() const {
  const std::uint64_t sequence =
      producer_words().committed_sequence.load(std::memory_order_relaxed);
  if (sequence <= taken_sequence_) return 0;
  return std::min(sequence - taken_sequence_, capacity_bytes() / xase::proto::ring_frame_bytes(0));
}

std::uint64_t AttachedRing::refused() const {
  return std::min(producer_words().refused.load(std::memory_order_acquire),
                  xase::proto::kRingRefusedMax);
}

bool AttachedRing::has_waiters() const {
  return producer_words().waiters.load(std::memory_order_relaxed) != 0;
}

bool AttachedRing::wants_results() const {
  return producer_words().wants_results.load(std::memory_order_relaxed) != 0;
}

void AttachedRing::publish_journaled() {
  RingDaemonWords& words = daemon_words();
  words.released.store(taken_position_, std::memory_order_release);
  if (taken_sequence_ == journaled_published_) return;
  journaled_published_ = taken_sequence_;
  words.journaled_sequence.store(taken_sequence_, std::memory_order_release);
  written_.push_back({last_record_sequence_, taken_sequence_});
  changed_ = true;
}

void AttachedRing::publish_durable(std::uint64_t ledger_sequence) {
  std::uint64_t durable = 0;
  while (!written_.empty() && written_.front().ledger_sequence <= ledger_sequence) {
    durable = written_.front().ring_sequence;
    written_.pop_front();
  }
  if (durable == 0) return;
  daemon_words().durable_sequence.store(durable, std::memory_order_release);
  changed_ = true;
}

void AttachedRing::publish_settled(std::uint64_t ring_sequence) {
  if (ring_sequence <= settled_sequence) return;
  settled_sequence = ring_sequence;
  daemon_words().settled_sequence.store(ring_sequence, std::memory_order_release);
  changed_ = true;
}

void AttachedRing::count_outcome(bool delivered) {
  RingDaemonWords& words = daemon_words();
  if (delivered) {
    words.delivered.store(++delivered_, std::memory_order_release);
  } else {
    words.failed.store(++failed_, std::memory_order_release);
  }
  changed_ = true;
}

void AttachedRing::publish_result(const RingFrameHeader& header, std::string_view payload) {
  if (!wants_results()) return;
  RingFrameHeader frame = header;
  frame.type = xase::proto::kRingFrameResult;
  frame.payload_bytes = static_cast<std::uint32_t>(payload.size());
  std::byte* room = results_.fits(payload.size()) ? results_.reserve(payload.size()) : nullptr;
  if (room == nullptr) {
    daemon_words().results_dropped.store(++results_dropped_, std::memory_order_release);
  } else {
    std::memcpy(room, payload.data(), payload.size());
    results_.commit(frame);
  }
  changed_ = true;
}

void AttachedRing::publish_condemned() {
  daemon_words().condemned.store(xase::proto::kRingGivenUp, std::memory_order_release);
  changed_ = true;
}

void AttachedRing::publish_moved() {
  if (std::exchange(is_moved_, true)) return;
  daemon_words().condemned.store(xase::proto::kRingMoved, std::memory_order_release);
}

void AttachedRing::notify() {
  if (!changed_) return;
  changed_ = false;
  if (!has_waiters()) return;
  RingDaemonWords& words = daemon_words();
  words.notify.fetch_add(1, std::memory_order_release);
  futex_wake_all(words.notify);
}

}  // namespace xased
