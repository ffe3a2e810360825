#include "client/src/thread_cache.hpp"

#include <pthread.h>

#include <cstdlib>
#include <memory>

#include "client/src/fork_guard.hpp"
#include "client/src/shared.hpp"

namespace xase::client {

thread_local constinit ThreadCache thread_cache{};

namespace {

pthread_key_t key;
bool key_made = false;
pthread_once_t key_once = PTHREAD_ONCE_INIT;

void drop(ThreadSlot* slot, std::uint64_t generation) noexcept {
  const std::unique_ptr<ThreadSlot> owned(slot);
  if (slot->generation != generation) {
    slot->shared->abandon();
    return;
  }
  slot->shared->give_back(slot->ring);
  slot->shared->release();
}

// Other thread-end handlers may still record after this: then the slot is made anew, the key set
// anew, and this runs again.
void end_thread(void*) {
  ThreadCache& cache = thread_cache;
  auto* word = generation_word();
  const std::uint64_t generation = word != nullptr ? current_generation(*word) : 0;
  while (cache.slots != nullptr) {
    ThreadSlot* slot = cache.slots;
    cache.slots = slot->next;
    drop(slot, generation);
  }
  std::free(cache.error_buffer);
  cache = ThreadCache{};
}

void make_key() { key_made = pthread_key_create(&key, end_thread) == 0; }

}  // namespace

void clean_up_at_thread_end() noexcept {
  // Without a key, rings of ended threads wait until their client is closed.
  if (pthread_once(&key_once, make_key) == 0 && key_made) pthread_setspecific(key, &thread_cache);
}

void prune_slots(std::uint64_t generation) noexcept {
  ThreadCache& cache = thread_cache;
  cache.client_id = 0;
  cache.ring = nullptr;
  ThreadSlot** link = &cache.slots;
  while (*link != nullptr) {
    ThreadSlot* slot = *link;
    if (slot->generation == generation && !slot->shared->closed()) {
      link = &slot->next;
      continue;
    }
    *link = slot->next;
    drop(slot, generation);
  }
}

}  // namespace xase::client
