#include <unistd.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "daemon/config/api_key.hpp"
#include "daemon/control/config_json.hpp"
#include "daemon/ctl/command.hpp"
#include "daemon/ctl/control_client.hpp"
#include "daemon/ctl/terminal.hpp"

namespace xased::ctl {
namespace {

// What of this host's file and environment a daemon started here would use.
Result<std::string> own_config(const Globals& globals) {
  const Result<Config> config = effective_config(globals);
  if (!config.ok()) return config.status();
  for (const std::string& warning : config->warnings) tell(warning);
  std::optional<std::string> masked;
  const Result<ApiKey> key = read_api_key(config->api.key_source, process_config_source().getenv);
  if (key.ok()) {
    masked = key->masked();
  } else if (config->api.key_source.kind != ApiKeySource::Kind::kNone) {
    masked = "(cannot be read)";
    tell(key.status().message());
  }
  return config_json(describe_config(*config, masked));
}

Result<std::string> running_config(const Globals& globals) {
  const Result<std::string> run_dir = resolve_run_dir(globals);
  if (!run_dir.ok()) return run_dir.status();
  return ControlClient(*run_dir).get_ok("/config");
}

Result<std::string> as_table(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  std::vector<std::array<std::string, 3>> rows;
  std::array<std::size_t, 2> widths{};
  if (json.is_object() && json.contains("config") && json["config"].is_array()) {
    for (const auto& line : json["config"]) {
      if (!line.is_object()) continue;
      std::array<std::string, 3> row;
      constexpr std::array<const char*, 3> kNames{"key", "value", "origin"};
      for (std::size_t i = 0; i < row.size(); ++i) {
        const auto place = line.find(kNames[i]);
        if (place != line.end() && place->is_string())
          row[i] = printable(place->get<std::string>());
      }
      if (row[1].empty()) row[1] = "-";
      for (std::size_t i = 0; i < widths.size(); ++i) {
        widths[i] = std::max(widths[i], std::min<std::size_t>(shown_width(row[i]), 48));
      }
      rows.push_back(std::move(row));
    }
  }
  if (rows.empty()) return Status(Code::kCorrupt, "the answer is not a configuration");
  const Style style = style_of(STDOUT_FILENO);
  std::string table;
  for (const auto& row : rows) {
    const bool is_default = row[2] == "default";
    table += left(row[0], widths[0] + 2);
    table += paint(style, is_default ? Ink::kPlain : Ink::kBold, left(row[1], widths[1] + 2));
    table += paint(style, is_default ? Ink::kDim : Ink::kCyan, row[2]) + "\n";
  }
  return table;
}

int run_show(const Globals& globals, bool running) {
  Result<std::string> json = running ? running_config(globals) : own_config(globals);
  if (!json.ok()) return running ? fail(json.status()) : fail(kExitConfig, json.status().message());
  if (!globals.json) json = as_table(*json);
  if (!json.ok()) return fail(json.status());
  return write_all(STDOUT_FILENO, *json) ? kExitOk : kExitNo;
}

}  // namespace

void add_config_commands(CLI::App& app, Globals& globals) {
  CLI::App* group = app.add_subcommand("config", "The configuration and where it comes from");
  group->require_subcommand(1);
  CLI::App* show = group->add_subcommand(
      "show", "Every key, its value and its origin, by file and environment; keys masked");
  show->fallthrough();
  auto running = std::make_shared<bool>(false);
  show->add_flag("--running", *running, "That of the running daemon instead");
  show->callback([&globals, running] { globals.exit_code = run_show(globals, *running); });
}

}  // namespace xased::ctl
