// A peer on loopback that does with a connection what the test says: as badly as it likes.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace xased::test {

// One accepted connection, in the peer's thread.
class PeerConnection {
 public:
  PeerConnection(int fd, const std::atomic<bool>& stopping) : fd_(fd), stopping_(stopping) {}
  PeerConnection(const PeerConnection&) = delete;
  PeerConnection& operator=(const PeerConnection&) = delete;
  ~PeerConnection() { ::close(fd_); }

  int fd() const { return fd_; }
  // One HTTP request with its body; empty at the connection's end.
  std::string request() {
    for (;;) {
      const std::size_t head = buffer_.find("\r\n\r\n");
      if (head != std::string::npos) {
        const std::size_t field = buffer_.find("Content-Length: ");
        const std::size_t body = std::stoul(buffer_.substr(field + 16, 12));
        if (buffer_.size() >= head + 4 + body) {
          std::string whole = buffer_.substr(0, head + 4 + body);
          buffer_.erase(0, whole.size());
          return whole;
        }
      }
      if (!receive()) return "";
    }
  }
  // More bytes of whatever comes; false at the end.
  bool receive() {
    if (!wait(POLLIN)) return false;
    char bytes[16384];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }
  // False where the other side is gone.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      if (!wait(POLLOUT)) return false;
      const ssize_t put = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (put <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return true;
  }
  // Resets the connection instead of closing it.
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  // Does nothing until the other side closes, or the peer ends.
  void hang() {
    while (receive()) {
    }
  }
  bool stopping() const { return stopping_; }

 private:
  bool wait(short events) {
    while (!stopping_) {
      pollfd place{fd_, events, 0};
      const int ready = ::poll(&place, 1, 20);
      if (ready > 0) return true;
    }
    return false;
  }

  const int fd_;
  const std::atomic<bool>& stopping_;
  std::string buffer_;
};

// Serves each connection in a thread of its own.
class LoopbackPeer {
 public:
  using Serve = std::function<void(PeerConnection&)>;

  explicit LoopbackPeer(Serve serve) : serve_(std::move(serve)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool listening =
        ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
        ::listen(listener_, 64) == 0 &&
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    if (!listening) std::abort();
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept(); });
  }
  LoopbackPeer(const LoopbackPeer&) = delete;
  LoopbackPeer& operator=(const LoopbackPeer&) = delete;
  ~LoopbackPeer() {
    stopping_ = true;
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
    ::close(listener_);
  }

  int port() const { return port_; }
  std::string url(const std::string& path = "/api") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  int connections() const { return connections_; }

 private:
  void accept() {
    while (!stopping_) {
      pollfd place{listener_, POLLIN, 0};
      if (::poll(&place, 1, 20) <= 0) continue;
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      ++connections_;
      threads_.emplace_back([this, fd] {
        PeerConnection connection(fd, stopping_);
        serve_(connection);
      });
    }
  }

  const Serve serve_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  std::thread acceptor_;
  std::vector<std::thread> threads_;  // the acceptor's, until it has ended
};

inline std::string http(int status, const std::string& body, const std::string& headers = "") {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace xased::test
