#include "daemon/config/api_key.hpp"

#include <sys/stat.h>

#include <sstream>

#include "tests/daemon/config/config_fixture.hpp"

namespace xased {
namespace {

const std::string kDigits = "12ab34cd56ef12ab34cd56ef12ab34cd56ef12ab34cd56ef";
const std::string kKey = "xase_pk_" + kDigits;

using ApiKeyFile = ConfigFixture;

TEST(ApiKey, IsThePrefixAnd48LowercaseHexDigits) {
  const auto key = ApiKey::parse(kKey);
  ASSERT_TRUE(key.ok()) << key.status().message();
  EXPECT_EQ(key->value(), kKey);
}

TEST(ApiKey, ToleratesOneNewlineAfterIt) {
  for (const char* end : {"\n", "\r\n"}) {
    const auto key = ApiKey::parse(kKey + end);
    ASSERT_TRUE(key.ok());
    EXPECT_EQ(key->value(), kKey);
  }
  EXPECT_FALSE(ApiKey::parse(kKey + "\n\n").ok());
  EXPECT_FALSE(ApiKey::parse(" " + kKey).ok());
  EXPECT_FALSE(ApiKey::parse(kKey + "\r").ok());
}

TEST(ApiKey, SaysWhatIsWrongWithoutRepeatingIt) {
  const auto flaw = [](const std::string& text) {
    const auto key = ApiKey::parse(text);
    if (key.ok()) return std::string("(no error)");
    EXPECT_EQ(key.status().code(), Code::kInvalid);
    EXPECT_EQ(key.status().message().find("12ab"), std::string::npos);
    return key.status().message();
  };
  EXPECT_EQ(flaw(""), "the API key is empty");
  EXPECT_EQ(flaw("\n"), "the API key is empty");
  EXPECT_EQ(flaw("sk_" + kDigits), "the API key does not begin with xase_pk_");
  EXPECT_EQ(flaw(kKey + "0"), "the API key has 49 characters after xase_pk_ instead of 48");
  EXPECT_EQ(flaw("xase_pk_"), "the API key has 0 characters after xase_pk_ instead of 48");
  std::string upper = kKey;
  upper.back() = 'F';
  EXPECT_EQ(flaw(upper),
            "the API key has characters after xase_pk_ that are not lowercase hex digits");
}

TEST(ApiKey, ShowsNoMoreThanItsFirstDigits) {
  const auto key = ApiKey::parse(kKey);
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->masked(), "xase_pk_12ab…");
  std::ostringstream out;
  out << *key;
  EXPECT_EQ(out.str(), "xase_pk_12ab…");
}

// printf %s xase_pk_12ab34cd56ef12ab34cd56ef12ab34cd56ef12ab34cd56ef | sha256sum | head -c 16
TEST(ApiKey, HasTheStartOfItsSha256AsFingerprint) {
  const auto key = ApiKey::parse(kKey);
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->fingerprint(), "f2c6d39fe30ec802");
}

TEST(ApiKey, MovesWithoutLeavingACopyBehind) {
  auto first = ApiKey::parse(kKey);
  ASSERT_TRUE(first.ok());
  ApiKey copy = *first;
  EXPECT_TRUE(copy == *first);
  ApiKey moved = std::move(*first);
  EXPECT_EQ(moved.value(), kKey);
  EXPECT_TRUE(first->value().empty());  // NOLINT(bugprone-use-after-move): this is the point
  const auto other = ApiKey::parse("xase_pk_" + std::string(48, '0'));
  ASSERT_TRUE(other.ok());
  copy = *other;
  EXPECT_EQ(copy.value(), other->value());
  copy = std::move(moved);
  EXPECT_EQ(copy.value(), kKey);
  EXPECT_TRUE(moved.value().empty());  // NOLINT(bugprone-use-after-move): this is the point
}

TEST_F(ApiKeyFile, IsReadAnewAtEachCall) {
  const ApiKeySource source{ApiKeySource::Kind::kFile, path("key")};
  write("key", kKey + "\n");
  ASSERT_EQ(::chmod(path("key").c_str(), 0600), 0);
  auto key = read_api_key(source, {});
  ASSERT_TRUE(key.ok()) << key.status().message();
  EXPECT_EQ(key->value(), kKey);
  EXPECT_EQ(key->warning(), "");
  write("key", "xase_pk_" + std::string(48, '0'));
  key = read_api_key(source, {});
  ASSERT_TRUE(key.ok()) << key.status().message();
  EXPECT_EQ(key->value(), "xase_pk_" + std::string(48, '0'));
}

TEST_F(ApiKeyFile, WarnsOfAFileThatOthersMayRead) {
  const ApiKeySource source{ApiKeySource::Kind::kFile, path("key")};
  write("key", kKey);
  for (const mode_t mode : {0640U, 0604U, 0644U, 0660U}) {
    ASSERT_EQ(::chmod(path("key").c_str(), mode), 0);
    const auto key = read_api_key(source, {});
    ASSERT_TRUE(key.ok());
    EXPECT_NE(key->warning().find("chmod 600 " + path("key")), std::string::npos);
  }
  // systemd grants its credentials to the service's user by access lists.
  const auto credential = read_api_key({ApiKeySource::Kind::kCredential, path("key")}, {});
  ASSERT_TRUE(credential.ok());
  EXPECT_EQ(credential->warning(), "");
}

TEST_F(ApiKeyFile, NamesTheFileThatIsMissingOrHoldsNoKey) {
  const ApiKeySource source{ApiKeySource::Kind::kFile, path("key")};
  const auto missing = read_api_key(source, {});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.status().code(), Code::kNotFound);
  EXPECT_NE(missing.status().message().find(path("key")), std::string::npos);

  write("key", "no key\n");
  const auto malformed = read_api_key(source, {});
  ASSERT_FALSE(malformed.ok());
  EXPECT_EQ(malformed.status().code(), Code::kInvalid);
  EXPECT_EQ(malformed.status().message(),
            path("key") + ": the API key does not begin with xase_pk_");

  write("key", std::string(5000, 'a'));
  EXPECT_FALSE(read_api_key(source, {}).ok());
  EXPECT_FALSE(read_api_key({ApiKeySource::Kind::kFile, dir_}, {}).ok());
}

TEST_F(ApiKeyFile, IsNotNeededForTheVariable) {
  const ApiKeySource source{ApiKeySource::Kind::kEnvironment, "XASE_API_KEY"};
  environment_["XASE_API_KEY"] = kKey;
  const auto key = read_api_key(source, environment());
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->value(), kKey);
  environment_["XASE_API_KEY"] = "nonsense";
  EXPECT_EQ(read_api_key(source, environment()).status().message(),
            "XASE_API_KEY: the API key does not begin with xase_pk_");
  environment_.clear();
  EXPECT_EQ(read_api_key(source, environment()).status().code(), Code::kNotFound);
}

TEST(ApiKey, SaysHowToConfigureOne) {
  const auto key = read_api_key({}, {});
  ASSERT_FALSE(key.ok());
  EXPECT_EQ(key.status().code(), Code::kNotFound);
  EXPECT_NE(key.status().message().find("api.key_file"), std::string::npos);
}

// What a client makes of the same: tests/client/daemon_facts_test.cpp.
TEST(ApiKey, ItsCheckValueIsSaltedAndSlow) {
  xase::proto::Id salt{};
  for (std::size_t i = 0; i < salt.size(); ++i) salt[i] = static_cast<std::byte>(i);
  const auto key = ApiKey::parse(kKey);
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->check_value(salt), "000102030405060708090a0b0c0d0e0f:d22f4a2c80a34a60");
  salt[0] = std::byte{1};
  EXPECT_NE(key->check_value(salt).substr(32), ":d22f4a2c80a34a60");
}

}  // namespace
}  // namespace xased
