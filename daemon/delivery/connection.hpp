// One connection to a peer, plain or TLS, whose every wait has an end.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "daemon/platform/clock.hpp"
#include "daemon/platform/status.hpp"

namespace xased {

// The TLS settings that connections share: whom to trust. Any thread.
class TlsContext {
 public:
  // `ca_file`: empty for the system's certificates.
  static Result<std::shared_ptr<const TlsContext>> make(const std::string& ca_file,
                                                        bool insecure_skip_verify);
  SSL_CTX* get() const { return context_.get(); }
  bool verifies() const { return verifies_; }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  std::unique_ptr<SSL_CTX, Free> context_;
  bool verifies_ = true;
};

// One thread, but for abort(). Times are the clock's boot time. Failures: kTimeout at the deadline,
// kDenied after abort(), kIo otherwise.
class Connection {
 public:
  explicit Connection(const Clock& clock);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // Resolves, connects and, with `tls`, checks the peer. `connect_by_ns` bounds the first part.
  Status open(const std::string& host, const std::string& port, const TlsContext* tls,
              std::int64_t connect_by_ns, std::int64_t deadline_ns);
  bool is_open() const { return fd_ >= 0; }
  // Nothing was received since the last answer: it can take another request.
  bool is_idle() const;
  void close();

  // Sends all of it. `sent_any` becomes true once a byte may have left.
  Status write(std::string_view bytes, std::int64_t deadline_ns, bool& sent_any);
  // At least one byte, or none at the connection's end.
  Result<std::size_t> read(std::span<char> to, std::int64_t deadline_ns);

  // Any thread: ends whatever wait there is, now and later.
  void abort();
  bool aborted() const;

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  Status connect_one(const void* address, std::int64_t until_ns);
  Status shake_hands(const std::string& host, const TlsContext& tls, std::int64_t deadline_ns);
  Status wait_for(short events, std::int64_t deadline_ns) const;
  // What to do after an SSL call that gave no result: waits, or says why not.
  Status after_ssl(int result, std::int64_t deadline_ns, const char* what, bool& closed) const;

  const Clock& clock_;
  int fd_ = -1;
  int abort_fd_ = -1;  // an eventfd: readable once abort() was called
  std::unique_ptr<SSL, FreeSsl> ssl_;
};

}  // namespace xased
