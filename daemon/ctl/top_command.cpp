#include <unistd.h>

#include <algorithm>
#include <memory>

#include "daemon/ctl/command.hpp"
#include "daemon/ctl/control_client.hpp"
#include "daemon/ctl/deadline.hpp"
#include "daemon/ctl/rate_history.hpp"
#include "daemon/ctl/screen.hpp"
#include "daemon/ctl/status_view.hpp"
#include "daemon/platform/clock.hpp"

namespace xased::ctl {
namespace {

struct TopOptions {
  double interval_seconds = 1;
  std::uint64_t count = 0;  // 0: without end
};

void add_history(const RateHistory& history, const Style& style, std::vector<std::string>& lines) {
  const auto width = static_cast<std::size_t>(std::clamp(style.columns - 40, 10, 100));
  lines.emplace_back();
  const auto add = [&](const char* name, const std::string& line, double peak, Ink ink) {
    lines.push_back(paint(style, Ink::kDim, left(name, 13)) + paint(style, ink, line) +
                    paint(style, Ink::kDim, "  peak " + short_rate(peak) + "/s"));
  };
  add("committed/s", history.committed_sparkline(style, width), history.committed_peak(),
      Ink::kCyan);
  add("delivered/s", history.delivered_sparkline(style, width), history.delivered_peak(),
      Ink::kGreen);
}

std::vector<std::string> picture(const Snapshot& snapshot, const RateHistory& history,
                                 const Style& style) {
  std::vector<std::string> lines =
      status_lines(snapshot, system_clock().wall_ns(), style, history.rates());
  add_history(history, style, lines);
  const int left_rows = style.rows - static_cast<int>(lines.size()) - 4;
  if (left_rows > 1 && !snapshot.rings.empty()) {
    lines.emplace_back();
    for (std::string& line : ring_lines(snapshot, style, static_cast<std::size_t>(left_rows - 1))) {
      lines.push_back(std::move(line));
    }
  }
  lines.emplace_back();
  lines.push_back(paint(style, Ink::kDim, "q leaves"));
  return lines;
}

// On a terminal: one screen, drawn anew.
int run_on_screen(ControlClient& client, const TopOptions& options) {
  RateHistory history;
  std::optional<Snapshot> last;
  Screen screen;
  const auto interval = seconds_option(options.interval_seconds);
  for (std::uint64_t looks = 1;; ++looks) {
    Result<Snapshot> snapshot = client.snapshot();
    const Style style = style_of(STDOUT_FILENO);
    std::vector<std::string> lines;
    if (snapshot.ok()) {
      history.add(*snapshot, std::chrono::steady_clock::now());
      last = *snapshot;
    } else {
      lines.push_back(clipped(paint(style, Ink::kRed, snapshot.status().message()),
                              static_cast<std::size_t>(style.columns)));
      lines.emplace_back(last ? "what it said at last:" : "waiting for it; q leaves");
      lines.emplace_back();
    }
    if (last) {
      for (std::string& line : picture(*last, history, style)) lines.push_back(std::move(line));
    }
    screen.draw(lines, style.rows);
    if (options.count != 0 && looks >= options.count) return kExitOk;
    if (!screen.wait(interval)) return kExitOk;
  }
}

std::string plain_row(const Snapshot& s, const std::optional<Rates>& rates) {
  const Rates now = rates.value_or(Rates{});
  std::string text = local_time(system_clock().wall_ns()).substr(0, 19);
  text += right(with_commas(s.committed), 14) + right(with_commas(s.delivered), 14);
  text += right(with_commas(s.undelivered), 12) + right(with_commas(s.dead_letter), 10);
  text += right(short_rate(now.committed), 10) + right(short_rate(now.delivered), 10);
  return text + "  " +
         (s.paused  ? "waits: " + printable(*s.paused)
          : s.ready ? "ok"
                    : "not ready") +
         "\n";
}

// Without one: a line a look, or with --json the daemon's own answer.
int run_as_lines(const Globals& globals, ControlClient& client, const TopOptions& options) {
  RateHistory history;
  bool away = false;
  if (!globals.json) {
    write_all(STDOUT_FILENO, left("time", 19) + right("committed", 14) + right("delivered", 14) +
                                 right("undelivered", 12) + right("set aside", 10) +
                                 right("rec/s", 10) + right("deliv/s", 10) + "  delivery\n");
  }
  for (std::uint64_t looks = 1;; ++looks) {
    const Result<std::string> body = client.get_ok("/stats");
    const Result<Snapshot> snapshot = body.ok() ? parse_snapshot(*body) : body.status();
    if (snapshot.ok()) {
      away = false;
      history.add(*snapshot, std::chrono::steady_clock::now());
      const std::string row = globals.json ? *body : plain_row(*snapshot, history.rates());
      if (!write_all(STDOUT_FILENO, row)) return kExitOk;
    } else {
      if (snapshot.status().code() != Code::kTimeout || looks == 1) return fail(snapshot.status());
      if (!away) tell(snapshot.status().message() + "; waiting for it");
      away = true;
    }
    if (options.count != 0 && looks >= options.count) return kExitOk;
    std::this_thread::sleep_for(seconds_option(options.interval_seconds));
  }
}

int run_top(const Globals& globals, const TopOptions& options) {
  const Result<std::string> run_dir = resolve_run_dir(globals);
  if (!run_dir.ok()) return fail(kExitConfig, run_dir.status().message());
  ControlClient client(*run_dir, std::chrono::seconds(3));
  const Style style = style_of(STDOUT_FILENO);
  if (style.terminal && style.color && !globals.json) return run_on_screen(client, options);
  return run_as_lines(globals, client, options);
}

}  // namespace

void add_top_command(CLI::App& app, Globals& globals) {
  CLI::App* command = app.add_subcommand("top", "Status, live, with rates and rings; q leaves");
  auto options = std::make_shared<TopOptions>();
  command->add_option("--interval", options->interval_seconds, "Between looks; default 1")
      ->type_name("SECONDS")
      ->check(quiet(CLI::Range(0.1, 3600.0)));
  command->add_option("--count", options->count, "End after so many looks")->type_name("N");
  command->callback([&globals, options] { globals.exit_code = run_top(globals, *options); });
}

}  // namespace xased::ctl
