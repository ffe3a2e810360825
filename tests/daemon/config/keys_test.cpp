#include "daemon/config/keys.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "tests/daemon/config/config_fixture.hpp"

namespace xased {
namespace {

TEST(ConfigKeys, HaveUniqueNamesVariablesAndFields) {
  std::set<std::string> names;
  std::set<std::string> variables;
  std::set<const void*> fields;
  Config config;
  for (const ConfigKey& key : config_keys()) {
    EXPECT_TRUE(names.emplace(key.name).second) << key.name;
    EXPECT_TRUE(variables.insert(environment_name(key.name)).second) << key.name;
    if (!key.environment_alias.empty()) {
      EXPECT_TRUE(variables.emplace(key.environment_alias).second) << key.name;
    }
    const void* field = std::visit(
        [&](auto get) -> const void* { return static_cast<const void*>(&get(config)); }, key.field);
    EXPECT_TRUE(fields.insert(field).second) << key.name;
    EXPECT_FALSE(key.doc.empty()) << key.name;
    EXPECT_EQ(find_config_key(key.name), &key);
  }
  EXPECT_EQ(find_config_key("journal"), nullptr);
}

// The initial values in Config and the defaults in the table are two statements of one thing.
TEST(ConfigKeys, HaveTheDefaultsOfTheStruct) {
  const Config untouched;
  for (const ConfigKey& key : config_keys()) {
    if (key.default_text.empty()) {
      EXPECT_EQ(value_text(key, untouched), "") << key.name;
      continue;
    }
    Config stored;
    ASSERT_TRUE(
        store_value(key, {ValueForm::kText, std::string(key.default_text)}, "/", stored).ok())
        << key.name;
    EXPECT_EQ(value_text(key, stored), value_text(key, untouched)) << key.name;
  }
}

TEST(ConfigKeys, StoreIntoTheirOwnFieldAlone) {
  for (const ConfigKey& key : config_keys()) {
    const std::string text = [&]() -> std::string {
      switch (key.type) {
        case ConfigType::kPath:
          return "/somewhere";
        case ConfigType::kUrl:
          return "https://example.test";
        case ConfigType::kName:
          return "name";
        case ConfigType::kLabel:
          return "a label";
        case ConfigType::kSigners:
          return "both";
        case ConfigType::kBool:
          return key.default_text == "true" ? "false" : "true";
        case ConfigType::kLevel:
          return "debug";
        case ConfigType::kFormat:
          return "json";
        case ConfigType::kMode:
          return "0600";
        case ConfigType::kDuration:
          return std::to_string(std::max<std::uint64_t>(17, key.min)) + "ms";
        case ConfigType::kBytes:
          return std::to_string(key.min);
        case ConfigType::kCount:
          break;
      }
      return std::to_string(key.max);
    }();
    Config changed;
    const Status status = store_value(key, {ValueForm::kText, text}, "/", changed);
    ASSERT_TRUE(status.ok()) << status.message();
    const auto differences = diff_config(Config{}, changed);
    ASSERT_EQ(differences.size(), 1U) << key.name;
    EXPECT_EQ(differences[0].key, key.name);
  }
}

TEST(ConfigKeys, MakeTheirVariablesNames) {
  EXPECT_EQ(environment_name("run_dir"), "XASED_RUN_DIR");
  EXPECT_EQ(environment_name("journal.sync_interval"), "XASED_JOURNAL_SYNC_INTERVAL");
}

}  // namespace
}  // namespace xased
