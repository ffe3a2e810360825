// A producer's ring, as the daemon holds it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/intake/bus_guard.hpp"
#include "daemon/ledger/recovery.hpp"
#include "daemon/platform/status.hpp"
#include "proto/leaf.hpp"
#include "proto/mapping.hpp"
#include "proto/ring_layout.hpp"
#include "proto/ring_reader.hpp"
#include "proto/ring_writer.hpp"

namespace xased {

// Open file, mapping, and the daemon's own account of the ring, which no producer can reach. Owned
// by intake's thread.
class AttachedRing {
 public:
  // Opens RUN_DIR/rings/<name>. kInvalid: it is not a ring, or not one that may be believed: to be
  // condemned. Other errors: not now, try again later. `directory` is RUN_DIR/rings.
  static Result<std::unique_ptr<AttachedRing>> attach(const std::string& directory,
                                                      const std::string& name);
  ~AttachedRing();
  AttachedRing(const AttachedRing&) = delete;
  AttachedRing& operator=(const AttachedRing&) = delete;

  // Goes on where the ledger says that this ring was left. Once, before anything is read.
  void resume(const RingHistory& history);

  // What the ring is.
  const std::string& name() const { return name_; }
  const xase::proto::Id& id() const { return identity_.ring_id; }
  // The file's owner; kNoUid where that tells nothing about who wrote it.
  std::uint32_t uid() const { return uid_; }
  std::uint32_t pid() const { return identity_.pid; }
  std::int64_t created_wall_ns() const { return identity_.created_wall_ns; }
  // The ring that this one says it takes the place of.
  const xase::proto::RingBefore& before() const { return identity_.before; }
  // Runtime context, JSON text as the producer wrote it: not yet checked.
  std::string_view context() const { return context_; }
  std::uint64_t capacity_bytes() const { return identity_.data_bytes; }

  // Copies what is committed behind taken_position(); see RingReader::copy_out(). A fault of the
  // mapping is kTruncated.
  xase::proto::RingReader::Chunk copy_out(std::span<std::byte> to) const;
  bool has_data() const { return reader_.has_data(taken_position_); }
  // The file has become shorter than it was: nothing in the mapping can be believed.
  bool is_truncated() const { return guard_->faulted(); }
  // Nobody holds the producer's lock any more.
  bool owner_is_gone() const;
  // Bytes committed and not yet taken, at most the capacity.
  std::uint64_t pending_bytes() const;
  // Records committed and not yet taken, by the producer's word, bounded by what the ring can hold.
  std::uint64_t pending_records() const;
  // Records that the producer says it refused. What it commits after this call was refused no less.
  std::uint64_t refused() const;
  bool has_waiters() const;
  bool wants_results() const;

  // Intake's account: taken means appended to the batch.
  std::uint64_t taken_position() const { return taken_position_; }
  std::uint64_t taken_sequence() const { return taken_sequence_; }
  std::uint64_t refused_accounted() const { return refused_accounted_; }
  std::uint64_t last_record_sequence() const { return last_record_sequence_; }
  void take(std::uint64_t ring_sequence, std::uint64_t ledger_sequence) {
    taken_sequence_ = ring_sequence;
    last_record_sequence_ = ledger_sequence;
  }
  void move_taken_position(std::uint64_t position) { taken_position_ = position; }
  void account_refused(std::uint64_t refused) { refused_accounted_ = refused; }

  // Tells the producer. Each is cheap and may be called with nothing new to tell.
  void publish_journaled();                             // all that was taken is written
  void publish_durable(std::uint64_t ledger_sequence);  // the ledger is durable up to here
  void publish_settled(std::uint64_t ring_sequence);    // all up to here are delivered or set aside
  void count_outcome(bool delivered);
  // A result frame, where the producer wants results. One that does not fit is counted as dropped.
  void publish_result(const xase::proto::RingFrameHeader& header, std::string_view payload);
  void publish_condemned();
  // The file lost its name: the producer makes another ring, and this one is drained all the same.
  void publish_moved();
  // Wakes those who wait, where anything was published since the last call.
  void notify();
  // Something written is not yet published as durable.
  bool awaits_durable() const { return !written_.empty(); }

  // Marks of the stage that owns this.
  bool has_producer_entry = false;  // in the current segment
  bool is_resumed = true;           // nothing was taken since it was attached
  bool check_owner = true;          // it may be gone
  bool is_given_up = false;         // condemned, and about to be set aside
  bool tells_of_before = false;     // what before() leaves missing is not in the ledger yet
  bool has_told_of_before = false;  // it is
  std::uint64_t attached_as = 0;    // counts the attached rings of a run
  std::uint64_t settled_sequence = 0;

 private:
  AttachedRing() = default;
  xase::proto::RingProducerWords& producer_words() const;
  xase::proto::RingDaemonWords& daemon_words() const;

  struct Written {
    std::uint64_t ledger_sequence;
    std::uint64_t ring_sequence;
  };

  int fd_ = -1;
  std::string name_;
  std::uint32_t uid_ = xase::proto::kNoUid;
  xase::proto::RingIdentity identity_{};
  std::string context_;
  xase::proto::Mapping mapping_;
  std::unique_ptr<BusGuard> guard_;
  xase::proto::RingReader reader_;
  xase::proto::RingWriter results_;
  std::uint64_t taken_position_ = 0;
  std::uint64_t taken_sequence_ = 0;
  std::uint64_t last_record_sequence_ = 0;
  std::uint64_t refused_accounted_ = 0;
  std::uint64_t delivered_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t results_dropped_ = 0;
  std::uint64_t journaled_published_ = 0;
  bool changed_ = false;
  bool is_moved_ = false;
  std::deque<Written> written_;  // bounded by the number of unsynced batches
};

}  // namespace xased
