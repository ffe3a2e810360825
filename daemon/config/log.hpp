// Structured logs, one line an event: text on a terminal, else one JSON object.
//
//   log_info("delivery", "paused", {{"reason", "UNAUTHORIZED"}, {"status", 401}});
//   {"time":"2026-01-07T12:00:00.000Z","level":"info","stage":"delivery","msg":"paused",
//    "reason":"UNAUTHORIZED","status":401}
//
// Everything goes to stderr. A field named like one of the line's own four is written with "_" in
// front. Names and values may hold any bytes: they cannot break out of their
// line, and what is not UTF-8 is replaced. Callers never pass payloads or keys. Callable from any
// thread; writing takes a lock, so none of this belongs on the hot path.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace xased {

enum class LogLevel { kTrace, kDebug, kInfo, kWarn, kError };

// kAuto: text when stderr is a terminal, else JSON.
enum class LogFormat { kAuto, kText, kJson };

// "trace", "debug", "info", "warn", "error".
std::string_view to_string(LogLevel level);
// "auto", "text", "json".
std::string_view to_string(LogFormat format);

// One named value of a log line. Numbers and booleans stay such in JSON; the rest are strings.
class LogField {
 public:
  LogField(std::string_view name, std::string_view value) : name_(name), value_(value) {}
  LogField(std::string_view name, const std::string& value) : name_(name), value_(value) {}
  LogField(std::string_view name, const char* value)
      : name_(name), value_(value == nullptr ? "" : value) {}
  LogField(std::string_view name, bool value)
      : name_(name), value_(value ? "true" : "false"), literal_(true) {}
  template <std::integral T>
  LogField(std::string_view name, T value)
      : name_(name), value_(std::to_string(value)), literal_(true) {}

  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }
  // Whether `value` is already JSON.
  bool literal() const { return literal_; }

 private:
  std::string name_;
  std::string value_;
  bool literal_ = false;
};

using LogFields = std::initializer_list<LogField>;

// Sets the process's log up; may be called again (a reload), also while others log. Without it the
// level is info and the format kAuto. `program` is only shown in text, in front of the stage.
void init_log(LogLevel level, LogFormat format, std::string_view program);

// How many lines of level error were written since the process began. Any thread.
std::uint64_t logged_errors();

// For callers that would do work only to build fields.
bool log_enabled(LogLevel level);

void write_log(LogLevel level, std::string_view stage, std::string_view message,
               std::span<const LogField> fields);

inline void log_line(LogLevel level, std::string_view stage, std::string_view message,
                     LogFields fields = {}) {
  write_log(level, stage, message, {fields.begin(), fields.size()});
}

inline void log_trace(std::string_view stage, std::string_view message, LogFields fields = {}) {
  log_line(LogLevel::kTrace, stage, message, fields);
}
inline void log_debug(std::string_view stage, std::string_view message, LogFields fields = {}) {
  log_line(LogLevel::kDebug, stage, message, fields);
}
inline void log_info(std::string_view stage, std::string_view message, LogFields fields = {}) {
  log_line(LogLevel::kInfo, stage, message, fields);
}
inline void log_warn(std::string_view stage, std::string_view message, LogFields fields = {}) {
  log_line(LogLevel::kWarn, stage, message, fields);
}
inline void log_error(std::string_view stage, std::string_view message, LogFields fields = {}) {
  log_line(LogLevel::kError, stage, message, fields);
}

// Collapses repeats: of the events with the same key, the first is logged at once; those within
// `interval` of it are only counted; the count then comes as one line with the field `repeated`,
// carrying the newest event's message and fields, either when the next event arrives or when
// flush() is called.
//
// Owned by one thread. Remembers at most kKeysMax keys; the oldest makes room, after its count was
// logged. Times are of any monotonic clock; the owner passes its own.
class RepeatedLog {
 public:
  static constexpr std::size_t kKeysMax = 256;

  explicit RepeatedLog(std::string_view stage,
                       std::chrono::nanoseconds interval = std::chrono::seconds(10))
      : stage_(stage), interval_(interval) {}

  void log(LogLevel level, std::string_view key, std::string_view message, LogFields fields,
           std::chrono::nanoseconds now);

  // Logs the counts whose interval has passed. Cheap when there is nothing to say.
  void flush(std::chrono::nanoseconds now);
  // Logs every count at once: before the process ends.
  void flush_all();

 private:
  struct Repeats {
    std::chrono::nanoseconds since{};  // when a line of this key was last logged
    std::uint64_t suppressed = 0;      // events counted since then
    LogLevel level = LogLevel::kInfo;
    std::string message;
    std::vector<LogField> fields;
  };

  void report(Repeats& repeats);
  void make_room();

  std::string stage_;
  std::chrono::nanoseconds interval_;
  std::unordered_map<std::string, Repeats> by_key_;
};

}  // namespace xased
