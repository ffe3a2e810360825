#include "daemon/delivery/http_transport.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "daemon/config/api_key.hpp"
#include "daemon/delivery/connection.hpp"
#include "daemon/delivery/http_response.hpp"

namespace xased {
namespace {

// A body up to here is sent in one piece with its head.
constexpr std::size_t kOnePieceBytesMax = std::size_t{64} << 10;

// A peer that repeats the request must not get the key into the ledger, a log, or an app's results.
// As long as it was, so that what the answer is stays what it was.
void hide_key(const std::string& key, Answer& answer) {
  if (key.empty()) return;
  const std::string_view secret = std::string_view(key).substr(ApiKey::kPrefix.size());
  for (std::string* text : {&answer.body, &answer.retry_after, &answer.rate_limit,
                            &answer.rate_remaining, &answer.rate_reset, &answer.date}) {
    for (std::size_t at = text->find(secret); at != std::string::npos;
         at = text->find(secret, at + secret.size())) {
      text->replace(at, secret.size(), secret.size(), '*');
    }
  }
}

class HttpTransport final : public Transport {
 public:
  HttpTransport(const HttpOptions& options, std::shared_ptr<const TlsContext> tls,
                std::shared_ptr<const ApiKeyHolder> key, const Clock& clock)
      : options_(options),
        tls_(std::move(tls)),
        key_(std::move(key)),
        clock_(clock),
        connection_(clock) {}

  Answer post(const Request& request) override {
    Answer answer;
    const bool needs_key = request.verify_id.empty();
    std::optional<ApiKeyHolder::Key> key;
    if (needs_key && key_ != nullptr) key = key_->get();
    if (!key && !needs_key) key.emplace();
    if (!key) {
      answer.failure = "there is no API key";
      return answer;
    }
    const std::int64_t deadline_ns = clock_.boot_ns() + options_.timeout.count();
    bool sent_any = false;
    HttpResponse response;
    const Status status = exchange(request, key->value, deadline_ns, sent_any, response, answer);
    answer.key_generation = key->generation;
    hide_key(key->value, answer);
    if (!status.ok()) {
      connection_.close();
      answer = Answer{};
      answer.key_generation = key->generation;
      answer.reach = sent_any ? Reach::kMaybe : Reach::kNotSent;
      answer.failure = status.message();
      answer.timed_out = status.code() == Code::kTimeout;
    }
    return answer;
  }

  void abort() override { connection_.abort(); }

 private:
  void write_head(const Request& request, const std::string& key) {
    out_.clear();
    if (!request.verify_id.empty()) {
      out_ += "GET ";
      out_ += options_.url.path;
      out_ += "/verify/";
      out_ += request.verify_id;
      out_ += " HTTP/1.1\r\nHost: ";
      out_ += options_.url.authority();
      out_ += "\r\nAccept: application/json\r\nUser-Agent: xased\r\n\r\n";
      return;
    }
    out_ += "POST ";
    out_ += options_.url.path;
    out_ += "/records HTTP/1.1\r\nHost: ";
    out_ += options_.url.authority();
    out_ +=
        "\r\nContent-Type: application/json\r\nAccept: application/json\r\nUser-Agent: xased\r\n";
    out_ += "X-API-Key: ";
    out_ += key;
    out_ += "\r\nIdempotency-Key: ";
    out_ += request.idempotency_key;
    out_ += "\r\nContent-Length: ";
    out_ += std::to_string(request.body.size());
    out_ += "\r\n\r\n";
  }

  Status send(const Request& request, std::int64_t deadline_ns, bool& sent_any) {
    if (request.body.size() <= kOnePieceBytesMax) {
      out_ += request.body;
      return connection_.write(out_, deadline_ns, sent_any);
    }
    if (Status status = connection_.write(out_, deadline_ns, sent_any); !status.ok()) return status;
    return connection_.write(request.body, deadline_ns, sent_any);
  }

  Status exchange(const Request& request, const std::string& key, std::int64_t deadline_ns,
                  bool& sent_any, HttpResponse& response, Answer& answer) {
    if (connection_.aborted()) return {Code::kDenied, "aborted"};
    if (!connection_.is_idle()) {
      const std::int64_t connect_by_ns = clock_.boot_ns() + options_.connect_timeout.count();
      Status opened = connection_.open(options_.url.host, options_.url.port, tls_.get(),
                                       connect_by_ns, deadline_ns);
      if (!opened.ok()) return opened;
      receipt_.clear();
    }
    write_head(request, key);
    Status sent = send(request, deadline_ns, sent_any);
    OPENSSL_cleanse(out_.data(), std::min<std::size_t>(out_.size(), kOnePieceBytesMax));
    if (!sent.ok() && (sent.code() != Code::kIo || !sent_any)) return sent;
    // A peer that refuses a body early may answer and close before it has all of it.
    Status received = receive(request, deadline_ns, response, answer);
    if (!sent.ok() && !received.ok()) return sent;
    return received;
  }

  Status receive(const Request& request, std::int64_t deadline_ns, HttpResponse& response,
                 Answer& answer) {
    HttpResponse::State state = HttpResponse::State::kMore;
    while (state == HttpResponse::State::kMore) {
      Result<std::size_t> got = connection_.read(in_, deadline_ns);
      if (!got.ok()) return got.status();
      if (*got == 0) {
        state = response.end();
        if (state == HttpResponse::State::kMore) {
          return {Code::kIo, response.started() ? "the answer was cut off"
                                                : "the connection was closed without an answer"};
        }
        break;
      }
      state = response.add({in_.data(), *got});
    }
    if (state == HttpResponse::State::kMalformed) {
      connection_.close();
      answer.reach = Reach::kAnswered;
      answer.status = 0;
      answer.failure = "the answer is not HTTP";
      return {};
    }
    const bool reuse = state == HttpResponse::State::kDone && response.may_reuse();
    response.move_to(answer);
    if (answer.status == 201 && !receipt_.empty() && answer.body == receipt_ &&
        request.idempotency_key != receipt_key_) {
      return {Code::kIo, "the answer is that of the record before, come once more"};
    }
    if (!reuse) {
      connection_.close();
    } else if (answer.status == 201) {
      receipt_ = answer.body;
      receipt_key_ = request.idempotency_key;
    }
    return {};
  }

  const HttpOptions options_;
  const std::shared_ptr<const TlsContext> tls_;
  const std::shared_ptr<const ApiKeyHolder> key_;
  const Clock& clock_;
  Connection connection_;
  // The last of this connection, and whose it was: a peer, or a proxy, that sends it twice may do
  // so only once the next request is on its way, and no two records have the same.
  std::string receipt_;
  std::string receipt_key_;
  std::string out_;
  std::array<char, 16384> in_{};
};

}  // namespace

std::string BaseUrl::authority() const {
  std::string text = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (tls ? "443" : "80")) text += ":" + port;
  return text;
}

Result<BaseUrl> parse_base_url(const std::string& text) {
  const auto wrong = [](const std::string& what) {
    return Status(Code::kInvalid, "api.base_url: " + what);
  };
  BaseUrl url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return wrong("must start with http:// or https://");
  }
  const bool plain = std::all_of(rest.begin(), rest.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '?' && c != '#' && c != '@';
  });
  if (!plain) return wrong("must hold no spaces, credentials, query or fragment");
  const std::size_t slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  if (slash != std::string_view::npos) url.path = rest.substr(slash);
  while (!url.path.empty() && url.path.back() == '/') url.path.pop_back();
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return wrong("an IPv6 address lacks its ]");
    url.host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
  } else {
    const std::size_t colon = authority.find(':');
    url.host = authority.substr(0, colon);
    if (colon != std::string_view::npos) port = authority.substr(colon);
  }
  url.port = url.tls ? "443" : "80";
  if (!port.empty()) {
    url.port = port.substr(1);
    const bool sound = port.front() == ':' && !url.port.empty() && url.port.size() <= 5 &&
                       std::all_of(url.port.begin(), url.port.end(),
                                   [](char c) { return c >= '0' && c <= '9'; }) &&
                       std::stoi(url.port) >= 1 && std::stoi(url.port) <= 65535;
    if (!sound) return wrong("the port must be 1 to 65535");
  }
  if (url.host.empty()) return wrong("names no host");
  return url;
}

Result<TransportFactory> make_http_transports(const HttpOptions& options,
                                              std::shared_ptr<const ApiKeyHolder> key,
                                              const Clock& clock) {
  std::shared_ptr<const TlsContext> tls;
  if (options.url.tls) {
    Result<std::shared_ptr<const TlsContext>> made =
        TlsContext::make(options.ca_file, options.tls_insecure_skip_verify);
    if (!made.ok()) return made.status();
    tls = *made;
  }
  return TransportFactory([options, tls, key = std::move(key), &clock] {
    return std::make_unique<HttpTransport>(options, tls, key, clock);
  });
}

}  // namespace xased
