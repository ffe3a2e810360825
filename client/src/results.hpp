// What comes back: results that wait for a caller or for a callback.
#pragma once

#include <xase/xase.h>

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "client/src/failure.hpp"
#include "client/src/ring_file.hpp"

namespace xase::client {

// What became of one record, as the daemon says.
struct ResultItem {
  ErrorCode code = ErrorCode::kOk;
  std::uint16_t http_status = 0;
  std::uint16_t flags = 0;  // kResultReplayed, kResultPossibleDuplicate
  std::uint64_t sequence = 0;
  std::string producer_id;
  std::string payload;  // the API's answer, or a message
};

// Fills the first `receipt->size` bytes; see xase_receipt for who owns what. May throw bad_alloc.
void fill_receipt(ResultItem item, xase_receipt& receipt);
void free_receipt(xase_receipt& receipt) noexcept;

// Takes results out of the rings, for whoever looks first: a caller that waits for one of them gets
// it, the others queue up for the callbacks. Thread-safe; one lock, never held while a callback
// runs.
class Results {
 public:
  // A caller that waits. It lives on that caller's stack between add() and remove().
  struct Waiter {
    const RingFile* file;
    std::uint64_t sequence;
    std::optional<ResultItem> item;
    Waiter* next = nullptr;
  };

  static constexpr std::size_t kQueueItemsMax = 65'536;
  static constexpr std::size_t kQueueBytesMax = std::size_t{16} << 20;

  // `queue`: results that nobody waits for are kept for take(), else let go.
  explicit Results(bool queue) : queues_(queue) {}

  void add(Waiter& waiter) noexcept;
  void remove(Waiter& waiter) noexcept;

  // Reads what lies in the ring's result area. True where `waiter` (may be null) has its result.
  bool drain(RingFile& file, const Waiter* waiter);

  std::optional<ResultItem> take();

  // Results that found the queue full.
  std::uint64_t dropped() const noexcept;

 private:
  void dispatch(ResultItem item, const RingFile& file);

  const bool queues_;
  mutable std::mutex mutex_;
  Waiter* waiters_ = nullptr;
  std::deque<ResultItem> queue_;
  std::size_t queue_bytes_ = 0;
  std::uint64_t dropped_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace xase::client
