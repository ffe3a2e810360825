#include "src/buffer.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace xase::python {
namespace {

constexpr std::size_t kFirstBytes = 4096;
// What a thread keeps from one record to the next.
constexpr std::size_t kKeptBytesMax = 65536;

struct Kept {
  char* data = nullptr;
  std::size_t bytes = 0;
  ~Kept() {
    std::free(data);
    data = nullptr;
    bytes = 0;
  }
};
thread_local Kept kept;

}  // namespace

Buffer::Buffer() noexcept
    : begin_(std::exchange(kept.data, nullptr)),
      at_(begin_),
      end_(begin_ + std::exchange(kept.bytes, 0)),
      grows_(true) {}

Buffer::~Buffer() {
  if (!grows_) return;
  const auto bytes = static_cast<std::size_t>(end_ - begin_);
  if (kept.data == nullptr && bytes <= kKeptBytesMax) {
    kept.data = begin_;
    kept.bytes = bytes;
  } else {
    std::free(begin_);
  }
}

bool Buffer::grow(std::size_t bytes) noexcept {
  if (!grows_) return false;
  const std::size_t used = size();
  const auto have = static_cast<std::size_t>(end_ - begin_);
  const std::size_t wanted = std::max({kFirstBytes, 2 * have, used + bytes});
  char* larger = static_cast<char*>(std::realloc(begin_, wanted));
  if (larger == nullptr) return false;
  begin_ = larger;
  at_ = larger + used;
  end_ = larger + wanted;
  return true;
}

}  // namespace xase::python
