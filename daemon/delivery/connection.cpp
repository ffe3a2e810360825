#include "daemon/delivery/connection.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>

namespace xased {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

std::string ssl_problem() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  if (error == 0) return "connection closed";
  const char* reason = ERR_reason_error_string(error);
  return reason == nullptr ? "unknown" : reason;
}

bool is_ip_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::make(const std::string& ca_file,
                                                           bool insecure_skip_verify) {
  auto made = std::make_shared<TlsContext>();
  made->context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = made->context_.get();
  if (context == nullptr) return Status(Code::kIo, "TLS: " + ssl_problem());
  made->verifies_ = !insecure_skip_verify;
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  if (insecure_skip_verify) {
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
    return std::shared_ptr<const TlsContext>(std::move(made));
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const int loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context)
                                     : SSL_CTX_load_verify_file(context, ca_file.c_str());
  if (loaded != 1) {
    return Status(Code::kInvalid, "TLS: no certificates can be read from " +
                                      (ca_file.empty() ? "the system's store" : ca_file) + ": " +
                                      ssl_problem());
  }
  return std::shared_ptr<const TlsContext>(std::move(made));
}

Connection::Connection(const Clock& clock)
    : clock_(clock), abort_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Connection::~Connection() {
  close();
  if (abort_fd_ >= 0) ::close(abort_fd_);
}

void Connection::close() {
  if (ssl_) {
    // The peer is told, not waited for.
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
    ssl_.reset();
  }
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void Connection::abort() {
  const std::uint64_t one = 1;
  // Fails only where it already is set.
  [[maybe_unused]] const ssize_t put = ::write(abort_fd_, &one, sizeof one);
}

bool Connection::aborted() const {
  pollfd place{abort_fd_, POLLIN, 0};
  return ::poll(&place, 1, 0) > 0;
}

bool Connection::is_idle() const {
  if (fd_ < 0) return false;
  if (ssl_ && SSL_pending(ssl_.get()) > 0) return false;
  pollfd place{fd_, POLLIN, 0};
  return ::poll(&place, 1, 0) == 0;
}

Status Connection::wait_for(short events, std::int64_t deadline_ns) const {
  for (;;) {
    const std::int64_t left_ns = deadline_ns - clock_.boot_ns();
    if (left_ns <= 0) return {Code::kTimeout, "timed out"};
    std::array<pollfd, 2> places{{{fd_, events, 0}, {abort_fd_, POLLIN, 0}}};
    const auto left_ms = static_cast<int>(std::min<std::int64_t>(left_ns / kNsPerMs + 1, INT_MAX));
    const int ready = ::poll(places.data(), places.size(), left_ms);
    if (ready < 0 && errno != EINTR) return os_status("poll", errno);
    if (ready <= 0) continue;
    if (places[1].revents != 0) return {Code::kDenied, "aborted"};
    return {};
  }
}

Status Connection::connect_one(const void* address, std::int64_t until_ns) {
  const auto& info = *static_cast<const addrinfo*>(address);
  fd_ = ::socket(info.ai_family, info.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, info.ai_protocol);
  if (fd_ < 0) return os_status("socket", errno);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd_, info.ai_addr, info.ai_addrlen) == 0) return {};
  if (errno != EINPROGRESS) return os_status("connect", errno);
  if (Status status = wait_for(POLLOUT, until_ns); !status.ok()) return status;
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  return error == 0 ? Status() : os_status("connect", error);
}

Status Connection::open(const std::string& host, const std::string& port, const TlsContext* tls,
                        std::int64_t connect_by_ns, std::int64_t deadline_ns) {
  close();
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int resolved = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (resolved != 0) {
    return {Code::kIo, "cannot resolve " + host + ": " + ::gai_strerror(resolved)};
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  Status status(Code::kIo, "no address of " + host);
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const std::int64_t now = clock_.boot_ns();
    const std::int64_t until = std::min(connect_by_ns, deadline_ns);
    // One silent address leaves time for the next.
    const std::int64_t share = at->ai_next == nullptr ? until : now + (until - now) / 2;
    status = connect_one(at, share);
    if (status.ok()) break;
    close();
    if (status.code() == Code::kDenied) return status;
  }
  if (!status.ok()) return status;
  if (tls != nullptr) {
    status = shake_hands(host, *tls, deadline_ns);
    if (!status.ok()) close();
  }
  return status;
}

Status Connection::after_ssl(int result, std::int64_t deadline_ns, const char* what,
                             bool& closed) const {
  closed = false;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return wait_for(POLLIN, deadline_ns);
    case SSL_ERROR_WANT_WRITE:
      return wait_for(POLLOUT, deadline_ns);
    case SSL_ERROR_ZERO_RETURN:
      closed = true;
      return {};
    default:
      return {Code::kIo, std::string(what) + ": " + ssl_problem()};
  }
}

Status Connection::shake_hands(const std::string& host, const TlsContext& tls,
                               std::int64_t deadline_ns) {
  ERR_clear_error();
  ssl_.reset(SSL_new(tls.get()));
  if (!ssl_ || SSL_set_fd(ssl_.get(), fd_) != 1) return {Code::kIo, "TLS: " + ssl_problem()};
  if (is_ip_address(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
    SSL_set1_host(ssl_.get(), host.c_str());
  }
  for (;;) {
    const int result = SSL_connect(ssl_.get());
    if (result == 1) return {};
    bool closed = false;
    Status status = after_ssl(result, deadline_ns, "TLS", closed);
    if (closed) return {Code::kIo, "TLS: connection closed"};
    if (status.ok()) continue;
    const long verified = SSL_get_verify_result(ssl_.get());
    if (status.code() == Code::kIo && tls.verifies() && verified != X509_V_OK) {
      return {Code::kIo, std::string("TLS: the certificate does not verify: ") +
                             X509_verify_cert_error_string(verified)};
    }
    return status;
  }
}

Status Connection::write(std::string_view bytes, std::int64_t deadline_ns, bool& sent_any) {
  while (!bytes.empty()) {
    if (ssl_) {
      ERR_clear_error();
      const auto size = static_cast<int>(std::min<std::size_t>(bytes.size(), 1U << 20));
      const int put = SSL_write(ssl_.get(), bytes.data(), size);
      if (put <= 0) {
        // A record may have left in part.
        sent_any = true;
        bool closed = false;
        if (Status status = after_ssl(put, deadline_ns, "send", closed); !status.ok()) {
          return status;
        }
        if (closed) return {Code::kIo, "send: connection closed"};
        continue;
      }
      sent_any = true;
      bytes.remove_prefix(static_cast<std::size_t>(put));
      continue;
    }
    const ssize_t put = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put > 0) {
      sent_any = true;
      bytes.remove_prefix(static_cast<std::size_t>(put));
    } else if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (Status status = wait_for(POLLOUT, deadline_ns); !status.ok()) return status;
    } else if (put < 0 && errno != EINTR) {
      return os_status("send", errno);
    }
  }
  return {};
}

Result<std::size_t> Connection::read(std::span<char> to, std::int64_t deadline_ns) {
  for (;;) {
    if (ssl_) {
      ERR_clear_error();
      const int got = SSL_read(ssl_.get(), to.data(), static_cast<int>(to.size()));
      if (got > 0) {
        // A peer that always has more must not outrun the deadline.
        if (clock_.boot_ns() >= deadline_ns) return Status(Code::kTimeout, "timed out");
        return static_cast<std::size_t>(got);
      }
      bool closed = false;
      if (Status status = after_ssl(got, deadline_ns, "receive", closed); !status.ok()) {
        return status;
      }
      if (closed) return std::size_t{0};
      continue;
    }
    if (Status status = wait_for(POLLIN, deadline_ns); !status.ok()) return status;
    const ssize_t got = ::recv(fd_, to.data(), to.size(), 0);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR && errno != EAGAIN) return os_status("receive", errno);
  }
}

}  // namespace xased
