// Lines of a file or a pipe, as they come, each bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "daemon/platform/status.hpp"

namespace xased::ctl {

// Does not own the file descriptor. One thread.
class LineReader {
 public:
  LineReader(int fd, std::size_t line_bytes_max, std::size_t padding_bytes);

  enum class Step {
    kLine,     // line() holds it, without its newline; `padding_bytes` are readable behind it
    kTooLong,  // a line was longer than allowed; it was skipped
    kEnd,
  };
  // Waits for a whole line. A last line without a newline counts.
  Result<Step> next();
  // Valid until the next call.
  std::string_view line() const { return line_; }
  // From 1.
  std::uint64_t line_number() const { return line_number_; }

  // Begins anew, at the start of the file. An error where it cannot be read twice.
  Status rewind();

 private:
  Result<bool> fill();

  const int fd_;
  const std::size_t line_bytes_max_;
  const std::size_t padding_bytes_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  // of what is not given out yet
  std::size_t end_ = 0;
  std::size_t searched_ = 0;  // no newline between begin_ and here
  std::string_view line_;
  std::uint64_t line_number_ = 0;
};

}  // namespace xased::ctl
