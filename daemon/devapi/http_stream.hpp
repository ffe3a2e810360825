// One accepted connection, as cpp-httplib reads and writes it.
#pragma once

#include <httplib.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "daemon/devapi/http_server.hpp"

namespace xased::devapi {

// Buffers both ways: a request is parsed out of few reads, an answer leaves in one write, or in the
// broken way that was asked for. Owned and used by the connection's thread; closes the socket.
class HttpStream : public httplib::Stream {
 public:
  // `stop_event` becomes readable, and stays so, when the server stops.
  HttpStream(int socket, int stop_event, std::chrono::milliseconds read_timeout);
  ~HttpStream() override;
  HttpStream(const HttpStream&) = delete;
  HttpStream& operator=(const HttpStream&) = delete;

  // Until a request begins; false when the client has gone, time is up or the server stops.
  bool wait_for_request(std::chrono::milliseconds timeout);
  // Before each request: how much it may take off the wire.
  void begin_request(std::size_t bytes_max);
  // How the answer to this request leaves.
  void set_wire(const HttpAnswer& answer);
  // Sends what is left of the answer. False when the connection has to end.
  bool finish_answer();
  // Nothing more is read as a request: close in a way that lets the client read the answer first.
  void linger();
  // False as soon as the client has gone or the server stops.
  bool wait(std::chrono::milliseconds time) const;

  bool is_readable() const override { return true; }
  bool is_writable() const override { return !is_broken_; }
  ssize_t read(char* data, std::size_t size) override;
  ssize_t write(const char* data, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_; }

 private:
  enum class Event { kReady, kTimeout, kStopped };
  Event poll_for(short events, std::chrono::milliseconds timeout) const;
  bool flush();
  bool send_all(const char* data, std::size_t size);
  bool send_broken();
  void reset_on_close() const;

  const int socket_;
  const int stop_event_;
  const std::chrono::milliseconds read_timeout_;
  std::string in_;
  std::size_t in_read_ = 0;
  std::size_t bytes_left_ = 0;
  std::string out_;
  HttpAnswer::Wire wire_ = HttpAnswer::Wire::kWhole;
  std::optional<std::uint64_t> wire_bytes_;
  std::chrono::milliseconds wire_interval_{0};
  bool is_broken_ = false;
};

}  // namespace xased::devapi
