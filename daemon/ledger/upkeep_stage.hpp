// Keeps up what follows from the durable part of the journal: the tree and its head, the index, the
// removal of what was kept for long enough.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace xased {

// One of these. It reads the journal up to what is durable, in its own time; nobody waits for it.
class UpkeepWork {
 public:
  virtual ~UpkeepWork() = default;
  // One bounded piece. Returns how long until there is more to do; 0: at once.
  virtual std::chrono::nanoseconds step() = 0;
};

// Owned by its thread, which calls step(). Apart from the sync stage, whose syncs somebody waits
// for: the files of a tree are many and each has a sync of its own.
class UpkeepStage {
 public:
  UpkeepStage() = default;
  UpkeepStage(const UpkeepStage&) = delete;
  UpkeepStage& operator=(const UpkeepStage&) = delete;

  // Before the thread starts. `work` outlives it.
  void also_do(UpkeepWork& work) { works_.push_back(&work); }

  // Owner. A piece of each work in turn. Returns how long to wait before the next step where nobody
  // rings.
  std::chrono::nanoseconds step();

  // Any thread. For the watchdog.
  std::uint64_t steps() const { return steps_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::chrono::nanoseconds kIdle = std::chrono::seconds(1);

  std::vector<UpkeepWork*> works_;
  std::atomic<std::uint64_t> steps_{0};
};

}  // namespace xased
