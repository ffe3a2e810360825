// What every command of xasectl shares: the options that all take, and how they end.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/config/config.hpp"
#include "daemon/ctl/exit_code.hpp"
#include "daemon/platform/status.hpp"

namespace xased::ctl {

struct Globals {
  std::string run_dir;  // --run-dir; empty: not given
  std::string config;   // --config; empty: not given
  bool json = false;
  int exit_code = kExitOk;  // of the command that ran
};

// "xasectl: <message>" on stderr, and the exit code that the failure's code stands for.
int fail(const Status& status);
// The same for a code of our own.
int fail(ExitCode code, const std::string& message);
// Writes to the file `path`, mode 0600, or to stdout where it is empty. Gives the exit code, and
// has told of a failure.
int write_output(const std::string& path, std::string_view bytes);
// "xasectl: <message>" on stderr.
void tell(const std::string& message);

// The configuration as the daemon would see it, --run-dir included.
Result<Config> effective_config(const Globals& globals);
// Where the daemon is. A configuration file that this user may not read matters only when it was
// named: the daemon's default place is then tried.
Result<std::string> resolve_run_dir(const Globals& globals);
// `given`, a command's STATE_DIR, or where that is empty the one of the configuration.
Result<std::string> resolve_state_dir(const Globals& globals, const std::string& given);

// "30" or "0.5": seconds, not negative, at most 10 years.
std::chrono::milliseconds seconds_option(double seconds);

// Checks whose workings do not clutter --help.
inline CLI::Validator quiet(CLI::Validator check) { return check.description(""); }

// Each adds one command, or one group of them.
void add_status_command(CLI::App& app, Globals& globals);
void add_top_command(CLI::App& app, Globals& globals);
void add_record_command(CLI::App& app, Globals& globals);
void add_verify_command(CLI::App& app, Globals& globals);
void add_audit_command(CLI::App& app, Globals& globals);
void add_prove_command(CLI::App& app, Globals& globals);
void add_export_command(CLI::App& app, Globals& globals);
void add_report_command(CLI::App& app, Globals& globals);
void add_keys_commands(CLI::App& app, Globals& globals);
void add_wait_command(CLI::App& app, Globals& globals);
void add_ready_command(CLI::App& app, Globals& globals);
void add_tap_command(CLI::App& app, Globals& globals);
void add_dead_letter_commands(CLI::App& app, Globals& globals);
void add_config_commands(CLI::App& app, Globals& globals);
void add_reload_command(CLI::App& app, Globals& globals);
void add_completion_command(CLI::App& app, Globals& globals);

}  // namespace xased::ctl
