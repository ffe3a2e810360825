// The example file is the document of the configuration; it must not drift from the table.
#include <sstream>

#include "daemon/config/keys.hpp"
#include "tests/daemon/config/config_fixture.hpp"

namespace xased {
namespace {

constexpr char kExample[] = XASE_SOURCE_DIR "/deploy/xased.example.toml";

// A key at its default is commented out with "#" alone; prose has a space behind it.
bool is_setting(const std::string& line) {
  return line.size() > 1 && line[0] == '#' && line[1] >= 'a' && line[1] <= 'z';
}

class ExampleFile : public ConfigFixture {
 protected:
  ExampleFile() {
    std::ifstream in(kExample);
    for (std::string line; std::getline(in, line);) lines_.push_back(line);
    host_.hostname = "hostname";
  }

  std::string with_settings() const {
    std::string text;
    for (const std::string& line : lines_)
      text += (is_setting(line) ? line.substr(1) : line) + "\n";
    return text;
  }

  std::vector<std::string> lines_;
};

TEST_F(ExampleFile, LoadsAsItIs) {
  std::string text;
  for (const std::string& line : lines_) text += line + "\n";
  const Config config = loaded(text);
  for (const auto& [key, from] : config.provenance) {
    EXPECT_EQ(from.origin, ConfigOrigin::kDefault) << key;
  }
}

TEST_F(ExampleFile, SetsEveryKeyToItsDefaultWhenUncommented) {
  const Config config = loaded(with_settings());
  const auto defaults = load_config(source());
  ASSERT_TRUE(defaults.ok());
  for (const auto& change : diff_config(*defaults, config)) {
    ADD_FAILURE() << change.key << ": the default is " << change.before << ", the example says "
                  << change.after;
  }
  for (const auto& [key, from] : config.provenance) {
    EXPECT_EQ(from.origin, ConfigOrigin::kFile) << key << " is not in the example";
  }
  EXPECT_TRUE(config.warnings.empty());
}

// What is written there is what the table says, not only a value that means the same.
TEST_F(ExampleFile, WritesTheDefaultsAsTheTableDoes) {
  for (const ConfigKey& key : config_keys()) {
    if (key.default_text.empty()) continue;
    const bool bare = key.type == ConfigType::kBool || key.type == ConfigType::kCount;
    const std::string name(key.name.substr(key.name.rfind('.') + 1));
    const std::string text(key.default_text);
    const std::string wanted = "#" + name + " = " + (bare ? text : '"' + text + '"');
    EXPECT_NE(std::find(lines_.begin(), lines_.end(), wanted), lines_.end()) << wanted;
  }
}

TEST_F(ExampleFile, ExplainsEverySetting) {
  for (std::size_t i = 0; i < lines_.size(); i++) {
    if (!is_setting(lines_[i])) continue;
    ASSERT_GT(i, 0U);
    const bool explained = lines_[i - 1].rfind("# ", 0) == 0 || is_setting(lines_[i - 1]);
    EXPECT_TRUE(explained) << lines_[i];
  }
}

TEST_F(ExampleFile, FitsATerminal) {
  for (const std::string& line : lines_) EXPECT_LE(line.size(), 100U) << line;
}

}  // namespace
}  // namespace xased
