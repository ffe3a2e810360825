// Bytes of a segment: a frame, its leaf, its erasable part and its body, or a segment's header.
// Whatever decodes has one encoding, which is what was read.
#include <vector>

#include "proto/entry_body.hpp"
#include "proto/erase_body.hpp"
#include "proto/frame.hpp"
#include "proto/seal.hpp"
#include "proto/witness_body.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace xase::proto;
using xase::fuzz::require;
using xase::fuzz::same;

template <class Body>
void check_round_trip(const std::optional<Body>& body, Bytes bytes) {
  if (body) require(same(encode(*body), bytes), "a body has one encoding");
}

void check_body(EntryType type, const Erasable& erasable) {
  const Bytes body = erasable.parts[kRestPart];
  switch (type) {
    case EntryType::kProducer:
      return check_round_trip(decode_producer_body(body), body);
    case EntryType::kRejected:
      return check_round_trip(decode_rejected_body(body), body);
    case EntryType::kGap:
      return check_round_trip(decode_gap_body(body), body);
    case EntryType::kReceipt:
    case EntryType::kDeadLetter:
      return check_round_trip(decode_receipt_body(body), body);
    case EntryType::kErase:
      return check_round_trip(decode_erase_body(body), body);
    case EntryType::kAudit:
      return check_round_trip(decode_audit_body(body), body);
    case EntryType::kAnchor:
      return check_round_trip(decode_anchor_body(body), body);
    case EntryType::kSeal:
      return check_round_trip(decode_seal_body(body), body);
    case EntryType::kRecord: {
      const auto fields = decode_record_parts(erasable);
      if (!fields) return;
      std::vector<std::byte> record(encoded_bytes(*fields));
      if (record.size() > kRecordBytesMax) return;
      encode_record(*fields, record.data());
      std::vector<std::byte> again(record_erasable_bytes(record.size()));
      encode_record_erasable(record, erasable.salts, again.data());
      const auto parts = decode_erasable(again);
      require(parts.has_value(), "a record's parts decode");
      for (std::size_t i = 0; i < kParts; ++i) {
        require(same(parts->parts[i], erasable.parts[i]),
                "a record's parts are told by its fields");
      }
      return;
    }
    default:
      return;
  }
}

void check_erasable(EntryType type, Bytes bytes) {
  const auto erasable = decode_erasable(bytes);
  if (!erasable) return;
  std::vector<std::byte> again(kErasableHeaderBytes);
  for (std::size_t i = 0; i < kParts; ++i) {
    store(again.data() + 4 * i, static_cast<std::uint32_t>(erasable->parts[i].size()));
    store(again.data() + 16 + 16 * i, erasable->salts[i]);
    again.insert(again.end(), erasable->parts[i].begin(), erasable->parts[i].end());
  }
  require(same(again, bytes), "an erasable part has one encoding");
  check_body(type, *erasable);
}

// Its bytes with a check sum that holds: no fuzzer finds one.
std::optional<std::vector<std::byte>> sealed(Bytes bytes) {
  if (bytes.size() < kFrameHeaderBytes) return std::nullopt;
  const std::uint64_t leaf_bytes = load<std::uint32_t>(bytes.data() + 8);
  const std::uint64_t erasable_bytes = load<std::uint32_t>(bytes.data() + 12);
  if (frame_bytes(leaf_bytes, erasable_bytes) > bytes.size()) return std::nullopt;
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  seal_frame(copy.data(), load<std::uint16_t>(bytes.data() + 6),
             load<std::uint64_t>(bytes.data() + 16), leaf_bytes, erasable_bytes);
  return copy;
}

void check_frame(Bytes bytes) {
  const FrameResult result = decode_frame(bytes);
  if (result.fault == FrameFault::kIncomplete) {
    require(result.needed_bytes > bytes.size() && result.needed_bytes <= kFrameBytesMax,
            "what is missing is bounded");
  }
  if (result.fault != FrameFault::kNone) return;
  const Frame& frame = result.frame;
  require(frame.bytes <= bytes.size() && frame.bytes % kFrameAlignment == 0,
          "a frame lies within its bytes");
  require(same(*sealed(bytes), bytes), "a frame has one encoding");
  if (frame.is_commit_mark()) {
    std::vector<std::byte> mark(kCommitMarkBytes);
    encode_commit_mark(frame.sequence, frame.commit_position(), mark.data());
    require(same(mark, bytes.first(frame.bytes)), "a commit mark has one encoding");
    return;
  }
  const auto leaf = decode_leaf(frame.leaf);
  if (!leaf) return;
  std::array<std::byte, kLeafBytes> again{};
  encode_leaf(*leaf, again.data());
  require(same(again, frame.leaf), "a leaf has one encoding");
  require(entry_type_name(leaf->type) != "UNKNOWN", "a leaf's type is known");
  check_erasable(leaf->type, frame.erasable);
}

// The part of a segment's header that counts, with the zeros behind it.
void check_segment_header(Bytes bytes) {
  std::vector<std::byte> page(kSegmentHeaderBytes);
  std::copy_n(bytes.begin(), std::min(bytes.size(), page.size()), page.begin());
  for (const bool seal : {false, true}) {
    if (seal) store(page.data() + kSegmentHeaderCrcOffset, crc32c({page.data(), 252}));
    const SegmentHeaderResult result = decode_segment_header(page);
    if (result.fault != SegmentFault::kNone) continue;
    std::vector<std::byte> again(kSegmentHeaderBytes);
    encode_segment_header(result.header, again.data());
    require(same(again, page), "a segment's header has one encoding");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  check_frame(bytes);
  if (const auto copy = sealed(bytes)) check_frame(*copy);
  check_segment_header(bytes);
  return 0;
}
