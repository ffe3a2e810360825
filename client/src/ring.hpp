// A ring from its producer's side: the hot path.
#pragma once

#include <xase/xase.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "client/src/clock.hpp"
#include "client/src/failure.hpp"
#include "client/src/ring_file.hpp"
#include "client/src/validate.hpp"
#include "proto/record.hpp"
#include "proto/ring_writer.hpp"

namespace xase::client {

class Shared;

// By xase_store_payload.
inline constexpr std::uint16_t kStoreFlags[] = {
    0, proto::kRecordHasStorePayload | proto::kRecordStorePayload, proto::kRecordHasStorePayload};

// The spans that xase_reserve() has written in place.
inline constexpr std::size_t kSpansInPlace = 4;

// Encodes a valid record; encoded_bytes(record) bytes. The first `kInPlace` texts are there.
template <std::size_t kInPlace = 0>
inline void encode(const xase_record_fields& record, std::byte* to) noexcept {
  const bool has_confidence = record.has_confidence != 0;
  const bool has_time = record.has_processing_time != 0;
  std::uint16_t flags = kStoreFlags[record.store_payload];
  if (has_confidence) flags |= proto::kRecordHasConfidence;
  if (has_time) flags |= proto::kRecordHasProcessingTime;
  proto::encode_record<kInPlace>(
      flags, has_confidence ? record.confidence : 0.0, has_time ? record.processing_time_ms : 0.0,
      [&](auto i) {
        const xase_text& text = record.*kTexts[i];
        return std::string_view(text.data, text.size);
      },
      to);
}

// Between enter() and leave() one thread, its owner, writes. Owners change by hand-over under
// Shared's lock. The object lives as long as Shared; its file may be replaced.
class alignas(128) Ring {
 public:
  enum class Entry : std::uint8_t { kOpen, kClosed, kReentered, kReplace };

  explicit Ring(Shared& shared) noexcept;

  // kOpen: the file is there until leave(). kReplace: likewise, but the file is not to be written.
  // Otherwise leave() must not be called.
  Entry enter() noexcept {
    // Only a signal handler can find its own thread inside.
    if (busy_.load(std::memory_order_relaxed) != 0) [[unlikely]]
      return Entry::kReentered;
    // Either Shared::close() sees us busy, or we see its gate: it stores gate_, has the kernel
    // fence every thread (membarrier), and looks at busy_. With that, keeping the compiler's order
    // is enough here; where the kernel cannot, both sides use sequentially consistent operations.
    if (needs_fence_) [[unlikely]] {
      busy_.exchange(1, std::memory_order_seq_cst);
    } else {
      busy_.store(1, std::memory_order_relaxed);
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    const std::uint32_t gate = gate_.load(std::memory_order_seq_cst);
    if (gate == kGateClosed) [[unlikely]] {
      leave();
      return Entry::kClosed;
    }
    if (gate != kGateOpen || daemon_->condemned.load(std::memory_order_relaxed) != 0) [[unlikely]] {
      return Entry::kReplace;
    }
    return Entry::kOpen;
  }

  void leave() noexcept { busy_.store(0, std::memory_order_release); }

  // Room for a record of `bytes` in one piece, or null and why in `code`. May wait, and may replace
  // the file.
  std::byte* reserve(std::size_t bytes, ErrorCode& code) noexcept {
    if (!writer_.fits(bytes)) [[unlikely]] {
      code = refuse_too_large();
      return nullptr;
    }
    std::byte* to = writer_.reserve(bytes);
    if (to == nullptr) [[unlikely]]
      to = make_room(bytes, code);
    return to;
  }

  // The same where it takes nothing but looking, for a record whose texts have at most `bytes`: no
  // wait, no system call, and no refusal is counted.
  ErrorCode try_reserve(std::size_t bytes, std::byte*& to) noexcept {
    if (bytes > proto::kRecordBytesMax || !writer_.fits(bytes + proto::kRecordHeaderBytes)) {
      return refuse_too_large();
    }
    in_place_ = to = writer_.reserve(bytes + proto::kRecordHeaderBytes);
    in_place_bytes_ = bytes + proto::kRecordHeaderBytes;
    return to != nullptr ? ErrorCode::kOk : ErrorCode::kQueueFull;
  }
  // What try_reserve() gave to a thread that is still inside; null: nothing.
  std::byte* in_place() const noexcept {
    return busy_.load(std::memory_order_relaxed) != 0 ? in_place_ : nullptr;
  }
  std::size_t in_place_bytes() const noexcept { return in_place_bytes_; }
  void leave_in_place() noexcept {
    in_place_ = nullptr;
    leave();
  }
  void shrink(std::size_t bytes) noexcept { writer_.shrink(bytes); }

  // Has the daemon report on records, whatever the client's settings.
  void want_results() noexcept { producer_->wants_results.store(1, std::memory_order_relaxed); }

  // Commits what was written to the reserved room.
  void commit(std::size_t bytes, std::uint16_t extra_flags) noexcept {
    const std::uint64_t sequence = sequence_.load(std::memory_order_relaxed) + 1;
    const std::int64_t now = coarse_wall_ns();
    const proto::RingFrameHeader header{static_cast<std::uint32_t>(bytes),
                                        proto::kRingFrameRecord,
                                        static_cast<std::uint16_t>(frame_flags_ | extra_flags),
                                        sequence,
                                        refused_.load(std::memory_order_relaxed),
                                        now};
    producer_->committed_sequence.store(sequence, std::memory_order_relaxed);
    writer_.commit(header);
    // For flush() and stats() of other threads, who do not trust the mapped word.
    sequence_.store(sequence, std::memory_order_release);
    if (writer_.position() >= look_at_) [[unlikely]]
      look();
    // Unsigned: a clock that was set back is no reason to wait.
    if (static_cast<std::uint64_t>(now - looked_wall_ns_) >= kLookIntervalNs) [[unlikely]]
      look_behind(now);
  }

  std::uint64_t next_sequence() const noexcept {
    return sequence_.load(std::memory_order_relaxed) + 1;
  }
  Shared& shared() const noexcept { return shared_; }
  // For the owner while inside, and for others under Shared's lock.
  const std::shared_ptr<RingFile>& file() const noexcept { return file_; }

 private:
  friend class Shared;

  static constexpr std::uint64_t kLookIntervalNs = 5'000'000'000;
  static constexpr std::uint32_t kGateOpen = 0;
  static constexpr std::uint32_t kGateStale = 1;  // the file lost its name: make another
  static constexpr std::uint32_t kGateClosed = 2;

  // Under Shared's lock, by the owner or before there is one.
  void adopt(std::shared_ptr<RingFile> file) noexcept;

  std::byte* make_room(std::size_t bytes, ErrorCode& code) noexcept;
  std::byte* wait_for_room(std::size_t bytes) noexcept;
  bool replace_if_gone() noexcept;
  ErrorCode refuse_too_large() noexcept;
  void count_refusal() noexcept;
  void look() noexcept;
  void look_behind(std::int64_t now) noexcept;
  void look_for_name() noexcept;

  proto::RingWriter writer_;
  proto::RingProducerWords* producer_ = nullptr;
  proto::RingDaemonWords* daemon_ = nullptr;
  // Position at which to see whether a quarter is in use: the doorbell's business.
  std::uint64_t look_at_ = 0;
  // When it was last seen how far the daemon is, on the clock of the stamps, and where the ring
  // ended then.
  std::int64_t looked_wall_ns_ = 0;
  std::uint64_t looked_position_ = 0;
  std::atomic<std::uint64_t> sequence_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint32_t> busy_{0};
  std::atomic<std::uint32_t> gate_{kGateOpen};
  std::uint16_t frame_flags_ = 0;
  const bool needs_fence_;
  std::byte* in_place_ = nullptr;
  std::size_t in_place_bytes_ = 0;

  // Not touched on the hot path.
  std::uint64_t full_sequence_ = 0;  // next_sequence() of the last refusal that rang the bell
  std::int64_t next_place_check_ns_ = 0;
  bool is_left_ = false;  // when it was closed: nobody is inside, and nobody will be
  Shared& shared_;
  std::shared_ptr<RingFile> file_;
  Ring* next_ = nullptr;
  Ring* next_free_ = nullptr;
};

}  // namespace xase::client
