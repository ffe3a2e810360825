#include "daemon/ledger/upkeep_stage.hpp"

#include <algorithm>

namespace xased {

std::chrono::nanoseconds UpkeepStage::step() {
  steps_.fetch_add(1, std::memory_order_relaxed);
  std::chrono::nanoseconds wait = kIdle;
  for (UpkeepWork* work : works_) wait = std::min(wait, work->step());
  return wait;
}

}  // namespace xased
