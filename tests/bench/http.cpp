#include "tests/bench/http.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <stdexcept>

namespace xase::bench {
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int connect_to(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (fd >= 0) ::close(fd);
    return -1;
  }
  const int on = 1;
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// The value of "Content-Length" in an answer's head; 0 without one.
std::size_t content_length(std::string_view head) {
  constexpr std::string_view kName = "Content-Length: ";
  const std::size_t at = head.find(kName);
  if (at == std::string_view::npos) return 0;
  return std::strtoull(head.data() + at + kName.size(), nullptr, 10);
}

}  // namespace

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  const bool bound = fd >= 0 &&
                     ::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (fd >= 0) ::close(fd);
  if (!bound) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

bool listens(int port) {
  const int fd = connect_to(port);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

HttpConnection::HttpConnection(int port) : fd_(connect_to(port)) {
  if (fd_ < 0) throw std::runtime_error("no connection to port " + std::to_string(port));
}

HttpConnection::~HttpConnection() { ::close(fd_); }

int HttpConnection::request(std::string_view method, std::string_view path,
                            std::string_view headers, std::string_view body) {
  buffer_.assign(method).append(" ").append(path).append(" HTTP/1.1\r\nHost: 127.0.0.1\r\n");
  buffer_.append("Content-Type: application/json\r\nContent-Length: ");
  buffer_.append(std::to_string(body.size())).append("\r\n").append(headers).append("\r\n");
  buffer_.append(body);
  if (::send(fd_, buffer_.data(), buffer_.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(buffer_.size())) {
    throw std::runtime_error("the connection was lost");
  }
  buffer_.clear();
  constexpr std::string_view kHeadEnd = "\r\n\r\n";
  for (;;) {
    std::array<char, 16384> piece{};
    const ssize_t got = ::recv(fd_, piece.data(), piece.size(), 0);
    if (got <= 0) throw std::runtime_error("the connection was lost");
    buffer_.append(piece.data(), static_cast<std::size_t>(got));
    const std::size_t end = buffer_.find(kHeadEnd);
    if (end == std::string::npos) continue;
    const std::string_view head = std::string_view(buffer_).substr(0, end);
    if (buffer_.size() < end + kHeadEnd.size() + content_length(head)) continue;
    constexpr std::size_t kStatusAt = 9;  // behind "HTTP/1.1 "
    return std::atoi(buffer_.c_str() + kStatusAt);
  }
}

}  // namespace xase::bench
