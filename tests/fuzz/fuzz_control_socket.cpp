// Bytes on the stats socket: the server answers in HTTP, ends the connection in time, and lives on.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "daemon/control/control_server.hpp"
#include "daemon/delivery/http_response.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/temp_dir.hpp"

namespace {

using xase::fuzz::require;

class Server {
 public:
  Server() {
    xased::ControlHooks hooks;
    hooks.snapshot = [] { return xased::Snapshot{}; };
    hooks.config_json = [] { return std::string("{}\n"); };
    auto started = xased::ControlServer::start(folder_.path(), {}, std::move(hooks));
    require(started.ok(), "the server starts");
    server_ = std::move(*started);
  }

  int connect() const {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = folder_ / "stats.sock";
    require(fd >= 0 && path.size() < sizeof address.sun_path, "a socket can be made");
    std::memcpy(address.sun_path, path.data(), path.size());
    require(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
            "the server takes connections");
    return fd;
  }

 private:
  xased::test::TempDir folder_;
  std::unique_ptr<xased::ControlServer> server_;
};

// Repeats a call that a signal cut short: the fuzzer has a timer of its own.
template <class Call>
auto uncut(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// Everything that comes back until the server closes.
std::string exchange(const Server& server, std::string_view request) {
  const int fd = server.connect();
  // The server may have closed: then there is nobody to read the rest.
  static_cast<void>(uncut([&] { return send(fd, request.data(), request.size(), MSG_NOSIGNAL); }));
  shutdown(fd, SHUT_WR);
  std::string answer;
  for (;;) {
    pollfd ready{fd, POLLIN, 0};
    require(uncut([&] { return poll(&ready, 1, 20'000); }) == 1,
            "the server ends the connection in time");
    char buffer[4096];
    const ssize_t got = uncut([&] { return recv(fd, buffer, sizeof buffer, 0); });
    if (got <= 0) break;
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  close(fd);
  return answer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Server server;
  const std::string_view request(reinterpret_cast<const char*>(data), size);
  const std::string answer = exchange(server, request);
  if (answer.empty()) return 0;
  require(answer.starts_with("HTTP/1.1 "), "an answer is HTTP");
  // The answer to HEAD has a length and no body, which our own parser never asks for.
  if (request.find("HEAD") != std::string_view::npos) return 0;
  xased::HttpResponse response;
  require(response.add(answer) == xased::HttpResponse::State::kDone, "an answer is whole");
  xased::Answer parsed;
  response.move_to(parsed);
  require(parsed.status >= 200 && parsed.status < 600, "an answer has a status");
  return 0;
}
