#include "daemon/devapi/api.hpp"

#include <chrono>
#include <string_view>

#include "daemon/devapi/answers.hpp"
#include "daemon/devapi/digest.hpp"
#include "daemon/devapi/receipt_page.hpp"
#include "daemon/devapi/rules.hpp"
#include "daemon/devapi/time_text.hpp"

namespace xased::devapi {
namespace {

constexpr std::string_view kBase = "/api/xase/v1";
constexpr std::string_view kRecords = "/api/xase/v1/records";
constexpr std::string_view kVerify = "/api/xase/v1/verify/";
constexpr std::string_view kReceipt = "/xase/receipt/";
constexpr std::string_view kIntervene = "/intervene";

HttpAnswer validation_error(const std::vector<Violation>& violations) {
  JsValue::Array details;
  for (const Violation& violation : violations) {
    details.emplace_back(JsValue::Object{{"path", JsValue(violation.path)},
                                         {"message", JsValue(violation.message)}});
  }
  return error_answer(400, "VALIDATION_ERROR", "Validation failed",
                      {{"details", JsValue(std::move(details))}});
}

HttpAnswer not_found(const char* what) { return error_answer(404, "NOT_FOUND", what); }

HttpAnswer method_not_allowed(const char* allowed) {
  HttpAnswer answer = error_answer(405, "METHOD_NOT_ALLOWED", "Method not allowed");
  answer.headers.emplace_back("Allow", allowed);
  return answer;
}

HttpAnswer unauthorized() {
  return error_answer(
      401, "UNAUTHORIZED", "Invalid or missing API key",
      {{"hint", JsValue("Send X-API-Key: xase_pk_<48 lowercase hex>, or the same as "
                        "an Authorization: Bearer")}});
}

FaultRoute route_of(const HttpRequest& request) {
  if (request.path == kRecords && request.method == "POST") return FaultRoute::kPostRecord;
  const bool is_verify = request.path.compare(0, kVerify.size(), kVerify) == 0;
  return is_verify ? FaultRoute::kVerify : FaultRoute::kOther;
}

HttpAnswer internal_error() { return error_answer(500, "INTERNAL_ERROR", "Internal server error"); }

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

JsValue or_null(const JsValue& body, const char* name) {
  const JsValue* value = body.find(name);
  return value == nullptr ? JsValue() : *value;
}

JsValue text_or_null(const std::string& text) { return text.empty() ? JsValue() : JsValue(text); }

}  // namespace

RecordHashes hashes_of(const JsValue& body) {
  RecordHashes hashes;
  hashes.input = payload_hash(stringify_sorted(*body.find("input")));
  hashes.output = payload_hash(stringify_sorted(*body.find("output")));
  const JsValue* context = body.find("context");
  if (context != nullptr) hashes.context = payload_hash(stringify_sorted(*context));
  return hashes;
}

std::string receipt_body(const StoredRecord& record) {
  return stringify(JsValue(JsValue::Object{
      {"success", JsValue(true)},
      {"transaction_id", JsValue(record.transaction_id)},
      {"receipt_url", JsValue(record.receipt_url)},
      {"timestamp", JsValue(iso_time(record.timestamp_unix_ms))},
      {"record_hash", JsValue(record.record_hash)},
      {"chain_position", JsValue(record.previous_hash.empty() ? "genesis" : "chained")}}));
}

std::string error_body(int status) {
  switch (status) {
    case 400:
      return error_answer(400, "BAD_REQUEST", "The request is not valid HTTP").body;
    case 404:
      return not_found("Not found").body;
    case 413:
      return error_answer(413, "PAYLOAD_TOO_LARGE", "The body is too large").body;
    case 414:
      return error_answer(414, "URI_TOO_LONG", "The address is too long").body;
    case 500:
      return internal_error().body;
    default:
      return error_answer(status, "ERROR", "The request was not understood").body;
  }
}

Api::Api(ApiOptions options, Store& store, FaultPlan& faults)
    : options_(std::move(options)),
      store_(store),
      faults_(faults),
      rate_limit_(options_.rate_limit_per_hour),
      started_unix_ms_(options_.now_unix_ms()) {}

HttpAnswer Api::handle(const HttpRequest& request) {
  if (starts_with(request.path, "/dev/")) return dev(request);
  const bool is_post_record = request.path == kRecords && request.method == "POST";
  if (is_post_record) post_record_requests_.fetch_add(1, std::memory_order_relaxed);
  const FaultPlan::Decision decision = faults_.draw(route_of(request));
  if (decision.latency_ms > 0 && !request.wait(std::chrono::milliseconds(decision.latency_ms))) {
    HttpAnswer nobody_is_there;
    nobody_is_there.wire = HttpAnswer::Wire::kCut;
    nobody_is_there.wire_bytes = 0;
    return nobody_is_there;
  }
  return decision.fault ? strike(*decision.fault, request) : serve(request);
}

HttpAnswer Api::serve(const HttpRequest& request) {
  const std::string_view path = request.path;
  const bool is_get = request.method == "GET" || request.method == "HEAD";
  if (path == kRecords) {
    return request.method == "POST" ? post_record(request) : method_not_allowed("POST");
  }
  if (starts_with(path, kVerify)) {
    return is_get ? verify(request.path.substr(kVerify.size())) : method_not_allowed("GET");
  }
  if (starts_with(path, kReceipt)) {
    return is_get ? receipt(request.path.substr(kReceipt.size())) : method_not_allowed("GET");
  }
  const bool is_below_records = path.size() > kRecords.size() + 1 + kIntervene.size() &&
                                starts_with(path, kRecords) && path[kRecords.size()] == '/';
  if (is_below_records && path.substr(path.size() - kIntervene.size()) == kIntervene) {
    const std::size_t begin = kRecords.size() + 1;
    const std::size_t end = path.size() - kIntervene.size();
    return request.method == "POST"
               ? post_intervention(request, request.path.substr(begin, end - begin))
               : method_not_allowed("POST");
  }
  return not_found(starts_with(path, kBase) ? "No such route" : "Not found");
}

bool Api::authorize(const HttpRequest& request, std::string& tenant) const {
  std::string key;
  if (const std::string* header = request.header("x-api-key")) {
    key = *header;
  } else if (const std::string* bearer = request.header("authorization")) {
    constexpr std::string_view kScheme = "Bearer ";
    if (!starts_with(*bearer, kScheme)) return false;
    key = bearer->substr(kScheme.size());
  }
  if (!is_api_key(key) || (!options_.api_key.empty() && key != options_.api_key)) return false;
  tenant = sha256_hex(key).substr(0, 16);
  return true;
}

void Api::add_limit_headers(HttpAnswer& answer, std::uint64_t remaining) const {
  if (rate_limit_.limit() == 0) return;
  answer.headers.emplace_back("X-RateLimit-Limit", std::to_string(rate_limit_.limit()));
  answer.headers.emplace_back("X-RateLimit-Remaining", std::to_string(remaining));
}

// The order of the checks is the service's: key, limit, idempotency, body, quota.
HttpAnswer Api::post_record(const HttpRequest& request, bool forks) {
  std::string tenant;
  if (!authorize(request, tenant)) return unauthorized();

  const RateLimit::Verdict verdict = rate_limit_.take(tenant, options_.now_unix_ms());
  if (!verdict.allowed) {
    HttpAnswer answer = error_answer(429, "RATE_LIMIT_EXCEEDED", "Rate limit exceeded",
                                     {{"retry_after", js_number(verdict.retry_after_s)}});
    add_limit_headers(answer, 0);
    answer.headers.emplace_back("X-RateLimit-Reset", std::to_string(verdict.reset_unix_ms));
    return answer;
  }
  std::string idempotency_key;
  bool made_one = false;
  HttpAnswer answer;
  const std::string* header = request.header("idempotency-key");
  if (header != nullptr && !is_idempotency_key(*header)) {
    answer =
        error_answer(400, "INVALID_IDEMPOTENCY_KEY", "Invalid idempotency key",
                     {{"hint", JsValue("A UUID v4, or 16 to 64 characters of [A-Za-z0-9_-]")}});
  } else {
    if (header != nullptr) idempotency_key = *header;
    answer = create_record(request, {tenant, idempotency_key, verdict.remaining, forks}, made_one);
  }
  // The limit is on records: a request that made none takes none.
  if (!made_one) rate_limit_.give_back(tenant);
  return answer;
}

HttpAnswer Api::replay(const StoredRecord& record, const std::string& body,
                       std::uint64_t remaining) {
  replays_.fetch_add(1, std::memory_order_relaxed);
  if (record.body != body) replays_of_another_body_.fetch_add(1, std::memory_order_relaxed);
  HttpAnswer answer;
  answer.status = 201;
  answer.body = receipt_body(record);
  add_limit_headers(answer, remaining);
  answer.headers.emplace_back("X-Idempotency-Replay", "true");
  return answer;
}

HttpAnswer Api::create_record(const HttpRequest& request, const Caller& caller, bool& made_one) {
  if (!caller.idempotency_key.empty()) {
    const auto earlier = store_.find_by_key(caller.tenant, caller.idempotency_key);
    if (!earlier.ok()) return internal_error();
    if (earlier->has_value()) return replay(**earlier, request.body, caller.remaining + 1);
  }
  const Result<JsValue> body = parse_json(request.body);
  if (!body.ok()) return validation_error({{"", body.status().message()}});
  const std::vector<Violation> violations = check_record(*body);
  if (!violations.empty()) return validation_error(violations);

  Store::Submission submission;
  submission.tenant = caller.tenant;
  submission.idempotency_key = caller.idempotency_key;
  submission.body = request.body;
  submission.hashes = hashes_of(*body);
  submission.forks = caller.forks;
  submission.receipt_url_base = options_.public_url + std::string(kReceipt);
  const auto outcome = store_.submit(std::move(submission));
  if (!outcome.ok()) return internal_error();
  switch (outcome->kind) {
    case Store::Outcome::Kind::kReplayed:
      return replay(outcome->record, request.body, caller.remaining + 1);
    case Store::Outcome::Kind::kOverQuota:
      return error_answer(
          402, "LIMIT_EXCEEDED", "The plan's quota is used up",
          {{"usage", JsValue(JsValue::Object{{"used", js_number(outcome->usage)},
                                             {"limit", js_number(outcome->usage)}})}});
    case Store::Outcome::Kind::kCreated:
      break;
  }
  made_one = true;
  created_.fetch_add(1, std::memory_order_relaxed);
  HttpAnswer answer;
  answer.status = 201;
  answer.body = receipt_body(outcome->record);
  add_limit_headers(answer, caller.remaining);
  return answer;
}

HttpAnswer Api::post_intervention(const HttpRequest& request, const std::string& transaction_id) {
  std::string tenant;
  if (!authorize(request, tenant)) return unauthorized();
  const Result<JsValue> body = parse_json(request.body);
  if (!body.ok()) return validation_error({{"", body.status().message()}});
  const std::vector<Violation> violations = check_intervention(*body);
  if (!violations.empty()) return validation_error(violations);
  const auto stored = store_.intervene(transaction_id, tenant, request.body);
  if (!stored.ok()) {
    return stored.status().code() == Code::kNotFound ? not_found("Transaction not found")
                                                     : internal_error();
  }
  return json_answer(
      201, JsValue(JsValue::Object{{"success", JsValue(true)},
                                   {"intervention_id", JsValue(stored->intervention_id)},
                                   {"transaction_id", JsValue(transaction_id)},
                                   {"action", or_null(*body, "action")},
                                   {"timestamp", JsValue(iso_time(stored->timestamp_unix_ms))}}));
}

namespace {

// Recomputes what the record claims from the bytes that were received.
struct Verification {
  bool payload = false;
  bool record = false;
  bool is_valid() const { return payload && record; }
};

Verification verify_record(const StoredRecord& record, const JsValue& body) {
  Verification result;
  if (!check_record(body).empty()) return result;
  const RecordHashes hashes = hashes_of(body);
  result.payload = hashes.input == record.input_hash && hashes.output == record.output_hash &&
                   hashes.context == record.context_hash;
  result.record = chain_hash(record.previous_hash, hashes) == record.record_hash;
  return result;
}

}  // namespace

HttpAnswer Api::verify(const std::string& transaction_id, std::optional<FaultKind> fault) {
  verifications_.fetch_add(1, std::memory_order_relaxed);
  const auto found = store_.find(transaction_id);
  if (!found || fault == FaultKind::kForget) return not_found("Transaction not found");
  // A record whose bytes changed on disk cannot vouch for any of its members.
  StoredRecord record = found->record.ok() ? found->record.value() : StoredRecord();
  const Result<JsValue> parsed = parse_json(record.body);
  const JsValue body = parsed.ok() ? *parsed : JsValue(JsValue::Object{});
  Verification result = found->record.ok() ? verify_record(record, body) : Verification();
  if (fault == FaultKind::kTamper) result = {};
  if (fault == FaultKind::kRewrite) record.record_hash = sha256_hex(record.record_hash);
  JsValue::Array interventions;
  for (const StoredIntervention& item : found->interventions) {
    const Result<JsValue> text = parse_json(item.body);
    interventions.emplace_back(
        JsValue::Object{{"intervention_id", JsValue(item.intervention_id)},
                        {"timestamp", JsValue(iso_time(item.timestamp_unix_ms))},
                        {"action", text.ok() ? or_null(*text, "action") : JsValue()}});
  }
  const bool is_genesis = found->record.ok() && record.previous_hash.empty();
  return json_answer(
      200, JsValue(JsValue::Object{
               {"is_valid", JsValue(result.is_valid())},
               {"status", JsValue(result.is_valid() ? "VERIFIED" : "TAMPERED")},
               {"transaction_id", JsValue(transaction_id)},
               {"verification", JsValue(JsValue::Object{{"payload_hashes", JsValue(result.payload)},
                                                        {"record_hash", JsValue(result.record)}})},
               {"metadata",
                JsValue(JsValue::Object{
                    {"timestamp",
                     found->record.ok() ? JsValue(iso_time(record.timestamp_unix_ms)) : JsValue()},
                    {"policy_id", or_null(body, "policyId")},
                    {"policy_version", or_null(body, "policyVersion")},
                    {"decision_type", or_null(body, "decisionType")},
                    {"confidence", or_null(body, "confidence")},
                    {"processing_time", or_null(body, "processingTime")}})},
               {"chain", JsValue(JsValue::Object{
                             {"previous_hash", text_or_null(record.previous_hash)},
                             {"record_hash", text_or_null(record.record_hash)},
                             {"is_genesis", JsValue(is_genesis)},
                             {"has_next", JsValue(!found->next_transaction_id.empty())},
                             {"next_transaction_id", text_or_null(found->next_transaction_id)}})},
               {"interventions", JsValue(std::move(interventions))}}));
}

HttpAnswer Api::receipt(const std::string& transaction_id) {
  const auto found = store_.find(transaction_id);
  if (!found) return not_found("Transaction not found");
  if (!found->record.ok()) return internal_error();
  const StoredRecord& record = found->record.value();
  const Result<JsValue> body = parse_json(record.body);
  if (!body.ok()) return internal_error();
  HttpAnswer answer;
  answer.content_type = "text/html; charset=utf-8";
  answer.headers.emplace_back("Content-Security-Policy",
                              "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
                              "form-action 'none'; frame-ancestors 'none'");
  answer.headers.emplace_back("X-Content-Type-Options", "nosniff");
  answer.headers.emplace_back("Referrer-Policy", "no-referrer");
  answer.body = receipt_page({.record = record,
                              .body = *body,
                              .number = found->number,
                              .next_transaction_id = found->next_transaction_id,
                              .interventions = found->interventions,
                              .is_valid = verify_record(record, *body).is_valid()});
  return answer;
}

}  // namespace xased::devapi
