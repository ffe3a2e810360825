#include "tests/bench/limited_api.hpp"

#include <chrono>
#include <cstdio>
#include <stdexcept>

#include "tests/bench/http.hpp"

namespace xase::bench {
namespace {

constexpr std::int64_t kWindowMs = 1000;

std::int64_t unix_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string hex_of(std::uint64_t number, int digits) {
  std::array<char, 80> text{};
  (void)std::snprintf(text.data(), text.size(), "%0*llx", digits,
                      static_cast<unsigned long long>(number));
  return text.data();
}

}  // namespace

LimitedApi::LimitedApi(std::uint64_t limit) : limit_(limit) {
  auto server = xased::devapi::HttpServer::listen({});
  if (!server.ok()) throw std::runtime_error(server.status().message());
  server_ = std::move(*server);
  const auto served = server_->serve([this](const xased::devapi::HttpRequest&) { return answer(); },
                                     [](int) { return std::string("{}"); });
  if (!served.ok()) throw std::runtime_error(served.message());
}

LimitedApi::~LimitedApi() { server_->stop(); }

std::string LimitedApi::setting() const {
  return "api.base_url=http://127.0.0.1:" + std::to_string(server_->port()) + kRecordsRoot;
}

xased::devapi::HttpAnswer LimitedApi::answer() {
  std::uint64_t remaining = 0;
  bool allowed = false;
  std::int64_t ends_ms = 0;
  {
    const std::lock_guard lock(mutex_);
    const std::int64_t now = unix_ms();
    if (now >= window_ends_ms_) {
      window_ends_ms_ = now + kWindowMs;
      taken_ = 0;
    }
    allowed = taken_ < limit_;
    if (allowed) ++taken_;
    remaining = limit_ - taken_;
    ends_ms = window_ends_ms_;
  }
  xased::devapi::HttpAnswer answer;
  answer.headers = {{"X-RateLimit-Limit", std::to_string(limit_)},
                    {"X-RateLimit-Remaining", std::to_string(remaining)}};
  if (!allowed) {
    ++refused_;
    answer.status = 429;
    answer.headers.emplace_back("X-RateLimit-Reset", std::to_string(ends_ms));
    answer.body = R"({"error":"Rate limit exceeded","code":"RATE_LIMIT_EXCEEDED","retry_after":1})";
    return answer;
  }
  const std::uint64_t number = ++admitted_;
  const std::string id = "txn_" + hex_of(number, 32);
  answer.status = 201;
  answer.body = R"({"success":true,"transaction_id":")" + id +
                R"(","receipt_url":"http://127.0.0.1/xase/receipt/)" + id +
                R"(","timestamp":"2026-01-07T12:00:00.000Z","record_hash":")" + hex_of(number, 64) +
                R"(","chain_position":"chained"})";
  return answer;
}

}  // namespace xase::bench
