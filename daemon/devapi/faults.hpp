// Faults on demand: what the dev API does wrong, and how often.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/devapi/js_value.hpp"
#include "daemon/platform/status.hpp"

namespace xased::devapi {

// In the order in which they are tried: the first that strikes is the request's fault.
enum class FaultKind {
  kDown,            // reset every connection; also for the routes other than POST /records
  kReset,           // RST instead of an answer, or in the middle of it
  kStatus,          // an answer with another status
  kCommitThenHang,  // stored and durable, and no answer
  kHang,            // nothing stored, and no answer
  kNotJson,         // an HTML page instead of the answer
  kTruncated,       // Content-Length promises more than comes
  kSlowLoris,       // the answer a byte at a time
  kHuge,            // an answer of megabytes
  kFork,            // stored behind the record before the latest one
  kForget,          // GET /verify: the record is not there
  kTamper,          // GET /verify: the record is called tampered
  kRewrite,         // GET /verify: another record_hash, called valid
};
// Which faults may strike.
enum class FaultRoute { kPostRecord, kVerify, kOther };
const char* fault_name(FaultKind kind);

struct FaultRule {
  enum class Body { kService, kHtml, kEmpty };

  FaultKind kind = FaultKind::kReset;
  double rate = 1;
  std::optional<std::uint64_t> count;
  bool commit = false;  // the request is carried out as usual before its answer goes wrong
  int status = 0;
  Body body = Body::kService;
  std::optional<std::int64_t> retry_after_s;
  std::optional<std::int64_t> retry_after_date_s;
  std::string location;
  std::int64_t hang_ms = 30'000;
  std::int64_t byte_interval_ms = 10;
  std::optional<std::uint64_t> answer_bytes;  // bytes that still go out before the end
  std::uint64_t megabytes = 100;
};

// A set of faults, from one JSON object; README.md documents every member. Each rule draws from a
// generator of its own, seeded by `seed` and its place, so that adding one leaves the others' draws
// as they were. With requests that come one at a time, the same seed gives the same faults.
//
// Safe from any thread.
class FaultPlan {
 public:
  struct Decision {
    std::int64_t latency_ms = 0;
    std::optional<FaultRule> fault;
  };

  // Replaces everything, or nothing: kInvalid names the member that is wrong.
  Status set(std::string_view json);
  void clear();

  // For one request to the service's routes (never for those under /dev/).
  Decision draw(FaultRoute route);

  // {"spec": as set, "rules": [{"fault", "status"?, "struck", "left"?}]}.
  JsValue describe() const;

 private:
  struct Armed {
    FaultRule rule;
    std::mt19937_64 random;
    std::uint64_t struck = 0;
  };
  struct Plan {
    JsValue spec{JsValue::Object{}};
    std::int64_t latency_ms = 0;
    std::int64_t latency_jitter_ms = 0;
    std::mt19937_64 random{1};
    std::vector<Armed> rules;
  };

  static Result<Plan> parse(std::string_view json);

  mutable std::mutex mutex_;
  Plan plan_;  // under mutex_
};

}  // namespace xased::devapi
