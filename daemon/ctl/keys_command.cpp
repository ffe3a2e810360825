#include <unistd.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/ctl/command.hpp"
#include "daemon/ctl/control_client.hpp"
#include "daemon/ctl/terminal.hpp"
#include "daemon/ledger/verify_keys.hpp"

namespace xased::ctl {
namespace {

int cannot_read(const Status& status, const std::string& path) {
  if (status.code() == Code::kDenied) {
    return fail(kExitDenied, status.message() + "; try sudo, or sudo -u xased");
  }
  if (status.code() != Code::kNotFound) return fail(status);
  return fail(kExitNo, "no " + path +
                           ": a daemon makes it at its first start; or give the state directory "
                           "that its configuration names");
}

int run_show(const Globals& globals, const std::string& given) {
  const Result<std::string> state_dir = resolve_state_dir(globals, given);
  if (!state_dir.ok()) return fail(kExitConfig, state_dir.status().message());
  const std::string path = verifier_key_path(*state_dir);
  const auto keys = read_verifier_keys(system_file_system(), path);
  if (!keys.ok()) return cannot_read(keys.status(), path);
  Sha256 sha;
  if (globals.json) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const xase::proto::VerifierKey& key : *keys) {
      list.push_back(
          {{"origin", key.name},
           {"key_id", xase::proto::key_id_text(key_id(sha, key))},
           {"algorithm",
            key.algorithm == xase::proto::KeyAlgorithm::kEd25519 ? "Ed25519" : "ECDSA P-256"},
           {"verifier_key", xase::proto::format_verifier_key(sha, key)}});
    }
    const std::string line = list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return write_all(STDOUT_FILENO, line + "\n") ? kExitOk : kExitNo;
  }
  for (const std::string& text : key_texts(*keys)) {
    if (!write_all(STDOUT_FILENO, text + "\n")) return kExitNo;
  }
  tell((keys->size() == 1 ? "signs " : "sign ") + printable(keys->front().name) +
       "; keep it away from this host, and verify with: xasectl verify --key");
  return kExitOk;
}

int run_rotate(const Globals& globals) {
  const Result<std::string> run_dir = resolve_run_dir(globals);
  if (!run_dir.ok()) return fail(kExitConfig, run_dir.status().message());
  ControlClient client(*run_dir, std::chrono::seconds(10));
  const Result<std::string> body = client.post_ok("/keys/rotate");
  if (!body.ok()) return fail(body.status());
  const auto json = nlohmann::json::parse(*body, nullptr, false);
  if (!json.is_object() || !json["verifier_keys"].is_array()) {
    return fail(kExitNo, "the daemon's answer is not understood: is it of another version?");
  }
  if (globals.json) return write_all(STDOUT_FILENO, *body) ? kExitOk : kExitNo;
  for (const auto& key : json["verifier_keys"]) {
    if (key.is_string() && !write_all(STDOUT_FILENO, key.get<std::string>() + "\n")) {
      return kExitNo;
    }
  }
  tell(
      "in force from here on: keep it away from this host, beside the one before it or in its "
      "place");
  return kExitOk;
}

}  // namespace

void add_keys_commands(CLI::App& app, Globals& globals) {
  CLI::App* group = app.add_subcommand("keys", "The keys that sign the ledger");
  group->require_subcommand(1);
  CLI::App* show =
      group->add_subcommand("show", "Their public halves, to be kept elsewhere for verify --key");
  show->fallthrough();
  CLI::App* rotate = group->add_subcommand(
      "rotate",
      "Have a new key take over from the one in STATE_DIR/keys, whose private half is "
      "erased then");
  rotate->fallthrough();
  rotate->callback([&globals] { globals.exit_code = run_rotate(globals); });
  auto state_dir = std::make_shared<std::string>();
  show->add_option("STATE_DIR", *state_dir, "Of the ledger; default: that of the configuration");
  show->callback([&globals, state_dir] { globals.exit_code = run_show(globals, *state_dir); });
}

}  // namespace xased::ctl
