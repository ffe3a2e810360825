// Tells a process from the child it forks, without a system call and without a fork handler.
#pragma once

#include <atomic>
#include <cstdint>

namespace xase::client {

// A word that the kernel zeroes in a child of fork() (MADV_WIPEONFORK). It holds the generation of
// the process that last asked for one: whatever remembers another generation belongs to an ancestor
// and is not to be touched. One a process, made at the first call, never unmapped. Null: the system
// has no memory.
std::atomic<std::uint64_t>* generation_word() noexcept;

// This process's generation: unlike that of any ancestor, never 0.
std::uint64_t current_generation(std::atomic<std::uint64_t>& word) noexcept;

}  // namespace xase::client
