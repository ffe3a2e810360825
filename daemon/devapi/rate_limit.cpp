#include "daemon/devapi/rate_limit.hpp"

#include <algorithm>

namespace xased::devapi {

RateLimit::Verdict RateLimit::take(const std::string& tenant, std::int64_t now_unix_ms) {
  if (limit_ == 0) return {.allowed = true};
  constexpr std::int64_t kWindowMs = std::chrono::milliseconds(kWindow).count();
  const std::scoped_lock lock(mutex_);
  if (windows_.size() >= kKeysMax && windows_.find(tenant) == windows_.end()) {
    std::erase_if(windows_,
                  [&](const auto& item) { return item.second.ends_unix_ms <= now_unix_ms; });
    if (windows_.size() >= kKeysMax) {
      return {.allowed = false,
              .reset_unix_ms = now_unix_ms + kWindowMs,
              .retry_after_s = kWindowMs / 1000};
    }
  }
  Window& window = windows_[tenant];
  // A clock set back by more than a window opens a new one: a key is never locked out for longer
  // than that. Set back by less, what was taken stays taken: `now` goes back by a moment whenever
  // two callers read the clock in one order and come here in the other.
  const bool is_over =
      window.ends_unix_ms <= now_unix_ms || window.ends_unix_ms - now_unix_ms > 2 * kWindowMs;
  if (is_over) window = {.ends_unix_ms = now_unix_ms + kWindowMs, .taken = 0};
  window.ends_unix_ms = std::min(window.ends_unix_ms, now_unix_ms + kWindowMs);
  Verdict verdict{.allowed = window.taken < limit_, .reset_unix_ms = window.ends_unix_ms};
  if (verdict.allowed) {
    ++window.taken;
  } else {
    verdict.retry_after_s =
        std::max<std::int64_t>(1, (window.ends_unix_ms - now_unix_ms + 999) / 1000);
  }
  verdict.remaining = limit_ - window.taken;
  return verdict;
}

void RateLimit::give_back(const std::string& tenant) {
  if (limit_ == 0) return;
  const std::scoped_lock lock(mutex_);
  const auto place = windows_.find(tenant);
  if (place != windows_.end() && place->second.taken > 0) --place->second.taken;
}

}  // namespace xased::devapi
