#include <unistd.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/ctl/command.hpp"
#include "daemon/ctl/control_client.hpp"
#include "daemon/ctl/deadline.hpp"
#include "daemon/ctl/terminal.hpp"

namespace xased::ctl {
namespace {

using Json = nlohmann::ordered_json;

struct TapOptions {
  std::uint64_t from = 0;
  bool from_given = false;
  bool payload = false;
  std::uint64_t count = 0;  // 0: without end
};

std::string text_of(const Json& entry, const char* name) {
  const auto place = entry.find(name);
  return place != entry.end() && place->is_string() ? printable(place->get<std::string>())
                                                    : std::string();
}

std::uint64_t number_of(const Json& entry, const char* name) {
  const auto place = entry.find(name);
  return place != entry.end() && place->is_number_unsigned() ? place->get<std::uint64_t>() : 0;
}

Ink ink_of(const std::string& type) {
  if (type == "GAP" || type == "REJECTED" || type == "RECOVERED") return Ink::kRed;
  if (type == "AUDIT") return Ink::kRed;
  if (type == "DEAD_LETTER") return Ink::kYellow;
  if (type == "RECEIPT") return Ink::kGreen;
  return type == "RECORD" ? Ink::kBold : Ink::kDim;
}

std::string line_of(const Json& entry, const Style& style) {
  const std::string type = text_of(entry, "type");
  std::string text = local_time(static_cast<std::int64_t>(number_of(entry, "wall_ns"))).substr(11);
  text += right("#" + std::to_string(number_of(entry, "sequence")), 11) + "  ";
  text += paint(style, ink_of(type), left(type, 12));
  std::string producer;
  if (const std::string ring = text_of(entry, "ring_id"); !ring.empty()) {
    producer = ring.substr(0, 8);
    if (const std::uint64_t pid = number_of(entry, "pid"); pid != 0) {
      producer += " pid " + std::to_string(pid);
    }
  }
  text += paint(style, Ink::kDim, left(producer, 20));
  const auto add = [&text](const std::string& word) {
    if (!word.empty()) text += "  " + word;
  };
  add(text_of(entry, "policy"));
  add(text_of(entry, "decision_type"));
  if (const std::uint64_t bytes = number_of(entry, "payload_bytes"); bytes != 0) {
    add(short_bytes(bytes));
  }
  if (const std::uint64_t of = number_of(entry, "of_sequence"); of != 0) {
    add("for #" + std::to_string(of));
  }
  add(text_of(entry, "note"));
  while (text.ends_with(' ')) text.pop_back();
  text += "\n";
  if (const auto payload = entry.find("payload"); payload != entry.end() && payload->is_object()) {
    for (const auto& [name, value] : payload->items()) {
      text += "    " + paint(style, Ink::kDim, left(printable(name), 20));
      text += value.is_string() ? printable(value.get<std::string>()) : value.dump();
      text += "\n";
    }
  }
  return text;
}

// Follows the ledger from a sequence on.
class Tap {
 public:
  Tap(const Globals& globals, const TapOptions& options, std::string run_dir)
      : json_(globals.json), options_(options), client_(std::move(run_dir)) {}

  int run() {
    if (Status status = find_beginning(); !status.ok()) return fail(status);
    while (options_.count == 0 || shown_ < options_.count) {
      const Result<std::string> body = client_.get_ok(next_query());
      if (!body.ok()) {
        if (body.status().code() != Code::kTimeout) return fail(body.status());
        // The daemon restarts: the ledger goes on where it was.
        if (!away_) tell(body.status().message() + "; waiting for it");
        away_ = true;
        pace_.pause(Deadline(std::chrono::seconds(1)));
        continue;
      }
      if (away_) tell("the daemon is back");
      away_ = false;
      pace_ = Pace();
      if (const int code = show_page(*body); code != kExitOk)
        return code == kClosed ? kExitOk : code;
    }
    return kExitOk;
  }

 private:
  static constexpr int kClosed = -1;  // whoever read us has gone, which ends a tap

  Status find_beginning() {
    if (options_.from_given) {
      after_ = options_.from == 0 ? 0 : options_.from - 1;
      return {};
    }
    const Result<Snapshot> snapshot = client_.snapshot();
    if (!snapshot.ok()) return snapshot.status();
    after_ = snapshot->last_sequence;
    return {};
  }

  std::string next_query() const {
    std::uint64_t limit = 200;
    if (options_.count != 0) limit = std::min(limit, options_.count - shown_);
    return "/entries?after=" + std::to_string(after_) + "&limit=" + std::to_string(limit) +
           "&wait_ms=5000&payload=" + (options_.payload ? "1" : "0");
  }

  int show_page(const std::string& body) {
    const Json page = Json::parse(body, nullptr, false);
    if (!page.is_object() || !page.contains("entries") || !page["entries"].is_array() ||
        !page.contains("next_after") || !page["next_after"].is_number_unsigned()) {
      return fail(kExitMalformed, "the answer is not that of a daemon of this version");
    }
    std::string text;
    for (const Json& entry : page["entries"]) {
      text += json_ ? entry.dump() + "\n" : line_of(entry, style_);
      ++shown_;
    }
    after_ = std::max(after_, page["next_after"].get<std::uint64_t>());
    return write_all(STDOUT_FILENO, text) ? int{kExitOk} : kClosed;
  }

  const bool json_;
  const TapOptions& options_;
  const Style style_ = style_of(STDOUT_FILENO);
  ControlClient client_;
  std::uint64_t after_ = 0;
  std::uint64_t shown_ = 0;
  bool away_ = false;
  Pace pace_;
};

int run_tap(const Globals& globals, const TapOptions& options) {
  Result<std::string> run_dir = resolve_run_dir(globals);
  if (!run_dir.ok()) return fail(kExitConfig, run_dir.status().message());
  return Tap(globals, options, std::move(*run_dir)).run();
}

}  // namespace

void add_tap_command(CLI::App& app, Globals& globals) {
  CLI::App* command =
      app.add_subcommand("tap", "Watch the ledger's entries as they come; Ctrl-C ends it");
  auto options = std::make_shared<TapOptions>();
  CLI::Option* from =
      command
          ->add_option("--from", options->from, "Begin at this sequence; default: what comes now")
          ->type_name("SEQUENCE");
  command->add_flag("--payload", options->payload,
                    "Show what the records hold (root and the daemon's user alone)");
  command->add_option("--count", options->count, "End after so many entries")->type_name("N");
  command->callback([&globals, options, from] {
    options->from_given = from->count() > 0;
    globals.exit_code = run_tap(globals, *options);
  });
}

}  // namespace xased::ctl
