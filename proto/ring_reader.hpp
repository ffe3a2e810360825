// The reading side of a ring area, for a reader that believes nothing the writer says.
//
// Reading has two steps: copy_out() takes bytes into private memory, RingFrames walks that copy.
// Every length is loaded once, from the copy, and bounded before use.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "proto/bytes.hpp"
#include "proto/ring_layout.hpp"

namespace xase::proto {

// Why a ring cannot be read on. The names go into gap entries.
enum class RingFault : std::uint32_t {
  kNone = 0,
  kBadIdentity = 1,
  kPositionWentBack = 2,
  kPositionTooFarAhead = 3,
  kPositionMisaligned = 4,
  kBadFrameType = 5,
  kBadFrameLength = 6,
  kBadSequence = 7,
  kBadRefusedCount = 8,
  kTruncated = 9,
};

constexpr std::string_view ring_fault_name(RingFault fault) noexcept {
  switch (fault) {
    case RingFault::kNone:
      return "none";
    case RingFault::kBadIdentity:
      return "bad_identity";
    case RingFault::kPositionWentBack:
      return "position_went_back";
    case RingFault::kPositionTooFarAhead:
      return "position_too_far_ahead";
    case RingFault::kPositionMisaligned:
      return "position_misaligned";
    case RingFault::kBadFrameType:
      return "bad_frame_type";
    case RingFault::kBadFrameLength:
      return "bad_frame_length";
    case RingFault::kBadSequence:
      return "bad_sequence";
    case RingFault::kBadRefusedCount:
      return "bad_refused_count";
    case RingFault::kTruncated:
      return "truncated";
  }
  return "unknown";
}

// Copies committed bytes out of an area. One thread; the caller owns the position, in its own
// memory, and publishes it when the bytes are safe.
class RingReader {
 public:
  RingReader() = default;
  RingReader(const std::byte* area, std::uint64_t capacity_bytes,
             const std::atomic<std::uint64_t>* committed) noexcept
      : area_(area), capacity_(capacity_bytes), committed_(committed) {}

  struct Chunk {
    std::uint64_t bytes = 0;  // copied to the start of `to`
    RingFault fault = RingFault::kNone;
  };

  // Copies what is committed at and after `position`: in one piece, so at most up to the end of the
  // area and at most to.size(). No bytes: nothing is there.
  Chunk copy_out(std::uint64_t position, std::span<std::byte> to) const noexcept {
    // Pairs with the release store of RingWriter::commit().
    const std::uint64_t committed = committed_->load(std::memory_order_acquire);
    if (committed == position) return {};
    if (committed < position) return {0, RingFault::kPositionWentBack};
    if (committed - position > capacity_) return {0, RingFault::kPositionTooFarAhead};
    if ((committed & (kRingFrameAlignment - 1)) != 0) return {0, RingFault::kPositionMisaligned};
    const std::uint64_t index = position & (capacity_ - 1);
    const std::uint64_t bytes =
        std::min({committed - position, capacity_ - index, std::uint64_t{to.size()}});
    std::memcpy(to.data(), area_ + index, bytes);
    return {bytes, RingFault::kNone};
  }

  bool has_data(std::uint64_t position) const noexcept {
    return committed_->load(std::memory_order_relaxed) != position;
  }

  std::uint64_t capacity_bytes() const noexcept { return capacity_; }

 private:
  const std::byte* area_ = nullptr;
  std::uint64_t capacity_ = 0;
  const std::atomic<std::uint64_t>* committed_ = nullptr;
};

// Walks the frames of a private copy that starts at `position`.
class RingFrames {
 public:
  RingFrames(Bytes copy, std::uint64_t position, std::uint64_t capacity_bytes) noexcept
      : copy_(copy), position_(position), capacity_(capacity_bytes) {}

  struct Frame {
    RingFrameHeader header;
    Bytes payload;
  };

  // The next frame that is not padding; nothing at the end of the copy, where the frame goes on
  // beyond it (see needed_bytes()), or at a fault.
  std::optional<Frame> next(std::uint16_t expected_type) noexcept {
    while (fault_ == RingFault::kNone && offset_ < copy_.size()) {
      RingFrameHeader header;
      if (copy_.size() - offset_ < sizeof header) {
        needed_bytes_ = sizeof header;
        return std::nullopt;
      }
      std::memcpy(&header, copy_.data() + offset_, sizeof header);
      const std::uint64_t index = (position_ + offset_) & (capacity_ - 1);
      const std::uint64_t frame_bytes = ring_frame_bytes(header.payload_bytes);
      if (header.type == kRingFramePadding) {
        if (frame_bytes != capacity_ - index) return stop(RingFault::kBadFrameLength);
      } else if (header.type != expected_type) {
        return stop(RingFault::kBadFrameType);
      } else if (header.payload_bytes > ring_payload_bytes_max(capacity_) ||
                 frame_bytes > capacity_ - index) {
        return stop(RingFault::kBadFrameLength);
      }
      if (frame_bytes > copy_.size() - offset_) {
        needed_bytes_ = frame_bytes;
        return std::nullopt;
      }
      const Bytes payload = copy_.subspan(offset_ + sizeof header, header.payload_bytes);
      offset_ += frame_bytes;
      if (header.type != kRingFramePadding) return Frame{header, payload};
    }
    return std::nullopt;
  }

  // Position after the last whole frame that was walked.
  std::uint64_t position() const noexcept { return position_ + offset_; }
  RingFault fault() const noexcept { return fault_; }
  // Where next() stopped short: the size of the frame that did not fit the copy, else 0.
  std::uint64_t needed_bytes() const noexcept { return needed_bytes_; }

 private:
  std::optional<Frame> stop(RingFault fault) noexcept {
    fault_ = fault;
    return std::nullopt;
  }

  Bytes copy_;
  std::uint64_t position_;
  std::uint64_t capacity_;
  std::uint64_t offset_ = 0;
  std::uint64_t needed_bytes_ = 0;
  RingFault fault_ = RingFault::kNone;
};

}  // namespace xase::proto
