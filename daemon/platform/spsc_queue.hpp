// A queue without a lock between one thread that pushes and one that pops, its room set aside once.
#pragma once

#include <boost/lockfree/spsc_queue.hpp>
#include <cstddef>

namespace xased {

// Boost's, which leaves what was never popped undestroyed where its size is fixed.
template <typename T, std::size_t Capacity>
class SpscQueue : public boost::lockfree::spsc_queue<T, boost::lockfree::capacity<Capacity>> {
 public:
  SpscQueue() = default;
  SpscQueue(const SpscQueue&) = delete;
  SpscQueue& operator=(const SpscQueue&) = delete;
  ~SpscQueue() {
    this->consume_all([](const T&) {});
  }
};

}  // namespace xased
