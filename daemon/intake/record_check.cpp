#include "daemon/intake/record_check.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

namespace xased {

using xase::proto::ErrorCode;
using xase::proto::RecordFields;
using xase::proto::Span;

static_assert(kJsonPaddingBytes >= simdjson::SIMDJSON_PADDING);

struct RecordCheck::Parser {
  simdjson::dom::parser dom;
};

namespace {
constexpr std::size_t kParserBytes = std::size_t{64} << 10;
}

// The depth is the parser's for life: whatever makes it grow later keeps it.
RecordCheck::RecordCheck() : parser_(std::make_unique<Parser>()) {
  if (parser_->dom.allocate(kParserBytes, kJsonDepthMax) != simdjson::SUCCESS) std::abort();
}
RecordCheck::~RecordCheck() = default;

namespace {

bool is_lower_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

bool is_uuid_v4(std::string_view key) {
  if (key.size() != 36) return false;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const char c = key[i];
    const char lower = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return false;
    } else if (!is_lower_hex(lower)) {
      return false;
    }
  }
  return key[14] == '4' && std::string_view("89abAB").find(key[19]) != std::string_view::npos;
}

struct JsonField {
  Span span;
  ErrorCode code;
  std::string_view name;
  bool required;
};

constexpr std::array<JsonField, 4> kJsonFields{{
    {Span::kInput, ErrorCode::kInvalidInput, "input", true},
    {Span::kOutput, ErrorCode::kInvalidOutput, "output", true},
    {Span::kContext, ErrorCode::kInvalidContext, "context", false},
    {Span::kExplanation, ErrorCode::kInvalidExplanation, "explanation", false},
}};

bool is_zero(double number) { return std::bit_cast<std::uint64_t>(number) == 0; }

RecordVerdict check_numbers(const RecordFields& fields) {
  if (!fields.has(xase::proto::kRecordHasConfidence) && !is_zero(fields.confidence)) {
    return {ErrorCode::kInvalidConfidence, "a confidence is there that is not flagged"};
  }
  if (!fields.has(xase::proto::kRecordHasProcessingTime) && !is_zero(fields.processing_time_ms)) {
    return {ErrorCode::kInvalidProcessingTime, "a processing_time is there that is not flagged"};
  }
  if (fields.has(xase::proto::kRecordHasConfidence) &&
      !(fields.confidence >= 0 && fields.confidence <= 1)) {
    return {ErrorCode::kInvalidConfidence, "confidence must be between 0 and 1"};
  }
  if (fields.has(xase::proto::kRecordHasProcessingTime) &&
      !(std::isfinite(fields.processing_time_ms) && fields.processing_time_ms >= 0)) {
    return {ErrorCode::kInvalidProcessingTime, "processing_time must be a number of at least 0"};
  }
  return {};
}

RecordVerdict check_texts(const RecordFields& fields) {
  if (fields.span(Span::kPolicy).empty()) {
    return {ErrorCode::kMissingPolicy, "policy is required"};
  }
  const std::string_view key = fields.span(Span::kIdempotencyKey);
  if (!key.empty() && !is_idempotency_key(key)) {
    return {ErrorCode::kInvalidIdempotencyKey,
            "idempotency_key must be a UUID v4 or 16 to 64 characters of A-Z a-z 0-9 _ -"};
  }
  for (auto i = static_cast<std::size_t>(Span::kPolicy); i < xase::proto::kSpans; ++i) {
    const std::string_view text = fields.spans[i];
    if (!text.empty() && !simdjson::validate_utf8(text.data(), text.size())) {
      return {ErrorCode::kInvalidText, "a text field is not UTF-8"};
    }
  }
  return {};
}

}  // namespace

bool is_idempotency_key(std::string_view key) {
  if (is_uuid_v4(key)) return true;
  return key.size() >= 16 && key.size() <= 64 && std::all_of(key.begin(), key.end(), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-';
         });
}

bool RecordCheck::is_json_object(std::string_view text) {
  simdjson::dom::object object;
  return parser_->dom.parse(text.data(), text.size()).get_object().get(object) == simdjson::SUCCESS;
}

RecordVerdict RecordCheck::check(const RecordFields& fields) {
  if (RecordVerdict verdict = check_texts(fields); !verdict.ok()) return verdict;
  if (RecordVerdict verdict = check_numbers(fields); !verdict.ok()) return verdict;
  for (const JsonField& field : kJsonFields) {
    const std::string_view text = fields.span(field.span);
    if (text.empty()) {
      if (!field.required) continue;
      return {field.code, std::string(field.name) + " is required"};
    }
    simdjson::dom::parser& dom = parser_->dom;
    simdjson::error_code error = simdjson::SUCCESS;
    if (dom.capacity() < text.size()) {
      error = dom.allocate(std::max<std::size_t>(text.size(), 64U << 10), kJsonDepthMax);
    }
    simdjson::dom::object object;
    if (error == simdjson::SUCCESS) {
      error = dom.parse(text.data(), text.size(), false).get_object().get(object);
    }
    if (error == simdjson::INCORRECT_TYPE) {
      return {field.code, std::string(field.name) + " must be a JSON object"};
    }
    if (error != simdjson::SUCCESS) {
      return {field.code,
              std::string(field.name) + " is not valid JSON: " + simdjson::error_message(error)};
    }
    if (field.span == Span::kContext && object["xase_ledger"].error() == simdjson::SUCCESS) {
      return {ErrorCode::kReservedContextName,
              "context must not hold xase_ledger: that name is the ledger's own"};
    }
  }
  return {};
}

}  // namespace xased
