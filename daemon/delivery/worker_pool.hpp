// Threads that post: one blocking connection each, started when there is work for them and ended
// when there has been none for a while.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "daemon/delivery/dispatch.hpp"
#include "daemon/platform/clock.hpp"
#include "daemon/platform/wake.hpp"

namespace xased {

class WorkerPool final : public Dispatch {
 public:
  // `owner` is rung when a result is there. A worker that has had nothing to do for `idle` ends.
  WorkerPool(const Clock& clock, std::shared_ptr<Wake> owner,
             std::chrono::nanoseconds idle = std::chrono::seconds(10));
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  // Aborts, and waits a quarter of a second for the threads. One that hangs in name resolution,
  // which nothing can end, is left behind: it holds on to what it uses.
  ~WorkerPool() override;

  void send(Job job) override;
  void receive(std::vector<JobResult>& results) override;
  void use(TransportFactory transports) override;
  void abort() override;

 private:
  struct Shared;
  static void work(const std::shared_ptr<Shared>& shared);
  std::shared_ptr<Shared> shared_;
};

}  // namespace xased
