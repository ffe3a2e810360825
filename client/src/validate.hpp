// What is cheap to check of a record before it is taken.
#pragma once

#include <xase/xase.h>

#include <cstddef>
#include <utility>

#include "proto/error_code.hpp"
#include "proto/record.hpp"

namespace xase::client {

// The record's fields, in the order of proto::Span: where both sides meet.
inline constexpr xase_text xase_record_fields::*kTexts[] = {
    &xase_record_fields::input,
    &xase_record_fields::output,
    &xase_record_fields::context,
    &xase_record_fields::explanation,
    &xase_record_fields::policy,
    &xase_record_fields::policy_version,
    &xase_record_fields::transaction_id,
    &xase_record_fields::decision_type,
    &xase_record_fields::idempotency_key,
    &xase_record_fields::model_id,
    &xase_record_fields::model_version,
    &xase_record_fields::model_hash,
    &xase_record_fields::feature_schema_hash};
static_assert(sizeof kTexts / sizeof kTexts[0] == proto::kSpans);

// kOk, or the SDKs' code for what is wrong; the thread's error text is set then. Whether the texts
// are UTF-8 and the objects are JSON is the daemon's to check: here they look like objects.
proto::ErrorCode validate(const xase_record_fields& record) noexcept;

// A UUID v4, or 16 to 64 of A-Z a-z 0-9 _ -.
bool is_idempotency_key(xase_text key) noexcept;

// Bytes of the record when encoded. The record is valid: nothing overflows.
inline std::size_t encoded_bytes(const xase_record_fields& record) noexcept {
  return [&]<std::size_t... kI>(std::index_sequence<kI...>) {
    return (proto::kRecordHeaderBytes + ... + (record.*kTexts[kI]).size);
  }
  (std::make_index_sequence<proto::kSpans>());
}

}  // namespace xase::client
