#include <algorithm>

#include "daemon/config/log.hpp"

namespace xased {

void RepeatedLog::log(LogLevel level, std::string_view key, std::string_view message,
                      LogFields fields, std::chrono::nanoseconds now) {
  const auto found = by_key_.find(std::string(key));
  if (found == by_key_.end()) {
    make_room();
    by_key_[std::string(key)].since = now;
    log_line(level, stage_, message, fields);
    return;
  }
  Repeats& repeats = found->second;
  const bool due = now - repeats.since >= interval_;
  if (due && repeats.suppressed == 0) {
    repeats.since = now;
    log_line(level, stage_, message, fields);
    return;
  }
  repeats.suppressed++;
  repeats.level = level;
  repeats.message = message;
  repeats.fields = fields;
  if (!due) return;
  report(repeats);
  repeats.since = now;
}

void RepeatedLog::flush(std::chrono::nanoseconds now) {
  for (auto it = by_key_.begin(); it != by_key_.end();) {
    Repeats& repeats = it->second;
    if (now - repeats.since < interval_) {
      ++it;
    } else if (repeats.suppressed > 0) {
      report(repeats);
      repeats.since = now;
      ++it;
    } else {
      it = by_key_.erase(it);
    }
  }
}

void RepeatedLog::flush_all() {
  for (auto& [key, repeats] : by_key_) {
    if (repeats.suppressed > 0) report(repeats);
  }
  by_key_.clear();
}

void RepeatedLog::report(Repeats& repeats) {
  repeats.fields.emplace_back("repeated", repeats.suppressed);
  write_log(repeats.level, stage_, repeats.message, repeats.fields);
  repeats.suppressed = 0;
  repeats.fields.clear();
}

void RepeatedLog::make_room() {
  if (by_key_.size() < kKeysMax) return;
  const auto oldest = std::min_element(
      by_key_.begin(), by_key_.end(),
      [](const auto& a, const auto& b) { return a.second.since < b.second.since; });
  if (oldest->second.suppressed > 0) report(oldest->second);
  by_key_.erase(oldest);
}

}  // namespace xased
