// The time seam. Timers use the boot clock, which runs through suspend and never jumps; the wall
// clock is only ever written down.
#pragma once

#include <cstdint>

#include "proto/bytes.hpp"

namespace xased {

// Any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds since the epoch.
  virtual std::int64_t wall_ns() const = 0;
  // Nanoseconds since boot, suspend included.
  virtual std::int64_t boot_ns() const = 0;
  // Names the boot that boot_ns() counts from.
  virtual xase::proto::Id boot_id() const = 0;
};

// The clocks of this machine. Lives as long as the process.
const Clock& system_clock();

}  // namespace xased
