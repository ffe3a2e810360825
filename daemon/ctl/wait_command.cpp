#include <unistd.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/ctl/command.hpp"
#include "daemon/ctl/control_client.hpp"
#include "daemon/ctl/deadline.hpp"
#include "daemon/ctl/terminal.hpp"
#include "daemon/ctl/wait_progress.hpp"

namespace xased::ctl {
namespace {

struct WaitOptions {
  Level level = Level::kDelivered;
  double timeout_seconds = 60;
};

const std::map<std::string, Level>& level_names() {
  static const std::map<std::string, Level> kNames{{"committed", Level::kCommitted},
                                                   {"journaled", Level::kJournaled},
                                                   {"durable", Level::kDurable},
                                                   {"delivered", Level::kDelivered}};
  return kNames;
}

std::string level_name(Level level) {
  for (const auto& [name, value] : level_names()) {
    if (value == level) return name;
  }
  return "?";
}

// Asks once and takes in the answer; the reason where there is none to take in.
Status look(ControlClient& client, const std::string& run_dir, WaitProgress& progress) {
  // The listing comes first: a ring that goes away between the two is then waited for once more.
  const auto rings = list_rings(run_dir);
  const Result<Snapshot> snapshot = client.snapshot(true);
  if (!snapshot.ok()) return snapshot.status();
  if (!snapshot->ready) {
    return {Code::kTimeout, "the daemon is not ready: " + printable(snapshot->not_ready_reason)};
  }
  progress.observe(*snapshot, rings);
  return {};
}

void report_json(const WaitProgress& progress, Level level, const std::string& missing) {
  nlohmann::ordered_json json{{"reached", progress.reached()}, {"level", level_name(level)}};
  if (!progress.reached()) json["missing"] = missing;
  if (const auto& last = progress.last()) {
    json["committed"] = last->committed;
    json["journaled"] = last->journaled;
    json["durable"] = last->durable;
    json["delivered"] = last->delivered;
    json["undelivered"] = last->undelivered;
    json["dead_letter"] = last->dead_letter;
    json["dead_letter_meanwhile"] = progress.set_aside_meanwhile();
  }
  write_all(STDOUT_FILENO, json.dump() + "\n");
}

void report_set_aside(const WaitProgress& progress) {
  if (!progress.last() || progress.last()->dead_letter == 0) return;
  tell(with_commas(progress.last()->dead_letter) + " set aside, refused by the API (" +
       with_commas(progress.set_aside_meanwhile()) +
       " of them meanwhile); see: xasectl deadletter list");
}

int run_wait(const Globals& globals, const WaitOptions& options) {
  const Result<std::string> run_dir = resolve_run_dir(globals);
  if (!run_dir.ok()) return fail(kExitConfig, run_dir.status().message());
  const Deadline deadline(seconds_option(options.timeout_seconds));
  ControlClient client(*run_dir, std::chrono::seconds(10));
  WaitProgress progress(options.level, list_rings(*run_dir));
  Pace pace;
  Status last_failure;
  while (true) {
    last_failure = look(client, *run_dir, progress);
    if (last_failure.code() == Code::kDenied) return fail(last_failure);
    if (progress.reached() || deadline.passed()) break;
    pace.pause(deadline);
  }
  std::string missing = progress.missing();
  if (!last_failure.ok()) missing += "; at last: " + last_failure.message();
  if (globals.json) report_json(progress, options.level, missing);
  if (options.level == Level::kDelivered) report_set_aside(progress);
  if (progress.reached()) return kExitOk;
  return fail(kExitNo, "not " + level_name(options.level) + " within " +
                           short_seconds(options.timeout_seconds) + ": " + missing +
                           "; see: xasectl status");
}

}  // namespace

void add_wait_command(CLI::App& app, Globals& globals) {
  CLI::App* command = app.add_subcommand(
      "wait", "Wait until all that is committed now has come so far; also across restarts");
  auto options = std::make_shared<WaitOptions>();
  command
      ->add_option("--for", options->level,
                   "committed, journaled, durable or delivered (set-aside records count as done)")
      ->transform(quiet(CLI::CheckedTransformer(level_names())))
      ->type_name("LEVEL")
      ->required();
  command->add_option("--timeout", options->timeout_seconds, "Give up after so long; default 60")
      ->type_name("SECONDS")
      ->check(quiet(CLI::NonNegativeNumber));
  command->callback([&globals, options] { globals.exit_code = run_wait(globals, *options); });
}

}  // namespace xased::ctl
