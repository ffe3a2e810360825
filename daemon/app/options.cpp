#include "daemon/app/options.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "daemon/app/version.hpp"

namespace xased {
namespace {

constexpr int kExitUsage = 2;
constexpr int kPortMax = 65535;

}  // namespace

Options parse_options(int argc, char** argv) {
  Options options;
  CLI::App app{
      "Takes AI decisions out of the rings of this host, chains them into a ledger on disk, and\n"
      "delivers them to the Xase API.",
      "xased"};
  app.footer(
      "\nFirst steps:  xased --dev --dir /tmp/xased-dev\n"
      "              xasectl --run-dir /tmp/xased-dev/run status\n"
      "Exit codes: 0 stopped as asked; 1 could not start or go on; 2 usage; 78 configuration.");
  app.set_version_flag("--version", std::string("xased ") + kVersion);
  std::string config_file;
  std::string run_dir;
  std::string state_dir;
  std::string log_level;
  std::vector<std::string> settings;
  auto* config_option =
      app.add_option("--config", config_file,
                     "Configuration file; default: $XASED_CONFIG, else /etc/xased/xased.toml")
          ->type_name("FILE");
  auto* run_option =
      app.add_option("--run-dir", run_dir, "Where daemon and apps meet")->type_name("DIR");
  auto* state_option =
      app.add_option("--state-dir", state_dir, "Where the ledger lies")->type_name("DIR");
  auto* level_option = app.add_option("--log-level", log_level, "trace, debug, info, warn or error")
                           ->type_name("LEVEL");
  app.add_option("--set", settings, "Any key of the configuration, as in journal.sync_interval=1ms")
      ->type_name("KEY=VALUE");
  app.add_flag("--check-config", options.check_config,
               "Say what is wrong with the configuration, or that nothing is, and end");
  auto* dev = app.add_flag("--dev", options.dev,
                           "For trying out: everything under --dir, a stand-in for the API inside, "
                           "no root, no key, no network");
  app.add_option("--dir", options.dev_dir, "With --dev: the directory; default: ./xased-dev")
      ->type_name("DIR")
      ->needs(dev);
  app.add_option("--api-port", options.dev_api_port,
                 "With --dev: the port of the API on 127.0.0.1; default: any that is free")
      ->type_name("N")
      ->check(CLI::Range(0, kPortMax))
      ->needs(dev);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error) == 0 ? 0 : kExitUsage);
  }
  if (config_option->count() != 0) options.config_file = config_file;
  for (const std::string& setting : settings) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0) {
      std::fprintf(stderr, "xased: --set takes KEY=VALUE, not \"%s\"\n", setting.c_str());
      std::exit(kExitUsage);
    }
    options.overrides.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
  }
  if (run_option->count() != 0) options.overrides.emplace_back("run_dir", run_dir);
  if (state_option->count() != 0) options.overrides.emplace_back("state_dir", state_dir);
  if (level_option->count() != 0) options.overrides.emplace_back("log.level", log_level);
  return options;
}

}  // namespace xased
