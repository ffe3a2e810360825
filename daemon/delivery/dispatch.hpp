// Between the owner of delivery and whoever carries its requests.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "daemon/delivery/transport.hpp"

namespace xased {

struct Job {
  std::uint64_t id = 0;
  std::shared_ptr<const Request> request;
  std::uint64_t route = 0;  // numbers the destinations, as the owner knows them
};

struct JobResult {
  std::uint64_t id = 0;
  std::uint64_t route = 0;  // the job's
  Answer answer;
  std::int64_t sent_boot_ns = 0;
  std::chrono::nanoseconds took{};
};

// The owner calls; nothing here blocks.
class Dispatch {
 public:
  virtual ~Dispatch() = default;
  // Takes a job; the owner never has more under way than it allows itself.
  virtual void send(Job job) = 0;
  // Appends the results there are.
  virtual void receive(std::vector<JobResult>& results) = 0;
  // Requests from now on go by these.
  virtual void use(TransportFactory transports) = 0;
  // Cuts off what is under way: results with Reach::kMaybe or kNotSent follow soon.
  virtual void abort() = 0;
};

}  // namespace xased
