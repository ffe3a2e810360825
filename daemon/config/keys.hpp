// The one table of configuration keys. The file's checks, the environment's names, `config show`
// and the test of the example file all derive from it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "daemon/config/config.hpp"

namespace xased {

// A reference to the key's value within a Config; its type decides how text is read.
using ConfigField =
    std::variant<std::string& (*)(Config&), std::optional<std::string>& (*)(Config&),
                 bool& (*)(Config&), std::uint32_t& (*)(Config&), std::uint64_t& (*)(Config&),
                 std::chrono::milliseconds& (*)(Config&), LogLevel& (*)(Config&),
                 LogFormat& (*)(Config&), LedgerSigners& (*)(Config&)>;

enum class ConfigType {
  kPath,      // made absolute
  kUrl,       // http or https
  kName,      // printable ASCII without space and '+'
  kLabel,     // printable ASCII
  kBool,      //
  kCount,     // a whole number
  kBytes,     // bytes, or a size with KiB, MiB, GiB
  kDuration,  // with a unit: ms, s, m, h, d
  kMode,      // permission bits, octal, as a string
  kLevel,     // trace, debug, info, warn, error
  kFormat,    // auto, text, json
  kSigners,   // file, pkcs11, both
};

struct ConfigKey {
  std::string_view name;  // "journal.sync_interval"
  ConfigType type;
  // As in the file; "" for a default that depends on the host, or for unset.
  std::string_view default_text;
  // Of kCount, kBytes (bytes), kDuration (milliseconds), kMode.
  std::uint64_t min;
  std::uint64_t max;
  bool power_of_two;
  // An environment variable that counts as well, below the one by environment_name(); or "".
  std::string_view environment_alias;
  std::string_view doc;  // one line, for `config show` and --help
  ConfigField field;
};

std::span<const ConfigKey> config_keys();
// Null when there is no such key.
const ConfigKey* find_config_key(std::string_view name);
// "journal.sync_interval" -> "XASED_JOURNAL_SYNC_INTERVAL".
std::string environment_name(std::string_view key);

// The value as one would write it in the file, without quotes; "" when unset.
std::string value_text(const ConfigKey& key, const Config& config);

// How a value was written.
enum class ValueForm {
  kText,     // a flag or a variable: the key's type decides how it is read
  kString,   //
  kInteger,  //
  kBoolean,  //
  kOther,    // `text` says what, with an article: "an array"
};

struct ConfigValue {
  ValueForm form = ValueForm::kText;
  std::string text;  // as written, for numbers and booleans in decimal and "true" or "false"
};

// Checks `value` and stores it. The message of a failure names the key, what is wrong and what is
// allowed. Relative paths are taken from `base_dir`.
Status store_value(const ConfigKey& key, const ConfigValue& value, const std::string& base_dir,
                   Config& config);

}  // namespace xased
