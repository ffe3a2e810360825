#include "daemon/config/config.hpp"
#include "daemon/config/keys.hpp"

namespace xased {
namespace {

std::string origin_text(const Config& config, std::string_view key) {
  const auto found = config.provenance.find(key);
  if (found == config.provenance.end()) return "default";
  switch (found->second.origin) {
    case ConfigOrigin::kDefault:
      return "default";
    case ConfigOrigin::kFile:
      return found->second.where;
    case ConfigOrigin::kEnvironment:
      return "environment " + found->second.where;
    case ConfigOrigin::kFlag:
      break;
  }
  return "command line";
}

ConfigLine key_line(const ApiKeySource& source, const std::optional<std::string>& masked_key) {
  const std::string value = masked_key.value_or("(set)");
  switch (source.kind) {
    case ApiKeySource::Kind::kNone:
      return {"api.key", "", "default"};
    case ApiKeySource::Kind::kEnvironment:
      return {"api.key", value, "environment " + source.name};
    case ApiKeySource::Kind::kFile:
      return {"api.key", value, "key file " + source.name};
    case ApiKeySource::Kind::kCredential:
      break;
  }
  return {"api.key", value, "credential " + source.name};
}

}  // namespace

std::vector<ConfigLine> describe_config(const Config& config,
                                        const std::optional<std::string>& masked_key) {
  std::vector<ConfigLine> lines;
  for (const ConfigKey& key : config_keys()) {
    lines.push_back(
        {std::string(key.name), value_text(key, config), origin_text(config, key.name)});
    if (key.name == "api.key_file") lines.push_back(key_line(config.api.key_source, masked_key));
  }
  return lines;
}

std::vector<ConfigChange> diff_config(const Config& before, const Config& after) {
  std::vector<ConfigChange> changes;
  for (const ConfigKey& key : config_keys()) {
    std::string old_text = value_text(key, before);
    std::string new_text = value_text(key, after);
    if (old_text == new_text) continue;
    changes.push_back({std::string(key.name), std::move(old_text), std::move(new_text)});
  }
  return changes;
}

}  // namespace xased
