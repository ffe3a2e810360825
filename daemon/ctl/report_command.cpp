#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/ctl/command.hpp"
#include "daemon/ctl/pinned_keys.hpp"
#include "daemon/ctl/progress_bar.hpp"
#include "daemon/ctl/terminal.hpp"
#include "daemon/platform/clock.hpp"
#include "daemon/report/report.hpp"

namespace xased::ctl {
namespace {

struct ReportCommandOptions {
  std::string state_dir;
  std::string disclose = "none";
  std::string key;
  std::string out = "report.html";
  std::uint64_t from = 0;
  std::uint64_t to = 0;
};

int cannot_make(const Status& status) {
  if (status.code() == Code::kDenied) {
    return fail(kExitDenied, status.message() + "; try sudo, or sudo -u xased");
  }
  return fail(kExitMalformed, status.message());
}

void tell_of(const Report& report, const ReportCommandOptions& options) {
  std::string text = options.out + ": " + with_commas(report.records) + " records, entries " +
                     std::to_string(report.from) + " to " + std::to_string(report.to) + ", " +
                     short_bytes(report.html.size());
  if (report.has_earlier) text += "; these are the last ones: --from and --to choose others";
  tell(text);
  if (options.disclose == "none") {
    tell("what the records hold is withheld; --disclose shows it to whoever has the file");
  }
  if (report.faults != 0) {
    tell(with_commas(report.faults) +
         " entries cannot be read or do not fit: the report shows "
         "them; xasectl verify says more");
  }
  if (!report.has_checkpoint) {
    tell("the ledger has no signed head that can be read: nothing in the report is proven");
  } else if (!report.has_key) {
    tell("no key: --key gives one, as xasectl keys show prints it");
  }
}

int run_report(const Globals& globals, const ReportCommandOptions& options, std::string program) {
  const Result<std::string> state_dir = resolve_state_dir(globals, options.state_dir);
  if (!state_dir.ok()) return fail(kExitConfig, state_dir.status().message());
  ReportOptions report_options;
  report_options.from = options.from;
  report_options.to = options.to;
  report_options.program = std::move(program);
  report_options.made_wall_ns = system_clock().wall_ns();
  const auto disclose = parse_disclosure(options.disclose);
  if (!disclose) {
    return fail(kExitUsage,
                "--disclose takes all, none, or some of "
                "input,output,context,explanation");
  }
  report_options.disclose = *disclose;
  if (!options.key.empty()) {
    const auto key = pinned_keys(options.key);
    if (!key.ok()) return cannot_make(key.status());
    report_options.key = key->front();
  }
  ProgressBar progress(style_of(STDERR_FILENO),
                       [](std::uint64_t entries) { return with_commas(entries); });
  report_options.progress = [&progress](std::uint64_t done, std::uint64_t total) {
    progress.show(done, total);
  };
  const Result<Report> report = make_report(system_file_system(), *state_dir, report_options);
  progress.clear();
  if (!report.ok()) return cannot_make(report.status());
  if (options.out == "-") {
    if (!write_all(STDOUT_FILENO, report->html)) return kExitNo;
  } else if (Status status = write_file_atomically(system_file_system(), options.out,
                                                   xase::proto::as_bytes(report->html), 0600);
             !status.ok()) {
    return fail(status);
  }
  if (globals.json) {
    const nlohmann::ordered_json json{{"out", options.out},       {"from", report->from},
                                      {"to", report->to},         {"records", report->records},
                                      {"faults", report->faults}, {"bytes", report->html.size()}};
    const std::string line = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    write_all(options.out == "-" ? STDERR_FILENO : STDOUT_FILENO, line + "\n");
  } else {
    tell_of(*report, options);
  }
  return kExitOk;
}

}  // namespace

void add_report_command(CLI::App& app, Globals& globals) {
  CLI::App* command = app.add_subcommand(
      "report", "Write one HTML file that shows decisions and verifies them in a browser");
  command->footer(
      "\nThe file opens without a network. What the records hold is personal data more often than "
      "not:\nnothing of it is shown unless --disclose names it. Exit code 0 also where the report "
      "shows damage;\n\"xasectl verify\" is the one that judges.");
  auto options = std::make_shared<ReportCommandOptions>();
  command
      ->add_option("--state-dir", options->state_dir,
                   "Of the ledger; default: that of the configuration")
      ->type_name("DIR");
  command->add_option("--from", options->from, "First entry; default: the last 1,000 records")
      ->type_name("SEQUENCE");
  command->add_option("--to", options->to, "Last entry; default: the ledger's last")
      ->type_name("SEQUENCE");
  command
      ->add_option("--disclose", options->disclose,
                   "all, none (the default), or some of input,output,context,explanation")
      ->type_name("PARTS");
  command
      ->add_option("--key", options->key,
                   "Must have signed: a verifier key, or a file that holds one; default: the one "
                   "beside the ledger")
      ->type_name("KEY|FILE");
  command->add_option("--out", options->out, "Default: report.html; - for stdout")
      ->type_name("FILE");
  command->callback([&app, &globals, options] {
    globals.exit_code = run_report(globals, *options, app.version());
  });
}

}  // namespace xased::ctl
