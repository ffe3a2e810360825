// A service that admits so many records a second, and says so as the Xase API does.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "daemon/devapi/http_server.hpp"

namespace xase::bench {

// Windows of a second, each for `limit` records; a 429 beyond. Keeps nothing. Listens from its
// construction to its end; counts may be read from any thread.
class LimitedApi {
 public:
  explicit LimitedApi(std::uint64_t limit);
  ~LimitedApi();
  LimitedApi(const LimitedApi&) = delete;
  LimitedApi& operator=(const LimitedApi&) = delete;

  std::string setting() const;  // "api.base_url=..."
  std::uint64_t admitted() const { return admitted_; }
  std::uint64_t refused() const { return refused_; }

 private:
  xased::devapi::HttpAnswer answer();

  const std::uint64_t limit_;
  std::mutex mutex_;
  std::int64_t window_ends_ms_ = 0;  // under mutex_
  std::uint64_t taken_ = 0;          // under mutex_
  std::atomic<std::uint64_t> admitted_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::unique_ptr<xased::devapi::HttpServer> server_;  // last: it stops first
};

}  // namespace xase::bench
