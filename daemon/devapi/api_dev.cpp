// The dev API's own routes, and the faults that strike the service's.
#include <algorithm>
#include <charconv>
#include <chrono>

#include "daemon/devapi/answers.hpp"
#include "daemon/devapi/api.hpp"
#include "daemon/devapi/time_text.hpp"

namespace xased::devapi {
namespace {

constexpr std::uint64_t kListDefault = 100;
constexpr std::uint64_t kListMax = 10'000;
constexpr std::size_t kListBytesMax = std::size_t{32} << 20U;

constexpr char kHtml[] =
    "<!doctype html><html><head><title>Sign in</title></head><body><h1>Welcome to the network</h1>"
    "<p>Accept the terms of use to continue.</p></body></html>";

// False when the query has the name with something else than a whole number.
bool read_number(const HttpRequest& request, const char* name, std::uint64_t& value) {
  const auto place = request.query.find(name);
  if (place == request.query.end()) return true;
  const std::string& text = place->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

struct ServiceError {
  int status;
  const char* code;
  const char* text;
};
constexpr ServiceError kServiceErrors[] = {
    {400, "VALIDATION_ERROR", "Validation failed"},
    {401, "UNAUTHORIZED", "Invalid or missing API key"},
    {402, "LIMIT_EXCEEDED", "The plan's quota is used up"},
    {403, "FORBIDDEN", "The API key lacks a permission"},
    {404, "NOT_FOUND", "Not found"},
    {422, "VALIDATION_ERROR", "Validation failed"},
    {429, "RATE_LIMIT_EXCEEDED", "Rate limit exceeded"},
};

HttpAnswer service_error(int status, std::int64_t retry_after_s) {
  const auto known = std::find_if(std::begin(kServiceErrors), std::end(kServiceErrors),
                                  [&](const ServiceError& e) { return e.status == status; });
  if (known == std::end(kServiceErrors)) {
    return error_answer(status, "INTERNAL_ERROR", "Internal server error");
  }
  JsValue::Object more;
  if (status == 400 || status == 422) {
    more.push_back(
        {"details", JsValue(JsValue::Array{JsValue(JsValue::Object{
                        {"path", JsValue("input")}, {"message", JsValue("Refused on demand")}})})});
  } else if (status == 402) {
    more.push_back(
        {"usage", JsValue(JsValue::Object{{"used", js_number(1000)}, {"limit", js_number(1000)}})});
  } else if (status == 403) {
    more.push_back({"required_permission", JsValue("ingest")});
  } else if (status == 429) {
    more.push_back({"retry_after", js_number(retry_after_s)});
  }
  return error_answer(status, known->code, known->text, std::move(more));
}

}  // namespace

HttpAnswer Api::status_fault(const FaultRule& fault) const {
  const std::int64_t now = options_.now_unix_ms();
  const std::int64_t wait_s = fault.retry_after_s.value_or(fault.retry_after_date_s.value_or(1));
  HttpAnswer answer;
  if (fault.body == FaultRule::Body::kService) {
    answer = service_error(fault.status, wait_s);
  } else if (fault.body == FaultRule::Body::kHtml) {
    answer.content_type = "text/html";
    answer.body = kHtml;
  }
  answer.status = fault.status;
  // With a body of the service's, a 429 is the service's; with another, a proxy's in front of it.
  if (fault.status == 429 && fault.body == FaultRule::Body::kService) {
    answer.headers.emplace_back(
        "X-RateLimit-Limit", std::to_string(rate_limit_.limit() == 0 ? 1000 : rate_limit_.limit()));
    answer.headers.emplace_back("X-RateLimit-Remaining", "0");
    answer.headers.emplace_back("X-RateLimit-Reset", std::to_string(now + wait_s * 1000));
  }
  if (fault.retry_after_s) {
    answer.headers.emplace_back("Retry-After", std::to_string(*fault.retry_after_s));
  } else if (fault.retry_after_date_s) {
    answer.headers.emplace_back("Retry-After", http_date(now + *fault.retry_after_date_s * 1000));
  }
  if (fault.status >= 300 && fault.status < 400) {
    answer.headers.emplace_back("Location", fault.location);
  }
  return answer;
}

HttpAnswer Api::strike(const FaultRule& fault, const HttpRequest& request) {
  HttpAnswer answer;
  if (fault.commit) answer = serve(request);
  switch (fault.kind) {
    case FaultKind::kDown:
      answer.wire = HttpAnswer::Wire::kReset;
      answer.wire_bytes = 0;
      break;
    case FaultKind::kReset:
      answer.wire = HttpAnswer::Wire::kReset;
      answer.wire_bytes = fault.answer_bytes.value_or(0);
      break;
    case FaultKind::kStatus:
      return status_fault(fault);
    case FaultKind::kCommitThenHang:
    case FaultKind::kHang:
      request.wait(std::chrono::milliseconds(fault.hang_ms));
      answer.wire = HttpAnswer::Wire::kCut;
      answer.wire_bytes = 0;
      break;
    case FaultKind::kNotJson:
      answer.status = fault.status;
      answer.content_type = "text/html";
      answer.body = kHtml;
      break;
    case FaultKind::kTruncated:
      answer.wire = HttpAnswer::Wire::kCut;
      answer.wire_bytes = fault.answer_bytes;
      break;
    case FaultKind::kSlowLoris:
      answer.wire = HttpAnswer::Wire::kSlow;
      answer.wire_interval = std::chrono::milliseconds(fault.byte_interval_ms);
      break;
    case FaultKind::kForget:
    case FaultKind::kTamper:
    case FaultKind::kRewrite:
      return verify(request.path.substr(request.path.rfind('/') + 1), fault.kind);
    case FaultKind::kFork:
      return post_record(request, true);
    case FaultKind::kHuge:
      if (!fault.commit) answer.status = 201;
      answer.filler_bytes = fault.megabytes << 20U;
      break;
  }
  // A fault that commits nothing needs something to break.
  const bool breaks_an_answer = fault.kind == FaultKind::kTruncated ||
                                fault.kind == FaultKind::kSlowLoris ||
                                fault.kind == FaultKind::kReset || fault.kind == FaultKind::kHuge;
  if (breaks_an_answer && !fault.commit) {
    answer.body = service_error(500, 0).body;
    if (fault.kind != FaultKind::kHuge) answer.status = 500;
  }
  return answer;
}

HttpAnswer Api::dev(const HttpRequest& request) {
  const bool is_get = request.method == "GET" || request.method == "HEAD";
  if (request.path == "/dev/stats" && is_get) return dev_stats();
  if (request.path == "/dev/records" && is_get) return dev_records(request);
  if (request.path == "/dev/faults") return dev_faults(request);
  return error_answer(404, "NOT_FOUND",
                      "There are GET /dev/stats, GET /dev/records and GET, PUT, POST, DELETE "
                      "/dev/faults");
}

HttpAnswer Api::dev_stats() const {
  const Store::Counters store = store_.counters();
  const HttpServer::Counters server =
      server_ == nullptr ? HttpServer::Counters() : server_->counters();
  JsValue::Object answers;
  for (const auto& [status, count] : server.answers) {
    answers.push_back({std::to_string(status), js_number(count)});
  }
  const auto load = [](const std::atomic<std::uint64_t>& counter) {
    return js_number(counter.load(std::memory_order_relaxed));
  };
  return json_answer(
      200,
      JsValue(JsValue::Object{
          {"records", js_number(store.records)},
          {"interventions", js_number(store.interventions)},
          {"tenants", js_number(store.tenants)},
          {"keys_remembered", js_number(store.keys_remembered)},
          {"created", load(created_)},
          {"replays", load(replays_)},
          {"replays_of_another_body", load(replays_of_another_body_)},
          {"post_record_requests", load(post_record_requests_)},
          {"verifications", load(verifications_)},
          {"answers", JsValue(std::move(answers))},
          {"connections",
           JsValue(JsValue::Object{{"accepted", js_number(server.connections_accepted)},
                                   {"open", js_number(server.connections_open)}})},
          {"log", JsValue(JsValue::Object{{"bytes", js_number(store.log_bytes)},
                                          {"syncs", js_number(store.syncs)},
                                          {"torn_bytes_cut", js_number(store.torn_bytes_cut)}})},
          {"faults", *faults_.describe().find("rules")},
          {"uptime_ms", js_number(options_.now_unix_ms() - started_unix_ms_)}}));
}

HttpAnswer Api::dev_records(const HttpRequest& request) {
  std::uint64_t after = 0;
  std::uint64_t limit = kListDefault;
  if (!read_number(request, "after", after) || !read_number(request, "limit", limit)) {
    return error_answer(400, "VALIDATION_ERROR", "after and limit are whole numbers");
  }
  const auto records = store_.list(after, std::min(limit, kListMax), kListBytesMax);
  if (!records.ok()) {
    return error_answer(500, "INTERNAL_ERROR", records.status().message());
  }
  JsValue::Array items;
  for (const auto& [number, record] : *records) {
    items.emplace_back(JsValue::Object{
        {"number", js_number(number)},
        {"transaction_id", JsValue(record.transaction_id)},
        {"timestamp", JsValue(iso_time(record.timestamp_unix_ms))},
        {"tenant", JsValue(record.tenant)},
        {"idempotency_key",
         record.idempotency_key.empty() ? JsValue() : JsValue(record.idempotency_key)},
        {"input_hash", JsValue(record.input_hash)},
        {"output_hash", JsValue(record.output_hash)},
        {"context_hash", record.context_hash.empty() ? JsValue() : JsValue(record.context_hash)},
        {"previous_hash", record.previous_hash.empty() ? JsValue() : JsValue(record.previous_hash)},
        {"record_hash", JsValue(record.record_hash)},
        {"body", JsValue(record.body)}});
  }
  const std::uint64_t next = after + items.size();
  return json_answer(200,
                     JsValue(JsValue::Object{{"records", JsValue(std::move(items))},
                                             {"next_after", js_number(next)},
                                             {"total", js_number(store_.counters().records)}}));
}

HttpAnswer Api::dev_faults(const HttpRequest& request) {
  if (request.method == "PUT" || request.method == "POST") {
    const Status status = faults_.set(request.body);
    if (!status.ok()) return error_answer(400, "VALIDATION_ERROR", status.message());
  } else if (request.method == "DELETE") {
    faults_.clear();
  } else if (request.method != "GET" && request.method != "HEAD") {
    return error_answer(405, "METHOD_NOT_ALLOWED", "Method not allowed");
  }
  return json_answer(200, faults_.describe());
}

}  // namespace xased::devapi
