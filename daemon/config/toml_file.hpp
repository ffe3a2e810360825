// A TOML file as a flat list. What lies behind it (the parser and its exceptions) stays in the
// source file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/keys.hpp"
#include "daemon/platform/status.hpp"

namespace xased {

struct TomlPosition {
  std::uint32_t line = 0;  // both from 1
  std::uint32_t column = 0;
};

struct TomlEntry {
  std::string name;  // "run_dir", "journal", "journal.sync_interval"
  bool table = false;
  ConfigValue value;  // where !table
  TomlPosition name_at;
  TomlPosition value_at;
};

// Every key of the root and of the tables in it, a table before its keys, in the file's order.
// Tables deeper down are listed without their keys. kInvalid: not TOML; the message is
// "<file>:<line>:<column>: ...".
Result<std::vector<TomlEntry>> parse_toml(std::string_view text, const std::string& file);

}  // namespace xased
