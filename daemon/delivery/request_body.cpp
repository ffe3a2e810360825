#include "daemon/delivery/request_body.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>

#include "proto/erasable.hpp"
#include "proto/record.hpp"

namespace xased {
namespace {

using xase::proto::Bytes;
using xase::proto::Hash;
using xase::proto::RecordFields;
using xase::proto::Span;

constexpr std::size_t kKeyHexDigits = 32;
constexpr std::size_t kKeyBytesMin = 16;
constexpr std::size_t kKeyBytesMax = 64;

// The service's rule; a UUID keeps to it as well. Also keeps the key from breaking out of its
// header.
bool is_idempotency_key(std::string_view key) {
  return key.size() >= kKeyBytesMin && key.size() <= kKeyBytesMax &&
         std::all_of(key.begin(), key.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '_' || c == '-';
         });
}

void begin_member(std::string_view name, std::string& body) {
  body += body.size() == 1 ? "\"" : ",\"";
  body += name;
  body += "\":";
}

Status prefixed(std::string_view field, const Status& status) {
  return {status.code(), std::string(field) + ": " + status.message()};
}

}  // namespace

std::string hex(Bytes bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::byte byte : bytes) {
    text += kHex[std::to_integer<unsigned>(byte) >> 4U];
    text += kHex[std::to_integer<unsigned>(byte) & 15U];
  }
  return text;
}

std::string RequestBuilder::key_of(std::string_view transaction_id, const Hash& leaf_hash) {
  const Hash hash =
      transaction_id.empty() ? leaf_hash : sha256_.of(xase::proto::as_bytes(transaction_id));
  return hex(Bytes(hash).first(kKeyHexDigits / 2));
}

Status RequestBuilder::append_context(const Entry& record, const Hash& leaf_hash,
                                      std::string_view runtime_context,
                                      std::string_view caller_context, std::string& body) {
  constexpr std::int64_t kNsPerMs = 1'000'000;
  const std::int64_t stamp_ns =
      record.leaf.stamp_ns != 0 ? record.leaf.stamp_ns : record.leaf.wall_ns;
  std::string timestamp;
  const std::int64_t stamp_ms = stamp_ns / kNsPerMs;
  append_canonical_number(static_cast<double>(stamp_ms), timestamp);
  std::string ledger = R"({"leaf_hash":")" + hex(leaf_hash) + R"(","log_id":")" +
                       hex(record.leaf.log_id) + R"(","sequence":)";
  append_canonical_number(static_cast<double>(record.leaf.sequence), ledger);
  ledger += '}';
  const std::array<CanonicalJson::Member, 1> under{{{"timestamp", timestamp}}};
  const std::array<CanonicalJson::Member, 1> over{{{kLedgerMember, ledger}}};
  const std::array<CanonicalJson::Layer, 2> layers{
      {{runtime_context, under}, {caller_context, over}}};
  return json_.append_merged(layers, body);
}

Status RequestBuilder::build(const Entry& record, const Hash& leaf_hash,
                             std::string_view runtime_context, Request& request) {
  const std::optional<RecordFields> fields = xase::proto::decode_record_parts(record.erasable);
  if (!fields) return {Code::kInvalid, "the record's bytes are not a record"};
  const std::string_view key = fields->span(Span::kIdempotencyKey);
  if (!key.empty() && !is_idempotency_key(key)) {
    return {Code::kInvalid, "idempotency_key: must be 16 to 64 of A-Z a-z 0-9 _ -"};
  }
  request.idempotency_key =
      key.empty() ? key_of(fields->span(Span::kTransactionId), leaf_hash) : std::string(key);

  std::string& body = request.body;
  body.assign(1, '{');
  Status status;
  const auto number = [&](std::string_view name, std::uint16_t flag, double value) {
    if (!status.ok() || !fields->has(flag)) return;
    if (!std::isfinite(value)) {
      status = {Code::kInvalid, std::string(name) + ": not a finite number"};
      return;
    }
    begin_member(name, body);
    append_canonical_number(value, body);
  };
  const auto text = [&](std::string_view name, Span span) {
    const std::string_view value = fields->span(span);
    if (!status.ok() || value.empty()) return;
    if (!simdjson::validate_utf8(value.data(), value.size())) {
      status = {Code::kInvalid, std::string(name) + ": not UTF-8"};
      return;
    }
    begin_member(name, body);
    append_canonical_string(value, body);
  };
  const auto object = [&](std::string_view name, Span span) {
    const std::string_view value = fields->span(span);
    if (!status.ok() || value.empty()) return;
    begin_member(name, body);
    const Status appended = json_.append_object(value, body);
    if (!appended.ok()) status = prefixed(name, appended);
  };

  // In the order of RFC 8785.
  number("confidence", xase::proto::kRecordHasConfidence, fields->confidence);
  if (status.ok()) {
    begin_member("context", body);
    const Status appended =
        append_context(record, leaf_hash, runtime_context, fields->span(Span::kContext), body);
    if (!appended.ok()) status = prefixed("context", appended);
  }
  text("decisionType", Span::kDecisionType);
  object("explanation", Span::kExplanation);
  text("featureSchemaHash", Span::kFeatureSchemaHash);
  object("input", Span::kInput);
  text("modelHash", Span::kModelHash);
  text("modelId", Span::kModelId);
  text("modelVersion", Span::kModelVersion);
  object("output", Span::kOutput);
  text("policyId", Span::kPolicy);
  text("policyVersion", Span::kPolicyVersion);
  number("processingTime", xase::proto::kRecordHasProcessingTime, fields->processing_time_ms);
  if (status.ok() && fields->has(xase::proto::kRecordHasStorePayload)) {
    begin_member("storePayload", body);
    body += fields->has(xase::proto::kRecordStorePayload) ? "true" : "false";
  }
  body += '}';
  return status;
}

}  // namespace xased
