// The service's limit on records: so many an hour and key.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace xased::devapi {

// A window of one hour opens with a key's first record and takes `limit` records; the next one
// opens with the first record after it has ended. A window is forgotten when it ends, so memory is
// bounded by the keys of one hour, and those by kKeysMax. Safe from any thread; held by no one
// else.
class RateLimit {
 public:
  static constexpr std::chrono::hours kWindow{1};
  static constexpr std::size_t kKeysMax = 10'000;

  struct Verdict {
    bool allowed = false;
    std::uint64_t remaining = 0;     // after this record
    std::int64_t reset_unix_ms = 0;  // when the window ends
    std::int64_t retry_after_s = 0;  // rounded up, at least 1; only where !allowed
  };

  // 0 is no limit: everything is allowed and nothing is counted.
  explicit RateLimit(std::uint64_t limit) : limit_(limit) {}

  std::uint64_t limit() const { return limit_; }

  // Takes one record of `tenant` out of its window, if there is one left.
  Verdict take(const std::string& tenant, std::int64_t now_unix_ms);
  // Puts one back: the request that took it made no record.
  void give_back(const std::string& tenant);

 private:
  struct Window {
    std::int64_t ends_unix_ms = 0;
    std::uint64_t taken = 0;
  };

  const std::uint64_t limit_;
  std::mutex mutex_;
  std::unordered_map<std::string, Window> windows_;  // under mutex_
};

}  // namespace xased::devapi
