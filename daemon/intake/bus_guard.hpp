// Keeps the daemon alive when a file shrinks under its mapping.
#pragma once

#include <cstddef>
#include <cstdint>

namespace xased {

// While it lives, touching a page of `bytes` at `start` that its file no longer has gives zeros
// instead of SIGBUS, and faulted() says so. What was read around that moment is not to be believed.
//
// Made and destroyed by one thread, intake's; the handler may run in any. The first one installs
// the process's SIGBUS handler; a fault outside all guarded ranges ends the process as it would
// have without. At most kGuardsMax at once: beyond that, ok() is false.
class BusGuard {
 public:
  static constexpr std::size_t kGuardsMax = 16400;

  BusGuard(const void* start, std::size_t bytes);
  ~BusGuard();
  BusGuard(const BusGuard&) = delete;
  BusGuard& operator=(const BusGuard&) = delete;

  bool ok() const { return slot_ != kNoSlot; }
  bool faulted() const;

 private:
  static constexpr std::size_t kNoSlot = SIZE_MAX;
  std::size_t slot_ = kNoSlot;
};

}  // namespace xased
