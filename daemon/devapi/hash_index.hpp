// A compact multimap from 64-bit hashes to 32-bit numbers: 12 bytes a slot, at most two thirds
// full.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace xased::devapi {

// Linear probing; nothing is ever removed. The caller's hashes must not be an attacker's choice.
// Not safe for concurrent use: its owner locks.
class HashIndex {
 public:
  void add(std::uint64_t hash, std::uint32_t number) {
    if ((size_ + 1) * 3 > hashes_.size() * 2) grow();
    place(hash, number);
    ++size_;
  }

  // Calls visit(number) for every number under the hash until it returns true; whether one did.
  template <class Visit>
  bool find(std::uint64_t hash, Visit visit) const {
    if (hashes_.empty()) return false;
    const std::size_t mask = hashes_.size() - 1;
    for (std::size_t slot = hash & mask; numbers_[slot] != kFree; slot = (slot + 1) & mask) {
      if (hashes_[slot] == hash && visit(numbers_[slot])) return true;
    }
    return false;
  }

  std::size_t size() const { return size_; }

  static constexpr std::uint32_t kNumberMax = 0xFFFF'FFFE;

 private:
  static constexpr std::uint32_t kFree = 0xFFFF'FFFF;

  void place(std::uint64_t hash, std::uint32_t number) {
    const std::size_t mask = hashes_.size() - 1;
    std::size_t slot = hash & mask;
    while (numbers_[slot] != kFree) slot = (slot + 1) & mask;
    hashes_[slot] = hash;
    numbers_[slot] = number;
  }

  void grow() {
    const std::size_t slots = hashes_.empty() ? 1024 : hashes_.size() * 2;
    std::vector<std::uint64_t> hashes(slots);
    std::vector<std::uint32_t> numbers(slots, kFree);
    hashes.swap(hashes_);
    numbers.swap(numbers_);
    for (std::size_t slot = 0; slot < hashes.size(); ++slot) {
      if (numbers[slot] != kFree) place(hashes[slot], numbers[slot]);
    }
  }

  std::vector<std::uint64_t> hashes_;
  std::vector<std::uint32_t> numbers_;
  std::size_t size_ = 0;
};

}  // namespace xased::devapi
