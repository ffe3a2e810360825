// A record as it lies in a ring and, split into parts, in the ledger.
//
//   offset  size
//        0     2   version (1)
//        2     2   flags
//        4     4   zero
//        8     8   confidence, IEEE 754 double; zero unless flagged
//       16     8   processing time in milliseconds, IEEE 754 double; zero unless flagged
//       24  4x13   length in bytes of each span, in the order of `Span`
//       76     4   zero
//       80     -   the spans, one after the other, without padding
//
// Encoding is a copy. The reader finds every span without parsing. An absent field is a span of no
// bytes.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "proto/bytes.hpp"

namespace xase::proto {

// The first three are parts of their own in the ledger; the others and the numbers are the fourth,
// "the rest".
enum class Span : std::size_t {
  kInput,        // JSON object, required
  kOutput,       // JSON object, required
  kContext,      // JSON object
  kExplanation,  // JSON object
  kPolicy,       // required
  kPolicyVersion,
  kTransactionId,
  kDecisionType,
  kIdempotencyKey,
  kModelId,
  kModelVersion,
  kModelHash,
  kFeatureSchemaHash,
};

inline constexpr std::size_t kSpans = 13;
inline constexpr std::size_t kRestFirstSpan = 3;
inline constexpr std::uint16_t kRecordVersion = 1;
inline constexpr std::size_t kRecordHeaderBytes = 80;
inline constexpr std::size_t kRecordSpanTableOffset = 24;
// No record is larger than this, whatever its ring would hold.
inline constexpr std::size_t kRecordBytesMax = std::size_t{16} << 20;

inline constexpr std::uint16_t kRecordHasConfidence = 1U << 0;
inline constexpr std::uint16_t kRecordHasProcessingTime = 1U << 1;
inline constexpr std::uint16_t kRecordHasStorePayload = 1U << 2;
inline constexpr std::uint16_t kRecordStorePayload = 1U << 3;
inline constexpr std::uint16_t kRecordFlagsKnown = 0x000f;

// A record's fields. The views belong to the caller.
struct RecordFields {
  std::uint16_t flags = 0;
  double confidence = 0;
  double processing_time_ms = 0;
  std::array<std::string_view, kSpans> spans{};

  std::string_view& span(Span s) noexcept { return spans[static_cast<std::size_t>(s)]; }
  std::string_view span(Span s) const noexcept { return spans[static_cast<std::size_t>(s)]; }
  bool has(std::uint16_t flag) const noexcept { return (flags & flag) != 0; }
};

// Bytes that `fields` takes when encoded. Does not overflow for spans that exist in memory.
inline std::size_t encoded_bytes(const RecordFields& fields) noexcept {
  std::size_t total = kRecordHeaderBytes;
  for (const std::string_view& span : fields.spans) total += span.size();
  return total;
}

namespace detail {

// Most spans are a few bytes long: two overlapping moves instead of a call.
inline void copy_span(std::string_view span, std::byte* to) noexcept {
  const char* from = span.data();
  const std::size_t size = span.size();
  const auto ends = [&]<std::size_t kBytes>(std::integral_constant<std::size_t, kBytes>) {
    std::array<char, kBytes> first;
    std::array<char, kBytes> last;
    std::memcpy(first.data(), from, kBytes);
    std::memcpy(last.data(), from + size - kBytes, kBytes);
    std::memcpy(to, first.data(), kBytes);
    std::memcpy(to + size - kBytes, last.data(), kBytes);
  };
  if (size > 32) {
    std::memcpy(to, from, size);
  } else if (size >= 16) {
    ends(std::integral_constant<std::size_t, 16>());
  } else if (size >= 8) {
    ends(std::integral_constant<std::size_t, 8>());
  } else if (size >= 4) {
    ends(std::integral_constant<std::size_t, 4>());
  } else if (size != 0) {
    // An absent span may have no address, and is not touched.
    to[0] = static_cast<std::byte>(from[0]);
    to[size / 2] = static_cast<std::byte>(from[size / 2]);
    to[size - 1] = static_cast<std::byte>(from[size - 1]);
  }
}

}  // namespace detail

// Writes a record whose spans `span_at(i)` returns (a constant expression for each i), for callers
// that hold them in a structure of their own. The caller has checked that they fit and are at most
// kRecordBytesMax. The first `kInPlace` spans lie where they belong already.
template <std::size_t kInPlace = 0, class SpanAt>
[[gnu::always_inline]] inline void encode_record(std::uint16_t flags, double confidence,
                                                 double processing_time_ms, SpanAt span_at,
                                                 std::byte* to) noexcept {
  store(to, kRecordVersion);
  store(to + 2, flags);
  store(to + 4, std::uint32_t{0});
  store(to + 8, confidence);
  store(to + 16, processing_time_ms);
  std::byte* out = to + kRecordHeaderBytes;
  const auto put = [&](auto i, std::string_view span) {
    store(to + kRecordSpanTableOffset + 4 * i, static_cast<std::uint32_t>(span.size()));
    if constexpr (i >= kInPlace) detail::copy_span(span, out);
    out += span.size();
  };
  [&]<std::size_t... kI>(std::index_sequence<kI...>) {
    (put(std::integral_constant<std::size_t, kI>(),
         span_at(std::integral_constant<std::size_t, kI>())),
     ...);
  }
  (std::make_index_sequence<kSpans>());
  store(to + kRecordSpanTableOffset + 4 * kSpans, std::uint32_t{0});
}

// Writes encoded_bytes(fields) bytes to `to`, likewise.
inline void encode_record(const RecordFields& fields, std::byte* to) noexcept {
  encode_record(
      fields.flags, fields.confidence, fields.processing_time_ms,
      [&](auto i) { return fields.spans[i]; }, to);
}

// The fields of an encoded record: views into `bytes`, which must be private memory that no other
// process can change. Nothing where the bytes are not exactly one well-formed record; what the
// fields say is not judged here.
inline std::optional<RecordFields> decode_record(Bytes bytes) noexcept {
  if (bytes.size() < kRecordHeaderBytes || bytes.size() > kRecordBytesMax) return std::nullopt;
  const std::byte* from = bytes.data();
  if (load<std::uint16_t>(from) != kRecordVersion) return std::nullopt;
  if (load<std::uint32_t>(from + 4) != 0 || load<std::uint32_t>(from + 76) != 0) {
    return std::nullopt;
  }
  RecordFields fields;
  fields.flags = load<std::uint16_t>(from + 2);
  if ((fields.flags & ~kRecordFlagsKnown) != 0) return std::nullopt;
  fields.confidence = load<double>(from + 8);
  fields.processing_time_ms = load<double>(from + 16);
  std::size_t left = bytes.size() - kRecordHeaderBytes;
  const char* span = reinterpret_cast<const char*>(from + kRecordHeaderBytes);
  for (std::size_t i = 0; i < kSpans; ++i) {
    const auto length = load<std::uint32_t>(from + kRecordSpanTableOffset + 4 * i);
    if (length > left) return std::nullopt;
    fields.spans[i] = {span, length};
    span += length;
    left -= length;
  }
  if (left != 0) return std::nullopt;
  return fields;
}

}  // namespace xase::proto
