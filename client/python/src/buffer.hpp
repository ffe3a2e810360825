// Where JSON is written: a fixed piece of a ring, or memory of this thread that grows.
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

namespace xase::python {

// One thread's. Writing beyond the end of a fixed piece fails and leaves what is there.
class Buffer {
 public:
  // A fixed piece; it must outlive this.
  Buffer(char* begin, std::size_t bytes) noexcept
      : begin_(begin), at_(begin), end_(begin + bytes), grows_(false) {}
  // Memory that grows: the thread's own where nobody above us on the stack uses it.
  Buffer() noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  // Room for `bytes` more. False: a fixed piece is full, or there is no memory.
  bool ensure(std::size_t bytes) noexcept {
    return static_cast<std::size_t>(end_ - at_) >= bytes || grow(bytes);
  }

  // After ensure().
  char* at() noexcept { return at_; }
  void advance(std::size_t bytes) noexcept { at_ += bytes; }
  void put(char c) noexcept { *at_++ = c; }

  bool append(char c) noexcept {
    if (!ensure(1)) return false;
    put(c);
    return true;
  }
  bool append(std::string_view text) noexcept {
    if (!ensure(text.size())) return false;
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
    return true;
  }

  const char* data() const noexcept { return begin_; }
  std::size_t size() const noexcept { return static_cast<std::size_t>(at_ - begin_); }
  bool grows() const noexcept { return grows_; }

 private:
  bool grow(std::size_t bytes) noexcept;

  char* begin_;
  char* at_;
  char* end_;
  const bool grows_;
};

}  // namespace xase::python
