#include "daemon/control/control_server.hpp"

#include <httplib.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <exception>
#include <list>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "daemon/config/log.hpp"
#include "daemon/control/http_stream.hpp"
#include "daemon/control/render.hpp"
#include "daemon/control/routes.hpp"
#include "daemon/control/unix_listener.hpp"
#include "daemon/platform/this_thread.hpp"
#include "proto/run_dir.hpp"

namespace xased {
namespace {

constexpr std::size_t kRequestBytesMax = std::size_t{16} << 10;
constexpr int kRequestsPerConnectionMax = 1000;
constexpr std::chrono::milliseconds kLookEvery{1000};
// Beside connections_max, so that an operator gets in whatever the apps do.
constexpr std::size_t kPrivilegedConnectionsMax = 32;

// What cpp-httplib's handler needs to know of the connection whose request it answers: each
// connection has a thread of its own, and no request of this can forge it.
struct Connection {
  HttpStream& stream;
  bool privileged;
  bool close_after = false;
};
thread_local Connection* current_connection = nullptr;

void set_answer(httplib::Response& to, const ControlAnswer& answer) {
  to.status = answer.status;
  to.set_content(answer.body, answer.content_type);
}

// cpp-httplib's parsing and answering, on connections that we accept: its own accept loop offers
// neither peer credentials nor deadlines.
class RequestServer : public httplib::Server {
 public:
  explicit RequestServer(const ControlHooks& hooks) {
    set_pre_routing_handler([&hooks](const httplib::Request& request, httplib::Response& response) {
      answer(hooks, request, response);
      return HandlerResponse::Handled;
    });
    set_exception_handler([](const httplib::Request&, httplib::Response& response,
                             const std::exception_ptr&) {
      set_answer(response, {500, "application/json",
                            error_json("INTERNAL", "the daemon could not answer; see its log")});
    });
  }

  void serve(Connection& connection) {
    current_connection = &connection;
    const auto forget_extras = [](httplib::Request& request) {
      // Neither ranges nor compression: both let a small request cost much.
      request.ranges.clear();
      request.headers.erase("Range");
      request.headers.erase("Accept-Encoding");
    };
    for (int left = kRequestsPerConnectionMax; left > 0 && !connection.close_after; --left) {
      if (!connection.stream.wait_for_request(kRequestBytesMax)) break;
      bool closed = false;
      if (!process_request(connection.stream, left == 1, closed, forget_extras) || closed) break;
    }
    current_connection = nullptr;
  }

 private:
  static void answer(const ControlHooks& hooks, const httplib::Request& from,
                     httplib::Response& to) {
    Connection& connection = *current_connection;
    if (from.has_header("Transfer-Encoding") ||
        (from.has_header("Content-Length") && from.get_header_value("Content-Length") != "0")) {
      // Nothing here takes a body. It is not read, so the connection cannot go on.
      connection.close_after = true;
      to.set_header("Connection", "close");
      set_answer(to, {413, "application/json", error_json("BODY", "no request takes a body")});
      return;
    }
    ControlRequest request;
    request.method = from.method == "HEAD" ? "GET" : from.method;
    request.path = from.path;
    request.query = from.params;
    request.privileged = connection.privileged;
    request.wait = [&connection](std::chrono::milliseconds time) {
      return connection.stream.wait(time);
    };
    set_answer(to, answer_control(hooks, request));
  }
};

Result<UnixListener> open_listener(const std::string& run_dir, const ControlOptions& options) {
  UnixListenerOptions listen_options;
  listen_options.mode = options.mode;
  listen_options.group = options.group;
  return UnixListener::open(run_dir, std::string(xase::proto::kStatsSocket), listen_options);
}

class Server final : public ControlServer {
 public:
  Server(UnixListener listener, std::string run_dir, const ControlOptions& options,
         ControlHooks hooks, int stop_event)
      : listener_(std::move(listener)),
        run_dir_(std::move(run_dir)),
        options_(options),
        privileged_uid_(options.privileged_uid.value_or(geteuid())),
        hooks_(std::move(hooks)),
        requests_(hooks_),
        stop_event_(stop_event) {}
  ~Server() override {
    Server::stop();
    close(stop_event_);
  }

  Status start_accepting();
  void stop() override;

 private:
  // A connection and its thread. The accept thread alone touches the list; `done` is how the
  // connection's thread tells it that join() will not wait.
  struct Served {
    std::thread thread;
    std::uint32_t uid = 0;
    bool privileged = false;
    std::atomic<bool> done{false};
  };

  void accept_loop();
  void listen_again_if_removed();
  void take(int socket);
  bool has_room(std::uint32_t uid, bool privileged) const;
  void reap();
  bool wait_for_connection(std::chrono::milliseconds pause);

  std::optional<UnixListener> listener_;  // until stop()
  const std::string run_dir_;
  std::chrono::steady_clock::time_point looked_at_{};
  bool is_listening_again_failing_ = false;
  const ControlOptions options_;
  const std::uint32_t privileged_uid_;
  const ControlHooks hooks_;
  RequestServer requests_;
  const int stop_event_;
  std::list<Served> served_;
  std::thread accept_thread_;
};

Status Server::start_accepting() {
  const WithoutSignals without_signals;
  try {
    accept_thread_ = std::thread([this] { accept_loop(); });
  } catch (const std::system_error& error) {
    return os_status("cannot start the stats socket's thread", error.code().value());
  }
  return {};
}

void Server::stop() {
  if (!accept_thread_.joinable()) return;
  const std::uint64_t one = 1;
  while (write(stop_event_, &one, sizeof one) < 0 && errno == EINTR) {
  }
  accept_thread_.join();
  listener_.reset();
}

// False when the server stops. With `pause`, only that is waited for, so long.
bool Server::wait_for_connection(std::chrono::milliseconds pause) {
  std::array<pollfd, 2> fds{pollfd{stop_event_, POLLIN, 0}, pollfd{listener_->fd(), POLLIN, 0}};
  const bool pausing = pause.count() > 0;
  const std::chrono::milliseconds timeout = pausing ? pause : kLookEvery;
  const int ready = poll(fds.data(), pausing ? 1 : 2, static_cast<int>(timeout.count()));
  return ready <= 0 || fds[0].revents == 0;
}

// Someone may remove the socket, alone or with its directory. A new one takes its place as soon as
// it can be made.
void Server::listen_again_if_removed() {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_at_ < kLookEvery) return;
  looked_at_ = now;
  if (listener_->is_in_place()) return;
  Result<UnixListener> fresh = open_listener(run_dir_, options_);
  if (!fresh.ok()) {
    if (!std::exchange(is_listening_again_failing_, true)) {
      log_warn("control", "the stats socket was removed and cannot be made again yet",
               {{"error", fresh.status().message()}});
    }
    return;
  }
  is_listening_again_failing_ = false;
  listener_.emplace(std::move(*fresh));
  log_warn("control", "the stats socket was removed; there is a new one", {{"run_dir", run_dir_}});
}

void Server::accept_loop() {
  std::chrono::milliseconds pause{0};
  while (wait_for_connection(pause)) {
    reap();
    listen_again_if_removed();
    const int socket = accept4(listener_->fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    // Out of file descriptors or memory: that passes, and asking at once again would only burn.
    pause = std::chrono::milliseconds(
        socket < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            ? 100
            : 0);
    if (socket >= 0) take(socket);
  }
  for (Served& served : served_) served.thread.join();
  served_.clear();
}

void Server::reap() {
  served_.remove_if([](Served& served) {
    if (!served.done.load(std::memory_order_acquire)) return false;
    served.thread.join();
    return true;
  });
}

bool Server::has_room(std::uint32_t uid, bool privileged) const {
  std::size_t of_uid = 0;
  std::size_t unprivileged = 0;
  std::size_t ours = 0;
  for (const Served& served : served_) {
    of_uid += served.uid == uid ? 1U : 0U;
    unprivileged += served.privileged ? 0U : 1U;
    ours += served.privileged ? 1U : 0U;
  }
  if (privileged) return ours < options_.connections_max + kPrivilegedConnectionsMax;
  return unprivileged < options_.connections_max && of_uid < options_.connections_per_uid_max;
}

void Server::take(int socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  const bool known = getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
  const bool privileged = known && (peer.uid == 0 || peer.uid == privileged_uid_);
  if (!known || !has_room(peer.uid, privileged)) {
    constexpr std::string_view kBusy =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    static_cast<void>(send(socket, kBusy.data(), kBusy.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
    close(socket);
    return;
  }
  Served& served = served_.emplace_back();
  served.uid = peer.uid;
  served.privileged = privileged;
  try {
    served.thread = std::thread([this, socket, &served] {
      {
        HttpStream stream(socket, stop_event_, options_.request_timeout, options_.response_timeout);
        Connection connection{stream, served.privileged};
        try {
          requests_.serve(connection);
        } catch (const std::exception&) {
          // Out of memory, or a request that the parser chokes on: costs this connection.
          current_connection = nullptr;
        }
      }
      served.done.store(true, std::memory_order_release);
    });
  } catch (const std::system_error&) {
    served_.pop_back();
    close(socket);
  }
}

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::start(const std::string& run_dir,
                                                            const ControlOptions& options,
                                                            ControlHooks hooks) {
  Result<UnixListener> listener = open_listener(run_dir, options);
  if (!listener.ok()) return listener.status();
  const int stop_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop_event < 0) return os_status("cannot make an event", errno);
  auto server = std::make_unique<Server>(std::move(*listener), run_dir, options, std::move(hooks),
                                         stop_event);
  if (Status status = server->start_accepting(); !status.ok()) return status;
  return std::unique_ptr<ControlServer>(std::move(server));
}

}  // namespace xased
