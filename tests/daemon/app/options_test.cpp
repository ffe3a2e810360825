#include "daemon/app/options.hpp"

#include <gtest/gtest.h>

namespace xased {
namespace {

Options parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "xased");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  return parse_options(static_cast<int>(argv.size()), argv.data());
}

using Overrides = std::vector<std::pair<std::string, std::string>>;

TEST(Options, AreEmptyWithoutArguments) {
  const Options options = parse({});
  EXPECT_FALSE(options.config_file.has_value());
  EXPECT_TRUE(options.overrides.empty());
  EXPECT_FALSE(options.check_config);
  EXPECT_FALSE(options.dev);
}

TEST(Options, KeepEachSettingInItsOrderWithTheNamedOnesLast) {
  const Options options = parse({"--run-dir", "/r", "--set", "api.base_url=http://a/?x=1", "--set",
                                 "log.level=info", "--log-level", "debug", "--state-dir=/s"});
  const Overrides wanted = {{"api.base_url", "http://a/?x=1"},
                            {"log.level", "info"},
                            {"run_dir", "/r"},
                            {"state_dir", "/s"},
                            {"log.level", "debug"}};
  EXPECT_EQ(options.overrides, wanted);
}

TEST(Options, TakeAnEmptyFileNameAsGiven) {
  EXPECT_EQ(parse({"--config", "/etc/x.toml"}).config_file, "/etc/x.toml");
}

TEST(Options, OfDevModeNeedDevMode) {
  EXPECT_EQ(parse({"--dev", "--dir", "/d", "--api-port", "8080"}).dev_api_port, 8080);
  EXPECT_EXIT(parse({"--dir", "/d"}), testing::ExitedWithCode(2), "--dev");
  EXPECT_EXIT(parse({"--api-port", "1"}), testing::ExitedWithCode(2), "--dev");
  EXPECT_EXIT(parse({"--dev", "--api-port", "65536"}), testing::ExitedWithCode(2), "api-port");
}

TEST(Options, ThatMakeNoSenseEndWithUsage) {
  EXPECT_EXIT(parse({"--set", "nothing"}), testing::ExitedWithCode(2), "KEY=VALUE");
  EXPECT_EXIT(parse({"--set", "=x"}), testing::ExitedWithCode(2), "KEY=VALUE");
  EXPECT_EXIT(parse({"--colour"}), testing::ExitedWithCode(2), "--colour");
  EXPECT_EXIT(parse({"word"}), testing::ExitedWithCode(2), "word");
}

TEST(Options, ForHelpAndVersionEndWell) {
  EXPECT_EXIT(parse({"--help"}), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(parse({"--version"}), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace xased
