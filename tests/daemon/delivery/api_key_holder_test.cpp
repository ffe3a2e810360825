#include "daemon/delivery/api_key_holder.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/support/temp_dir.hpp"

namespace xased::test {
namespace {

std::string key_of(char digit) { return "xase_pk_" + std::string(48, digit); }

class ApiKeyHolderTest : public ::testing::Test {
 protected:
  void SetUp() override { holder_.set_source({ApiKeySource::Kind::kFile, directory_ / "key"}, {}); }
  // As one replaces a file with care.
  void put(const std::string& text) {
    directory_.write("key.new", text);
    std::filesystem::permissions(directory_ / "key.new", std::filesystem::perms::owner_read);
    std::filesystem::rename(directory_ / "key.new", directory_ / "key");
  }

  TempDir directory_;
  ApiKeyHolder holder_;
};

TEST_F(ApiKeyHolderTest, HasNoKeyUntilTheFileIsThere) {
  EXPECT_FALSE(holder_.refresh(false));
  EXPECT_FALSE(holder_.get().has_value());
  put(key_of('a'));
  EXPECT_TRUE(holder_.refresh(false));
  EXPECT_EQ(holder_.get()->value, key_of('a'));
  EXPECT_EQ(holder_.generation(), 1U);
}

TEST_F(ApiKeyHolderTest, TakesAKeyThatChangedAndTellsSoOnce) {
  put(key_of('a'));
  EXPECT_TRUE(holder_.refresh(false));
  EXPECT_FALSE(holder_.refresh(false));
  EXPECT_FALSE(holder_.refresh(true)) << "the same key";
  put(key_of('b'));
  EXPECT_TRUE(holder_.refresh(false));
  EXPECT_FALSE(holder_.refresh(false));
  EXPECT_EQ(holder_.get()->value, key_of('b'));
  EXPECT_EQ(holder_.get()->generation, 2U);
}

TEST_F(ApiKeyHolderTest, KeepsTheKeyWhereTheFileIsGoneOrHalfWritten) {
  put(key_of('a'));
  EXPECT_TRUE(holder_.refresh(false));
  for (const std::string& text : {std::string(), std::string("xase_pk_1"), std::string("junk")}) {
    put(text);
    EXPECT_FALSE(holder_.refresh(false));
    EXPECT_EQ(holder_.get()->value, key_of('a'));
  }
  std::filesystem::remove(directory_ / "key");
  EXPECT_FALSE(holder_.refresh(false));
  EXPECT_EQ(holder_.get()->value, key_of('a'));
}

TEST_F(ApiKeyHolderTest, AKeyOfAnotherSourceIsNotKeptForThisOne) {
  put(key_of('a'));
  EXPECT_TRUE(holder_.refresh(false));
  holder_.set_source({ApiKeySource::Kind::kFile, directory_ / "other"}, {});
  EXPECT_FALSE(holder_.refresh(false));
  EXPECT_FALSE(holder_.get().has_value());
}

TEST_F(ApiKeyHolderTest, ShowsOnlyEnoughToTellKeysApart) {
  EXPECT_EQ(holder_.masked(), "");
  EXPECT_EQ(holder_.fingerprint(), "");
  put(key_of('a'));
  EXPECT_TRUE(holder_.refresh(false));
  EXPECT_LT(holder_.masked().size(), 20U);
  EXPECT_EQ(holder_.fingerprint().size(), 16U);
}

}  // namespace
}  // namespace xased::test
