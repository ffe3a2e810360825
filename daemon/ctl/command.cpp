#include "daemon/ctl/command.hpp"

#include <unistd.h>

#include <algorithm>

#include "daemon/ctl/terminal.hpp"
#include "daemon/platform/file_system.hpp"

namespace xased::ctl {
namespace {

ExitCode exit_code_of(Code code) {
  switch (code) {
    case Code::kOk:
      return kExitOk;
    case Code::kInvalid:
    case Code::kCorrupt:
      return kExitMalformed;
    case Code::kTimeout:
      return kExitUnavailable;
    case Code::kDenied:
      return kExitDenied;
    case Code::kNotFound:
    case Code::kExists:
    case Code::kNoSpace:
    case Code::kIo:
    case Code::kUnsupported:
      break;
  }
  return kExitNo;
}

}  // namespace

void tell(const std::string& message) { write_all(STDERR_FILENO, "xasectl: " + message + "\n"); }

int fail(ExitCode code, const std::string& message) {
  tell(message);
  return code;
}

int write_output(const std::string& path, std::string_view bytes) {
  if (path.empty()) return write_all(STDOUT_FILENO, bytes) ? kExitOk : kExitNo;
  const Status status =
      write_file_atomically(system_file_system(), path, xase::proto::as_bytes(bytes));
  if (status.ok()) return kExitOk;
  return fail(status.code() == Code::kDenied ? kExitDenied : kExitNo, status.message());
}

int fail(const Status& status) { return fail(exit_code_of(status.code()), status.message()); }

Result<Config> effective_config(const Globals& globals) {
  ConfigSource source = process_config_source();
  if (!globals.config.empty()) source.file = globals.config;
  if (!globals.run_dir.empty()) source.overrides.emplace_back("run_dir", globals.run_dir);
  return load_config(source);
}

Result<std::string> resolve_run_dir(const Globals& globals) {
  if (!globals.run_dir.empty()) return globals.run_dir;
  Result<Config> config = effective_config(globals);
  if (config.ok()) return std::move(config->run_dir);
  const ConfigSource source = process_config_source();
  if (!globals.config.empty() || source.getenv("XASED_CONFIG") != nullptr) return config.status();
  std::string run_dir = default_run_dir(source.getenv, source.host.value_or(host_facts()));
  if (config.status().code() != Code::kDenied) {
    tell(config.status().message() + "\nxasectl: trying " + run_dir +
         "; or name it with --run-dir");
  }
  return run_dir;
}

Result<std::string> resolve_state_dir(const Globals& globals, const std::string& given) {
  if (!given.empty()) return given;
  Result<Config> config = effective_config(globals);
  if (!config.ok()) return config.status();
  return std::move(config->state_dir);
}

std::chrono::milliseconds seconds_option(double seconds) {
  constexpr double kTenYears = 10.0 * 365 * 86400;
  return std::chrono::milliseconds(
      static_cast<std::int64_t>(std::clamp(seconds, 0.0, kTenYears) * 1000));
}

}  // namespace xased::ctl
