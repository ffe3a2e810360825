#include "daemon/ctl/line_reader.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace xased::ctl {
namespace {

constexpr std::size_t kReadBytes = std::size_t{256} << 10;

}  // namespace

LineReader::LineReader(int fd, std::size_t line_bytes_max, std::size_t padding_bytes)
    : fd_(fd),
      line_bytes_max_(line_bytes_max),
      padding_bytes_(padding_bytes),
      buffer_(kReadBytes + padding_bytes) {}

Status LineReader::rewind() {
  if (lseek(fd_, 0, SEEK_SET) < 0) {
    return {Code::kInvalid, "this input cannot be read twice: give a file"};
  }
  begin_ = end_ = searched_ = 0;
  line_number_ = 0;
  return {};
}

// False at the end.
Result<bool> LineReader::fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    searched_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - padding_bytes_ - end_ < kReadBytes / 2) {
    buffer_.resize(std::min(buffer_.size() * 2, line_bytes_max_ + kReadBytes + padding_bytes_));
  }
  while (true) {
    const ssize_t got = read(fd_, buffer_.data() + end_, buffer_.size() - padding_bytes_ - end_);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) {  // whoever gave us the input made it so
      pollfd input{fd_, POLLIN, 0};
      poll(&input, 1, -1);
      continue;
    }
    if (got < 0) return os_status("cannot read the input", errno);
    end_ += static_cast<std::size_t>(got);
    return got > 0;
  }
}

Result<LineReader::Step> LineReader::next() {
  bool too_long = false;
  while (true) {
    const void* found = std::memchr(buffer_.data() + searched_, '\n', end_ - searched_);
    std::size_t stop = end_;
    std::size_t resume = end_;
    if (found != nullptr) {
      stop = static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data());
      resume = stop + 1;
    } else {
      searched_ = end_;
      if (end_ - begin_ > line_bytes_max_) {
        // Forgotten as it comes: what is kept is bounded.
        too_long = true;
        begin_ = searched_ = end_;
      }
      const Result<bool> more = fill();
      if (!more.ok()) return more.status();
      if (*more) continue;
      if (begin_ == end_ && !too_long) return Step::kEnd;
      stop = resume = end_;
    }
    line_ = {buffer_.data() + begin_, stop - begin_};
    begin_ = searched_ = resume;
    ++line_number_;
    return too_long || line_.size() > line_bytes_max_ ? Step::kTooLong : Step::kLine;
  }
}

}  // namespace xased::ctl
