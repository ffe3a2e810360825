// What a thread remembers: its rings, one a client, and the text of its last error.
#pragma once

#include <cstdint>

namespace xase::client {

class Ring;
class Shared;

// One client that this thread has recorded with.
struct ThreadSlot {
  ThreadSlot* next;
  std::uint64_t client_id;
  std::uint64_t generation;
  Shared* shared;  // holds a reference
  Ring* ring;
};

struct ThreadCache {
  // The client last used: the fast path compares these and is done.
  std::uint64_t client_id;
  std::uint64_t generation;
  Ring* ring;
  ThreadSlot* slots;
  const char* error_text;
  char* error_buffer;
};

// Plain memory without constructor or destructor, so that it works in atexit handlers and in
// destructors of other threads' locals. Zero means empty. Small enough for the static TLS block,
// also when the library is loaded by dlopen().
extern thread_local constinit ThreadCache thread_cache __attribute__((tls_model("initial-exec")));

// Has the thread's rings given back when it ends. (At the end of the process nothing is: committed
// records outlive it.)
void clean_up_at_thread_end() noexcept;

// Gives up the slots of clients that are closed and of processes that forked us.
void prune_slots(std::uint64_t generation) noexcept;

}  // namespace xase::client
