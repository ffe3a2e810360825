#include "daemon/intake/bus_guard.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <vector>

namespace xased {
namespace {

struct Slot {
  // Zero: free. Stored last, with release, and loaded first by the handler.
  std::atomic<std::uintptr_t> start{0};
  std::atomic<std::uintptr_t> end{0};
  std::atomic<std::uint32_t> faulted{0};
};

std::array<Slot, BusGuard::kGuardsMax> slots;
// No slot at or beyond this was ever used: bounds the handler's search.
std::atomic<std::size_t> slots_used{0};
std::uintptr_t page_bytes = 0;

// Only calls that are safe in a signal handler.
void on_bus_error(int signal, siginfo_t* info, void* /*context*/) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  const std::size_t used = slots_used.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < used; ++i) {
    Slot& slot = slots[i];
    const std::uintptr_t start = slot.start.load(std::memory_order_acquire);
    if (start == 0 || address < start || address >= slot.end.load(std::memory_order_relaxed)) {
      continue;
    }
    void* page = static_cast<std::byte*>(info->si_addr) - (address & (page_bytes - 1));
    if (mmap(page, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
             0) == MAP_FAILED) {
      break;
    }
    slot.faulted.store(1, std::memory_order_release);
    return;
  }
  // Not ours: the default action, at the same instruction, once this handler returns.
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  sigaction(signal, &by_default, nullptr);
}

void install_handler() {
  page_bytes = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGBUS, &action, nullptr) != 0) std::abort();
}

std::vector<std::size_t>& free_slots() {
  static std::vector<std::size_t> free;
  return free;
}

}  // namespace

BusGuard::BusGuard(const void* start, std::size_t bytes) {
  if (page_bytes == 0) install_handler();
  if (!free_slots().empty()) {
    slot_ = free_slots().back();
    free_slots().pop_back();
  } else if (slots_used.load(std::memory_order_relaxed) < kGuardsMax) {
    slot_ = slots_used.fetch_add(1, std::memory_order_acq_rel);
  } else {
    return;
  }
  Slot& slot = slots[slot_];
  const auto address = reinterpret_cast<std::uintptr_t>(start);
  slot.faulted.store(0, std::memory_order_relaxed);
  slot.end.store(address + bytes, std::memory_order_relaxed);
  slot.start.store(address, std::memory_order_release);
}

BusGuard::~BusGuard() {
  if (slot_ == kNoSlot) return;
  slots[slot_].start.store(0, std::memory_order_release);
  free_slots().push_back(slot_);
}

bool BusGuard::faulted() const {
  return slot_ != kNoSlot && slots[slot_].faulted.load(std::memory_order_acquire) != 0;
}

}  // namespace xased
