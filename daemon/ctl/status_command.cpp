#include <unistd.h>

#include "daemon/ctl/command.hpp"
#include "daemon/ctl/control_client.hpp"
#include "daemon/ctl/status_view.hpp"
#include "daemon/platform/clock.hpp"

namespace xased::ctl {
namespace {

int run_status(const Globals& globals) {
  const Result<std::string> run_dir = resolve_run_dir(globals);
  if (!run_dir.ok()) return fail(kExitConfig, run_dir.status().message());
  ControlClient client(*run_dir);
  const Result<std::string> body = client.get_ok("/stats");
  if (!body.ok()) return fail(body.status());
  const Result<Snapshot> snapshot = parse_snapshot(*body);
  if (!snapshot.ok()) return fail(snapshot.status());
  std::string text;
  if (globals.json) {
    text = *body;
  } else {
    const Style style = style_of(STDOUT_FILENO);
    for (const std::string& line : status_lines(*snapshot, system_clock().wall_ns(), style)) {
      text += line + "\n";
    }
  }
  return write_all(STDOUT_FILENO, text) ? kExitOk : kExitNo;
}

}  // namespace

void add_status_command(CLI::App& app, Globals& globals) {
  CLI::App* command =
      app.add_subcommand("status", "What was recorded, how far it has come, and what it waits for");
  command->callback([&globals] { globals.exit_code = run_status(globals); });
}

}  // namespace xased::ctl
