#include "daemon/delivery/http_response.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace xased {
namespace {

constexpr std::size_t kChunkLineBytesMax = 256;

bool same_name(std::string_view a, std::string_view lower) {
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x + ('a' - 'A')) : x) == y;
  });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool whole_number(std::string_view text, int base, std::uint64_t& value) {
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value, base);
  return !text.empty() && read.ec == std::errc{} && read.ptr == end;
}

}  // namespace

HttpResponse::State HttpResponse::add(std::string_view bytes) {
  if (bytes.empty()) return State::kMore;
  started_ = true;
  rest_ += bytes;
  State state = State::kMore;
  if (part_ == Part::kHead) state = take_head();
  if (state == State::kMore && part_ != Part::kHead) state = take_body();
  rest_.erase(0, std::exchange(rest_start_, 0));
  return state;
}

HttpResponse::State HttpResponse::end() {
  reusable_ = false;
  if (part_ != Part::kUntilEnd) return State::kMore;
  part_ = Part::kDone;
  return State::kDone;
}

// Consumes a line with its end; false where it is not all there.
bool HttpResponse::take_line(std::string_view& line, std::size_t bytes_max) {
  const std::string_view unread = std::string_view(rest_).substr(rest_start_);
  const std::size_t end = unread.substr(0, bytes_max).find('\n');
  if (end == std::string_view::npos) return false;
  line = unread.substr(0, end);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  rest_start_ += end + 1;
  return true;
}

bool HttpResponse::take_status_line(std::string_view line) {
  // "HTTP/1.1 201 Created"
  const bool sound = line.size() >= 12 && line.starts_with("HTTP/1.") && line[8] == ' ' &&
                     (line.size() == 12 || line[12] == ' ');
  std::uint64_t status = 0;
  if (!sound || !whole_number(line.substr(9, 3), 10, status) || status < 100) return false;
  answer_.status = static_cast<int>(status);
  if (line[7] == '0') reusable_ = false;
  return true;
}

bool HttpResponse::take_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view name = line.substr(0, colon);
  if (name.find_first_of(" \t") != std::string_view::npos) return false;
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (same_name(name, "content-length")) {
    std::uint64_t length = 0;
    if (!whole_number(value, 10, length) || (has_length_ && length != left_)) return false;
    has_length_ = true;
    left_ = length;
  } else if (same_name(name, "transfer-encoding")) {
    if (!same_name(value, "chunked") || chunked_) return false;
    chunked_ = true;
  } else if (same_name(name, "connection")) {
    if (same_name(value, "close")) reusable_ = false;
  } else if (same_name(name, "retry-after")) {
    answer_.retry_after = value;
  } else if (same_name(name, "x-ratelimit-limit")) {
    answer_.rate_limit = value;
  } else if (same_name(name, "x-ratelimit-remaining")) {
    answer_.rate_remaining = value;
  } else if (same_name(name, "x-ratelimit-reset")) {
    answer_.rate_reset = value;
  } else if (same_name(name, "date")) {
    answer_.date = value;
  } else if (same_name(name, "x-idempotency-replay")) {
    answer_.replayed = same_name(value, "true");
  }
  return true;
}

HttpResponse::State HttpResponse::take_head() {
  for (;;) {
    const std::string_view unread = std::string_view(rest_).substr(rest_start_);
    // Both line ends that peers use. Of many heads, each is looked through once.
    const std::size_t crlf = unread.find("\r\n\r\n");
    const std::size_t lf = unread.substr(0, crlf).find("\n\n");
    const std::size_t end = std::min(crlf, lf);
    if (end == std::string_view::npos || end > kHeadBytesMax) {
      constexpr std::string_view kBegin = "HTTP/1.";
      // As far as a head that is just within the limit may reach, with its end.
      constexpr std::size_t kEndBytes = 4;
      const bool hopeless = unread.size() >= kHeadBytesMax + kEndBytes ||
                            unread.substr(0, kBegin.size()) != kBegin.substr(0, unread.size());
      return hopeless ? State::kMalformed : State::kMore;
    }
    answer_ = Answer{};
    chunked_ = has_length_ = false;
    std::string_view line;
    if (!take_line(line, kHeadBytesMax) || !take_status_line(line)) return State::kMalformed;
    while (take_line(line, kHeadBytesMax) && !line.empty()) {
      if (!take_header(line)) return State::kMalformed;
    }
    if (answer_.status == 101) return State::kMalformed;
    if (answer_.status >= 200) return start_body();
    // An interim response: the real one follows.
  }
}

HttpResponse::State HttpResponse::start_body() {
  answer_.reach = Reach::kAnswered;
  if (answer_.status == 204 || answer_.status == 304) {
    part_ = Part::kDone;
    return State::kDone;
  }
  if (chunked_) {
    if (has_length_) reusable_ = false;  // RFC 9112, section 6.3: a sign of an attack
    part_ = Part::kChunkSize;
  } else if (has_length_) {
    part_ = Part::kSized;
  } else {
    part_ = Part::kUntilEnd;
    reusable_ = false;
    answer_.delimited = false;
  }
  return State::kMore;
}

// Moves up to `bytes` of what was received to the body; false where that is beyond the limit.
bool HttpResponse::add_body(std::size_t bytes) {
  const std::size_t room = kAnswerBytesMax - answer_.body.size();
  answer_.body.append(rest_, rest_start_, std::min(bytes, room));
  rest_start_ += bytes;
  if (bytes <= room) return true;
  answer_.too_large = true;
  reusable_ = false;
  return false;
}

HttpResponse::State HttpResponse::take_body() {
  std::string_view line;
  for (;;) {
    const std::size_t unread = rest_.size() - rest_start_;
    switch (part_) {
      case Part::kSized:
      case Part::kChunk: {
        const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(left_, unread));
        if (!add_body(bytes)) return State::kTooLarge;
        left_ -= bytes;
        if (left_ > 0) return State::kMore;
        part_ = part_ == Part::kSized ? Part::kDone : Part::kChunkEnd;
        break;
      }
      case Part::kUntilEnd:
        return add_body(unread) ? State::kMore : State::kTooLarge;
      case Part::kChunkEnd:
        if (!take_line(line, 2)) return unread >= 2 ? State::kMalformed : State::kMore;
        if (!line.empty()) return State::kMalformed;
        part_ = Part::kChunkSize;
        break;
      case Part::kChunkSize: {
        if (!take_line(line, kChunkLineBytesMax)) {
          return unread >= kChunkLineBytesMax ? State::kMalformed : State::kMore;
        }
        const std::string_view size = trimmed(line.substr(0, line.find(';')));
        if (!whole_number(size, 16, left_)) return State::kMalformed;
        part_ = left_ == 0 ? Part::kTrailer : Part::kChunk;
        break;
      }
      case Part::kTrailer:
        if (!take_line(line, kHeadBytesMax)) {
          return unread >= kHeadBytesMax ? State::kMalformed : State::kMore;
        }
        trailer_bytes_ += line.size() + 2;
        if (trailer_bytes_ > kHeadBytesMax) return State::kMalformed;
        if (line.empty()) part_ = Part::kDone;
        break;
      case Part::kHead:
      case Part::kDone:
        return State::kDone;
    }
  }
}

void HttpResponse::move_to(Answer& answer) { answer = std::move(answer_); }

}  // namespace xased
