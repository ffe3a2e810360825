#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/ctl/command.hpp"
#include "daemon/ctl/pinned_keys.hpp"
#include "daemon/ctl/progress_bar.hpp"
#include "daemon/ctl/terminal.hpp"
#include "daemon/ctl/verify_evidence.hpp"
#include "daemon/delivery/anchor.hpp"
#include "daemon/ledger/verify.hpp"

namespace xased::ctl {
namespace {

using Json = nlohmann::ordered_json;

struct VerifyCommandOptions {
  std::string state_dir;
  std::vector<std::string> keys;
  std::string policy;                    // file
  std::vector<std::string> checkpoints;  // files
  bool quiet = false;
};

Json counts_json(const VerifyCounts& c) {
  return {{"segments", c.segments},
          {"bytes", c.bytes},
          {"entries", c.entries},
          {"records", c.records},
          {"rejected", c.rejected},
          {"gaps", c.gaps},
          {"missing", c.missing},
          {"receipts", c.receipts},
          {"replayed", c.replayed},
          {"possible_duplicates", c.possible_duplicates},
          {"dead_letters", c.dead_letters},
          {"undelivered", c.undelivered},
          {"producers", c.producers},
          {"erased", c.erased},
          {"unmatched_receipts", c.unmatched_receipts},
          {"audits", c.audits},
          {"anchors", c.anchors},
          {"unreadable", c.unreadable}};
}

const char* verdict_of(int exit_code) {
  switch (exit_code) {
    case 0:
      return "verified";
    case 1:
      return "refuted";
    case 2:
      return "not_established";
    default:
      return "malformed";
  }
}

Json checkpoint_json(const VerifyCheckpoint& checkpoint) {
  return {{"name", checkpoint.name},
          {"origin", checkpoint.origin},
          {"size", checkpoint.size},
          {"root", checkpoint.root},
          {"signed_by", checkpoint.signed_by},
          {"signed_by_pinned", checkpoint.signed_by_pinned},
          {"verdict", verify_verdict_name(checkpoint.verdict)},
          {"text", checkpoint.text}};
}

Json report_json(const VerifyReport& report) {
  Json json{{"verdict", verdict_of(report.exit_code())},
            {"first_bad_sequence", report.first_bad_sequence()},
            {"log_id", report.log_id},
            {"origin", report.origin},
            {"head", report.head},
            {"first_sequence", report.first_sequence},
            {"last_sequence", report.last_sequence},
            {"first_wall_ns", report.first_wall_ns},
            {"last_wall_ns", report.last_wall_ns},
            {"unfinished_bytes", report.unfinished_bytes},
            {"malformed", report.malformed},
            {"counts", counts_json(report.counts)}};
  Json& properties = json["properties"] = Json::array();
  for (const VerifyPropertyReport& property : report.properties) {
    properties.push_back({{"name", verify_property_name(property.property)},
                          {"verdict", verify_verdict_name(property.verdict)},
                          {"required", property.required},
                          {"first_bad_sequence", property.first_bad_sequence},
                          {"findings", property.findings},
                          {"text", property.text}});
  }
  json["checkpoint"] = report.checkpoint ? checkpoint_json(*report.checkpoint) : Json();
  json["not_covered"] = report.not_covered;
  Json& earlier = json["earlier_checkpoints"] = Json::array();
  for (const VerifyCheckpoint& one : report.earlier) earlier.push_back(checkpoint_json(one));
  json["findings_total"] = report.findings_total;
  Json& findings = json["findings"] = Json::array();
  for (const VerifyFinding& finding : report.findings) {
    findings.push_back({{"property", verify_property_name(finding.property)},
                        {"sequence", finding.sequence},
                        {"segment", finding.segment},
                        {"position", finding.position},
                        {"text", finding.text}});
  }
  Json& gaps = json["gaps"] = Json::array();
  for (const VerifyGap& gap : report.gaps) {
    gaps.push_back({{"sequence", gap.sequence},
                    {"reason", gap.reason},
                    {"ring_id", gap.ring_id},
                    {"count", gap.count},
                    {"after_sequence", gap.after_sequence},
                    {"before_sequence", gap.before_sequence},
                    {"text", gap.text}});
  }
  return json;
}

// The report for people.
class Pages {
 public:
  Pages(const VerifyReport& report, const Style& style) : report_(report), style_(style) {}

  std::string take() {
    head();
    properties();
    findings();
    gaps();
    verdict();
    return std::move(text_);
  }

 private:
  void line(const std::string& text) { text_ += text + "\n"; }
  std::string ink(Ink color, std::string_view text) const { return paint(style_, color, text); }
  void labelled(std::string_view label, const std::string& text) {
    line(ink(Ink::kDim, left(label, 11)) + text);
  }

  void head() {
    const VerifyCounts& c = report_.counts;
    if (!report_.origin.empty()) labelled("ledger", printable(report_.origin));
    if (!report_.log_id.empty()) labelled("log id", report_.log_id);
    if (report_.first_sequence != 0) {
      labelled("entries", with_commas(c.entries) + ", " + std::to_string(report_.first_sequence) +
                              " to " + std::to_string(report_.last_sequence) + ", in " +
                              with_commas(c.segments) + " segments, " + short_bytes(c.bytes));
      labelled("made", local_time(report_.first_wall_ns) + " to " +
                           local_time(report_.last_wall_ns) + " by the host's clock");
      labelled("head", report_.head);
    }
    labelled("records", with_commas(c.records) + ": " + with_commas(c.receipts) + " delivered, " +
                            with_commas(c.dead_letters) + " set aside, " +
                            with_commas(c.undelivered) + " not yet delivered, " +
                            with_commas(c.rejected) + " rejected");
    if (c.replayed != 0 || c.possible_duplicates != 0) {
      labelled("doubtful", with_commas(c.replayed) + " receipts replayed, " +
                               with_commas(c.possible_duplicates) + " possible duplicates");
    }
    if (c.audits != 0) {
      labelled("audits", with_commas(c.audits) +
                             " entries say that the service did not stand by a "
                             "receipt: xasectl audit asks it again");
    }
    if (c.erased != 0) labelled("erased", with_commas(c.erased) + " entries without payload");
    if (report_.unfinished_bytes != 0) {
      labelled("unfinished", with_commas(report_.unfinished_bytes) +
                                 " bytes at the end are no whole entry: one being written, or cut "
                                 "off by a crash");
    }
    line("");
  }

  void properties() {
    for (const VerifyPropertyReport& property : report_.properties) {
      Ink color = Ink::kDim;
      if (property.verdict == VerifyVerdict::kProven) color = Ink::kGreen;
      if (property.verdict == VerifyVerdict::kRefuted) color = Ink::kRed;
      if (property.verdict == VerifyVerdict::kNotEstablished && property.required) {
        color = Ink::kYellow;
      }
      line(ink(color, left(verify_verdict_name(property.verdict), 17)) +
           left(verify_property_name(property.property), 13) + printable(property.text));
    }
  }

  void findings() {
    if (report_.findings.empty()) return;
    line("");
    for (const VerifyFinding& finding : report_.findings) {
      line(ink(Ink::kRed, "sequence " + std::to_string(finding.sequence)) + "  " +
           std::string(verify_property_name(finding.property)) + ": " + printable(finding.text) +
           ink(Ink::kDim, "  (" + printable(finding.segment) + " at byte " +
                              std::to_string(finding.position) + ")"));
    }
    if (report_.findings_total > report_.findings.size()) {
      line("and " + with_commas(report_.findings_total - report_.findings.size()) + " others");
    }
  }

  void gaps() {
    if (report_.gaps.empty()) return;
    line("");
    for (const VerifyGap& gap : report_.gaps) {
      std::string text = ink(Ink::kYellow, "gap " + std::to_string(gap.sequence)) + "  " +
                         with_commas(gap.count) + " records, " + printable(gap.reason);
      if (!gap.ring_id.empty()) text += ", producer " + gap.ring_id.substr(0, 8);
      text += ", after its " + std::to_string(gap.after_sequence);
      if (gap.before_sequence != 0) text += ", before its " + std::to_string(gap.before_sequence);
      if (!gap.text.empty()) text += ": " + printable(gap.text);
      line(text);
    }
    if (report_.counts.gaps > report_.gaps.size()) {
      line("and " + with_commas(report_.counts.gaps - report_.gaps.size()) + " other gaps");
    }
  }

  std::string what_holds() const {
    if (report_.property(VerifyProperty::kSigner).verdict != VerifyVerdict::kProven) {
      return "everything that these files alone can show holds";
    }
    return "and a pinned key signed it, up to entry " + std::to_string(report_.checkpoint->size);
  }

  std::string what_is_missing() const {
    std::string names;
    for (const VerifyPropertyReport& property : report_.properties) {
      if (!property.required || property.verdict == VerifyVerdict::kProven) continue;
      names += (names.empty() ? "" : ", ") + std::string(verify_property_name(property.property));
    }
    return names;
  }

  void verdict() {
    line("");
    switch (report_.exit_code()) {
      case 0:
        line(ink(Ink::kGreen, "VERIFIED") + "  " + what_holds());
        break;
      case 1:
        line(ink(Ink::kRed, "REFUTED") + "  first at sequence " +
             std::to_string(report_.first_bad_sequence()));
        break;
      case 2:
        line(ink(Ink::kYellow, "NOT ESTABLISHED") +
             "  there is not enough here to say: " + what_is_missing());
        break;
      default:
        line(ink(Ink::kRed, "MALFORMED") + "  " + printable(report_.malformed));
    }
  }

  const VerifyReport& report_;
  const Style& style_;
  std::string text_;
};

// What is asked for and given.
Status read_outside(const VerifyCommandOptions& options, Policy policy, VerifyOptions& to) {
  for (const std::string& name : policy.required) {
    const auto property = verify_property_of(name);
    if (!property) {
      return {Code::kInvalid, options.policy + " requires " + name +
                                  ", of which a proof or a bundle tells and a ledger does not"};
    }
    to.required.push_back(*property);
  }
  to.keys = std::move(policy.logs);
  to.witnesses = std::move(policy.witnesses);
  to.anchors = std::move(policy.anchors);
  to.anchor_record_hash = anchor_record_hash;
  for (const std::string& path : options.checkpoints) {
    const auto bytes = read_file(system_file_system(), path, xase::proto::kNoteBytesMax);
    if (!bytes.ok()) return bytes.status();
    to.earlier.push_back({path, std::string(xase::proto::as_text(*bytes))});
  }
  return {};
}

int cannot_read(const Status& status) {
  return fail(status.code() == Code::kDenied ? kExitDenied : kExitMalformed, status.message());
}

int run_verify(const Globals& globals, const VerifyCommandOptions& options) {
  Result<Policy> policy = read_policy(options.keys, options.policy);
  if (!policy.ok()) return cannot_read(policy.status());
  std::error_code ignored;
  if (std::filesystem::is_regular_file(options.state_dir, ignored)) {
    if (!options.checkpoints.empty()) {
      return fail(kExitUsage, "--checkpoint is for a state directory: a file stands alone");
    }
    return verify_evidence_file(globals, options.state_dir, *policy, options.quiet);
  }
  const Result<std::string> state_dir = resolve_state_dir(globals, options.state_dir);
  if (!state_dir.ok()) return fail(kExitConfig, state_dir.status().message());
  ProgressBar progress(style_of(STDERR_FILENO), short_bytes);
  VerifyOptions verify_options;
  if (Status status = read_outside(options, std::move(*policy), verify_options); !status.ok()) {
    return cannot_read(status);
  }
  if (!options.quiet) {
    verify_options.progress = [&progress](std::uint64_t done, std::uint64_t total) {
      progress.show(done, total);
    };
  }
  const Result<VerifyReport> report =
      verify_ledger(system_file_system(), *state_dir, verify_options);
  progress.clear();
  if (!report.ok()) {
    if (report.status().code() == Code::kDenied) {
      return fail(kExitDenied, report.status().message() + "; try sudo, or sudo -u xased");
    }
    return fail(kExitMalformed, report.status().message());
  }
  if (globals.json) {
    write_all(STDOUT_FILENO,
              report_json(*report).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  } else if (!options.quiet) {
    write_all(STDOUT_FILENO, Pages(*report, style_of(STDOUT_FILENO)).take());
  }
  return report->exit_code();
}

}  // namespace

void add_verify_command(CLI::App& app, Globals& globals) {
  CLI::App* command = app.add_subcommand(
      "verify", "Verify a ledger, a proof or a bundle, offline and trusting nobody");
  command->footer(
      "\nExit codes: 0 all that is asked for is proven; 1 something is refuted; 2 not enough to "
      "say;\n"
      "3 malformed, or there is no ledger. Reads only; a daemon may be writing meanwhile.\n"
      "Without --key nothing shows whose ledger it is: that key comes from \"xasectl keys show\" "
      "on "
      "the\nhost, once, and is kept elsewhere; so is a copy of STATE_DIR/tree/checkpoint, from "
      "time "
      "to time.");
  auto options = std::make_shared<VerifyCommandOptions>();
  command->add_option("STATE_DIR|FILE", options->state_dir,
                      "Of the ledger, or a file that xasectl prove or export wrote; default: the "
                      "state directory of the configuration");
  command
      ->add_option("--key", options->keys,
                   "Must have signed: a verifier key, or a file that holds one; may be repeated")
      ->type_name("KEY|FILE")
      ->allow_extra_args(false);
  command
      ->add_option("--checkpoint", options->checkpoints,
                   "Kept elsewhere: the ledger must go on from it; may be repeated")
      ->type_name("FILE")
      ->allow_extra_args(false);
  command
      ->add_option(
          "--policy", options->policy,
          "What must be shown: keys, witnesses, anchors, properties; see Policy in FORMATS.md")
      ->type_name("FILE");
  command->add_flag("-q,--quiet", options->quiet, "Say it by the exit code alone");
  command->callback([&globals, options] { globals.exit_code = run_verify(globals, *options); });
}

}  // namespace xased::ctl
