// The HTTP server under the dev API: whole requests in, answers out, and the ways in which an
// answer can go wrong on the wire.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/platform/status.hpp"

namespace xased::devapi {

struct HttpRequest {
  std::string method;
  std::string path;                            // decoded, without the query
  std::map<std::string, std::string> query;    // decoded; the first of a repeated name
  std::map<std::string, std::string> headers;  // lowercase names; the first of a repeated name
  std::string body;

  // Waits; false as soon as the client has gone or the server stops.
  std::function<bool(std::chrono::milliseconds)> wait;

  // Null when there is no such header.
  const std::string* header(const std::string& lowercase_name) const {
    const auto place = headers.find(lowercase_name);
    return place == headers.end() ? nullptr : &place->second;
  }
};

struct HttpAnswer {
  // How the answer leaves. All but kWhole close the connection afterwards.
  enum class Wire {
    kWhole,
    kCut,    // the first wire_bytes of it, then an orderly close
    kReset,  // the first wire_bytes of it, then RST
    kSlow,   // a byte every wire_interval
  };

  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // When not 0, what follows `body`: so many spaces, made as they are sent.
  std::uint64_t filler_bytes = 0;

  Wire wire = Wire::kWhole;
  // Of the head and the body together; nothing: the head and half of the body.
  std::optional<std::uint64_t> wire_bytes;
  std::chrono::milliseconds wire_interval{0};
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 0;  // 0: any that is free
  std::size_t connections_max = 1024;
  std::size_t body_bytes_max = std::size_t{8} << 20U;
  std::chrono::milliseconds read_timeout{30'000};
  std::chrono::milliseconds idle_timeout{600'000};
};

// One thread accepts; each open connection has one thread, made when no idle one is left, so that
// many persistent connections never starve each other. Beyond connections_max a connection is
// reset. The handler is called on those threads, also at the same time, and must not throw.
class HttpServer {
 public:
  using Handler = std::function<HttpAnswer(const HttpRequest&)>;
  // The body of an answer that the server itself must give (not HTTP, too large, ...).
  using ErrorBody = std::function<std::string(int status)>;

  // Listens when it returns; connections wait until serve(). kExists: the port is taken.
  static Result<std::unique_ptr<HttpServer>> listen(HttpServerOptions options);
  virtual Status serve(Handler handler, ErrorBody error_body) = 0;
  virtual ~HttpServer() = default;
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  virtual int port() const = 0;
  // Closes what is open and joins every thread; answers in the making are finished or cut. May be
  // called again. Not from a handler.
  virtual void stop() = 0;

  struct Counters {
    std::uint64_t connections_accepted = 0;
    std::uint64_t connections_open = 0;
    std::map<int, std::uint64_t> answers;  // by status, whatever became of them on the wire
  };
  virtual Counters counters() const = 0;

 protected:
  HttpServer() = default;
};

}  // namespace xased::devapi
