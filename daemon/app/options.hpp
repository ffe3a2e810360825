// xased's command line.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace xased {

struct Options {
  std::optional<std::string> config_file;
  // {key, text}, in the order given.
  std::vector<std::pair<std::string, std::string>> overrides;
  bool check_config = false;
  bool dev = false;
  std::string dev_dir = "xased-dev";
  int dev_api_port = 0;
};

// Parses; ends the process for --help and --version (0) and for a wrong command line (2).
Options parse_options(int argc, char** argv);

}  // namespace xased
