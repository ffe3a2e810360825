// Shared::wait(), a template because its conditions differ.
#pragma once

#include "client/src/futex.hpp"
#include "client/src/shared.hpp"

namespace xase::client {

template <class Done>
ErrorCode Shared::wait(RingFile& file, const Deadline& deadline, Done done) {
  // Counted in the ring while we wait: the daemon then hurries and wakes us.
  struct Waiting {
    explicit Waiting(std::atomic<std::uint32_t>& waiters) : waiters_(waiters) {
      waiters_.fetch_add(1);
    }
    ~Waiting() { waiters_.fetch_sub(1); }
    std::atomic<std::uint32_t>& waiters_;
  };
  const Waiting waiting(file.producer().waiters);
  WaitSlices slices;
  while (true) {
    const std::uint32_t seen = file.daemon().notify.load(std::memory_order_acquire);
    if (done(file)) return ErrorCode::kOk;
    if (closed()) return ErrorCode::kQueueClosed;
    const std::uint32_t condemned = file.daemon().condemned.load(std::memory_order_relaxed);
    if (condemned != 0 && condemned != proto::kRingMoved) return ErrorCode::kUnknownError;
    if (deadline.passed()) return ErrorCode::kTimeout;
    ring_bell();
    futex_wait(file.daemon().notify, seen, slices.next(deadline.left()));
  }
}

}  // namespace xase::client
