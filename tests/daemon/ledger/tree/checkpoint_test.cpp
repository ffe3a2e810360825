#include "daemon/ledger/tree/checkpoint.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <memory>
#include <sstream>

#include "daemon/ledger/tree/signing_key.hpp"
#include "daemon/platform/sha256.hpp"
#include "tests/support/fake_file_system.hpp"

namespace xased {
namespace {

using test::FakeFileSystem;
using test::FsCall;
using xase::proto::as_bytes;
using xase::proto::VerifierKey;

constexpr const char* kOrigin = "host-1/loans/8d5b8a7e";

xase::proto::Checkpoint a_checkpoint(std::uint64_t size = 70000) {
  xase::proto::Checkpoint checkpoint{kOrigin, size, {}};
  for (std::size_t i = 0; i < checkpoint.root.size(); ++i) {
    checkpoint.root[i] = static_cast<std::byte>(i);
  }
  return checkpoint;
}

class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() {
    for (int i = 0; i < 3; ++i) {
      auto key = Ed25519Key::generate(i == 2 ? "witness.example/w1" : kOrigin);
      EXPECT_TRUE(key.ok());
      signers_.push_back(std::move(*key));
    }
    EXPECT_TRUE(fs_.make_directory("tree", 0700).ok());
  }

  std::string sign(std::initializer_list<std::size_t> which, std::uint64_t size = 70000) {
    std::vector<Signer*> signers;
    for (const std::size_t i : which) signers.push_back(signers_[i].get());
    auto note = sign_checkpoint(a_checkpoint(size), signers);
    EXPECT_TRUE(note.ok());
    return *note;
  }
  std::vector<VerifierKey> keys(std::initializer_list<std::size_t> which) {
    std::vector<VerifierKey> keys;
    for (const std::size_t i : which) keys.push_back(signers_[i]->verifier_key());
    return keys;
  }
  Code code(const std::string& note, const std::vector<VerifierKey>& keys) {
    const auto opened = open_checkpoint(note, keys);
    return opened.ok() ? Code::kOk : opened.status().code();
  }

  FakeFileSystem fs_;
  std::vector<std::unique_ptr<Signer>> signers_;
};

// With the second key of RFC 8032, section 7.1; Ed25519 has one signature for a text, and this one
// golang.org/x/mod/sumdb/note made.
TEST_F(CheckpointTest, IsTheNoteThatGoMakes) {
  auto key = Ed25519Key::from_pem(
      as_bytes("-----BEGIN PRIVATE KEY-----\n"
               "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
               "-----END PRIVATE KEY-----\n"),
      kOrigin);
  ASSERT_TRUE(key.ok());
  Signer* const signers[] = {key->get()};
  const auto note = sign_checkpoint(a_checkpoint(), signers);
  ASSERT_TRUE(note.ok());
  EXPECT_EQ(*note,
            "host-1/loans/8d5b8a7e\n"
            "70000\n"
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
            "\n"
            "\u2014 host-1/loans/8d5b8a7e "
            "fDhiFTMoYwLM1rKBYNuAH+aqTLc/SXoHboX4NKFjCFrShdZVqOidh4L/"
            "Jguc0JIAMfElCgkNjmpaVl5aLzJ1HMpj5wE=\n");
  Sha256 sha;
  const std::string key_text = format_verifier_key(sha, (*key)->verifier_key());
  EXPECT_EQ(key_text,
            "host-1/loans/8d5b8a7e+7c386215+AT1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYM");
  // And the one that the document shows.
  std::ifstream in(XASE_FORMATS_FILE);
  std::stringstream document;
  document << in.rdbuf();
  EXPECT_NE(document.str().find("```text checkpoint\n" + *note + "```"), std::string::npos);
  EXPECT_NE(document.str().find("```text verifier-key\n" + key_text + "\n```"), std::string::npos);
}

TEST_F(CheckpointTest, OpensWithAnyOfItsKeysAndTellsWhich) {
  const std::string note = sign({0, 1, 2});
  const auto all = open_checkpoint(note, keys({2, 0, 1}));
  ASSERT_TRUE(all.ok()) << all.status().message();
  EXPECT_EQ(all->checkpoint, a_checkpoint());
  EXPECT_EQ(all->note, note);
  EXPECT_EQ(all->signed_by, keys({0, 1, 2}));
  EXPECT_EQ(all->unknown_signatures, 0U);
  const auto one = open_checkpoint(note, keys({1}));
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->signed_by, keys({1}));
  EXPECT_EQ(one->unknown_signatures, 2U);
  // A line twice is one signature.
  const std::string line = note.substr(note.rfind("\u2014"));
  const auto twice = open_checkpoint(note + line, keys({2}));
  ASSERT_TRUE(twice.ok());
  EXPECT_EQ(twice->signed_by.size(), 1U);
}

TEST_F(CheckpointTest, OpensWithNoOtherKey) {
  EXPECT_EQ(code(sign({0}), keys({1, 2})), Code::kDenied);
  EXPECT_EQ(code(sign({0}), {}), Code::kDenied);
  // The right bytes under another name.
  std::vector<VerifierKey> renamed = keys({0});
  renamed[0].name = "someone.else/x";
  EXPECT_EQ(code(sign({0}), renamed), Code::kDenied);
}

TEST_F(CheckpointTest, IsRefusedForOneBadSignatureOfAKeyThatIsTrusted) {
  // The second signer's line from another checkpoint.
  const std::string other = sign({1}, 69999);
  const std::string note = sign({0}) + other.substr(other.rfind("\u2014"));
  EXPECT_EQ(code(note, keys({0, 1})), Code::kCorrupt);
  EXPECT_EQ(code(note, keys({0})), Code::kOk);
}

TEST_F(CheckpointTest, IsRefusedWithAnyBitFlipped) {
  const std::string note = sign({0});
  const std::vector<VerifierKey> trusted = keys({0});
  ASSERT_EQ(code(note, trusted), Code::kOk);
  for (std::size_t bit = 0; bit < 8 * note.size(); ++bit) {
    std::string changed = note;
    changed[bit / 8] =
        static_cast<char>(static_cast<unsigned char>(changed[bit / 8]) ^ (1U << bit % 8));
    ASSERT_NE(code(changed, trusted), Code::kOk) << "byte " << bit / 8;
  }
  for (std::size_t size = 0; size < note.size(); ++size) {
    ASSERT_NE(code(note.substr(0, size), trusted), Code::kOk);
  }
}

TEST_F(CheckpointTest, IsNotMadeOfWhatIsNone) {
  Signer* const signers[] = {signers_[0].get()};
  EXPECT_EQ(sign_checkpoint({"two words", 1, {}}, signers).status().code(), Code::kInvalid);
  EXPECT_EQ(sign_checkpoint({"", 1, {}}, signers).status().code(), Code::kInvalid);
  EXPECT_EQ(sign_checkpoint(a_checkpoint(), {}).status().code(), Code::kInvalid);
  const std::vector<Signer*> many(17, signers_[0].get());
  EXPECT_EQ(sign_checkpoint(a_checkpoint(), many).status().code(), Code::kInvalid);
}

TEST_F(CheckpointTest, IsTheOldOneOrTheNewOneAtEveryCrash) {
  const std::string old_note = sign({0}, 100);
  const std::string new_note = sign({0}, 200);
  for (std::uint64_t nth = 1; nth < 100; ++nth) {
    for (const bool keeps_some : {false, true}) {
      FakeFileSystem fs;
      ASSERT_TRUE(fs.make_directory("tree", 0700).ok());
      ASSERT_TRUE(write_checkpoint(fs, "tree", old_note).ok());
      fs.die_at(nth);
      const bool written = write_checkpoint(fs, "tree", new_note).ok();
      fs.crash(keeps_some ? std::optional<std::uint64_t>(nth) : std::nullopt);
      const auto opened = read_checkpoint(fs, "tree", keys({0}));
      ASSERT_TRUE(opened.ok()) << opened.status().message();
      if (written) {
        EXPECT_EQ(opened->checkpoint.size, 200U);
        if (keeps_some) return;
      }
    }
  }
  FAIL() << "never written";
}

TEST_F(CheckpointTest, ThatIsMissingOrCannotBeReadIsTold) {
  EXPECT_EQ(read_checkpoint(fs_, "tree", keys({0})).status().code(), Code::kNotFound);
  ASSERT_TRUE(write_checkpoint(fs_, "tree", sign({0})).ok());
  EXPECT_TRUE(read_checkpoint(fs_, "tree", keys({0})).ok());
  fs_.fail(FsCall::kRead, EIO);
  EXPECT_EQ(read_checkpoint(fs_, "tree", keys({0})).status().code(), Code::kIo);
  fs_.put("tree/checkpoint", std::vector<std::byte>(xase::proto::kNoteBytesMax + 1));
  EXPECT_EQ(read_checkpoint(fs_, "tree", keys({0})).status().code(), Code::kInvalid);
}

}  // namespace
}  // namespace xased
