#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/ctl/command.hpp"
#include "daemon/ctl/control_client.hpp"
#include "daemon/ctl/deadline.hpp"
#include "daemon/ctl/terminal.hpp"

namespace xased::ctl {
namespace {

int run_ready(const Globals& globals, double timeout_seconds) {
  const Result<std::string> run_dir = resolve_run_dir(globals);
  if (!run_dir.ok()) return fail(kExitConfig, run_dir.status().message());
  ControlClient client(*run_dir, std::chrono::seconds(5));
  const Deadline deadline(seconds_option(timeout_seconds));
  Pace pace;
  while (true) {
    const Result<ControlReply> reply = client.get("/readyz");
    const bool ready = reply.ok() && reply->status == 200;
    if (!ready && !deadline.passed()) {
      pace.pause(deadline);
      continue;
    }
    std::string reason;
    if (!reply.ok()) {
      reason = reply.status().message();
    } else if (!ready) {
      reason = printable(reply->body);
      while (reason.ends_with(' ')) reason.pop_back();
    }
    if (globals.json) {
      const nlohmann::ordered_json json{{"ready", ready}, {"reason", reason}};
      write_all(STDOUT_FILENO, json.dump() + "\n");
    }
    if (!reply.ok()) return fail(reply.status());
    if (!ready) return fail(kExitNo, reason + "; see: xasectl status");
    if (!globals.json) write_all(STDOUT_FILENO, "ready\n");
    return kExitOk;
  }
}

}  // namespace

void add_ready_command(CLI::App& app, Globals& globals) {
  CLI::App* command =
      app.add_subcommand("ready", "Whether the daemon is recovered and can write (exit 0) or not");
  auto timeout = std::make_shared<double>(0);
  command->add_option("--timeout", *timeout, "Keep asking for so long")
      ->type_name("SECONDS")
      ->check(quiet(CLI::NonNegativeNumber));
  command->callback([&globals, timeout] { globals.exit_code = run_ready(globals, *timeout); });
}

}  // namespace xased::ctl
