// The erasable part of an entry: what lies beside the leaf and may one day be dropped.
//
//   offset  size
//        0   4x4   length in bytes of each part: input, output, context, the rest
//       16  4x16   random bytes of each part's commitment
//       80     -   the parts, one after the other, without padding
//
// Of a record, the rest is its 80-byte header with the lengths of the first three spans zeroed,
// followed by the remaining spans: so each part can be disclosed without telling of the others. An
// entry that is no record has its body as the rest and no other part.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/leaf.hpp"
#include "proto/record.hpp"

namespace xase::proto {

inline constexpr std::size_t kErasableHeaderBytes = 80;
// Of any entry: a record and what is said about it.
inline constexpr std::size_t kErasableBytesMax = kRecordBytesMax + (std::size_t{1} << 20);

struct Erasable {
  std::array<Bytes, kParts> parts{};
  std::array<Id, kParts> salts{};
};

inline std::optional<Erasable> decode_erasable(Bytes bytes) noexcept {
  if (bytes.size() < kErasableHeaderBytes || bytes.size() > kErasableBytesMax) return std::nullopt;
  Erasable erasable;
  erasable.salts = load<std::array<Id, kParts>>(bytes.data() + 16);
  std::size_t offset = kErasableHeaderBytes;
  for (std::size_t i = 0; i < kParts; ++i) {
    const auto length = load<std::uint32_t>(bytes.data() + 4 * i);
    if (length > bytes.size() - offset) return std::nullopt;
    erasable.parts[i] = bytes.subspan(offset, length);
    offset += length;
  }
  if (offset != bytes.size()) return std::nullopt;
  return erasable;
}

// Bytes of the erasable part that an encoded record of `record_bytes` becomes.
constexpr std::size_t record_erasable_bytes(std::size_t record_bytes) noexcept {
  return kErasableHeaderBytes + record_bytes;
}

// Writes the erasable part of `record`, an encoded record that decode_record() accepted.
inline void encode_record_erasable(Bytes record, const std::array<Id, kParts>& salts,
                                   std::byte* to) noexcept {
  std::array<std::uint32_t, kParts> lengths{};
  std::size_t spans = 0;
  for (std::size_t i = 0; i < kRestFirstSpan; ++i) {
    lengths[i] = load<std::uint32_t>(record.data() + kRecordSpanTableOffset + 4 * i);
    spans += lengths[i];
  }
  lengths[kRestPart] = static_cast<std::uint32_t>(record.size() - spans);
  store(to, lengths);
  store(to + 16, salts);
  std::byte* out = to + kErasableHeaderBytes;
  std::memcpy(out, record.data() + kRecordHeaderBytes, spans);
  std::byte* rest = out + spans;
  std::memcpy(rest, record.data(), kRecordHeaderBytes);
  std::memset(rest + kRecordSpanTableOffset, 0, 4 * kRestFirstSpan);
  std::memcpy(rest + kRecordHeaderBytes, record.data() + kRecordHeaderBytes + spans,
              record.size() - kRecordHeaderBytes - spans);
}

// Writes the erasable part of an entry with one body; kErasableHeaderBytes + body.size() bytes.
inline void encode_body_erasable(Bytes body, const Id& salt, std::byte* to) noexcept {
  std::memset(to, 0, kErasableHeaderBytes);
  store(to + 4 * kRestPart, static_cast<std::uint32_t>(body.size()));
  store(to + 16 + 16 * kRestPart, salt);
  if (!body.empty()) std::memcpy(to + kErasableHeaderBytes, body.data(), body.size());
}

// The record whose parts these are: views into them. Nothing where the rest is not a record's.
inline std::optional<RecordFields> decode_record_parts(const Erasable& erasable) noexcept {
  const Bytes rest = erasable.parts[kRestPart];
  std::optional<RecordFields> fields = decode_record(rest);
  if (!fields) return std::nullopt;
  for (std::size_t i = 0; i < kRestFirstSpan; ++i) {
    if (!fields->spans[i].empty()) return std::nullopt;
    fields->spans[i] = as_text(erasable.parts[i]);
  }
  return fields;
}

}  // namespace xase::proto
