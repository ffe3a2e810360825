#include <unistd.h>

#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "daemon/ctl/command.hpp"
#include "daemon/ctl/disclosure.hpp"
#include "daemon/ctl/terminal.hpp"
#include "daemon/evidence/entry_finder.hpp"
#include "daemon/evidence/make_proof.hpp"

namespace xased::ctl {
namespace {

struct ProveOptions {
  std::string target;
  bool is_transaction = false;  // even where it is a number
  std::string state_dir;
  std::vector<std::string> disclose;
  std::string out;
};

int cannot_prove(const Status& status, const std::string& state_dir) {
  switch (status.code()) {
    case Code::kDenied:
      return fail(kExitDenied, status.message() + "; try sudo, or sudo -u xased");
    case Code::kNotFound:
      return fail(kExitNo, status.message() + "; see what there is: xasectl verify " + state_dir);
    default:
      return fail(status);
  }
}

std::optional<std::uint64_t> sequence_of(const ProveOptions& options) {
  std::uint64_t sequence = 0;
  const char* end = options.target.data() + options.target.size();
  const auto [stop, error] = std::from_chars(options.target.data(), end, sequence);
  if (options.is_transaction || error != std::errc() || stop != end) return std::nullopt;
  return sequence;
}

// The newest record of the transaction; says so where there are others.
Result<std::uint64_t> find_record(const ProveOptions& options, const std::string& state_dir) {
  EntryFinder finder(system_file_system(), state_dir);
  const auto records = finder.records_of(options.target);
  if (!records.ok()) return records.status();
  if (records->empty()) {
    return Status(Code::kNotFound, "no record in " + state_dir + " has the transaction_id " +
                                       printable(options.target));
  }
  if (records->size() > 1) {
    std::string others;
    for (std::size_t i = 0; i + 1 < records->size(); ++i) {
      others += (i == 0 ? "" : ", ") + std::to_string((*records)[i]);
    }
    tell("several records have this transaction_id; this is the newest. The others: entries " +
         others);
  }
  return records->back();
}

// What was made, in a line for people and in one for programs.
std::string said_of(const Proof& proof) {
  const auto leaf = xase::proto::decode_leaf(proof.entry.leaf);
  std::string text = "entry " + std::to_string(proof.entry.sequence);
  if (leaf) text += ", a " + std::string(entry_type_name(leaf->type));
  text += ", with " + std::to_string(proof.entry.inclusion.path.size()) + " hashes; disclosed: ";
  std::string parts;
  for (const DisclosedPart& part : proof.entry.disclosed) {
    parts += (parts.empty() ? "" : ", ") + std::string(part_name(part.part));
  }
  text += parts.empty() ? "nothing" : parts;
  if (proof.receipt) text += "; answered by entry " + std::to_string(proof.receipt->sequence);
  return text;
}

std::string summary_json(const Proof& proof, const ProveOptions& options, std::size_t bytes,
                         const std::vector<std::string>& remarks) {
  std::size_t hashes = proof.entry.inclusion.path.size();
  nlohmann::ordered_json json{
      {"out", options.out}, {"bytes", bytes}, {"sequence", proof.entry.sequence}};
  json["receipt_sequence"] = nullptr;
  if (proof.receipt) {
    json["receipt_sequence"] = proof.receipt->sequence;
    hashes += proof.receipt->inclusion.path.size();
  }
  json["hash_bytes"] = hashes * sizeof(xase::proto::Hash);
  auto& parts = json["disclosed"] = nlohmann::ordered_json::array();
  for (const DisclosedPart& part : proof.entry.disclosed) parts.push_back(part_name(part.part));
  json["remarks"] = remarks;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

int put_out(const Globals& globals, const ProveOptions& options, const MadeProof& made) {
  const Proof& proof = *made.proof;
  const std::string text = encode_proof(proof);
  for (const std::string& remark : made.remarks) tell(remark);
  if (const int code = write_output(options.out, text); code != kExitOk) return code;
  if (options.out.empty()) {
    tell(said_of(proof));
    return kExitOk;
  }
  if (globals.json) {
    write_all(STDOUT_FILENO, summary_json(proof, options, text.size(), made.remarks) + "\n");
  }
  tell(said_of(proof) + "; check it anywhere: xasectl verify " + options.out + " --key KEY");
  return kExitOk;
}

int run_prove(const Globals& globals, const ProveOptions& options) {
  const Result<Disclosure> disclose = disclosure_of(options.disclose);
  if (!disclose.ok()) return fail(kExitUsage, disclose.status().message());
  const Result<std::string> state_dir = resolve_state_dir(globals, options.state_dir);
  if (!state_dir.ok()) return fail(kExitConfig, state_dir.status().message());
  std::optional<std::uint64_t> sequence = sequence_of(options);
  if (!sequence) {
    const auto found = find_record(options, *state_dir);
    if (!found.ok()) return cannot_prove(found.status(), *state_dir);
    sequence = *found;
  }
  const auto made = make_proof(system_file_system(), *state_dir, *sequence, *disclose);
  if (!made.ok()) return cannot_prove(made.status(), *state_dir);
  if (!made->proof) {
    return fail(kExitUsage, "entry " + std::to_string(*sequence) +
                                " is not under a signed head yet, which covers " +
                                std::to_string(made->covered) +
                                " entries: a running daemon signs the next one within a second "
                                "or so (xasectl status), then try again");
  }
  return put_out(globals, options, *made);
}

}  // namespace

void add_prove_command(CLI::App& app, Globals& globals) {
  CLI::App* command = app.add_subcommand(
      "prove", "Write a proof of one entry, which anyone can check with the ledger's key alone");
  command->footer(
      "\nThe proof is one JSON file: the entry's leaf, the hashes from it to the signed head, that "
      "head,\nthe API's answer, and what --disclose names. Nothing else about the entry can be "
      "learned from it.\nReads files only; a daemon may be writing meanwhile.\n"
      "Exit codes: 0 written; 1 there is no such entry; 2 not under a signed head yet, or wrong "
      "usage;\n3 the files do not agree with each other.");
  auto options = std::make_shared<ProveOptions>();
  command
      ->add_option("ENTRY", options->target,
                   "A sequence, or the transaction_id that the app gave to record()")
      ->type_name("SEQ|TXN")
      ->required();
  command->add_flag("--transaction", options->is_transaction,
                    "ENTRY is a transaction_id, even where it is a number");
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
  command->callback([&globals, options] { globals.exit_code = run_prove(globals, *options); });
}

}  // namespace xased::ctl
