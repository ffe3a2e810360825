// What delivery is told to do. The application fills it from its configuration.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "daemon/config/api_key.hpp"

namespace xased {

struct DeliveryOptions {
  // Off: nothing is sent; records stay in the ledger as undelivered.
  bool enabled = true;
  // http or https, without credentials, query, or a slash at the end.
  std::string base_url = "http://localhost:3000/api/xase/v1";
  // Where the API key comes from, and how its environment variable is read.
  ApiKeySource key_source;
  Getenv getenv;
  // One whole attempt, from connecting to the last byte of the answer.
  std::chrono::nanoseconds timeout = std::chrono::seconds(30);
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(5);
  // Requests at once, at most.
  std::uint32_t max_in_flight = 32;
  // One record at a time, in ledger order.
  bool ordered = false;
  // PEM bundle that TLS is verified with; empty: the system's.
  std::string ca_file;
  bool tls_insecure_skip_verify = false;
  // First and largest delay between attempts, before jitter.
  std::chrono::nanoseconds backoff_min = std::chrono::milliseconds(200);
  std::chrono::nanoseconds backoff_max = std::chrono::seconds(60);
  // Between probes while paused.
  std::chrono::nanoseconds probe_interval = std::chrono::seconds(30);
  // This many refused records with no success between pause the delivery.
  std::uint32_t refusals_pause_after = 64;
  // How long the service remembers an Idempotency-Key.
  std::chrono::nanoseconds key_memory = std::chrono::hours(24);
  // No one else posts with this tenant's keys: each receipt must go on from one of ours.
  bool only_writer = false;
  // The signed head is posted ahead of the backlog: always, once an interval at most, or only where
  // the service's limit keeps a record waiting for `anchor_after`. An interval of 0: never.
  bool anchor_always = false;
  std::chrono::nanoseconds anchor_interval{0};
  std::chrono::nanoseconds anchor_after = std::chrono::minutes(10);
  // Of the records that were delivered, one in so many is asked for again; 0: none.
  std::uint32_t audit_one_in = 0;
  // At most so many questions; 0: none.
  std::uint32_t audit_max_per_minute = 6;
};

}  // namespace xased
