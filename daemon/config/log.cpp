#include "daemon/config/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>

namespace xased {
namespace {

std::atomic<std::uint64_t> errors_logged{0};

struct Output {
  std::shared_ptr<spdlog::logger> logger;
  bool json = false;
  std::string program;
};

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return spdlog::level::trace;
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      break;
  }
  return spdlog::level::err;
}

// Our names for the levels, in one width; spdlog says "warning".
class LevelFlag : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    static constexpr std::array<std::string_view, 5> kNames{"trace", "debug", "info ", "warn ",
                                                            "error"};
    const auto index = std::min<std::size_t>(static_cast<std::size_t>(message.level), 4);
    out.append(kNames[index].data(), kNames[index].data() + kNames[index].size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<LevelFlag>();
  }
};

Output make_output(LogFormat format, std::string_view program) {
  Output output;
  output.program = program;
  output.json =
      format == LogFormat::kJson || (format == LogFormat::kAuto && ::isatty(STDERR_FILENO) == 0);
  spdlog::sink_ptr sink;
  if (output.json) {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  }
  auto formatter =
      std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc, "\n");
  formatter->add_flag<LevelFlag>('L');
  formatter->set_pattern(output.json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ",%v)"
                                     : "%Y-%m-%dT%H:%M:%S.%eZ %^%L%$ %v");
  output.logger = std::make_shared<spdlog::logger>("xased", std::move(sink));
  output.logger->set_formatter(std::move(formatter));
  output.logger->set_level(spdlog::level::trace);  // `g_level` decides
  output.logger->flush_on(spdlog::level::trace);
  return output;
}

std::atomic<LogLevel> g_level{LogLevel::kInfo};

// Guards `output`. Never destroyed: what runs at exit may log.
struct State {
  std::mutex mutex;
  std::shared_ptr<const Output> output;
};

State& state() {
  static auto* const kState = new State;
  return *kState;
}

std::shared_ptr<const Output> current_output() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (!s.output) s.output = std::make_shared<Output>(make_output(LogFormat::kAuto, ""));
  return s.output;
}

std::string quote(std::string_view text, bool ascii) {
  return nlohmann::json(text).dump(-1, ' ', ascii, nlohmann::json::error_handler_t::replace);
}

std::string json_line(LogLevel level, std::string_view stage, std::string_view message,
                      std::span<const LogField> fields) {
  std::string line = R"("level":")" + std::string(to_string(level)) + R"(","stage":)" +
                     quote(stage, false) + R"(,"msg":)" + quote(message, false);
  for (const LogField& field : fields) {
    const bool taken = field.name() == "time" || field.name() == "level" ||
                       field.name() == "stage" || field.name() == "msg";
    line += ',' + quote((taken ? "_" : "") + field.name(), false) + ':';
    line += field.literal() ? field.value() : quote(field.value(), false);
  }
  return line + '}';
}

// Printable ASCII stands as it is. The rest is quoted and escaped: neither a line break nor a
// terminal's control sequence gets through.
std::string text_of(std::string_view text, bool is_word) {
  const bool plain = std::all_of(text.begin(), text.end(), [is_word](char c) {
    if (c < 0x20 || c > 0x7e) return false;
    return !is_word || (c != ' ' && c != '"' && c != '\\' && c != '=');
  });
  if (plain && !(is_word && text.empty())) return std::string(text);
  return quote(text, true);
}

std::string text_line(const Output& output, std::string_view stage, std::string_view message,
                      std::span<const LogField> fields) {
  std::string line = output.program.empty() ? "" : output.program + ' ';
  line += text_of(stage, true) + ": " + text_of(message, false);
  for (const LogField& field : fields) {
    line += ' ' + text_of(field.name(), true) + '=' + text_of(field.value(), true);
  }
  return line;
}

}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return "trace";
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      break;
  }
  return "error";
}

std::string_view to_string(LogFormat format) {
  switch (format) {
    case LogFormat::kAuto:
      return "auto";
    case LogFormat::kText:
      return "text";
    case LogFormat::kJson:
      break;
  }
  return "json";
}

void init_log(LogLevel level, LogFormat format, std::string_view program) {
  auto output = std::make_shared<const Output>(make_output(format, program));
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.output = std::move(output);
  g_level.store(level, std::memory_order_relaxed);
}

// Relaxed: a level is a filter, and nothing is published through it.
bool log_enabled(LogLevel level) { return level >= g_level.load(std::memory_order_relaxed); }

std::uint64_t logged_errors() { return errors_logged.load(std::memory_order_relaxed); }

void write_log(LogLevel level, std::string_view stage, std::string_view message,
               std::span<const LogField> fields) {
  if (level == LogLevel::kError) errors_logged.fetch_add(1, std::memory_order_relaxed);
  if (!log_enabled(level)) return;
  const std::shared_ptr<const Output> output = current_output();
  const std::string line = output->json ? json_line(level, stage, message, fields)
                                        : text_line(*output, stage, message, fields);
  output->logger->log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace xased
