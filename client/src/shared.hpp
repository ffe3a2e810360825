// What the threads of one client share in one process.
#pragma once

#include <xase/xase.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/src/clock.hpp"
#include "client/src/failure.hpp"
#include "client/src/results.hpp"
#include "client/src/ring.hpp"
#include "client/src/ring_file.hpp"
#include "client/src/run_dir.hpp"

namespace xase::client {

// A client's options, checked and filled in. Does not change.
struct Settings {
  std::string run_dir;
  std::uint64_t ring_bytes = 0;
  std::uint32_t results_bytes = 0;
  xase_on_full on_full = XASE_FULL_FAIL;
  std::chrono::milliseconds block_timeout{};
  std::string runtime;
  std::string env;
  xase_result_callback on_success = nullptr;
  xase_result_callback on_error = nullptr;
  void* user = nullptr;
  bool result_thread = false;
  bool results_on_request = false;

  bool wants_results() const noexcept { return on_success != nullptr || on_error != nullptr; }
  bool wants_all_results() const noexcept { return wants_results() && !results_on_request; }
};

// The rings, the results and the doorbell of a client. Thread-safe. Counted references: one of the
// client, one of each thread that has a ring here, one of the result thread.
//
// Belongs to the process that made it. After fork() the child leaves it as it is, locks and all,
// and makes another: nothing in here is worth the risk of touching (rings and doorbell are not even
// mapped there).
class Shared {
 public:
  Shared(std::shared_ptr<const Settings> settings, std::uint64_t generation);
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept;
  // Instead of release(), in a child of fork(): a lock in here may be held for ever by a thread
  // that does not exist in this process, so it stays as it is, only known to leak checkers.
  void abandon() noexcept;

  // A ring for the calling thread: one that an ended thread gave back, or a new one. Null: the
  // reason is in `code`, and the refusal is counted.
  Ring* acquire(ErrorCode& code) noexcept;
  // The calling thread ends. Does nothing once closed.
  void give_back(Ring* ring) noexcept;
  // Another file for the ring of the calling thread, which is inside.
  ErrorCode replace(Ring& ring) noexcept;

  void close() noexcept;
  bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }

  // Wakes the daemon if it sleeps.
  void ring_bell() noexcept;

  // Waits until `done(file)` or the deadline. kOk, kTimeout, kQueueClosed, or kUnknownError where
  // the daemon has given the ring up.
  template <class Done>
  ErrorCode wait(RingFile& file, const Deadline& deadline, Done done);

  struct View {
    std::shared_ptr<RingFile> file;
    std::uint64_t sequence;  // of the last committed record
  };
  std::vector<View> views();

  ErrorCode flush(xase_until until, const Deadline& deadline);
  // Calls the callbacks for at most `max` results, 0: all there are.
  std::size_t deliver(std::size_t max);
  xase_counts counts();

  Results& results() noexcept { return results_; }
  const Settings& settings() const noexcept { return *settings_; }
  std::uint64_t generation() const noexcept { return generation_; }
  // Whether producers must fence for close(): where the kernel cannot do it for them.
  bool needs_fence() const noexcept { return needs_fence_; }

 private:
  struct Moved {
    std::shared_ptr<RingFile> file;
    std::uint64_t sequence;
    std::uint64_t refused;
  };

  ~Shared();

  // `left`: by the ring that this one takes the place of.
  Failure make_file(const LeftBehind& left, std::shared_ptr<RingFile>& made);
  Failure try_make_file(const RingFileOptions& options, std::shared_ptr<RingFile>& made);
  RingFileOptions file_options(const LeftBehind& left) const;
  // Where the ring's file has lost its name with records in it, and no other took its place: makes
  // one that does nothing but tell of them. Under the lock.
  void leave_word(const Ring& ring) noexcept;
  void refresh_doorbell(const Fd& root);
  void start_result_thread();
  void run_result_thread();
  // Adds the words of a file that its ring lets go. Under the lock.
  void bank(const RingFile& file, std::uint64_t sequence, std::uint64_t refused) noexcept;
  // Keeps a file that lost its name until all in it is settled. Under the lock.
  void keep_moved(std::shared_ptr<RingFile> file, std::uint64_t sequence, std::uint64_t refused);

  const std::shared_ptr<const Settings> settings_;
  const std::uint64_t generation_;
  const bool needs_fence_;
  std::atomic<std::uint32_t> references_{1};
  std::atomic<bool> closed_{false};
  std::atomic<bool> abandoned_{false};
  Shared* next_abandoned_ = nullptr;
  Results results_;

  std::atomic<proto::Doorbell*> doorbell_{nullptr};
  // Refusals that no ring has counted yet: there was none.
  std::atomic<std::uint64_t> refused_without_ring_{0};

  std::mutex mutex_;  // guards what follows, and the files of the rings
  Ring* rings_ = nullptr;
  Ring* free_ = nullptr;
  xase_counts banked_{};                                  // of files that their rings have let go
  std::vector<Moved> moved_;                              // the daemon may still read these
  bool final_counts_ = false;                             // closed: banked_ holds all
  std::vector<std::unique_ptr<DoorbellPage>> doorbells_;  // the last is in use
  std::int64_t next_attempt_ns_ = 0;
  std::int64_t backoff_ns_ = 0;
  Failure last_failure_;
  std::thread result_thread_;
  std::condition_variable stop_;
};

// How far the daemon says it is.
std::uint64_t sequence_reached(const proto::RingDaemonWords& words, xase_until until) noexcept;

}  // namespace xase::client

#include "client/src/shared_wait.hpp"
