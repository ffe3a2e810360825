#include <unistd.h>

#include "daemon/ctl/command.hpp"
#include "daemon/ctl/control_client.hpp"
#include "daemon/ctl/terminal.hpp"

namespace xased::ctl {
namespace {

int run_reload(const Globals& globals) {
  const Result<std::string> run_dir = resolve_run_dir(globals);
  if (!run_dir.ok()) return fail(kExitConfig, run_dir.status().message());
  ControlClient client(*run_dir);
  const Result<std::string> body = client.post_ok("/reload");
  if (!body.ok()) {
    if (body.status().code() != Code::kInvalid) return fail(body.status());
    return fail(kExitConfig,
                body.status().message() + "\nxasectl: the old configuration stays in force");
  }
  if (globals.json) {
    write_all(STDOUT_FILENO, *body);
  } else {
    tell("reloaded; see: xasectl config show --running");
  }
  return kExitOk;
}

}  // namespace

void add_reload_command(CLI::App& app, Globals& globals) {
  CLI::App* command =
      app.add_subcommand("reload", "Have the daemon read its configuration and key again");
  command->callback([&globals] { globals.exit_code = run_reload(globals); });
}

}  // namespace xased::ctl
