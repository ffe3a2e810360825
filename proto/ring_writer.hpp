// The writing side of a ring area. One thread at a time; nothing here locks, allocates, waits or
// makes a system call.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "proto/bytes.hpp"
#include "proto/ring_layout.hpp"

namespace xase::proto {

// Writes frames into an area of `capacity_bytes` (a power of two). Used by the producer for the
// data ring and by the daemon for the results ring.
//
//   std::byte* payload = writer.reserve(n);    // null: full, or never fits (see fits())
//   ... write n bytes ...
//   writer.commit(header);                     // visible to the other side, all or nothing
class RingWriter {
 public:
  RingWriter() = default;
  // `committed` is ours to write, `released` the other side's. `start` is where writing goes on: 0
  // for a new ring; `released_start` what the other side had released then.
  RingWriter(std::byte* area, std::uint64_t capacity_bytes, std::atomic<std::uint64_t>* committed,
             const std::atomic<std::uint64_t>* released, std::uint64_t start = 0,
             std::uint64_t released_start = 0) noexcept
      : area_(area),
        capacity_(capacity_bytes),
        committed_(committed),
        released_(released),
        position_(start),
        cached_released_(released_start) {}

  bool fits(std::uint64_t payload_bytes) const noexcept {
    return payload_bytes <= ring_payload_bytes_max(capacity_);
  }

  // Room for a frame's payload in one piece, or null where the ring is full. Nothing is visible to
  // the other side before commit(); a reservation may be dropped by reserving again. The caller has
  // checked fits().
  std::byte* reserve(std::uint64_t payload_bytes) noexcept {
    const std::uint64_t frame = ring_frame_bytes(payload_bytes);
    const std::uint64_t index = position_ & (capacity_ - 1);
    const std::uint64_t to_end = capacity_ - index;
    const std::uint64_t padding = frame > to_end ? to_end : 0;
    if (!has_room(padding + frame)) return nullptr;
    frame_position_ = position_ + padding;
    frame_bytes_ = frame;
    if (padding != 0) {
      const RingFrameHeader filler{static_cast<std::uint32_t>(padding - sizeof(RingFrameHeader)),
                                   kRingFramePadding,
                                   0,
                                   0,
                                   0,
                                   0};
      std::memcpy(area_ + index, &filler, sizeof filler);
    }
    return area_ + (frame_position_ & (capacity_ - 1)) + sizeof(RingFrameHeader);
  }

  // Makes the reservation smaller, to no more than `payload_bytes` of its beginning.
  void shrink(std::uint64_t payload_bytes) noexcept {
    frame_bytes_ = ring_frame_bytes(payload_bytes);
  }

  // Makes the reserved frame, and the padding before it, visible with one release store.
  void commit(const RingFrameHeader& header) noexcept {
    std::memcpy(area_ + (frame_position_ & (capacity_ - 1)), &header, sizeof header);
    position_ = frame_position_ + frame_bytes_;
    committed_->store(position_, std::memory_order_release);
    prefetch_next();
  }

  std::uint64_t position() const noexcept { return position_; }
  std::uint64_t capacity_bytes() const noexcept { return capacity_; }
  // Bytes not yet released, by what was last seen of the other side: never too few.
  std::uint64_t used_bytes() const noexcept { return position_ - cached_released_; }

  // Looks at the other side's word again. A word that cannot be right is taken as "nothing
  // released", so that a scribbled word costs room and never lets us write over unread data.
  void refresh_released() noexcept {
    const std::uint64_t released = released_->load(std::memory_order_acquire);
    if (released >= cached_released_ && released <= position_) cached_released_ = released;
  }

 private:
  bool has_room(std::uint64_t bytes) noexcept {
    if (position_ + bytes - cached_released_ <= capacity_) return true;
    refresh_released();
    return position_ + bytes - cached_released_ <= capacity_;
  }

  // The lines that the next frame will take are last in the daemon's cache: fetching them for
  // writing now hides that transfer behind the caller's own work. Inlined by force: GCC takes a
  // function that only prefetches for one without effect, and drops the call.
  [[gnu::always_inline]] void prefetch_next() const noexcept {
    const std::uint64_t lines = frame_bytes_ < kPrefetchBytesMax ? frame_bytes_ : kPrefetchBytesMax;
    for (std::uint64_t offset = 0; offset < lines; offset += 64) {
      __builtin_prefetch(area_ + ((position_ + offset) & (capacity_ - 1)), 1);
    }
  }

  static constexpr std::uint64_t kPrefetchBytesMax = 1024;

  std::byte* area_ = nullptr;
  std::uint64_t capacity_ = 0;
  std::atomic<std::uint64_t>* committed_ = nullptr;
  const std::atomic<std::uint64_t>* released_ = nullptr;
  std::uint64_t position_ = 0;
  std::uint64_t cached_released_ = 0;
  std::uint64_t frame_position_ = 0;
  std::uint64_t frame_bytes_ = 0;
};

}  // namespace xase::proto
