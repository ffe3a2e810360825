// xased --dev: everything under one directory, with the dev API inside.
#pragma once

#include <memory>
#include <string>

#include "daemon/app/options.hpp"
#include "daemon/config/config.hpp"
#include "daemon/devapi/devapi.hpp"
#include "daemon/platform/status.hpp"

namespace xased {

// The running dev API and the configuration keys that point the daemon at it.
struct DevMode {
  std::unique_ptr<DevApi> api;
  // For ConfigSource::overrides; the user's own come behind them and win.
  std::vector<std::pair<std::string, std::string>> overrides;
};

// Makes DIR/run, DIR/state, DIR/api and, the first time, a key in DIR/api-key, and starts the API.
Result<DevMode> start_dev_mode(const Options& options);

}  // namespace xased
