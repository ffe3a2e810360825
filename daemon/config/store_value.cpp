#include <algorithm>
#include <array>
#include <filesystem>

#include "daemon/config/keys.hpp"
#include "daemon/config/values.hpp"

namespace xased {
namespace {

constexpr std::size_t kTextBytesMax = 4096;  // PATH_MAX; nothing here is longer

Status invalid(const ConfigKey& key, const std::string& problem) {
  return {Code::kInvalid, std::string(key.name) + ": " + problem};
}

std::string_view what_is_wanted(ConfigType type) {
  switch (type) {
    case ConfigType::kPath:
      return "a path, as a string";
    case ConfigType::kUrl:
      return "a URL, as a string";
    case ConfigType::kName:
    case ConfigType::kLabel:
      return "a string";
    case ConfigType::kBool:
      return "true or false";
    case ConfigType::kCount:
      return "a whole number";
    case ConfigType::kBytes:
      return "a size such as \"64MiB\", or a number of bytes";
    case ConfigType::kDuration:
      return "a duration such as \"30s\"";
    case ConfigType::kMode:
      return "permission bits in octal, as a string such as \"0660\"";
    case ConfigType::kLevel:
      return "one of \"trace\", \"debug\", \"info\", \"warn\", \"error\"";
    case ConfigType::kSigners:
      return "one of \"file\", \"pkcs11\", \"both\"";
    case ConfigType::kFormat:
      break;
  }
  return "one of \"auto\", \"text\", \"json\"";
}

bool form_fits(ConfigType type, ValueForm form) {
  switch (form) {
    case ValueForm::kText:
      return true;
    case ValueForm::kString:
      return type != ConfigType::kBool && type != ConfigType::kCount;
    case ValueForm::kInteger:
      // A duration too: its own message asks for the unit.
      return type == ConfigType::kCount || type == ConfigType::kBytes ||
             type == ConfigType::kDuration;
    case ValueForm::kBoolean:
      return type == ConfigType::kBool;
    case ValueForm::kOther:
      break;
  }
  return false;
}

std::string form_name(const ConfigValue& value) {
  switch (value.form) {
    case ValueForm::kString:
    case ValueForm::kText:
      return "a string";
    case ValueForm::kInteger:
      return "a number";
    case ValueForm::kBoolean:
      return "a boolean";
    case ValueForm::kOther:
      break;
  }
  return value.text;
}

std::string bound_text(const ConfigKey& key, std::uint64_t bound) {
  switch (key.type) {
    case ConfigType::kBytes:
      return format_bytes(bound);
    case ConfigType::kDuration:
      return format_duration(std::chrono::milliseconds(static_cast<std::int64_t>(bound)));
    case ConfigType::kMode:
      return format_mode(static_cast<std::uint32_t>(bound));
    default:
      return std::to_string(bound);
  }
}

Status check_bounds(const ConfigKey& key, std::uint64_t value) {
  if (value < key.min || value > key.max) {
    return invalid(key, bound_text(key, value) + " is out of range: " + bound_text(key, key.min) +
                            " to " + bound_text(key, key.max) + " is allowed");
  }
  if (key.power_of_two && (value & (value - 1)) != 0) {
    std::uint64_t below = 1;
    while (below * 2 < value) below *= 2;
    return invalid(key, bound_text(key, value) +
                            " is not a power of two: " + bound_text(key, below) + " or " +
                            bound_text(key, below * 2) + " would be");
  }
  return {};
}

// A host, and a port if there is one: enough that a slip shows here and not as a puzzling answer.
bool plausible_authority(std::string_view authority) {
  const bool bracketed = authority.starts_with('[');
  const std::size_t host_end = bracketed ? authority.find(']') : authority.find(':');
  if (bracketed && host_end == std::string_view::npos) return false;
  const std::size_t host_size =
      std::min(host_end, authority.size()) + static_cast<std::size_t>(bracketed);
  if (host_size < (bracketed ? 3U : 1U)) return false;
  const std::string_view port = authority.substr(std::min(host_size, authority.size()));
  if (port.empty()) return true;
  if (port[0] != ':') return false;
  const Result<std::uint64_t> number = parse_count(port.substr(1));
  return number.ok() && *number >= 1 && *number <= 65535;
}

Status store_url(const ConfigKey& key, std::string text, std::string& target) {
  // What may hold a password is not repeated in a message.
  if (text.find('@') != std::string::npos) {
    return invalid(key, "must hold no credentials: the API key has api.key_file");
  }
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return invalid(key, quote_value(text) + " does not begin with http:// or https://");
  }
  if (text.find_first_of("?# \"<>\\^`{|}") != std::string::npos) {
    return invalid(key,
                   quote_value(text) + " must hold neither a query nor a fragment nor a space");
  }
  if (!plausible_authority(rest.substr(0, rest.find('/')))) {
    return invalid(key, quote_value(text) + " has no valid host and port");
  }
  while (text.ends_with('/')) text.pop_back();
  target = std::move(text);
  return {};
}

Status store_path(const ConfigKey& key, const std::string& text, const std::string& base_dir,
                  std::string& target) {
  // Pasted in the wrong place; as a path it would be shown in clear.
  if (text.starts_with(ApiKey::kPrefix)) {
    return invalid(key, "must name a file, and this looks like an API key: put the key into a " +
                            std::string("file of mode 0600 and name that"));
  }
  std::string path = (std::filesystem::path(base_dir) / text).lexically_normal().string();
  if (path.size() > 1 && path.ends_with('/')) path.pop_back();
  target = std::move(path);
  return {};
}

Status store_text(const ConfigKey& key, const std::string& text, const std::string& base_dir,
                  std::string& target) {
  if (text.empty()) return invalid(key, "must not be empty");
  if (text.size() > kTextBytesMax) {
    return invalid(key, "is longer than " + std::to_string(kTextBytesMax) + " bytes");
  }
  const bool control = std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (control) return invalid(key, "must hold no control characters");
  if (key.type == ConfigType::kUrl) return store_url(key, text, target);
  if (key.type == ConfigType::kPath) return store_path(key, text, base_dir, target);
  if (key.type == ConfigType::kLabel) {
    const bool printable =
        std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
    if (!printable || text.size() > 255) {
      return invalid(key, "must be at most 255 printable ASCII characters");
    }
    target = text;
    return {};
  }
  const bool name = std::all_of(text.begin(), text.end(),
                                [](char c) { return c > 0x20 && c < 0x7f && c != '+'; });
  if (!name || text.size() > 255) {
    return invalid(key, "must be at most 255 printable ASCII characters, without space and '+'");
  }
  target = text;
  return {};
}

template <class Enum, std::size_t kSize>
Status store_choice(const ConfigKey& key, const std::string& text,
                    const std::array<Enum, kSize>& choices, Enum& target) {
  for (const Enum choice : choices) {
    if (to_string(choice) != text) continue;
    target = choice;
    return {};
  }
  return invalid(
      key, quote_value(text) + " is unknown: must be " + std::string(what_is_wanted(key.type)));
}

// Stores into a field of each type that the table knows.
struct Store {
  const ConfigKey& key;
  const std::string& text;
  const std::string& base_dir;

  Status operator()(std::string& target) const { return store_text(key, text, base_dir, target); }

  Status operator()(std::optional<std::string>& target) const {
    if (text.empty()) {
      target.reset();
      return {};
    }
    std::string value;
    Status status = store_text(key, text, base_dir, value);
    if (status.ok()) target = std::move(value);
    return status;
  }

  Status operator()(bool& target) const {
    if (text != "true" && text != "false") {
      return invalid(key, quote_value(text) + " is neither true nor false");
    }
    target = text == "true";
    return {};
  }

  Status operator()(std::uint32_t& target) const {
    if (key.type == ConfigType::kMode) {
      const Result<std::uint32_t> mode = parse_mode(text);
      if (!mode.ok()) return invalid(key, mode.status().message());
      Status status = check_bounds(key, *mode);
      if (status.ok()) target = *mode;
      return status;
    }
    const Result<std::uint64_t> count = parse_count(text);
    if (!count.ok()) return invalid(key, count.status().message());
    Status status = check_bounds(key, *count);
    if (status.ok()) target = static_cast<std::uint32_t>(*count);
    return status;
  }

  Status operator()(std::uint64_t& target) const {
    const Result<std::uint64_t> bytes = parse_bytes(text);
    if (!bytes.ok()) return invalid(key, bytes.status().message());
    Status status = check_bounds(key, *bytes);
    if (status.ok()) target = *bytes;
    return status;
  }

  Status operator()(std::chrono::milliseconds& target) const {
    const Result<std::chrono::milliseconds> duration = parse_duration(text);
    if (!duration.ok()) return invalid(key, duration.status().message());
    Status status = check_bounds(key, static_cast<std::uint64_t>(duration->count()));
    if (status.ok()) target = *duration;
    return status;
  }

  Status operator()(LogLevel& target) const {
    return store_choice(key, text,
                        std::array{LogLevel::kTrace, LogLevel::kDebug, LogLevel::kInfo,
                                   LogLevel::kWarn, LogLevel::kError},
                        target);
  }

  Status operator()(LogFormat& target) const {
    return store_choice(key, text, std::array{LogFormat::kAuto, LogFormat::kText, LogFormat::kJson},
                        target);
  }

  Status operator()(LedgerSigners& target) const {
    return store_choice(
        key, text, std::array{LedgerSigners::kFile, LedgerSigners::kPkcs11, LedgerSigners::kBoth},
        target);
  }
};

}  // namespace

Status store_value(const ConfigKey& key, const ConfigValue& value, const std::string& base_dir,
                   Config& config) {
  if (!form_fits(key.type, value.form)) {
    return invalid(
        key, "must be " + std::string(what_is_wanted(key.type)) + ", not " + form_name(value));
  }
  return std::visit(
      [&](auto field) {
        return Store{key, value.text, base_dir}(field(config));
      },
      key.field);
}

}  // namespace xased
