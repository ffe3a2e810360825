// xase-devapi: the dev API as a program of its own.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include "daemon/devapi/devapi.hpp"

namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;

// "@file" is the file's text, anything else is the text itself.
bool read_faults(const std::string& argument, std::string& faults) {
  if (argument.empty() || argument[0] != '@') {
    faults = argument;
    return true;
  }
  std::ifstream file(argument.substr(1));
  std::stringstream text;
  text << file.rdbuf();
  faults = text.str();
  return static_cast<bool>(file);
}

struct Arguments {
  xased::DevApiOptions options;
  std::string faults;
  std::string run_dir;
  std::string config;
  bool keep_keys = false;
};

void describe(CLI::App& app, Arguments& arguments) {
  xased::DevApiOptions& options = arguments.options;
  options.port = 3000;
  app.add_option("--port", options.port, "TCP port; 0 takes any that is free")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  app.add_option("--dir", options.dir, "Directory of the records; made if need be")->required();
  app.add_option("--host", options.host, "Address to listen on")->capture_default_str();
  app.add_option("--api-key", options.api_key, "Accept only this key; else any well-formed one");
  app.add_option("--rate-limit", options.rate_limit_per_hour,
                 "Records an hour and key, 429 beyond; 0 = no limit")
      ->capture_default_str();
  app.add_option("--quota", options.quota, "Records a key may have, 402 beyond; 0 = no limit")
      ->capture_default_str();
  app.add_option("--faults", arguments.faults,
                 "What to do wrong: a JSON object, or @FILE that holds one");
  app.add_option("--public-url", options.public_url,
                 "In front of /xase/receipt/ in receipts; default http://HOST:PORT");
  CLI::Option* forget = app.add_flag("--forget-keys", options.forget_keys,
                                     "Forget the idempotency keys at start, as the service does");
  app.add_flag("--keep-keys", arguments.keep_keys,
               "Read the idempotency keys of the last 24 hours from the log at start (default)")
      ->excludes(forget);
  app.add_option("--run-dir", arguments.run_dir, "Taken like by every program; not used here");
  app.add_option("--config", arguments.config, "Taken like by every program; not used here");
}

int run(Arguments& arguments, const sigset_t& signals) {
  if (!read_faults(arguments.faults, arguments.options.faults)) {
    (void)std::fprintf(stderr, "xase-devapi: cannot read %s\n", arguments.faults.c_str() + 1);
    return kExitUsage;
  }
  auto api = xased::DevApi::start(arguments.options);
  if (!api.ok()) {
    (void)std::fprintf(stderr, "xase-devapi: %s\n", api.status().message().c_str());
    return api.status().code() == xased::Code::kInvalid ? kExitUsage : kExitFailure;
  }
  if ((*api)->torn_bytes_cut() != 0) {
    (void)std::fprintf(
        stderr, "xase-devapi: the last write was unfinished: %llu bytes were moved to %s/torn-*\n",
        static_cast<unsigned long long>((*api)->torn_bytes_cut()), arguments.options.dir.c_str());
  }
  (void)std::printf("listening on %s\n", (*api)->base_url().c_str());
  (void)std::fflush(stdout);
  int signal = 0;
  while (sigwait(&signals, &signal) != 0) {
  }
  (*api)->stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // Blocked before any thread is made, so that only sigwait sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  CLI::App app("The Xase API for development: the service's rules, on local disk", "xase-devapi");
  Arguments arguments;
  try {
    describe(app, arguments);
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  return run(arguments, signals);
}
