// Makes the next segment's file ahead of its time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "daemon/platform/file_system.hpp"

namespace xased {

// A file of zeros, written and synced, so that rotation costs a rename and later syncs find their
// space already there: they then have nothing to tell the file system's own journal, and wait for
// nobody else's writes. Where segments fill about as fast as the disk writes, zeros ahead of each
// would take as long as the records themselves: there the space is only preallocated, and a sync of
// the segment may wait for that journal until it is full, also where things have calmed down.
// Asked for by intake, made by the sync stage one piece a step so that syncs do not wait behind it.
// The state says whose turn it is: no field but `hurried_` is touched by both at once.
class SegmentPreparer {
 public:
  SegmentPreparer(FileSystem& fs, std::string path, std::uint64_t bytes)
      : fs_(fs), path_(std::move(path)), bytes_(bytes) {}

  // Intake. Asks for a file; nothing happens, and false, where one is ready or being made.
  // `hurried`: one that will be wanted before zeros could be written.
  bool request(bool hurried = false);
  // Intake. The file that is being made is wanted now: what is left of it is preallocated.
  void hurry() { hurried_.store(true, std::memory_order_relaxed); }
  // Intake. True: take() gives a file.
  bool ready() const { return state_.load(std::memory_order_acquire) == State::kReady; }
  // Intake. True: the last attempt failed, see failure(); request() tries again.
  bool failed() const { return state_.load(std::memory_order_acquire) == State::kFailed; }
  const Status& failure() const { return failure_; }
  // Intake. The file, which lies at path() until the taker renames it. Only where ready().
  std::shared_ptr<File> take();
  const std::string& path() const { return path_; }

  // Sync. Writes one piece where there is something to make; true where it did.
  bool step();

  // Intake, where it cannot wait: makes the file to its end in this thread, taking over nothing.
  // Only while nothing was requested.
  Status make_now();

 private:
  enum class State : std::uint8_t { kIdle, kRequested, kReady, kFailed };

  Status start();
  Status make_piece();

  FileSystem& fs_;
  const std::string path_;
  const std::uint64_t bytes_;
  // Hands the fields below over: release store by the one who is done, acquire load by the other.
  std::atomic<State> state_{State::kIdle};
  std::atomic<bool> hurried_{false};
  std::shared_ptr<File> file_;
  std::uint64_t made_ = 0;
  bool can_preallocate_ = true;
  Status failure_;
};

}  // namespace xased
