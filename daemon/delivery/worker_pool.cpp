#include "daemon/delivery/worker_pool.hpp"

#include <algorithm>
#include <list>
#include <thread>
#include <utility>

#include "daemon/config/log.hpp"
#include "daemon/platform/this_thread.hpp"

namespace xased {

// Held by the pool and by each thread, so that a thread may outlive the pool.
struct WorkerPool::Shared {
  Shared(const Clock& the_clock, std::shared_ptr<Wake> the_owner, std::chrono::nanoseconds the_idle)
      : clock(the_clock), owner(std::move(the_owner)), idle(the_idle) {}

  const Clock& clock;
  const std::shared_ptr<Wake> owner;
  const std::chrono::nanoseconds idle;

  std::mutex mutex;  // guards what follows
  std::condition_variable work;
  std::condition_variable ended;
  std::deque<Job> jobs;
  std::vector<JobResult> results;
  TransportFactory transports;
  std::uint64_t generation = 0;  // of `transports`
  std::list<std::shared_ptr<Transport>> open;
  std::size_t threads = 0;
  std::size_t waiting = 0;
  bool aborted = false;
  bool closed = false;
};

WorkerPool::WorkerPool(const Clock& clock, std::shared_ptr<Wake> owner,
                       std::chrono::nanoseconds idle)
    : shared_(std::make_shared<Shared>(clock, std::move(owner), idle)) {}

WorkerPool::~WorkerPool() {
  abort();
  std::unique_lock lock(shared_->mutex);
  shared_->closed = true;
  shared_->work.notify_all();
  shared_->ended.wait_for(lock, std::chrono::milliseconds(250),
                          [this] { return shared_->threads == 0; });
  if (shared_->threads > 0) {
    log_warn("delivery", "a worker hangs in name resolution and is left behind",
             {{"workers", shared_->threads}});
  }
}

void WorkerPool::send(Job job) {
  std::unique_lock lock(shared_->mutex);
  shared_->jobs.push_back(std::move(job));
  if (shared_->waiting >= shared_->jobs.size()) {
    lock.unlock();
    shared_->work.notify_one();
    return;
  }
  ++shared_->threads;
  lock.unlock();
  bool started = true;
  try {
    // Nor SIGPIPE: a broken TLS connection must not end the process.
    const WithoutSignals without_signals;
    std::thread([shared = shared_] { work(shared); }).detach();
  } catch (const std::system_error& error) {
    started = false;
    log_warn("delivery", "cannot start a worker", {{"problem", error.what()}});
  }
  if (started) return;
  lock.lock();
  --shared_->threads;
  if (shared_->threads > 0) return;  // another one will take it
  // Nobody will: the owner tries again later.
  JobResult result;
  result.id = shared_->jobs.back().id;
  result.answer.failure = "no thread can be started";
  result.sent_boot_ns = shared_->clock.boot_ns();
  shared_->jobs.pop_back();
  shared_->results.push_back(std::move(result));
  lock.unlock();
  shared_->owner->ring();
}

void WorkerPool::receive(std::vector<JobResult>& results) {
  const std::scoped_lock lock(shared_->mutex);
  for (JobResult& result : shared_->results) results.push_back(std::move(result));
  shared_->results.clear();
}

void WorkerPool::use(TransportFactory transports) {
  const std::scoped_lock lock(shared_->mutex);
  shared_->transports = std::move(transports);
  ++shared_->generation;
}

void WorkerPool::abort() {
  const std::scoped_lock lock(shared_->mutex);
  shared_->aborted = true;
  for (const std::shared_ptr<Transport>& transport : shared_->open) transport->abort();
}

void WorkerPool::work(const std::shared_ptr<Shared>& shared) {
  std::unique_lock lock(shared->mutex);
  std::list<std::shared_ptr<Transport>>::iterator mine = shared->open.end();
  std::uint64_t generation = 0;
  for (;;) {
    ++shared->waiting;
    const bool has_work = shared->work.wait_for(
        lock, shared->idle, [&] { return !shared->jobs.empty() || shared->closed; });
    --shared->waiting;
    if (!has_work || shared->closed) break;
    Job job = std::move(shared->jobs.front());
    shared->jobs.pop_front();
    if (mine == shared->open.end() || generation != shared->generation) {
      if (mine != shared->open.end()) shared->open.erase(mine);
      generation = shared->generation;
      mine =
          shared->open.insert(shared->open.end(), std::shared_ptr<Transport>(shared->transports()));
      if (shared->aborted) (*mine)->abort();
    }
    const std::shared_ptr<Transport> transport = *mine;
    lock.unlock();
    JobResult result;
    result.id = job.id;
    result.route = job.route;
    result.sent_boot_ns = shared->clock.boot_ns();
    result.answer = transport->post(*job.request);
    result.took = std::chrono::nanoseconds(shared->clock.boot_ns() - result.sent_boot_ns);
    job.request.reset();
    lock.lock();
    shared->results.push_back(std::move(result));
    lock.unlock();
    shared->owner->ring();
    lock.lock();
  }
  if (mine != shared->open.end()) shared->open.erase(mine);
  --shared->threads;
  shared->ended.notify_all();
}

}  // namespace xased
