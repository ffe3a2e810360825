// An append-only file of lines, each durable before its writer goes on, many for one sync.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "daemon/platform/status.hpp"

namespace xased::devapi {

// `records.jsonl` in a directory that one process at a time may hold (flock on `lock`).
//
// Threads: append, wait_durable, read and the counters from any thread. One thread of its own
// writes: whatever has gathered while the last sync ran goes out with one write and one fdatasync.
//
// Durability: a line is in the queue after append(), and survives power loss once wait_durable()
// has returned OK for its end. A failed write or sync is never tried again, since nobody knows then
// what the file holds: every later call fails, until the process starts anew and reads what is
// there.
class GroupLog {
 public:
  static constexpr std::size_t kLineBytesMax = std::size_t{64} << 20U;

  // Is called at open with each line (without its newline) and where it begins. kCorrupt says that
  // the line is damaged; any other error ends the opening.
  using OnLine = std::function<Status(std::uint64_t offset, std::string_view line)>;

  // Makes the directory if need be. A torn tail (an unfinished last write: no newline, or bytes
  // that were never written, and no whole line behind it) is moved to `torn-<offset>` and cut.
  // Damage anywhere else is kCorrupt and nothing is changed. kExists if another process holds the
  // directory.
  static Result<std::unique_ptr<GroupLog>> open(const std::string& dir, const OnLine& on_line);

  GroupLog(const GroupLog&) = delete;
  GroupLog& operator=(const GroupLog&) = delete;
  // Writes and syncs what is queued.
  ~GroupLog();

  // Queues a line that ends with a newline; lines are written in the order of these calls. Returns
  // where the line begins.
  Result<std::uint64_t> append(std::string_view line);
  Status wait_durable(std::uint64_t end);
  // Bytes that are durable.
  Result<std::string> read(std::uint64_t offset, std::size_t size) const;

  std::uint64_t durable_end() const;
  std::uint64_t syncs() const;
  std::uint64_t torn_bytes_cut() const { return torn_bytes_cut_; }

 private:
  GroupLog() = default;
  Status lock_directory(const std::string& dir);
  Status recover(const OnLine& on_line);
  Status cut_torn_tail(std::uint64_t from, std::uint64_t size);
  void write_queued();
  Status write_and_sync(std::string_view bytes, std::uint64_t offset) const;

  std::string dir_;
  int directory_ = -1;
  int lock_file_ = -1;
  int file_ = -1;
  std::uint64_t torn_bytes_cut_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable queued_;  // there is something to write, or it is time to stop
  // A batch is durable, or the log has failed. Batches take turns, so that the end of one does not
  // wake those who wait for the next.
  std::array<std::condition_variable, 2> durable_;
  // All under mutex_.
  std::string queue_;
  std::uint64_t end_ = 0;
  std::uint64_t batch_ = 0;        // the number of the batch that is being written, or was last
  std::uint64_t writing_end_ = 0;  // where it ends
  std::uint64_t durable_end_ = 0;
  std::uint64_t syncs_ = 0;
  Status failure_;
  bool stopping_ = false;

  std::thread writer_;  // started last, joined first
};

}  // namespace xased::devapi
