// Loads configurations from a file of one test's own, with an environment and a host that the test
// makes up.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/config.hpp"

namespace xased {

class ConfigFixture : public ::testing::Test {
 protected:
  ConfigFixture() {
    std::string name = (std::filesystem::temp_directory_path() / "xased-config-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    dir_ = name;
    host_ = {
        .root = true, .run_dir_exists = false, .state_dir_exists = false, .hostname = "myhost"};
  }
  ~ConfigFixture() override {
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }

  std::string path(const std::string& name) const { return dir_ + "/" + name; }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
  }

  Getenv environment() const {
    return [this](const char* name) -> const char* {
      const auto found = environment_.find(name);
      return found == environment_.end() ? nullptr : found->second.c_str();
    };
  }

  ConfigSource source() const {
    ConfigSource source;
    source.overrides = flags_;
    source.getenv = environment();
    for (const auto& [name, value] : environment_) source.environment.push_back(name);
    source.host = host_;
    source.default_file = path("default.toml");
    return source;
  }

  // From a file that holds `text`, the environment and the flags.
  Result<Config> load(const std::string& text) const {
    write("xased.toml", text);
    ConfigSource from = source();
    from.file = path("xased.toml");
    return load_config(from);
  }

  // The same, which must succeed.
  Config loaded(const std::string& text) const {
    Result<Config> config = load(text);
    EXPECT_TRUE(config.ok()) << config.status().message();
    return config.ok() ? *config : Config{};
  }

  // The same, which must fail: the message, with the file's folder cut away.
  std::string problem(const std::string& text) const {
    const Result<Config> config = load(text);
    if (config.ok()) return "(no error)";
    EXPECT_EQ(config.status().code(), Code::kInvalid);
    std::string message = config.status().message();
    const std::string folder = dir_ + "/";
    for (std::size_t at = 0; (at = message.find(folder, at)) != std::string::npos;) {
      message.erase(at, folder.size());
    }
    return message;
  }

  std::string dir_;
  HostFacts host_;
  std::map<std::string, std::string> environment_;
  std::vector<std::pair<std::string, std::string>> flags_;
};

}  // namespace xased
