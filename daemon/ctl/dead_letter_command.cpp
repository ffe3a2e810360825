#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/ctl/command.hpp"
#include "daemon/ctl/control_client.hpp"
#include "daemon/ctl/terminal.hpp"

namespace xased::ctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kPageLines = 1000;

std::string text_of(const Json& line, const char* name) {
  const auto place = line.find(name);
  return place != line.end() && place->is_string() ? printable(place->get<std::string>())
                                                   : std::string();
}

std::int64_t number_of(const Json& line, const char* name) {
  const auto place = line.find(name);
  return place != line.end() && place->is_number_integer() ? place->get<std::int64_t>() : 0;
}

std::string row_of(const Json& line, const Style& style) {
  std::string text = right(std::to_string(number_of(line, "sequence")), 10) + "  ";
  text += paint(style, Ink::kDim, local_time(number_of(line, "set_aside_wall_ns")).substr(0, 19));
  text += right(std::to_string(number_of(line, "http_status")), 5) + "  ";
  text += paint(style, Ink::kYellow, left(text_of(line, "api_code"), 24)) + "  ";
  const bool is_removed = line.value("removed", false);
  text += left(is_removed ? "(removed)" : text_of(line, "policy"), 20);
  if (const std::string id = text_of(line, "transaction_id"); !id.empty()) text += "  " + id;
  if (const std::string message = text_of(line, "message"); !message.empty()) {
    text += "  " + message;
  }
  if (style.terminal) text = clipped(text, static_cast<std::size_t>(style.columns));
  return text + "\n";
}

// Asks page by page: the daemon answers a thousand at a time.
int run_list(const Globals& globals, ControlClient& client) {
  const Style style = style_of(STDOUT_FILENO);
  std::uint64_t after = 0;
  std::uint64_t shown = 0;
  while (true) {
    const Result<std::string> body = client.get_ok("/deadletters?after=" + std::to_string(after) +
                                                   "&limit=" + std::to_string(kPageLines));
    if (!body.ok()) return fail(body.status());
    const Json page = Json::parse(*body, nullptr, false);
    if (!page.is_object() || !page.contains("dead_letters") || !page["dead_letters"].is_array()) {
      return fail(kExitMalformed, "the answer is not that of a daemon of this version");
    }
    std::string text;
    if (shown == 0 && !globals.json && !page["dead_letters"].empty()) {
      text = paint(style, Ink::kDim,
                   right("sequence", 10) + "  " + left("set aside", 19) + right("HTTP", 5) + "  " +
                       left("code", 24) + "  " + left("policy", 20)) +
             "\n";
    }
    std::uint64_t last = after;
    for (const Json& line : page["dead_letters"]) {
      text += globals.json ? line.dump() + "\n" : row_of(line, style);
      last = std::max(last, static_cast<std::uint64_t>(number_of(line, "sequence")));
      ++shown;
    }
    if (!write_all(STDOUT_FILENO, text)) return kExitNo;
    if (page["dead_letters"].size() < kPageLines || last <= after) break;
    after = last;
  }
  if (!globals.json) {
    tell(shown == 0 ? "no record is set aside"
                    : with_commas(shown) +
                          " set aside; next: xasectl deadletter show SEQUENCE, or "
                          "retry SEQUENCE once the cause is gone");
  }
  return kExitOk;
}

int run_show(const Globals& globals, ControlClient& client, std::uint64_t sequence) {
  const Result<std::string> body = client.get_ok("/deadletters/" + std::to_string(sequence));
  if (!body.ok()) return fail(body.status());
  if (globals.json) return write_all(STDOUT_FILENO, *body) ? kExitOk : kExitNo;
  const Json json = Json::parse(*body, nullptr, false);
  if (!json.is_object()) return fail(kExitMalformed, "the answer is not JSON");
  const Style style = style_of(STDOUT_FILENO);
  std::string text;
  for (const auto& [name, value] : json.items()) {
    std::string shown;
    if (name.ends_with("_wall_ns") && value.is_number_integer()) {
      shown = local_time(value.get<std::int64_t>());
    } else if (value.is_string()) {
      shown = printable(value.get<std::string>());
    } else {
      shown = printable(value.dump(-1, ' ', false, Json::error_handler_t::replace));
    }
    std::string label = name.ends_with("_wall_ns") ? name.substr(0, name.size() - 8) : name;
    text += paint(style, Ink::kDim, left(printable(label), 22)) + shown + "\n";
  }
  if (!write_all(STDOUT_FILENO, text)) return kExitNo;
  tell("once the cause is gone: xasectl deadletter retry " + std::to_string(sequence));
  return kExitOk;
}

int run_retry(const Globals& globals, ControlClient& client, std::uint64_t sequence, bool all) {
  if (all == (sequence != 0)) {
    return fail(kExitUsage, "name one sequence, or --all; see: xasectl deadletter list");
  }
  const Result<std::string> body = client.post_ok(
      all ? "/deadletters/retry" : "/deadletters/" + std::to_string(sequence) + "/retry");
  if (!body.ok()) return fail(body.status());
  if (globals.json) return write_all(STDOUT_FILENO, *body) ? kExitOk : kExitNo;
  const Json json = Json::parse(*body, nullptr, false);
  const std::int64_t retried = json.is_object() ? number_of(json, "retried") : 0;
  tell(std::to_string(retried) + " will be sent again; see: xasectl wait --for delivered");
  return kExitOk;
}

// Runs with a client for the daemon's place.
template <class Run>
void with_client(Globals& globals, Run run) {
  const Result<std::string> run_dir = resolve_run_dir(globals);
  if (!run_dir.ok()) {
    globals.exit_code = fail(kExitConfig, run_dir.status().message());
    return;
  }
  ControlClient client(*run_dir);
  globals.exit_code = run(client);
}

}  // namespace

void add_dead_letter_commands(CLI::App& app, Globals& globals) {
  CLI::App* group = app.add_subcommand("deadletter", "Records that the API refused");
  group->require_subcommand(1);
  CLI::App* list = group->add_subcommand("list", "All that are set aside now");
  list->callback([&globals] {
    with_client(globals, [&](ControlClient& client) { return run_list(globals, client); });
  });

  auto sequence = std::make_shared<std::uint64_t>(0);
  CLI::App* show = group->add_subcommand("show", "One of them, with the API's answer");
  show->add_option("SEQUENCE", *sequence, "Of the record")->required();
  show->callback([&globals, sequence] {
    with_client(globals,
                [&](ControlClient& client) { return run_show(globals, client, *sequence); });
  });

  auto all = std::make_shared<bool>(false);
  CLI::App* retry = group->add_subcommand("retry", "Have one, or all, sent again");
  retry->add_option("SEQUENCE", *sequence, "Of the record");
  retry->add_flag("--all", *all, "All that are set aside");
  retry->callback([&globals, sequence, all] {
    with_client(globals,
                [&](ControlClient& client) { return run_retry(globals, client, *sequence, *all); });
  });
  for (CLI::App* command : {list, show, retry}) command->fallthrough();
}

}  // namespace xased::ctl
