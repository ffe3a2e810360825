// The handle behind xase_client: finds the calling thread's ring and uses it.
#pragma once

#include <xase/xase.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "client/src/failure.hpp"
#include "client/src/ring.hpp"
#include "client/src/shared.hpp"
#include "client/src/thread_cache.hpp"

namespace xase::client {

class Client {
 public:
  Client(std::shared_ptr<const Settings> settings, std::atomic<std::uint64_t>& generation);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  // No call may run.
  ~Client();

  ErrorCode record(const xase_record_fields& record) noexcept;
  ErrorCode record_tracked(const xase_record_fields& record, xase_ticket& ticket) noexcept;
  ErrorCode reserve(std::size_t bytes, char*& room) noexcept;
  // `ticket` may be null.
  ErrorCode commit(const xase_record_fields& record, xase_ticket* ticket) noexcept;
  void cancel() noexcept;
  // Fills `item` with what became of the record as far as is known.
  ErrorCode record_sync(const xase_record_fields& record, xase_until until,
                        std::chrono::milliseconds timeout, ResultItem& item);
  ErrorCode flush(xase_until until, std::chrono::milliseconds timeout);
  std::size_t poll(std::size_t max);
  xase_counts counts();
  void close() noexcept;

  // The run directory of its settings.
  const std::string& run_dir() const noexcept { return settings_->run_dir; }

 private:
  // The ring that this thread has here, null where it has none in this process.
  Ring* ring_at_hand() noexcept;
  // The same, where something is reserved in it.
  Ring* reserved_ring() noexcept;
  // This thread's ring, entered, or null and why.
  Ring* enter(ErrorCode& code) noexcept;
  Ring* find_ring(ErrorCode& code) noexcept;
  Ring* enter_slowly(Ring* ring, Ring::Entry entry, ErrorCode& code) noexcept;
  ErrorCode wait_for_result(Shared& shared, RingFile& file, Results::Waiter& waiter,
                            xase_until until, const Deadline& deadline);
  // This process's part. Null: out of memory.
  Shared* shared() noexcept;

  const std::uint64_t id_;  // never used twice in a process
  std::atomic<std::uint64_t>& generation_;
  const std::shared_ptr<const Settings> settings_;
  std::atomic<Shared*> shared_;
  std::atomic<bool> closed_{false};
};

}  // namespace xase::client
