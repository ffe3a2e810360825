#include <sys/stat.h>

#include <algorithm>

#include "daemon/config/keys.hpp"
#include "tests/daemon/config/config_fixture.hpp"

namespace xased {
namespace {

using std::chrono::milliseconds;
using ConfigLoad = ConfigFixture;

ConfigLine line_of(const std::vector<ConfigLine>& lines, const std::string& key) {
  const auto found =
      std::find_if(lines.begin(), lines.end(), [&](const auto& line) { return line.key == key; });
  EXPECT_NE(found, lines.end()) << key;
  return found == lines.end() ? ConfigLine{} : *found;
}

TEST_F(ConfigLoad, UsesTheDefaultsWithoutAnyFile) {
  const auto config = load_config(source());
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->run_dir, "/run/xased");
  EXPECT_EQ(config->state_dir, "/var/lib/xased");
  EXPECT_EQ(config->ledger.origin, "myhost/xased");
  EXPECT_EQ(config->api.base_url, "http://localhost:3000/api/xase/v1");
  EXPECT_EQ(config->api.key_source.kind, ApiKeySource::Kind::kNone);
  EXPECT_EQ(config->file, std::nullopt);
  EXPECT_TRUE(config->warnings.empty());
  EXPECT_EQ(config->provenance.size(), config_keys().size());
}

TEST_F(ConfigLoad, ReadsTheDefaultFileWhenThereIsOne) {
  write("default.toml", "[api]\nmax_in_flight = 7\n");
  const auto config = load_config(source());
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->api.max_in_flight, 7U);
  EXPECT_EQ(config->file, path("default.toml"));
}

TEST_F(ConfigLoad, ReadsEveryType) {
  const Config config = loaded(
      "run_dir = \"/r\"\n"
      "[api]\nbase_url = \"https://api.example.test:8443/v1/\"\nmax_in_flight = 1\nordered = true\n"
      "[ring]\nbytes = 131_072\n"
      "[journal]\nsync_interval = 0\nsegment_bytes = \"1MiB\"\nkeep_payloads = \"1d12h\"\n"
      "[log]\nlevel = \"trace\"\nformat = \"json\"\n"
      "[control]\nsocket_group = \"ops\"\nsocket_mode = \"0640\"\n");
  EXPECT_EQ(config.run_dir, "/r");
  EXPECT_EQ(config.api.base_url, "https://api.example.test:8443/v1");
  EXPECT_EQ(config.api.max_in_flight, 1U);
  EXPECT_TRUE(config.api.ordered);
  EXPECT_EQ(config.ring.bytes, 128 * kKiB);
  EXPECT_EQ(config.journal.sync_interval, milliseconds(0));
  EXPECT_EQ(config.journal.segment_bytes, kMiB);
  EXPECT_EQ(config.journal.keep_payloads, std::chrono::hours(36));
  EXPECT_EQ(config.log.level, LogLevel::kTrace);
  EXPECT_EQ(config.log.format, LogFormat::kJson);
  EXPECT_EQ(config.control.socket_group, "ops");
  EXPECT_EQ(config.control.socket_mode, 0640U);
}

TEST_F(ConfigLoad, PutsTheFlagOverTheEnvironmentOverTheFileOverTheDefault) {
  const std::string file = "[journal]\nsync_interval = \"2ms\"\n";
  EXPECT_EQ(loaded("").journal.sync_interval, milliseconds(5));
  EXPECT_EQ(loaded(file).journal.sync_interval, milliseconds(2));
  environment_["XASED_JOURNAL_SYNC_INTERVAL"] = "3ms";
  EXPECT_EQ(loaded(file).journal.sync_interval, milliseconds(3));
  flags_ = {{"journal.sync_interval", "4ms"}};
  EXPECT_EQ(loaded(file).journal.sync_interval, milliseconds(4));
}

TEST_F(ConfigLoad, PutsXaseVariablesBelowXasedOnesAndAboveTheFile) {
  const std::string file = "run_dir = \"/file\"\n[api]\nbase_url = \"http://localhost:1\"\n";
  environment_["XASE_RUN_DIR"] = "/xase";
  environment_["XASE_BASE_URL"] = "http://localhost:2";
  EXPECT_EQ(loaded(file).run_dir, "/xase");
  EXPECT_EQ(loaded(file).api.base_url, "http://localhost:2");
  environment_["XASED_RUN_DIR"] = "/xased";
  environment_["XASED_API_BASE_URL"] = "http://localhost:3";
  EXPECT_EQ(loaded(file).run_dir, "/xased");
  EXPECT_EQ(loaded(file).api.base_url, "http://localhost:3");
}

TEST_F(ConfigLoad, TreatsAnEmptyVariableAsUnset) {
  environment_["XASED_JOURNAL_SYNC_INTERVAL"] = "";
  environment_["XASED_RUN_DIR"] = "";
  environment_["XASE_RUN_DIR"] = "/xase";
  const Config config = loaded("[journal]\nsync_interval = \"2ms\"\n");
  EXPECT_EQ(config.journal.sync_interval, milliseconds(2));
  EXPECT_EQ(config.run_dir, "/xase");
}

TEST_F(ConfigLoad, FindsTheFileByFlagBeforeVariableBeforeDefault) {
  write("default.toml", "[api]\nmax_in_flight = 1\n");
  write("variable.toml", "[api]\nmax_in_flight = 2\n");
  environment_["XASED_CONFIG"] = path("variable.toml");
  const auto by_variable = load_config(source());
  ASSERT_TRUE(by_variable.ok()) << by_variable.status().message();
  EXPECT_EQ(by_variable->api.max_in_flight, 2U);
  EXPECT_EQ(loaded("[api]\nmax_in_flight = 3\n").api.max_in_flight, 3U);
}

TEST_F(ConfigLoad, TakesRelativePathsFromTheFilesFolderAndElseFromTheWorkingDirectory) {
  flags_ = {{"run_dir", "run"}};
  const Config config = loaded("state_dir = \"../state/\"\n[api]\nkey_file = \"key\"\n");
  EXPECT_EQ(config.state_dir, std::filesystem::path(dir_).parent_path().string() + "/state");
  EXPECT_EQ(config.api.key_file, path("key"));
  EXPECT_EQ(config.run_dir, std::filesystem::current_path().string() + "/run");
}

TEST_F(ConfigLoad, TakesBackAnOptionalValueWithAnEmptyString) {
  EXPECT_EQ(loaded("[api]\nca_file = \"\"\n").api.ca_file, std::nullopt);
}

TEST_F(ConfigLoad, IgnoresWhatKubernetesSetsForAServiceOfTheSameName) {
  for (const char* name :
       {"XASED_SERVICE_HOST", "XASED_SERVICE_PORT", "XASED_SERVICE_PORT_METRICS", "XASED_PORT",
        "XASED_PORT_9090_TCP", "XASED_PORT_9090_TCP_ADDR", "XASED_METRICS_PORT_9090_TCP_PROTO"}) {
    environment_[name] = "tcp://10.0.0.1:9090";
  }
  EXPECT_TRUE(load("").ok());
}

TEST_F(ConfigLoad, RemembersWhereEachValueCameFrom) {
  environment_["XASE_BASE_URL"] = "http://localhost:9";
  flags_ = {{"log.level", "debug"}};
  const auto lines = describe_config(loaded("\n[journal]\nsync_interval = \"2ms\"\n"));
  EXPECT_EQ(line_of(lines, "journal.sync_interval").value, "2ms");
  EXPECT_EQ(line_of(lines, "journal.sync_interval").origin, path("xased.toml") + ":3");
  EXPECT_EQ(line_of(lines, "api.base_url").origin, "environment XASE_BASE_URL");
  EXPECT_EQ(line_of(lines, "log.level").value, "debug");
  EXPECT_EQ(line_of(lines, "log.level").origin, "command line");
  EXPECT_EQ(line_of(lines, "ring.bytes").value, "4MiB");
  EXPECT_EQ(line_of(lines, "ring.bytes").origin, "default");
  EXPECT_EQ(lines.size(), config_keys().size() + 1);
}

TEST_F(ConfigLoad, NeverHoldsTheKeyItself) {
  const std::string key = "xase_pk_" + std::string(48, 'd');
  environment_["XASE_API_KEY"] = key;
  const Config config = loaded("");
  for (const auto& line : describe_config(config)) {
    EXPECT_EQ(line.value.find("dddd"), std::string::npos) << line.key;
    EXPECT_EQ(line.origin.find("dddd"), std::string::npos) << line.key;
  }
  EXPECT_EQ(line_of(describe_config(config), "api.key").value, "(set)");
  EXPECT_EQ(line_of(describe_config(config), "api.key").origin, "environment XASE_API_KEY");
  const auto read = read_api_key(config.api.key_source, environment());
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(line_of(describe_config(config, read->masked()), "api.key").value, "xase_pk_dddd…");
}

TEST_F(ConfigLoad, TakesTheKeyByTheSamePrecedence) {
  using Kind = ApiKeySource::Kind;
  std::filesystem::create_directory(path("credentials"));
  environment_["CREDENTIALS_DIRECTORY"] = path("credentials");
  EXPECT_EQ(loaded("").api.key_source.kind, Kind::kNone);

  write("credentials/api-key", "x");
  EXPECT_EQ(loaded("").api.key_source.kind, Kind::kCredential);
  EXPECT_EQ(loaded("").api.key_source.name, path("credentials/api-key"));

  const std::string file = "[api]\nkey_file = \"/file\"\n";
  EXPECT_EQ(loaded(file).api.key_source.kind, Kind::kFile);
  EXPECT_EQ(loaded(file).api.key_source.name, "/file");

  environment_["XASE_API_KEY"] = "anything";
  EXPECT_EQ(loaded(file).api.key_source.kind, Kind::kEnvironment);
  EXPECT_EQ(loaded(file).api.key_source.name, "XASE_API_KEY");

  environment_["XASED_API_KEY_FILE"] = "/variable";
  EXPECT_EQ(loaded(file).api.key_source.name, "/variable");
  flags_ = {{"api.key_file", "/flag"}};
  EXPECT_EQ(loaded(file).api.key_source.name, "/flag");
}

TEST_F(ConfigLoad, WarnsOfUncheckedTls) {
  const Config config = loaded("[api]\ntls_insecure_skip_verify = true\n");
  ASSERT_EQ(config.warnings.size(), 1U);
  EXPECT_NE(config.warnings[0].find("tls_insecure_skip_verify"), std::string::npos);
}

TEST_F(ConfigLoad, WarnsOfPlainHttpToAnotherHostAlone) {
  const auto warnings = [this](const std::string& url) {
    return loaded("[api]\nbase_url = \"" + url + "\"\n").warnings.size();
  };
  EXPECT_EQ(warnings("http://api.example.test/v1"), 1U);
  EXPECT_EQ(warnings("http://localhost.example.test"), 1U);
  EXPECT_EQ(warnings("http://127.example.test"), 1U);
  EXPECT_EQ(warnings("https://api.example.test/v1"), 0U);
  EXPECT_EQ(warnings("http://localhost:3000/v1"), 0U);
  EXPECT_EQ(warnings("http://127.0.0.1:3000/v1"), 0U);
  EXPECT_EQ(warnings("http://[::1]:3000/v1"), 0U);
}

TEST_F(ConfigLoad, SaysWhatAReloadChanged) {
  const Config before = loaded("[log]\nlevel = \"info\"\n");
  EXPECT_TRUE(diff_config(before, before).empty());
  const auto changes = diff_config(before, loaded("[log]\nlevel = \"debug\"\n"));
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].key, "log.level");
  EXPECT_EQ(changes[0].before, "info");
  EXPECT_EQ(changes[0].after, "debug");
}

TEST(DefaultRunDir, FollowsXaseRunDirThenTheSystemsThenTheUsers) {
  std::map<std::string, std::string> set;
  const Getenv getenv = [&](const char* name) {
    return set.contains(name) ? set[name].c_str() : nullptr;
  };
  const HostFacts user{false, false, false, "h"};
  EXPECT_EQ(default_run_dir(getenv, user), "/run/xased");
  set["XDG_RUNTIME_DIR"] = "/run/user/1000";
  EXPECT_EQ(default_run_dir(getenv, user), "/run/user/1000/xased");
  EXPECT_EQ(default_run_dir(getenv, {true, false, false, "h"}), "/run/xased");
  EXPECT_EQ(default_run_dir(getenv, {false, true, false, "h"}), "/run/xased");
  set["XASE_RUN_DIR"] = "/elsewhere";
  EXPECT_EQ(default_run_dir(getenv, {true, true, false, "h"}), "/elsewhere");
}

TEST(DefaultStateDir, FollowsTheSystemsThenTheUsers) {
  std::map<std::string, std::string> set;
  const Getenv getenv = [&](const char* name) {
    return set.contains(name) ? set[name].c_str() : nullptr;
  };
  const HostFacts user{false, false, false, "h"};
  EXPECT_EQ(default_state_dir(getenv, user), "/var/lib/xased");
  set["HOME"] = "/";
  EXPECT_EQ(default_state_dir(getenv, user), "/var/lib/xased");
  set["HOME"] = "/home/u";
  EXPECT_EQ(default_state_dir(getenv, user), "/home/u/.local/state/xased");
  set["XDG_STATE_HOME"] = "relative";
  EXPECT_EQ(default_state_dir(getenv, user), "/home/u/.local/state/xased");
  set["XDG_STATE_HOME"] = "/home/u/state";
  EXPECT_EQ(default_state_dir(getenv, user), "/home/u/state/xased");
  EXPECT_EQ(default_state_dir(getenv, {true, false, false, "h"}), "/var/lib/xased");
  EXPECT_EQ(default_state_dir(getenv, {false, false, true, "h"}), "/var/lib/xased");
}

TEST(ProcessConfigSource, ListsTheEnvironment) {
  ASSERT_EQ(::setenv("XASE_CONFIG_TEST", "value", 1), 0);
  const ConfigSource source = process_config_source();
  EXPECT_NE(std::find(source.environment.begin(), source.environment.end(), "XASE_CONFIG_TEST"),
            source.environment.end());
  EXPECT_STREQ(source.getenv("XASE_CONFIG_TEST"), "value");
  ::unsetenv("XASE_CONFIG_TEST");
}

}  // namespace
}  // namespace xased
