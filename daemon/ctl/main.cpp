// xasectl: sees, waits, records and repairs, from the command line.
#include <clocale>
#include <csignal>
#include <exception>

#include "daemon/ctl/command.hpp"
#include "daemon/ctl/version.hpp"

namespace xased::ctl {
namespace {

void set_up(CLI::App& app, Globals& globals) {
  app.footer(
      std::string("\nEvery command takes --run-dir, --config and --json. Data goes to stdout, "
                  "talk to stderr.\n") +
      kExitCodesHelp);
  app.set_version_flag("--version", std::string("xasectl ") + kVersion);
  app.add_option("--run-dir", globals.run_dir,
                 "Where daemon and apps meet; default: that of the configuration")
      ->type_name("DIR");
  app.add_option("--config", globals.config,
                 "Configuration file; default: $XASED_CONFIG, else /etc/xased/xased.toml")
      ->type_name("FILE");
  app.add_flag("--json", globals.json, "Data as JSON, for programs");
  app.require_subcommand(1);
  app.fallthrough();
  add_status_command(app, globals);
  add_top_command(app, globals);
  add_ready_command(app, globals);
  add_wait_command(app, globals);
  add_record_command(app, globals);
  add_tap_command(app, globals);
  add_verify_command(app, globals);
  add_audit_command(app, globals);
  add_prove_command(app, globals);
  add_export_command(app, globals);
  add_report_command(app, globals);
  add_keys_commands(app, globals);
  add_dead_letter_commands(app, globals);
  add_config_commands(app, globals);
  add_reload_command(app, globals);
  add_completion_command(app, globals);
}

int run(int argc, char** argv) {
  CLI::App app{"Look at xased and its ledger, record decisions, wait for them, repair.", "xasectl"};
  Globals globals;
  set_up(app, globals);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  return globals.exit_code;
}

}  // namespace
}  // namespace xased::ctl

int main(int argc, char** argv) {
  std::setlocale(LC_CTYPE, "");
  // A reader that has gone is an error of write(), not the end: `record` must go on.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return xased::ctl::run(argc, argv);
  } catch (const std::exception& error) {
    return xased::ctl::fail(xased::ctl::kExitNo, error.what());
  }
}
