// Posts to the API over HTTP/1.1, with TLS where the address says so.
//
// Sockets and OpenSSL, not a client library: an attempt must end at its time limit and at abort()
// whatever phase it is in, must know whether a byte of it left, and must not let a peer choose how
// much memory or stack its answer takes.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "daemon/delivery/api_key_holder.hpp"
#include "daemon/delivery/transport.hpp"
#include "daemon/platform/clock.hpp"
#include "daemon/platform/status.hpp"

namespace xased {

struct BaseUrl {
  bool tls = false;
  std::string host;  // an IPv6 address without its brackets
  std::string port;
  std::string path;  // "" or "/..."

  // As the Host header names it.
  std::string authority() const;
};
Result<BaseUrl> parse_base_url(const std::string& text);

struct HttpOptions {
  BaseUrl url;
  std::chrono::nanoseconds timeout{};
  std::chrono::nanoseconds connect_timeout{};
  std::string ca_file;  // empty: the system's
  bool tls_insecure_skip_verify = false;
};

// Each transport keeps one connection alive. The certificate is checked against name and issuer
// before the key is sent, unless told otherwise. Redirects are never followed. The time of an
// attempt is counted from its start to the last byte of its answer, however slowly that drips;
// resolving a name alone is bounded by the resolver's own limits. `key` and `clock` outlive it;
// without a `key` nothing can be asked but Request::verify_id. The transports share their TLS
// settings.
Result<TransportFactory> make_http_transports(const HttpOptions& options,
                                              std::shared_ptr<const ApiKeyHolder> key,
                                              const Clock& clock);

}  // namespace xased
