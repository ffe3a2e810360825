#include "daemon/devapi/http_stream.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace xased::devapi {
namespace {

constexpr std::size_t kReadBytes = std::size_t{16} << 10U;
constexpr std::size_t kFlushBytes = std::size_t{64} << 10U;

}  // namespace

HttpStream::HttpStream(int socket, int stop_event, std::chrono::milliseconds read_timeout)
    : socket_(socket), stop_event_(stop_event), read_timeout_(read_timeout) {
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

HttpStream::~HttpStream() { ::close(socket_); }

HttpStream::Event HttpStream::poll_for(short events, std::chrono::milliseconds timeout) const {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    std::array<pollfd, 2> watched = {{{socket_, events, 0}, {stop_event_, POLLIN, 0}}};
    const int count =
        ::poll(watched.data(), watched.size(),
               static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000)));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return Event::kTimeout;
    return watched[1].revents != 0 ? Event::kStopped : Event::kReady;
  }
}

bool HttpStream::wait_for_request(std::chrono::milliseconds timeout) {
  return in_read_ < in_.size() || poll_for(POLLIN, timeout) == Event::kReady;
}

void HttpStream::begin_request(std::size_t bytes_max) {
  bytes_left_ = bytes_max;
  wire_ = HttpAnswer::Wire::kWhole;
}

void HttpStream::set_wire(const HttpAnswer& answer) {
  wire_ = answer.wire;
  wire_bytes_ = answer.wire_bytes;
  wire_interval_ = answer.wire_interval;
}

ssize_t HttpStream::read(char* data, std::size_t size) {
  if (in_read_ == in_.size()) {
    // A client that waits for "100 Continue" sends nothing until it has it.
    if (!flush()) return -1;
    in_.resize(kReadBytes);
    ssize_t count = 0;
    for (;;) {
      count = ::recv(socket_, in_.data(), in_.size(), MSG_DONTWAIT);
      if (count >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) break;
      if (poll_for(POLLIN, read_timeout_) == Event::kReady) continue;
      in_.clear();
      in_read_ = 0;
      return -1;
    }
    in_.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    in_read_ = 0;
    if (count <= 0) return count;
  }
  const std::size_t count = std::min({size, in_.size() - in_read_, bytes_left_});
  if (count == 0) return -1;  // the request is larger than any we take
  std::memcpy(data, in_.data() + in_read_, count);
  in_read_ += count;
  bytes_left_ -= count;
  return static_cast<ssize_t>(count);
}

ssize_t HttpStream::write(const char* data, std::size_t size) {
  if (is_broken_) return -1;
  out_.append(data, size);
  if (out_.size() >= kFlushBytes && !flush()) return -1;
  return static_cast<ssize_t>(size);
}

bool HttpStream::flush() {
  // What is to be broken is looked at as a whole.
  if (out_.empty() || wire_ != HttpAnswer::Wire::kWhole) return !is_broken_;
  const bool sent = send_all(out_.data(), out_.size());
  out_.clear();
  return sent;
}

bool HttpStream::send_all(const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::send(socket_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) {
      data += count;
      size -= static_cast<std::size_t>(count);
      continue;
    }
    if (count < 0 && errno == EINTR) continue;
    const bool is_full = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    if (!is_full || poll_for(POLLOUT, read_timeout_) != Event::kReady) {
      is_broken_ = true;
      return false;
    }
  }
  return true;
}

bool HttpStream::finish_answer() {
  if (wire_ == HttpAnswer::Wire::kWhole) return flush() && !is_broken_;
  send_broken();
  return false;
}

bool HttpStream::send_broken() {
  const std::size_t head_end = out_.find("\r\n\r\n");
  const std::size_t head = head_end == std::string::npos ? 0 : head_end + 4;
  const std::size_t wanted =
      wire_bytes_ ? static_cast<std::size_t>(*wire_bytes_) : head + (out_.size() - head) / 2;
  switch (wire_) {
    case HttpAnswer::Wire::kWhole:
      break;
    case HttpAnswer::Wire::kCut:
      return send_all(out_.data(), std::min(wanted, out_.size()));
    case HttpAnswer::Wire::kReset: {
      const bool sent = send_all(out_.data(), std::min(wanted, out_.size()));
      reset_on_close();
      return sent;
    }
    case HttpAnswer::Wire::kSlow:
      for (const char& byte : out_) {
        if (!send_all(&byte, 1) || !wait(wire_interval_)) return false;
      }
      break;
  }
  return true;
}

void HttpStream::reset_on_close() const {
  const struct linger now { .l_onoff = 1, .l_linger = 0 };
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void HttpStream::linger() {
  // Closing with unread bytes would send RST, which may overtake the answer.
  ::shutdown(socket_, SHUT_WR);
  constexpr std::size_t kDrainBytesMax = std::size_t{64} << 20U;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  std::array<char, kReadBytes> ignored{};
  for (std::size_t drained = 0; drained < kDrainBytesMax;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0 || poll_for(POLLIN, left) != Event::kReady) return;
    const ssize_t count = ::recv(socket_, ignored.data(), ignored.size(), 0);
    if (count <= 0) return;
    drained += static_cast<std::size_t>(count);
  }
}

bool HttpStream::wait(std::chrono::milliseconds time) const {
  // POLLIN is not asked for: a client may send its next request while it waits.
  return poll_for(POLLRDHUP, time) == Event::kTimeout;
}

void HttpStream::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

void HttpStream::get_local_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

}  // namespace xased::devapi
