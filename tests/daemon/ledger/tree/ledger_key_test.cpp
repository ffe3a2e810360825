#include "daemon/ledger/tree/ledger_key.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "daemon/platform/sha256.hpp"
#include "proto/verifier_key.hpp"
#include "tests/support/temp_dir.hpp"

namespace xased {
namespace {

using test::TempDir;
using xase::proto::Hash;

Hash log_id(unsigned char first) {
  Hash id{};
  id.fill(std::byte{0xff});
  id[0] = std::byte{first};
  return id;
}

class LedgerKeyTest : public testing::Test {
 protected:
  Result<std::unique_ptr<KeyFiles>> open_files(const std::string& origin = "host/name",
                                               unsigned char log = 0x11) {
    return KeyFiles::open(system_file_system(),
                          {directory_ / "keys", origin, log_id(log), true, {}});
  }
  Result<std::shared_ptr<Ed25519Key>> open(const std::string& origin = "host/name",
                                           unsigned char log = 0x11) {
    const auto files = open_files(origin, log);
    if (!files.ok()) return files.status();
    EXPECT_EQ((*files)->in_force(), KeySet{(*files)->file_key()->verifier_key()});
    return (*files)->file_key();
  }
  std::string public_text() {
    const auto bytes = read_file(system_file_system(), directory_ / "keys/log.vkey", 4096);
    return std::string(xase::proto::as_text(*bytes));
  }

  TempDir directory_;
};

TEST_F(LedgerKeyTest, IsMadeAtTheFirstStartAndStays) {
  const auto first = open();
  ASSERT_TRUE(first.ok()) << first.status().message();
  const auto again = open();
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ((*again)->verifier_key(), (*first)->verifier_key());
  struct stat info {};
  ASSERT_EQ(::stat((directory_ / "keys/log.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
}

TEST_F(LedgerKeyTest, IsNamedAfterTheLedgerWithAUuid) {
  const auto key = open();
  ASSERT_TRUE(key.ok());
  EXPECT_EQ((*key)->verifier_key().name, "host/name/11ffffff-ffff-8fff-bfff-ffffffffffff");
  Sha256 sha;
  EXPECT_EQ(public_text(), xase::proto::format_verifier_key(sha, (*key)->verifier_key()) + "\n");
}

TEST_F(LedgerKeyTest, KeepsItsNameWhereTheConfigurationChanges) {
  const auto first = open("host/name");
  const auto renamed = open("other/name");
  ASSERT_TRUE(first.ok() && renamed.ok());
  EXPECT_EQ((*renamed)->verifier_key(), (*first)->verifier_key());
}

TEST_F(LedgerKeyTest, TakesANewNameForAnotherLedger) {
  const auto first = open("host/name", 0x11);
  const auto other = open("host/name", 0x22);
  ASSERT_TRUE(first.ok() && other.ok());
  EXPECT_NE((*other)->verifier_key().name, (*first)->verifier_key().name);
  EXPECT_NE(public_text().find((*other)->verifier_key().name), std::string::npos);
}

TEST_F(LedgerKeyTest, IsNotReplacedInSilenceWhereItIsGone) {
  ASSERT_TRUE(open().ok());
  std::filesystem::remove(directory_ / "keys/log.key");
  const auto files = open_files();
  ASSERT_TRUE(files.ok()) << files.status().message();
  EXPECT_EQ((*files)->file_key(), nullptr);
  EXPECT_EQ((*files)->in_force().size(), 1U);
  const Status gone = (*files)->look_for_file_key();
  ASSERT_EQ(gone.code(), Code::kNotFound);
  EXPECT_NE(gone.message().find("log.vkey"), std::string::npos);
  std::filesystem::remove(directory_ / "keys/log.vkey");
  EXPECT_TRUE(open().ok());
}

TEST_F(LedgerKeyTest, IsNotTakenForAnotherThatLiesInItsPlace) {
  ASSERT_TRUE(open().ok());
  std::filesystem::remove(directory_ / "keys/log.key");
  const auto other = Ed25519Key::generate("host/name");
  ASSERT_TRUE((*other)->store(system_file_system(), directory_ / "keys/log.key").ok());
  const auto files = open_files();
  ASSERT_TRUE(files.ok()) << files.status().message();
  EXPECT_EQ((*files)->file_key(), nullptr);
  const Status found = (*files)->look_for_file_key();
  EXPECT_EQ(found.code(), Code::kInvalid);
  EXPECT_NE(found.message().find("another key"), std::string::npos);
}

TEST_F(LedgerKeyTest, SignsAgainOnceItIsBack) {
  ASSERT_TRUE(open().ok());
  const std::string path = directory_ / "keys/log.key";
  std::filesystem::rename(path, path + ".elsewhere");
  directory_.write("keys/log.key", "garbage\n");
  std::filesystem::permissions(path, std::filesystem::perms::owner_read);
  const auto files = open_files();
  ASSERT_TRUE(files.ok()) << files.status().message();
  EXPECT_FALSE((*files)->look_for_file_key().ok());
  std::filesystem::rename(path + ".elsewhere", path);
  EXPECT_TRUE((*files)->look_for_file_key().ok());
  ASSERT_NE((*files)->file_key(), nullptr);
  EXPECT_EQ((*files)->file_key()->verifier_key(), (*files)->in_force().front());
}

TEST_F(LedgerKeyTest, OfANewLedgerGarbageIsSetAside) {
  std::filesystem::create_directories(directory_ / "keys");
  directory_.write("keys/log.key", "garbage\n");
  std::filesystem::permissions(directory_ / "keys/log.key", std::filesystem::perms::owner_read);
  const auto files = open_files();
  ASSERT_TRUE(files.ok()) << files.status().message();
  EXPECT_NE((*files)->file_key(), nullptr);
  ASSERT_EQ((*files)->set_aside().size(), 1U);
  EXPECT_NE((*files)->set_aside().front().find("log.key.damaged"), std::string::npos);
}

TEST_F(LedgerKeyTest, AChangeWhoseFilesAreGarbageIsDecidedByTheJournal) {
  const auto first = open();
  ASSERT_TRUE(first.ok());
  const KeySet keys{(*first)->verifier_key()};
  directory_.write("keys/next.vkey", "garbage\n");
  directory_.write("keys/next.key", "garbage\n");
  std::filesystem::permissions(directory_ / "keys/next.key", std::filesystem::perms::owner_read);
  const auto journal = [&]() -> Result<std::optional<KeySet>> { return std::optional(keys); };
  const auto files = KeyFiles::open(
      system_file_system(), {directory_ / "keys", "host/name", log_id(0x11), true, journal});
  ASSERT_TRUE(files.ok()) << files.status().message();
  EXPECT_EQ((*files)->in_force(), keys);
  EXPECT_NE((*files)->file_key(), nullptr);
  EXPECT_EQ((*files)->set_aside().size(), 2U);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "keys/next.vkey"));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "keys/next.key"));
}

TEST_F(LedgerKeyTest, ThatOthersMayReadIsRefused) {
  ASSERT_TRUE(open().ok());
  ASSERT_EQ(::chmod((directory_ / "keys/log.key").c_str(), 0640), 0);
  const auto open_to_others = open();
  ASSERT_FALSE(open_to_others.ok());
  ASSERT_EQ(open_to_others.status().code(), Code::kDenied);
  EXPECT_NE(open_to_others.status().message().find("chmod 600"), std::string::npos);
}

TEST_F(LedgerKeyTest, SetsAFileAsideThatIsNoVerifierKeyAndWritesItAgain) {
  ASSERT_TRUE(open().ok());
  const std::string sound = public_text();
  directory_.write("keys/log.vkey", "hello\n");
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(public_text(), sound);
  const auto aside = read_file(system_file_system(), directory_ / "keys/log.vkey.damaged", 100);
  ASSERT_TRUE(aside.ok());
  EXPECT_EQ(xase::proto::as_text(*aside), "hello\n");
}

// Without log.key's help: of a ledger that a module alone signs, say.
TEST_F(LedgerKeyTest, WritesADamagedFileAsTheJournalSays) {
  const auto first = open();
  ASSERT_TRUE(first.ok());
  const KeySet keys{(*first)->verifier_key()};
  const std::string sound = public_text();
  directory_.write("keys/log.vkey", sound.substr(0, 20));
  const auto journal = [&]() -> Result<std::optional<KeySet>> { return std::optional(keys); };
  const auto files = KeyFiles::open(
      system_file_system(), {directory_ / "keys", "renamed/since", log_id(0x11), true, journal});
  ASSERT_TRUE(files.ok()) << files.status().message();
  EXPECT_EQ((*files)->in_force(), keys);
  EXPECT_EQ((*files)->name(), keys.front().name);
  EXPECT_EQ(public_text(), sound);
  // Had it died between the two renames: log.vkey is aside, and what replaces it is staged.
  std::filesystem::rename(directory_ / "keys/log.vkey", directory_ / "keys/next.vkey");
  const auto again = KeyFiles::open(
      system_file_system(), {directory_ / "keys", "renamed/since", log_id(0x11), true, journal});
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ((*again)->in_force(), keys);
  EXPECT_EQ((*again)->name(), keys.front().name);
  EXPECT_EQ(public_text(), sound);
}

}  // namespace
}  // namespace xased
