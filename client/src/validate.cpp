#include "client/src/validate.hpp"

#include <array>
#include <cmath>
#include <cstdint>

#include "client/src/failure.hpp"

namespace xase::client {
namespace {

constexpr bool is_json_space(char c) noexcept {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

// Usually two loads: the first byte and the last.
bool looks_like_object(xase_text text) noexcept {
  std::size_t first = 0;
  std::size_t end = text.size;
  while (first < end && is_json_space(text.data[first])) ++first;
  while (end > first && is_json_space(text.data[end - 1])) --end;
  return end - first >= 2 && text.data[first] == '{' && text.data[end - 1] == '}';
}

constexpr auto kKeyCharacters = [] {
  std::array<bool, 256> set{};
  for (unsigned c = 0; c < 256; ++c) {
    set[c] = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '_' || c == '-';
  }
  return set;
}();

}  // namespace

// A UUID v4 is made of the same characters and has 36 of them: one rule holds both.
bool is_idempotency_key(xase_text key) noexcept {
  if (key.size < 16 || key.size > 64) return false;
  bool good = true;
  for (std::size_t i = 0; i < key.size; ++i) {
    good &= kKeyCharacters[static_cast<unsigned char>(key.data[i])];
  }
  return good;
}

proto::ErrorCode validate(const xase_record_fields& record) noexcept {
  // Sizes or-ed together tell whether one is far too large, and then the sum cannot overflow.
  std::size_t any_size = 0;
  bool nowhere = false;
  [&]<std::size_t... kI>(std::index_sequence<kI...>) {
    ((any_size |= (record.*kTexts[kI]).size,
      nowhere |= (record.*kTexts[kI]).data == nullptr && (record.*kTexts[kI]).size != 0),
     ...);
  }
  (std::make_index_sequence<proto::kSpans>());
  if (nowhere) [[unlikely]] {
    return fail(ErrorCode::kInvalidArgument, "a text has a size but no address");
  }
  if (record.policy.size == 0) [[unlikely]] {
    return fail(ErrorCode::kMissingPolicy, "policy is required");
  }
  if (any_size > 2 * proto::kRecordBytesMax || encoded_bytes(record) > proto::kRecordBytesMax)
      [[unlikely]] {
    return fail(ErrorCode::kRecordTooLarge, "a record is at most 16 MiB");
  }
  if (!looks_like_object(record.input)) [[unlikely]] {
    return fail(ErrorCode::kInvalidInput, "input is required and must be a JSON object");
  }
  if (!looks_like_object(record.output)) [[unlikely]] {
    return fail(ErrorCode::kInvalidOutput, "output is required and must be a JSON object");
  }
  if (record.context.size != 0 && !looks_like_object(record.context)) [[unlikely]] {
    return fail(ErrorCode::kInvalidContext, "context must be a JSON object");
  }
  if (record.explanation.size != 0 && !looks_like_object(record.explanation)) [[unlikely]] {
    return fail(ErrorCode::kInvalidExplanation, "explanation must be a JSON object");
  }
  // Written so that NaN fails.
  if (record.has_confidence != 0 && !(record.confidence >= 0 && record.confidence <= 1))
      [[unlikely]] {
    return fail(ErrorCode::kInvalidConfidence, "confidence must be a number from 0 to 1");
  }
  if (record.has_processing_time != 0 &&
      !(record.processing_time_ms >= 0 && std::isfinite(record.processing_time_ms))) [[unlikely]] {
    return fail(ErrorCode::kInvalidProcessingTime,
                "processing_time must be a finite number of milliseconds, not negative");
  }
  if (record.store_payload > XASE_STORE_NO) [[unlikely]] {
    return fail(ErrorCode::kInvalidArgument, "store_payload must be one of xase_store_payload");
  }
  if (record.idempotency_key.size != 0 && !is_idempotency_key(record.idempotency_key))
      [[unlikely]] {
    return fail(ErrorCode::kInvalidIdempotencyKey,
                "idempotency_key must be a UUID v4, or 16 to 64 of A-Z a-z 0-9 _ -");
  }
  return ErrorCode::kOk;
}

}  // namespace xase::client
