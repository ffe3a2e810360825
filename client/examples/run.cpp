#include "client/examples/run.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace example {
namespace {

std::vector<Json> read_applications(const std::string& path) {
  std::ifstream file(path);
  std::vector<Json> applications;
  for (std::string line; std::getline(file, line);) {
    applications.push_back(Json::parse(line).at("input"));
  }
  if (applications.empty()) throw std::runtime_error("no applications in " + path);
  return applications;
}

// Ids of two runs must differ: to the API, the same id means the same decision.
std::string unique_prefix() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return "run-" + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now).count()) +
         "-" + std::to_string(getpid());
}

}  // namespace

Options parse_command_line(int argc, char** argv, const std::string& description) {
  Options options;
  options.id_prefix = unique_prefix();
  CLI::App app(description);
  app.add_option("data", options.data, "Applications, as JSON lines")->required();
  app.add_option("--run-dir", options.run_dir, "Runtime directory of xased");
  app.add_option("--threads", options.threads)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--count", options.count, "Decisions to make")
      ->check(CLI::Range(0, 1'000'000'000))
      ->capture_default_str();
  app.add_option("--rate", options.rate, "Decisions a second; 0: as fast as it goes")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--id-prefix", options.id_prefix, "Start of the transaction ids");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    std::exit(code == 0 ? 0 : 2);
  }
  return options;
}

int run(const Options& options, const Decide& decide) {
  const std::vector<Json> applications = read_applications(options.data);
  std::atomic<int> next{0};
  std::atomic<int> recorded{0};
  std::atomic<int> refused{0};
  std::once_flag first_refusal;
  const auto start = std::chrono::steady_clock::now();

  const auto work = [&] {
    for (int i = next++; i < options.count; i = next++) {
      if (options.rate > 0) {
        std::this_thread::sleep_until(start + std::chrono::duration<double>(i / options.rate));
      }
      const Json& application = applications[static_cast<std::size_t>(i) % applications.size()];
      const std::string id = options.id_prefix + "-" + std::to_string(i + 1);
      if (const xase::Error error = decide(application, id); xase::ok(error)) {
        ++recorded;
      } else {
        ++refused;
        std::call_once(first_refusal, [error] {
          std::cerr << xase::name(error) << ": " << xase::last_error_message() << '\n';
        });
      }
    }
  };

  std::vector<std::thread> threads(static_cast<std::size_t>(options.threads));
  for (std::thread& thread : threads) thread = std::thread(work);
  for (std::thread& thread : threads) thread.join();
  std::cout << Json{{"recorded", recorded.load()}, {"refused", refused.load()}} << '\n';
  return refused == 0 ? 0 : 1;
}

double rounded(double value, int digits) {
  const double scale = std::pow(10.0, digits);
  return std::round(value * scale) / scale;
}

}  // namespace example
