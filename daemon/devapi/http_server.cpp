#include "daemon/devapi/http_server.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "daemon/devapi/http_stream.hpp"

namespace xased::devapi {
namespace {

constexpr std::size_t kHeadBytesMax = std::size_t{64} << 10U;
constexpr int kBacklog = 1024;
// Of the bytes of a request, what chunked framing may add to its body.
constexpr std::size_t kFramingFactor = 2;

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

Result<int> listen_on(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  const std::string where = host + ":" + std::to_string(port);
  if (error != 0) return Status(Code::kInvalid, where + ": " + ::gai_strerror(error));
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(found);
  const int listener = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) return os_status("socket", errno);
  // Not SO_REUSEPORT: with it, two servers on one port would share its connections unnoticed.
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener, found->ai_addr, found->ai_addrlen) != 0 ||
      ::listen(listener, kBacklog) != 0) {
    const int why = errno;
    ::close(listener);
    if (why == EADDRINUSE) {
      return Status(Code::kExists, where + " is taken by another program: choose another port",
                    why);
    }
    return os_status("listen on " + where, why);
  }
  return listener;
}

int port_of(int listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return address.ss_family == AF_INET6
             ? ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port)
             : ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

std::string lowercase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// cpp-httplib parses requests and writes answers; sockets, threads and routes are ours. Its own
// server keeps a backlog of five, shares its port and cannot break an answer on purpose.
class Parser : public httplib::Server {
 public:
  using httplib::Server::process_request;
  // Without one it stops in the middle of an answer.
  void set_listener(int listener) { svr_sock_ = listener; }
};

class Server final : public HttpServer {
 public:
  explicit Server(HttpServerOptions options) : options_(std::move(options)) {}
  ~Server() override { stop(); }

  Status listen() {
    Result<int> listener = listen_on(options_.host, options_.port);
    if (!listener.ok()) return listener.status();
    listener_ = *listener;
    parser_.set_listener(listener_);
    port_ = port_of(listener_);
    stop_event_ = ::eventfd(0, EFD_CLOEXEC);
    return stop_event_ < 0 ? os_status("eventfd", errno) : Status();
  }

  Status serve(Handler handler, ErrorBody error_body) override {
    handler_ = std::move(handler);
    error_body_ = std::move(error_body);
    set_routes();
    acceptor_ = std::thread([this] { accept_connections(); });
    return {};
  }

  int port() const override { return port_; }
  void stop() override;
  Counters counters() const override;

 private:
  // What the handler, called from inside cpp-httplib, has to know about its request.
  struct Exchange {
    HttpStream* stream = nullptr;
    std::string path;
    bool must_close = false;
  };

  void set_routes();
  void accept_connections();
  void hand_over(int socket);
  void serve_connections();
  void serve_one(int socket);
  void answer(const httplib::Request& request, httplib::Response& response,
              const httplib::ContentReader* reader);
  bool read_body(const httplib::Request& request, const httplib::ContentReader& reader,
                 std::string& body) const;
  void count(int status) {
    if (status >= 0 && static_cast<std::size_t>(status) < answers_.size()) {
      answers_[static_cast<std::size_t>(status)].fetch_add(1, std::memory_order_relaxed);
    }
  }

  static thread_local Exchange* exchange_;  // of the request that this thread serves

  const HttpServerOptions options_;
  Handler handler_;  // this and the next are set before the first connection is accepted
  ErrorBody error_body_;
  Parser parser_;  // its routes are set before the first connection; its parsing is const
  int listener_ = -1;
  int port_ = 0;
  int stop_event_ = -1;

  mutable std::mutex mutex_;
  std::condition_variable has_socket_;
  // All under mutex_.
  std::deque<int> sockets_;  // accepted, and not yet taken by a thread
  std::vector<std::thread> threads_;
  std::size_t idle_threads_ = 0;
  std::uint64_t accepted_ = 0;
  bool stopping_ = false;

  // Statistics; they pair with nothing.
  std::array<std::atomic<std::uint64_t>, 600> answers_{};
  std::thread acceptor_;
};

thread_local Server::Exchange* Server::exchange_ = nullptr;

void Server::set_routes() {
  // Every path is "/" for cpp-httplib (see serve_one): its routes are regular expressions, and ours
  // is one.
  const auto plain = [this](const httplib::Request& request, httplib::Response& response) {
    answer(request, response, nullptr);
  };
  const auto with_body = [this](const httplib::Request& request, httplib::Response& response,
                                const httplib::ContentReader& reader) {
    answer(request, response, &reader);
  };
  parser_.Get("/", plain);
  parser_.Options("/", plain);
  parser_.Post("/", with_body);
  parser_.Put("/", with_body);
  parser_.Patch("/", with_body);
  parser_.Delete("/", with_body);
  parser_.set_error_handler(
      [this](const httplib::Request& /*request*/, httplib::Response& response) {
        if (response.has_header("X-Answered")) return;
        if (exchange_ != nullptr)
          exchange_->must_close = true;  // what follows on the wire is unclear
        count(response.status);
        response.set_content(error_body_(response.status), "application/json");
      });
  parser_.set_post_routing_handler(
      [](const httplib::Request& /*request*/, httplib::Response& response) {
        response.headers.erase("X-Answered");
        if (exchange_ != nullptr && exchange_->must_close) {
          response.headers.erase("Keep-Alive");
          response.headers.erase("Connection");
          response.set_header("Connection", "close");
        }
      });
  parser_.set_keep_alive_timeout(
      std::chrono::duration_cast<std::chrono::seconds>(options_.idle_timeout).count());
  parser_.set_keep_alive_max_count(1'000'000'000);
}

void Server::accept_connections() {
  for (;;) {
    std::array<pollfd, 2> watched = {{{listener_, POLLIN, 0}, {stop_event_, POLLIN, 0}}};
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
    if (watched[1].revents != 0) return;
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket >= 0) {
      hand_over(socket);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      // The connection stays in the backlog until a descriptor is free.
      pollfd stop{stop_event_, POLLIN, 0};
      ::poll(&stop, 1, 10);
    }
  }
}

void Server::hand_over(int socket) {
  const std::scoped_lock lock(mutex_);
  ++accepted_;
  if (idle_threads_ <= sockets_.size() && threads_.size() >= options_.connections_max) {
    const struct linger now { .l_onoff = 1, .l_linger = 0 };
    ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ::close(socket);
    return;
  }
  sockets_.push_back(socket);
  if (idle_threads_ < sockets_.size()) {
    threads_.emplace_back([this] { serve_connections(); });
  } else {
    has_socket_.notify_one();
  }
}

void Server::serve_connections() {
  for (;;) {
    int socket = -1;
    {
      std::unique_lock lock(mutex_);
      ++idle_threads_;
      has_socket_.wait(lock, [&] { return !sockets_.empty() || stopping_; });
      --idle_threads_;
      if (stopping_) return;
      socket = sockets_.front();
      sockets_.pop_front();
    }
    serve_one(socket);
  }
}

void Server::serve_one(int socket) {
  HttpStream stream(socket, stop_event_, options_.read_timeout);
  const std::size_t request_bytes_max = kHeadBytesMax + kFramingFactor * options_.body_bytes_max;
  while (stream.wait_for_request(options_.idle_timeout)) {
    Exchange exchange;
    exchange.stream = &stream;
    exchange_ = &exchange;
    stream.begin_request(request_bytes_max);
    bool closed_by_client = false;
    const bool ok =
        parser_.process_request(stream, false, closed_by_client, [&](httplib::Request& request) {
          exchange.path = request.path;
          request.path = "/";
          request.ranges.clear();
          // With it, cpp-httplib would take forms apart by itself.
          request.headers.erase("Content-Type");
        });
    exchange_ = nullptr;
    if (!stream.finish_answer()) return;
    if (exchange.must_close) return stream.linger();
    if (!ok || closed_by_client) return;
  }
}

// False: the body is too large or broken.
bool Server::read_body(const httplib::Request& request, const httplib::ContentReader& reader,
                       std::string& body) const {
  // Without a length there is no body (RFC 9112, section 6.3); cpp-httplib would wait for the end.
  if (!request.has_header("Content-Length") && !request.has_header("Transfer-Encoding"))
    return true;
  const std::string length = request.get_header_value("Content-Length");
  if (length.size() > 10 || std::strtoull(length.c_str(), nullptr, 10) > options_.body_bytes_max) {
    return false;
  }
  return reader([&](const char* data, std::size_t size) {
    if (size > options_.body_bytes_max - body.size()) return false;
    body.append(data, size);
    return true;
  });
}

void Server::answer(const httplib::Request& request, httplib::Response& response,
                    const httplib::ContentReader* reader) {
  Exchange& exchange = *exchange_;
  HttpRequest ours;
  if (reader != nullptr && !read_body(request, *reader, ours.body)) {
    exchange.must_close = true;
    response.status = 413;
    return;
  }
  ours.method = request.method;
  ours.path = exchange.path;
  for (const auto& [name, value] : request.params) ours.query.emplace(name, value);
  for (const auto& [name, value] : request.headers) ours.headers.emplace(lowercase(name), value);
  ours.wait = [stream = exchange.stream](std::chrono::milliseconds time) {
    return stream->wait(time);
  };
  HttpAnswer answer = handler_(ours);
  exchange.stream->set_wire(answer);
  count(answer.status);
  response.status = answer.status;
  response.set_header("X-Answered", "1");
  for (const auto& [name, value] : answer.headers) response.set_header(name, value);
  if (answer.filler_bytes == 0) {
    response.body = std::move(answer.body);
    response.set_header("Content-Type", answer.content_type);
    return;
  }
  const std::size_t size = answer.body.size() + static_cast<std::size_t>(answer.filler_bytes);
  response.set_content_provider(
      size, answer.content_type,
      [body = std::move(answer.body)](std::size_t offset, std::size_t length,
                                      httplib::DataSink& sink) {
        if (offset < body.size()) return sink.write(body.data() + offset, body.size() - offset);
        static const std::string kSpaces(std::size_t{64} << 10U, ' ');
        return sink.write(kSpaces.data(), std::min(length, kSpaces.size()));
      });
}

void Server::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  const std::uint64_t one = 1;
  // Never read, so that every poll sees it.
  if (stop_event_ >= 0) (void)!::write(stop_event_, &one, sizeof one);
  has_socket_.notify_all();
  if (acceptor_.joinable()) acceptor_.join();
  // Only the acceptor adds threads.
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  threads_.clear();
  for (const int socket : sockets_) ::close(socket);
  sockets_.clear();
  if (listener_ >= 0) ::close(listener_);
  if (stop_event_ >= 0) ::close(stop_event_);
  listener_ = stop_event_ = -1;
}

HttpServer::Counters Server::counters() const {
  Counters counters;
  for (std::size_t status = 0; status < answers_.size(); ++status) {
    const std::uint64_t count = answers_[status].load(std::memory_order_relaxed);
    if (count != 0) counters.answers[static_cast<int>(status)] = count;
  }
  const std::scoped_lock lock(mutex_);
  counters.connections_accepted = accepted_;
  counters.connections_open = threads_.size() - std::min(threads_.size(), idle_threads_);
  return counters;
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::listen(HttpServerOptions options) {
  auto server = std::make_unique<Server>(std::move(options));
  if (Status status = server->listen(); !status.ok()) return status;
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace xased::devapi
