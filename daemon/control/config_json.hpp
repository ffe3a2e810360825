// The configuration as `config show` and the stats socket give it.
#pragma once

#include <string>
#include <vector>

#include "daemon/config/config.hpp"

namespace xased {

// {"config": [{"key": ..., "value": ..., "origin": ...}]}, from describe_config().
std::string config_json(const std::vector<ConfigLine>& lines);

}  // namespace xased
