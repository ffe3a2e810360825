// A value that one thread writes and others read whole, without a lock.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace xased {

// A sequence lock. The writer never waits; a reader tries again where a write came between. The
// value is kept in atomic words, so that a torn read is no data race and is thrown away.
template <class T>
requires std::is_trivially_copyable_v<T>
class SeqLocked {
 public:
  // The one writer.
  void write(const T& value) {
    std::array<std::uint64_t, kWords> words{};
    std::memcpy(words.data(), &value, sizeof value);
    const std::uint64_t version = version_.load(std::memory_order_relaxed);
    version_.store(version + 1, std::memory_order_relaxed);
    // Release: whoever sees a word of this value sees the odd version too. No fences: the thread
    // sanitizer knows none.
    for (std::size_t i = 0; i < kWords; ++i) words_[i].store(words[i], std::memory_order_release);
    version_.store(version + 2, std::memory_order_release);
  }

  // Any thread.
  T read() const {
    for (;;) {
      const std::uint64_t before = version_.load(std::memory_order_acquire);
      std::array<std::uint64_t, kWords> words{};
      for (std::size_t i = 0; i < kWords; ++i) words[i] = words_[i].load(std::memory_order_acquire);
      const std::uint64_t after = version_.load(std::memory_order_relaxed);
      if (before == after && before % 2 == 0) {
        T value;
        std::memcpy(static_cast<void*>(&value), words.data(), sizeof value);
        return value;
      }
    }
  }

 private:
  static constexpr std::size_t kWords = (sizeof(T) + 7) / 8;
  std::atomic<std::uint64_t> version_{0};
  std::array<std::atomic<std::uint64_t>, kWords> words_{};
};

}  // namespace xased
