#include "daemon/control/http_stream.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace xased {

HttpStream::HttpStream(int socket, int stop_event, std::chrono::milliseconds request_timeout,
                       std::chrono::milliseconds response_timeout)
    : socket_(socket),
      stop_event_(stop_event),
      request_timeout_(request_timeout),
      response_timeout_(response_timeout) {}

HttpStream::~HttpStream() { close(socket_); }

HttpStream::Event HttpStream::wait_until(short events, Clock::time_point deadline) const {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return Event::kLate;
    std::array<pollfd, 2> fds{pollfd{socket_, events, 0}, pollfd{stop_event_, POLLIN, 0}};
    const int timeout = static_cast<int>(std::min<std::int64_t>(left.count(), 60'000));
    const int ready = poll(fds.data(), fds.size(), timeout);
    if (ready < 0 && errno != EINTR) return Event::kStopped;
    if (ready <= 0) continue;
    if (fds[1].revents != 0) return Event::kStopped;
    if (fds[0].revents != 0) return Event::kReady;
  }
}

bool HttpStream::wait_for_request(std::size_t request_bytes_max) {
  request_bytes_left_ = request_bytes_max;
  read_deadline_ = Clock::now() + request_timeout_;
  answering_ = false;
  return in_begin_ < in_end_ || wait_until(POLLIN, read_deadline_) == Event::kReady;
}

bool HttpStream::wait(std::chrono::milliseconds time) const {
  return wait_until(POLLRDHUP, Clock::now() + time) == Event::kLate;
}

ssize_t HttpStream::read(char* data, std::size_t size) {
  if (request_bytes_left_ == 0) return -1;
  if (in_begin_ == in_end_) {
    if (wait_until(POLLIN, read_deadline_) != Event::kReady) return -1;
    const ssize_t got = recv(socket_, in_.data(), in_.size(), MSG_DONTWAIT);
    if (got <= 0) return got;
    in_begin_ = 0;
    in_end_ = static_cast<std::size_t>(got);
  }
  const std::size_t count = std::min({size, in_end_ - in_begin_, request_bytes_left_});
  std::memcpy(data, in_.data() + in_begin_, count);
  in_begin_ += count;
  request_bytes_left_ -= count;
  return static_cast<ssize_t>(count);
}

ssize_t HttpStream::write(const char* data, std::size_t size) {
  if (broken_) return -1;
  if (!answering_) {
    answering_ = true;
    write_deadline_ = Clock::now() + response_timeout_;
  }
  std::size_t done = 0;
  while (done < size) {
    const ssize_t sent = send(socket_, data + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      done += static_cast<std::size_t>(sent);
      continue;
    }
    if (errno == EINTR) continue;
    if ((errno != EAGAIN && errno != EWOULDBLOCK) ||
        wait_until(POLLOUT, write_deadline_) != Event::kReady) {
      broken_ = true;
      return -1;
    }
  }
  return static_cast<ssize_t>(size);
}

void HttpStream::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

void HttpStream::get_local_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

}  // namespace xased
