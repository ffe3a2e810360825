// The service's routes and the dev API's own: a request in, an answer out.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "daemon/devapi/faults.hpp"
#include "daemon/devapi/http_server.hpp"
#include "daemon/devapi/js_value.hpp"
#include "daemon/devapi/rate_limit.hpp"
#include "daemon/devapi/store.hpp"

namespace xased::devapi {

struct ApiOptions {
  std::string api_key;  // "" = any that is well-formed
  std::uint64_t rate_limit_per_hour = 0;
  std::string public_url;  // "http://host:port", in front of /xase/receipt/
  std::function<std::int64_t()> now_unix_ms;
};

// {"error","code"} as the service writes it, for an answer without anything more to say.
std::string error_body(int status);
// What the service hashes of a body that check_record() accepts.
RecordHashes hashes_of(const JsValue& body);

// Safe from any thread. Owns nothing that outlives a request but counters; the store and the faults
// are its caller's.
class Api {
 public:
  Api(ApiOptions options, Store& store, FaultPlan& faults);

  // Draws the request's fault and carries it out.
  HttpAnswer handle(const HttpRequest& request);

  // Set before the first request is handled.
  void set_server(const HttpServer* server) { server_ = server; }
  void set_public_url(std::string url) { options_.public_url = std::move(url); }

 private:
  struct Caller {
    std::string tenant;
    std::string idempotency_key;  // "" = none
    std::uint64_t remaining = 0;  // of its limit, after this record
    bool forks = false;           // the chain, on demand
  };

  // The service as it is without faults.
  HttpAnswer serve(const HttpRequest& request);
  HttpAnswer post_record(const HttpRequest& request, bool forks = false);
  HttpAnswer create_record(const HttpRequest& request, const Caller& caller, bool& made_one);
  HttpAnswer post_intervention(const HttpRequest& request, const std::string& transaction_id);
  // `fault`: a fault of this route, carried out.
  HttpAnswer verify(const std::string& transaction_id, std::optional<FaultKind> fault = {});
  HttpAnswer receipt(const std::string& transaction_id);
  HttpAnswer replay(const StoredRecord& record, const std::string& body, std::uint64_t remaining);
  bool authorize(const HttpRequest& request, std::string& tenant) const;
  void add_limit_headers(HttpAnswer& answer, std::uint64_t remaining) const;

  HttpAnswer strike(const FaultRule& fault, const HttpRequest& request);
  HttpAnswer status_fault(const FaultRule& fault) const;

  HttpAnswer dev(const HttpRequest& request);
  HttpAnswer dev_stats() const;
  HttpAnswer dev_records(const HttpRequest& request);
  HttpAnswer dev_faults(const HttpRequest& request);

  ApiOptions options_;
  Store& store_;
  FaultPlan& faults_;
  RateLimit rate_limit_;
  const HttpServer* server_ = nullptr;
  const std::int64_t started_unix_ms_;

  // Statistics; they pair with nothing.
  std::atomic<std::uint64_t> created_{0};
  std::atomic<std::uint64_t> replays_{0};
  std::atomic<std::uint64_t> replays_of_another_body_{0};
  std::atomic<std::uint64_t> verifications_{0};
  std::atomic<std::uint64_t> post_record_requests_{0};
};

}  // namespace xased::devapi
