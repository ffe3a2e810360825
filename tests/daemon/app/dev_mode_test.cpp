#include "daemon/app/dev_mode.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "daemon/config/api_key.hpp"
#include "tests/support/temp_dir.hpp"

namespace xased {
namespace {

using test::TempDir;

Options in(const std::string& dir) {
  Options options;
  options.dev = true;
  options.dev_dir = dir;
  return options;
}

std::string override_of(const DevMode& mode, const std::string& key) {
  const auto at = std::find_if(mode.overrides.begin(), mode.overrides.end(),
                               [&](const auto& one) { return one.first == key; });
  return at == mode.overrides.end() ? "" : at->second;
}

std::string text_of(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(DevMode, PutsEverythingUnderItsDirectory) {
  const TempDir dir;
  const auto mode = start_dev_mode(in(dir / "x/dev"));
  ASSERT_TRUE(mode.ok()) << mode.status().message();
  for (const char* key : {"run_dir", "state_dir", "api.key_file"}) {
    EXPECT_EQ(override_of(*mode, key).find(dir / "x/dev/"), 0U) << key;
  }
  EXPECT_EQ(override_of(*mode, "api.base_url").find("http://127.0.0.1:"), 0U);
  struct stat info {};
  ASSERT_EQ(::stat((dir / "x/dev/api-key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST(DevMode, KeepsItsKeyFromOneStartToTheNext) {
  const TempDir dir;
  ASSERT_TRUE(start_dev_mode(in(dir.path())).ok());
  const std::string first = text_of(dir / "api-key");
  EXPECT_TRUE(ApiKey::parse(first).ok());
  ASSERT_TRUE(start_dev_mode(in(dir.path())).ok());
  EXPECT_EQ(text_of(dir / "api-key"), first);
}

TEST(DevMode, MakesAnotherKeyForAnotherDirectory) {
  const TempDir dir;
  ASSERT_TRUE(start_dev_mode(in(dir / "a")).ok());
  ASSERT_TRUE(start_dev_mode(in(dir / "b")).ok());
  EXPECT_NE(text_of(dir / "a/api-key"), text_of(dir / "b/api-key"));
}

TEST(DevMode, RefusesAKeyThatIsNone) {
  const TempDir dir;
  dir.write("api-key", "hunter2\n");
  const auto mode = start_dev_mode(in(dir.path()));
  ASSERT_FALSE(mode.ok());
  EXPECT_EQ(mode.status().message().find("hunter2"), std::string::npos);
}

TEST(DevMode, TellsOfAPortThatIsTaken) {
  const TempDir dir;
  const auto first = start_dev_mode(in(dir / "a"));
  ASSERT_TRUE(first.ok());
  const std::string url = override_of(*first, "api.base_url");
  Options options = in(dir / "b");
  options.dev_api_port = std::stoi(url.substr(url.find(':', 5) + 1));
  const auto second = start_dev_mode(options);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find(std::to_string(options.dev_api_port)),
            std::string::npos);
}

}  // namespace
}  // namespace xased
