#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "daemon/ctl/audit_run.hpp"
#include "daemon/ctl/command.hpp"
#include "daemon/ctl/paced_questions.hpp"
#include "daemon/ctl/progress_bar.hpp"
#include "daemon/ctl/terminal.hpp"
#include "daemon/delivery/http_transport.hpp"
#include "daemon/platform/clock.hpp"

namespace xased::ctl {
namespace {

using std::chrono::nanoseconds;
using xase::proto::audit_kind_name;
using xase::proto::audit_kind_words;
using xase::proto::AuditKind;

constexpr std::size_t kLinesMax = 20;
constexpr double kPerSecondMax = 1000;

struct AuditOptions {
  std::string state_dir;
  std::string base_url;
  std::optional<std::size_t> sample;
  bool all = false;
  double per_second = 5;
};

enum Verdict : int {
  kGood = kExitOk,
  kRefuted = kExitNo,
  kNotEnough = kExitUsage,
};

Verdict verdict_of(const AuditLedger& ledger, const AuditReport& report) {
  if (report.refuted()) return kRefuted;
  const bool is_whole = report.unanswered + report.not_asked + report.without_bytes +
                                ledger.receipts_unreadable + ledger.damages ==
                            0 &&
                        report.good != 0 && !report.has_race();
  return is_whole ? kGood : kNotEnough;
}

const char* verdict_word(Verdict verdict) {
  switch (verdict) {
    case kGood:
      return "good";
    case kRefuted:
      return "refuted";
    case kNotEnough:
      break;
  }
  return "not_enough";
}

int print_json(const AuditLedger& ledger, const AuditReport& report, const std::string& base_url,
               Verdict verdict) {
  nlohmann::ordered_json findings = nlohmann::ordered_json::array();
  std::map<std::string, std::uint64_t> counts;
  for (const AuditLine& line : report.findings) {
    const std::string kind(audit_kind_name(line.finding.kind));
    ++counts[kind];
    nlohmann::ordered_json item{{"kind", kind},
                                {"sequence", line.sequence},
                                {"transaction_id", line.transaction_id},
                                {"what", audit_kind_words(line.finding.kind)}};
    if (line.finding.other_sequence != 0) item["other_sequence"] = line.finding.other_sequence;
    findings.push_back(std::move(item));
  }
  const nlohmann::ordered_json json{{"verdict", verdict_word(verdict)},
                                    {"base_url", base_url},
                                    {"receipts", report.receipts},
                                    {"asked", report.asked},
                                    {"good", report.good},
                                    {"counts", counts},
                                    {"findings", findings},
                                    {"without_bytes", report.without_bytes},
                                    {"records_erased", ledger.records_erased},
                                    {"records_replayed", ledger.records_replayed},
                                    {"records_untold", ledger.records_untold},
                                    {"records_missing", ledger.records_missing},
                                    {"receipts_unreadable", ledger.receipts_unreadable},
                                    {"damages", ledger.damages},
                                    {"unanswered", report.unanswered},
                                    {"not_asked", report.not_asked}};
  const std::string line = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (!write_all(STDOUT_FILENO, line + "\n")) return kExitNo;
  return verdict;
}

std::string row(std::string_view label, std::uint64_t number, std::string_view note = {}) {
  std::string text = "  " + left(label, 18) + right(with_commas(number), 12);
  if (!note.empty()) text += "  " + std::string(note);
  return text + "\n";
}

std::string finding_text(const Style& style, const AuditLine& line) {
  const Ink ink = line.finding.kind == AuditKind::kRace ? Ink::kYellow : Ink::kRed;
  std::string text = "  " + paint(style, ink, audit_kind_name(line.finding.kind)) + "  record " +
                     std::to_string(line.sequence) + " (" + printable(line.transaction_id) + ")";
  if (line.finding.other_sequence != 0) {
    text += " and record " + std::to_string(line.finding.other_sequence);
  }
  return text + ": " + std::string(audit_kind_words(line.finding.kind)) + "\n";
}

std::string table(const Style& style, const AuditLedger& ledger, const AuditReport& report,
                  const std::string& base_url, Verdict verdict) {
  std::string text = "The receipts of this ledger, as " + printable(base_url) + " has them now:\n";
  text += row("receipts", report.receipts);
  text += row("asked about", report.asked);
  text += row("good", report.good, "the receipt's hash, made of our bytes");
  if (report.without_bytes != 0) {
    text += row("good as far as told", report.without_bytes,
                with_commas(ledger.records_erased) + " of the ledger's records erased, " +
                    with_commas(ledger.records_replayed) + " with another request's answer, " +
                    with_commas(ledger.records_untold + ledger.records_missing) +
                    " whose hash cannot be told");
  }
  if (ledger.receipts_unreadable != 0) text += row("unreadable", ledger.receipts_unreadable);
  if (report.unanswered != 0) text += row("unanswered", report.unanswered);
  if (report.not_asked != 0) text += row("not asked about", report.not_asked);
  text += row("findings", report.findings.size());
  for (std::size_t i = 0; i < std::min(kLinesMax, report.findings.size()); ++i) {
    text += finding_text(style, report.findings[i]);
  }
  if (report.findings.size() > kLinesMax) {
    text += "  and " + with_commas(report.findings.size() - kLinesMax) + " more: --json has all\n";
  }
  switch (verdict) {
    case kGood:
      return text + paint(style, Ink::kGreen, "GOOD") + "\n";
    case kRefuted:
      return text + paint(style, Ink::kRed, "REFUTED") +
             ": the service does not stand by its receipts\n";
    case kNotEnough:
      break;
  }
  return text + paint(style, Ink::kYellow, "NOT ENOUGH TO SAY") + "\n";
}

// What to do next, of what was found.
void tell_next(const AuditLedger& ledger, const AuditReport& report, Verdict verdict,
               const AuditOptions& options) {
  const std::string state = options.state_dir.empty() ? "" : " --state-dir " + options.state_dir;
  if (verdict == kRefuted) {
    const auto bad =
        std::find_if(report.findings.begin(), report.findings.end(),
                     [](const AuditLine& line) { return line.finding.kind != AuditKind::kRace; });
    tell("keep the evidence: xasectl prove " + std::to_string(bad->sequence) + state +
         " --out proof.json");
    return;
  }
  if (report.unanswered != 0) {
    tell("no answer: " + printable(report.last_failure) +
         "; is it the right address? xasectl config show");
  }
  if (ledger.damages != 0) {
    tell("the journal is damaged: xasectl verify" +
         (options.state_dir.empty() ? "" : " " + options.state_dir));
  }
  if (report.receipts == 0) tell("the ledger has no receipts yet: xasectl status");
  if (report.has_race()) {
    tell(
        "the service forks its chain where records are posted at once: api.ordered = true posts "
        "one at a time; xasectl config show");
  }
}

Result<std::unique_ptr<Transport>> connect(const Config& config, const std::string& base_url) {
  const auto url = parse_base_url(base_url);
  if (!url.ok()) return url.status();
  HttpOptions http;
  http.url = *url;
  http.timeout = config.api.timeout;
  http.connect_timeout = config.api.connect_timeout;
  http.ca_file = config.api.ca_file.value_or("");
  http.tls_insecure_skip_verify = config.api.tls_insecure_skip_verify;
  const auto transports = make_http_transports(http, nullptr, system_clock());
  if (!transports.ok()) return transports.status();
  return (*transports)();
}

PacedQuestions::Time real_time(ProgressBar& bar) {
  PacedQuestions::Time time;
  time.now = [] { return nanoseconds(system_clock().boot_ns()); };
  time.sleep = [](nanoseconds wait) { std::this_thread::sleep_for(wait); };
  time.wall_ns = [] { return system_clock().wall_ns(); };
  time.on_wait = [&bar](nanoseconds wait) {
    bar.clear();
    tell("the service asks to wait " + short_seconds(std::chrono::duration<double>(wait).count()));
  };
  return time;
}

int cannot_read(const Status& status, const std::string& state_dir) {
  if (status.code() == Code::kDenied) {
    return fail(kExitDenied, status.message() + "; try sudo, or sudo -u xased");
  }
  if (status.code() == Code::kNotFound) {
    return fail(kExitMalformed, "no journal in " + state_dir +
                                    ": give the state directory; xasectl config show has its name");
  }
  return fail(kExitMalformed, status.message() + "; xasectl verify " + state_dir + " says more");
}

int run_audit_command(const Globals& globals, const AuditOptions& options) {
  const Result<Config> config = effective_config(globals);
  if (!config.ok()) return fail(kExitConfig, config.status().message());
  const std::string& state_dir = options.state_dir.empty() ? config->state_dir : options.state_dir;
  const std::string& base_url = options.base_url.empty() ? config->api.base_url : options.base_url;
  auto transport = connect(*config, base_url);
  if (!transport.ok()) {
    return fail(options.base_url.empty() ? kExitConfig : kExitMalformed,
                transport.status().message() + "; xasectl audit --base-url URL names another");
  }
  const Style talk = style_of(STDERR_FILENO);
  const auto words = [](std::uint64_t number) { return with_commas(number); };
  ProgressBar bar(talk, words);
  const auto progress = [&bar](std::uint64_t done, std::uint64_t total) { bar.show(done, total); };
  const Result<AuditLedger> ledger = read_audit_ledger(system_file_system(), state_dir, progress);
  bar.clear();
  if (!ledger.ok()) return cannot_read(ledger.status(), state_dir);
  ProgressBar asking(talk, words);
  PacedQuestions questions(**transport, options.per_second, real_time(asking));
  const AuditReport report = run_audit(
      *ledger, choose(ledger->subjects.size(), options.all ? std::nullopt : options.sample),
      [&questions](const std::string& id) { return questions.ask(id); },
      [&asking](std::uint64_t done, std::uint64_t total) { asking.show(done, total); });
  asking.clear();
  const Verdict verdict = verdict_of(*ledger, report);
  if (globals.json) return print_json(*ledger, report, base_url, verdict);
  const std::string text = table(style_of(STDOUT_FILENO), *ledger, report, base_url, verdict);
  if (!write_all(STDOUT_FILENO, text)) return kExitNo;
  tell_next(*ledger, report, verdict, options);
  return verdict;
}

}  // namespace

void add_audit_command(CLI::App& app, Globals& globals) {
  CLI::App* command =
      app.add_subcommand("audit", "Ask the API whether it still has what it gave receipts for");
  command->footer(
      "\nFor each RECEIPT of the ledger the API is asked for its record (GET /verify, without a "
      "key), and what\nit says must be the receipt's record_hash, made of the bytes that were "
      "posted, on a chain that does not fork\nor go back. Exit codes: 0 all checked and good; 1 "
      "refuted; 2 not enough to say (no answer, payloads erased,\na fork that the API's known race "
      "explains); 3 what was given cannot be read.");
  auto options = std::make_shared<AuditOptions>();
  command->add_option("STATE_DIR", options->state_dir,
                      "Of the ledger; default: that of the configuration");
  auto* sample =
      command->add_option("--sample", options->sample, "Only so many, by chance")->type_name("N");
  command->add_flag("--all", options->all, "Every receipt; the default")->excludes(sample);
  command->add_option("--rate", options->per_second, "Questions a second; default: 5")
      ->check(quiet(CLI::Range(0.001, kPerSecondMax)))
      ->type_name("PER_SECOND");
  command
      ->add_option("--base-url", options->base_url,
                   "Of the API; default: that of the configuration")
      ->type_name("URL");
  command->callback(
      [&globals, options] { globals.exit_code = run_audit_command(globals, *options); });
}

}  // namespace xased::ctl
