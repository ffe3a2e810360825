// The dev API: a stand-in for the Xase service that keeps its rules, for development, the demo and
// tests. See README.md beside this file for routes, faults and what differs from the service.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "daemon/platform/status.hpp"

namespace xased {

struct DevApiOptions {
  std::string dir{};  // made if need be; one dev API at a time may hold it
  std::string host = "127.0.0.1";
  int port = 0;                              // 0: any that is free
  std::string api_key{};                     // "" = any well-formed key; else only this one
  std::uint64_t rate_limit_per_hour = 1000;  // records an hour and key; 0 = no limit
  std::uint64_t quota = 0;   // records a key may ever have (402 beyond); 0 = no limit
  bool forget_keys = false;  // forget every idempotency key at start, as the service does
  std::string faults{};      // a JSON object (README.md); "" = none
  // In front of "/xase/receipt/…" in receipts; "" = http://host:port.
  std::string public_url{};
  std::size_t body_bytes_max = std::size_t{8} << 20U;
  std::size_t connections_max = 1024;
  // The wall clock in epoch milliseconds; empty = the system's. Called from any thread.
  std::function<std::int64_t()> now_unix_ms{};
};

// Serves on threads of its own from start() until stop() or destruction.
//
// Durability: a record is on disk, synced, before its 201 leaves. Records, their chain and (unless
// forget_keys) the idempotency keys of the last 24 hours outlive a crash; the windows of the rate
// limit and the faults do not.
class DevApi {
 public:
  // Listens when it returns. Errors: kExists (the directory or the port is in use), kCorrupt (the
  // log is damaged elsewhere than in its unfinished last write), kInvalid (the faults or the host),
  // or what the operating system says.
  static Result<std::unique_ptr<DevApi>> start(DevApiOptions options);

  DevApi(const DevApi&) = delete;
  DevApi& operator=(const DevApi&) = delete;
  ~DevApi();

  int port() const;
  // "http://127.0.0.1:3000/api/xase/v1", without a slash at the end.
  std::string base_url() const;

  // Bytes of an unfinished last write that start() set aside; 0 = the log ended well.
  std::uint64_t torn_bytes_cut() const;
  std::uint64_t records() const;

  // As PUT /dev/faults; "" lifts them all. kInvalid names the member that is wrong.
  Status set_faults(const std::string& json);

  // Closes connections and joins the threads; what was answered is durable. May be called again.
  void stop();

 private:
  struct Impl;
  explicit DevApi(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace xased
