#include "client/src/fork_guard.hpp"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <new>

#include "client/src/clock.hpp"

namespace xase::client {
namespace {

constinit std::atomic<std::atomic<std::uint64_t>*> shared_word{nullptr};

// Where the kernel knows no MADV_WIPEONFORK (before 4.14, some sandboxes).
void wipe_in_child() {
  if (auto* word = shared_word.load(std::memory_order_acquire)) {
    word->store(0, std::memory_order_relaxed);
  }
}

}  // namespace

std::atomic<std::uint64_t>* generation_word() noexcept {
  auto* word = shared_word.load(std::memory_order_acquire);
  if (word != nullptr) return word;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto* made = new (memory) std::atomic<std::uint64_t>(0);
  const bool wiped = madvise(memory, page, MADV_WIPEONFORK) == 0;
  if (!shared_word.compare_exchange_strong(word, made, std::memory_order_acq_rel)) {
    munmap(memory, page);
    return word;
  }
  if (!wiped && pthread_atfork(nullptr, nullptr, wipe_in_child) != 0) return nullptr;
  return made;
}

std::uint64_t current_generation(std::atomic<std::uint64_t>& word) noexcept {
  std::uint64_t seen = word.load(std::memory_order_relaxed);
  if (seen != 0) return seen;
  // Time since boot: an ancestor chose its own before it forked us, so ours is later.
  const auto mine = static_cast<std::uint64_t>(monotonic_ns()) | 1U;
  return word.compare_exchange_strong(seen, mine, std::memory_order_relaxed) ? mine : seen;
}

}  // namespace xase::client
