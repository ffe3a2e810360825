// Makes the next segment's file ahead of its time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "daemon/platform/file_system.hpp"

namespace xased {

// A file of zeros, written and synced, so that rotation costs a rename and later syncs find their
// space already there. Asked for by intake, made by the sync stage one piece a step so that syncs
// do not wait behind it. The state says whose turn it is: no field is touched by both at once.
class SegmentPreparer {
 public:
  SegmentPreparer(FileSystem& fs, std::string path, std::uint64_t bytes)
      : fs_(fs), path_(std::move(path)), bytes_(bytes) {}

  // Intake. Asks for a file; nothing happens, and false, where one is ready or being made.
  bool request();
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
  Status write_piece();

  FileSystem& fs_;
  const std::string path_;
  const std::uint64_t bytes_;
  // Hands the fields below over: release store by the one who is done, acquire load by the other.
  std::atomic<State> state_{State::kIdle};
  std::shared_ptr<File> file_;
  std::uint64_t written_ = 0;
  Status failure_;
};

}  // namespace xased
