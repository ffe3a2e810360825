// What the daemon tells its apps, and whether it lives.
#pragma once

#include <xase/xase.h>

#include <string>

#include "client/src/failure.hpp"

namespace xase::client {

// Fills `facts` but for its size. `api_key` may be empty.
void look_at_daemon(const std::string& run_dir, xase_text api_key, xase_daemon_facts& facts);

// Whether the value of `api_key_check` in the settings is that of `api_key`.
bool key_fits(std::string_view check, std::string_view api_key);

}  // namespace xase::client
