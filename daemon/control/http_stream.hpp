// One connection of the stats socket, as cpp-httplib reads and writes it.
#pragma once

#include <httplib.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <string>

namespace xased {

// Bounds a request's bytes, the time it takes to come, and the time its answer takes to go: a peer
// that dawdles is cut off. Used by the connection's thread; owns the socket.
class HttpStream : public httplib::Stream {
 public:
  // `stop_event` becomes readable, and stays so, when the server stops.
  HttpStream(int socket, int stop_event, std::chrono::milliseconds request_timeout,
             std::chrono::milliseconds response_timeout);
  ~HttpStream() override;
  HttpStream(const HttpStream&) = delete;
  HttpStream& operator=(const HttpStream&) = delete;

  // Waits for a request's first byte and starts its time. False: the peer has gone or is late, or
  // the server stops.
  bool wait_for_request(std::size_t request_bytes_max);
  // False as soon as the peer has gone or the server stops; true when the time has passed.
  bool wait(std::chrono::milliseconds time) const;

  bool is_readable() const override { return true; }
  bool is_writable() const override { return !broken_; }
  ssize_t read(char* data, std::size_t size) override;
  ssize_t write(const char* data, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_; }

 private:
  using Clock = std::chrono::steady_clock;
  enum class Event { kReady, kLate, kStopped };
  Event wait_until(short events, Clock::time_point deadline) const;

  const int socket_;
  const int stop_event_;
  const std::chrono::milliseconds request_timeout_;
  const std::chrono::milliseconds response_timeout_;
  Clock::time_point read_deadline_;
  Clock::time_point write_deadline_;
  bool answering_ = false;
  bool broken_ = false;
  std::size_t request_bytes_left_ = 0;
  std::array<char, 4096> in_;
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
};

}  // namespace xased
