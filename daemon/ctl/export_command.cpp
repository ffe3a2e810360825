#include <unistd.h>

#include <memory>

#include "daemon/ctl/command.hpp"
#include "daemon/ctl/disclosure.hpp"
#include "daemon/ctl/progress_bar.hpp"
#include "daemon/ctl/terminal.hpp"
#include "daemon/evidence/make_bundle.hpp"

namespace xased::ctl {
namespace {

struct ExportOptions {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::string transaction;
  std::string state_dir;
  std::vector<std::string> disclose;
  std::string out;
};

int cannot_export(const Status& status) {
  if (status.code() == Code::kDenied) {
    return fail(kExitDenied, status.message() + "; try sudo, or sudo -u xased");
  }
  return fail(status);
}

int put_out(const ExportOptions& options, const MadeBundle& made) {
  if (made.not_at_hand != 0) {
    tell(with_commas(made.not_at_hand) +
         " parts are no longer in the journal, and are not disclosed");
  }
  const std::string bytes = encode_bundle(*made.bundle);
  const std::string said = "entries " + std::to_string(made.bundle->first) + " to " +
                           std::to_string(made.bundle->last()) + ", " +
                           with_commas(made.bundle->disclosed.size()) + " parts disclosed, " +
                           short_bytes(bytes.size());
  if (const int code = write_output(options.out, bytes); code != kExitOk) return code;
  tell(options.out.empty()
           ? said
           : said + "; check it anywhere: xasectl verify " + options.out + " --key KEY");
  return kExitOk;
}

Result<MadeBundle> make_of_transaction(const ExportOptions& options, const std::string& state_dir,
                                       const Disclosure& disclose) {
  const auto found = find_transaction(system_file_system(), state_dir, options.transaction);
  if (!found.ok()) return found.status();
  if (found->records.size() > 1) {
    tell("several records have this transaction_id: all of them are disclosed alike");
  }
  if (found->answers.size() < found->records.size()) {
    tell("not every record of it has an answer of the API that is under a signed head yet");
  }
  return make_transaction_bundle(system_file_system(), state_dir, *found, disclose);
}

int run_export(const Globals& globals, const ExportOptions& options) {
  const Result<Disclosure> disclose = disclosure_of(options.disclose);
  if (!disclose.ok()) return fail(kExitUsage, disclose.status().message());
  const bool is_of_transaction = !options.transaction.empty();
  if (is_of_transaction == (options.from != 0 && options.to != 0)) {
    return fail(kExitUsage, "say which entries: --from and --to, or --transaction");
  }
  if (!is_of_transaction &&
      (options.from > options.to || options.to - options.from >= kBundleEntriesMax)) {
    return fail(kExitUsage,
                "--from and --to must name 1 to " + with_commas(kBundleEntriesMax) + " entries");
  }
  const Result<std::string> state_dir = resolve_state_dir(globals, options.state_dir);
  if (!state_dir.ok()) return fail(kExitConfig, state_dir.status().message());
  ProgressBar bar(style_of(STDERR_FILENO),
                  [](std::uint64_t entries) { return with_commas(entries); });
  const auto made =
      is_of_transaction
          ? make_of_transaction(options, *state_dir, *disclose)
          : make_bundle(system_file_system(), *state_dir, options.from, options.to, *disclose,
                        [&bar](std::uint64_t done, std::uint64_t total) { bar.show(done, total); });
  bar.clear();
  if (!made.ok()) return cannot_export(made.status());
  if (!made->bundle) {
    return fail(kExitUsage,
                "the signed head covers " + std::to_string(made->covered) +
                    " entries: where what is to be exported is behind them and a "
                    "daemon runs, the next one comes within a second or so (xasectl status)");
  }
  return put_out(options, *made);
}

}  // namespace

void add_export_command(CLI::App& app, Globals& globals) {
  CLI::App* command = app.add_subcommand(
      "export", "Write a stretch of the ledger, which anyone can check with its key alone");
  command->footer(
      "\nThe bundle is one tar archive: the entries' leaves, the hashes from them to the signed "
      "head,\nthat head, and what --disclose names; of the same files always the same bytes.\n"
      "Exit codes: 0 written; 2 not under a signed head yet, or wrong usage; 3 the files do not "
      "agree.");
  auto options = std::make_shared<ExportOptions>();
  const CLI::Range sequences(std::uint64_t{1}, xase::proto::kTreeSizeMax);
  CLI::Option* from = command->add_option("--from", options->from, "Sequence of the first entry")
                          ->type_name("SEQ")
                          ->check(quiet(sequences));
  CLI::Option* to = command->add_option("--to", options->to, "… of the last one")
                        ->type_name("SEQ")
                        ->check(quiet(sequences));
  command
      ->add_option("--transaction", options->transaction,
                   "Instead: from the record with this transaction_id to the API's answer; what is "
                   "disclosed is of these alone")
      ->type_name("ID")
      ->excludes(from)
      ->excludes(to);
  command
      ->add_option("--state-dir", options->state_dir,
                   "Of the ledger; default: that of the configuration")
      ->type_name("DIR");
  command->add_option("--disclose", options->disclose, kDiscloseHelp)
      ->type_name("PARTS")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--out", options->out, "Where to write it; default: stdout")
      ->type_name("FILE");
  command->callback([&globals, options] { globals.exit_code = run_export(globals, *options); });
}

}  // namespace xased::ctl
