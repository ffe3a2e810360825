#include "daemon/config/config.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <string_view>

#include "daemon/config/keys.hpp"
#include "daemon/config/small_file.hpp"
#include "daemon/config/suggest.hpp"
#include "daemon/config/toml_file.hpp"
#include "daemon/config/values.hpp"

namespace xased {
namespace {

constexpr std::size_t kFileBytesMax = kMiB;
constexpr std::size_t kErrorsMax = 50;
constexpr char kKeyVariable[] = "XASE_API_KEY";

std::string did_you_mean(const std::optional<std::string>& name) {
  return name ? "; did you mean " + quote_value(*name) + "?" : "";
}

std::string_view last_part(std::string_view name) { return name.substr(name.rfind('.') + 1); }

std::vector<std::string> key_names() {
  std::vector<std::string> names;
  for (const ConfigKey& key : config_keys()) names.emplace_back(key.name);
  return names;
}

std::vector<std::string> section_names() {
  std::vector<std::string> names;
  for (const ConfigKey& key : config_keys()) {
    const std::size_t dot = key.name.find('.');
    if (dot == std::string_view::npos) continue;
    std::string section(key.name.substr(0, dot));
    if (names.empty() || names.back() != section) names.push_back(std::move(section));
  }
  return names;
}

// A key of the right name in the wrong section is likelier than a slip in both.
std::optional<std::string> nearest_key(std::string_view name) {
  for (const ConfigKey& key : config_keys()) {
    if (last_part(key.name) == last_part(name)) return std::string(key.name);
  }
  return nearest(name, key_names());
}

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isdigit(c) != 0; });
}

// Kubernetes puts variables into every container for each Service of its namespace; for one named
// "xased" or "xased-metrics" they begin like ours: XASED_SERVICE_HOST, XASED_SERVICE_PORT_HTTP,
// XASED_PORT, XASED_METRICS_PORT_9090_TCP_ADDR.
bool is_service_link(std::string_view name) {
  if (name.ends_with("_SERVICE_HOST") || name.find("_SERVICE_PORT") != std::string_view::npos ||
      name.ends_with("_PORT")) {
    return true;
  }
  const std::size_t port = name.find("_PORT_");
  if (port == std::string_view::npos) return false;
  const std::string_view number = name.substr(port + 6);
  return is_digits(number.substr(0, number.find('_')));
}

// Whether the key would travel in clear to another host.
bool is_plain_http_elsewhere(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return false;
  const std::string_view rest = url.substr(kScheme.size());
  if (rest.starts_with("[::1]")) return false;
  const std::string_view host = rest.substr(0, rest.find_first_of(":/"));
  const bool numeric = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return host != "localhost" && !(numeric && host.starts_with("127."));
}

class Loader {
 public:
  explicit Loader(const ConfigSource& source)
      : source_(source), host_(source.host ? *source.host : host_facts()) {}

  Result<Config> load() {
    set_defaults();
    load_file();
    load_environment();
    load_overrides();
    check_together();
    resolve_key_source();
    warn();
    if (errors_.empty()) return std::move(config_);
    return Status(error_code_, all_errors());
  }

 private:
  const char* variable(const std::string& name) const {
    const char* text = source_.getenv ? source_.getenv(name.c_str()) : nullptr;
    // Service managers and shells have no other way to take a variable back.
    return text != nullptr && *text != '\0' ? text : nullptr;
  }

  void error(std::string message) { errors_.push_back(std::move(message)); }

  std::string all_errors() const {
    std::string text;
    for (std::size_t i = 0; i < errors_.size() && i < kErrorsMax; i++) {
      text += (i == 0 ? "" : "\n") + errors_[i];
    }
    if (errors_.size() > kErrorsMax) {
      text += "\nand " + std::to_string(errors_.size() - kErrorsMax) + " more";
    }
    return text;
  }

  void set_defaults() {
    config_.run_dir = default_run_dir(source_.getenv, host_);
    config_.state_dir = default_state_dir(source_.getenv, host_);
    config_.ledger.origin = host_.hostname + "/xased";
    for (const ConfigKey& key : config_keys()) config_.provenance.emplace(key.name, kFromDefault);
  }

  void set(const ConfigKey& key, const ConfigValue& value, const std::string& base_dir,
           ConfigProvenance from, const std::string& prefix) {
    const Status status = store_value(key, value, base_dir, config_);
    if (!status.ok()) {
      error(prefix + status.message());
      return;
    }
    config_.provenance.insert_or_assign(std::string(key.name), std::move(from));
  }

  void load_file() {
    const char* named = variable("XASED_CONFIG");
    std::string path = source_.default_file;
    bool required = false;
    if (source_.file || named != nullptr) {
      path = source_.file ? *source_.file : named;
      required = true;
    }
    const Result<SmallFile> file = read_small_file(path, kFileBytesMax);
    if (!file.ok()) {
      if (file.status().code() == Code::kNotFound && !required) return;
      error_code_ = file.status().code();
      error("configuration: " + file.status().message());
      return;
    }
    config_.file = path;
    const Result<std::vector<TomlEntry>> entries = parse_toml(file->bytes, path);
    if (!entries.ok()) {
      error(entries.status().message());
      return;
    }
    const std::string base_dir = absolute(std::filesystem::path(path).parent_path().string());
    for (const TomlEntry& entry : *entries) take(entry, path, base_dir);
  }

  static std::string at(const std::string& path, TomlPosition position) {
    return path + ':' + std::to_string(position.line) + ':' + std::to_string(position.column) +
           ": ";
  }

  void take(const TomlEntry& entry, const std::string& path, const std::string& base_dir) {
    const std::size_t dot = entry.name.find('.');
    const std::vector<std::string> sections = section_names();
    const bool in_section = dot != std::string::npos;
    const std::string_view section = std::string_view(entry.name).substr(0, dot);
    const bool known_section =
        std::find(sections.begin(), sections.end(), section) != sections.end();
    if (in_section && !known_section) return;  // its section was reported
    const ConfigKey* key = find_config_key(entry.name);
    const std::string name_at = at(path, entry.name_at);
    if (key != nullptr) {
      const ConfigValue table{ValueForm::kOther, "a section"};
      set(*key, entry.table ? table : entry.value, base_dir,
          {ConfigOrigin::kFile, path + ':' + std::to_string(entry.name_at.line)},
          entry.table ? name_at : at(path, entry.value_at));
    } else if (entry.name == "api.key") {
      error(name_at +
            "api.key: the key itself must not be in this file: put it into a file of mode 0600 "
            "and name that with api.key_file");
    } else if (!in_section && known_section) {
      if (!entry.table) {
        error(name_at + quote_value(entry.name) + " is a section: write [" + entry.name +
              "] and its keys below");
      }
    } else if (!in_section && entry.table) {
      error(name_at + "unknown section " + quote_value(entry.name) +
            did_you_mean(nearest(entry.name, sections)));
    } else {
      error(name_at + "unknown key " + quote_value(entry.name) +
            did_you_mean(nearest_key(entry.name)));
    }
  }

  void load_environment() {
    const std::string base_dir = absolute("");
    for (const ConfigKey& key : config_keys()) {
      std::string name = environment_name(key.name);
      if (variable(name) == nullptr) name = key.environment_alias;
      if (name.empty() || variable(name) == nullptr) continue;
      set(key, {ValueForm::kText, variable(name)}, base_dir, {ConfigOrigin::kEnvironment, name},
          "environment " + name + ": ");
    }
    for (const std::string& name : source_.environment) check_variable_name(name);
  }

  void check_variable_name(const std::string& name) {
    if (!name.starts_with("XASED_") || name == "XASED_CONFIG" || is_service_link(name)) return;
    std::vector<std::string> names{"XASED_CONFIG"};
    for (const ConfigKey& key : config_keys()) names.push_back(environment_name(key.name));
    if (std::find(names.begin(), names.end(), name) != names.end()) return;
    if (name == "XASED_API_KEY") {
      error(
          "environment XASED_API_KEY is unknown: the key goes into XASE_API_KEY, or into a file "
          "named by XASED_API_KEY_FILE");
      return;
    }
    error("environment " + quote_value(name) + " is unknown" + did_you_mean(nearest(name, names)));
  }

  void load_overrides() {
    const std::string base_dir = absolute("");
    for (const auto& [name, text] : source_.overrides) {
      const ConfigKey* key = find_config_key(name);
      if (key == nullptr) {
        error("command line: unknown key " + quote_value(name) + did_you_mean(nearest_key(name)));
        continue;
      }
      set(*key, {ValueForm::kText, text}, base_dir, {ConfigOrigin::kFlag, ""}, "command line: ");
    }
  }

  // "journal.max_bytes (2GiB, /etc/xased/xased.toml:12)"
  std::string cited(std::string_view name) const {
    for (const ConfigLine& line : describe_config(config_)) {
      if (line.key == name) return line.key + " (" + line.value + ", " + line.origin + ")";
    }
    return std::string(name);
  }

  void check_together() {
    // The reserve is made of whole segments.
    const std::uint64_t segment_bytes = config_.journal.segment_bytes;
    const std::uint64_t spares =
        (config_.journal.reserve_bytes + segment_bytes - 1) / segment_bytes;
    if (config_.journal.max_bytes / segment_bytes < 3 + spares) {
      error(cited("journal.max_bytes") + " must hold at least three times " +
            cited("journal.segment_bytes") + " beside " + cited("journal.reserve_bytes") +
            ", rounded up to whole segments");
    }
    check_module();
    if (config_.delivery.backoff_max < config_.delivery.backoff_min) {
      error(cited("delivery.backoff_max") + " must be at least " + cited("delivery.backoff_min"));
    }
  }

  // A module needs all of its keys, and some without the others would be passed over.
  void check_module() {
    const Config::Ledger& ledger = config_.ledger;
    const std::array settings{std::pair{"ledger.pkcs11_module", &ledger.pkcs11_module},
                              std::pair{"ledger.pkcs11_token", &ledger.pkcs11_token},
                              std::pair{"ledger.pkcs11_key", &ledger.pkcs11_key},
                              std::pair{"ledger.pkcs11_pin_file", &ledger.pkcs11_pin_file}};
    const bool has_any = std::any_of(settings.begin(), settings.end(),
                                     [](const auto& one) { return one.second->has_value(); });
    if (ledger.signers == LedgerSigners::kFile && !has_any) return;
    for (const auto& [name, value] : settings) {
      if (value->has_value()) continue;
      error(std::string(name) + " must be set" +
            (ledger.signers == LedgerSigners::kFile ? " where one of the other pkcs11 keys is"
                                                    : " for " + cited("ledger.signers")));
    }
  }

  // The precedence of every other key: what names a file on the command line or in
  // XASED_API_KEY_FILE is above XASE_API_KEY, and that is above the file's key_file.
  void resolve_key_source() {
    using Kind = ApiKeySource::Kind;
    const std::optional<std::string>& file = config_.api.key_file;
    const ConfigOrigin origin = config_.provenance.find("api.key_file")->second.origin;
    const bool above_variable =
        origin == ConfigOrigin::kFlag || origin == ConfigOrigin::kEnvironment;
    if (variable(kKeyVariable) != nullptr && !(file && above_variable)) {
      config_.api.key_source = {Kind::kEnvironment, kKeyVariable};
    } else if (file) {
      config_.api.key_source = {Kind::kFile, *file};
    } else if (const char* directory = variable("CREDENTIALS_DIRECTORY"); directory != nullptr) {
      const std::string path = std::string(directory) + "/api-key";
      if (::access(path.c_str(), F_OK) == 0) config_.api.key_source = {Kind::kCredential, path};
    }
  }

  void warn() {
    if (config_.api.tls_insecure_skip_verify) {
      config_.warnings.emplace_back(
          "api.tls_insecure_skip_verify is on: anyone between here and the API can read the API "
          "key and every record, and forge receipts");
    }
    if (!is_plain_http_elsewhere(config_.api.base_url)) return;
    config_.warnings.emplace_back(
        "api.base_url is plain http to another host: the API key and every record can be read on "
        "the way");
  }

  static std::string absolute(const std::string& directory) {
    std::error_code failed;
    const std::filesystem::path current = std::filesystem::current_path(failed);
    return ((failed ? std::filesystem::path("/") : current) / directory).string();
  }

  static inline const ConfigProvenance kFromDefault{};

  const ConfigSource& source_;
  HostFacts host_;
  Config config_;
  std::vector<std::string> errors_;
  Code error_code_ = Code::kInvalid;
};

}  // namespace

Result<Config> load_config(const ConfigSource& source) { return Loader(source).load(); }

}  // namespace xased
