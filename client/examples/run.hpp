// What the examples share: their command line, the applications, and the threads that decide.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>
#include <xase/xase.hpp>

namespace example {

using Json = nlohmann::ordered_json;

struct Options {
  std::string data;       // JSON lines; the "input" of each is an application
  std::string run_dir;    // empty: the library's rule
  std::string id_prefix;  // of the transaction ids
  int threads = 2;
  int count = 1000;  // decisions, over all threads; the applications are taken in turn
  double rate = 0;   // decisions a second, over all threads; 0: as fast as it goes
};

// Ends the program with a usage message where the command line is wrong.
Options parse_command_line(int argc, char** argv, const std::string& description);

// Decides on one application and records it under this transaction id. Called by several threads.
using Decide = std::function<xase::Error(const Json& application, const std::string& id)>;

// Runs `decide` as the options say and prints {"recorded":N,"refused":M}. The program's exit code:
// 0 if none was refused.
int run(const Options& options, const Decide& decide);

double rounded(double value, int digits);

}  // namespace example
