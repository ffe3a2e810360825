#include "daemon/ledger/tree/signing_key.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "daemon/ledger/tree/verify_signature.hpp"
#include "daemon/platform/sha256.hpp"
#include "tests/support/fake_file_system.hpp"
#include "tests/support/temp_dir.hpp"

namespace xased {
namespace {

using xase::proto::as_bytes;
using xase::proto::Bytes;
using xase::proto::KeyAlgorithm;
using xase::proto::VerifierKey;

constexpr const char* kName = "host-1/loans/8d5b8a7e";

std::vector<std::byte> from_hex(const std::string& hex) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

// RFC 8032, section 7.1, test 2, as the PKCS#8 of RFC 8410.
constexpr const char* kRfcPem =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
    "-----END PRIVATE KEY-----\n";
constexpr const char* kRfcPublic =
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
constexpr const char* kRfcSignature =
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

TEST(Ed25519Key, SignsAsItsRfcDoes) {
  auto key = Ed25519Key::from_pem(as_bytes(kRfcPem), kName);
  ASSERT_TRUE(key.ok()) << key.status().message();
  EXPECT_EQ((*key)->verifier_key().key, from_hex(kRfcPublic));
  EXPECT_EQ((*key)->verifier_key().name, kName);
  const auto message = from_hex("72");
  const auto signature = (*key)->sign(message);
  ASSERT_TRUE(signature.ok());
  EXPECT_EQ(*signature, from_hex(kRfcSignature));
  EXPECT_TRUE(verify_signature((*key)->verifier_key(), message, *signature).ok());
}

TEST(Ed25519Key, ComesBackFromItsFile) {
  const test::TempDir dir;
  auto key = Ed25519Key::generate(kName);
  ASSERT_TRUE(key.ok());
  ASSERT_TRUE((*key)->store(system_file_system(), dir / "key").ok());
  struct stat info {};
  ASSERT_EQ(::stat((dir / "key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
  EXPECT_FALSE(dir.has("key.tmp"));
  auto again = Ed25519Key::load(dir / "key", kName);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ((*again)->verifier_key(), (*key)->verifier_key());
  const auto signature = (*again)->sign(as_bytes("text\n"));
  ASSERT_TRUE(signature.ok());
  EXPECT_TRUE(verify_signature((*key)->verifier_key(), as_bytes("text\n"), *signature).ok());
  // Another key is another one.
  auto other = Ed25519Key::generate(kName);
  ASSERT_TRUE(other.ok());
  EXPECT_NE((*other)->verifier_key().key, (*key)->verifier_key().key);
}

TEST(Ed25519Key, NeverWritesOverAKey) {
  const test::TempDir dir;
  auto key = Ed25519Key::generate(kName);
  ASSERT_TRUE(key.ok());
  dir.write("key", "something");
  EXPECT_EQ((*key)->store(system_file_system(), dir / "key").code(), Code::kExists);
  EXPECT_EQ(std::filesystem::file_size(dir / "key"), 9U);
}

TEST(Ed25519Key, SurvivesPowerLossOnceStored) {
  auto key = Ed25519Key::generate(kName);
  ASSERT_TRUE(key.ok());
  for (std::uint64_t nth = 1; nth < 100; ++nth) {
    test::FakeFileSystem fs;
    ASSERT_TRUE(fs.make_directory("state", 0700).ok());
    fs.die_at(nth);
    const bool stored = (*key)->store(fs, "state/key").ok();
    fs.crash();
    if (fs.has("state/key")) {
      const auto pem = fs.bytes("state/key");
      auto again = Ed25519Key::from_pem(pem, kName);
      ASSERT_TRUE(again.ok());
      EXPECT_EQ((*again)->verifier_key(), (*key)->verifier_key());
    } else {
      EXPECT_FALSE(stored);
    }
    if (stored) {
      EXPECT_GT(nth, 3U);
      return;
    }
  }
  FAIL() << "never stored";
}

TEST(Ed25519Key, RefusesAFileThatOthersMayUseAndSaysWhatToDo) {
  const test::TempDir dir;
  auto key = Ed25519Key::generate(kName);
  ASSERT_TRUE(key.ok());
  ASSERT_TRUE((*key)->store(system_file_system(), dir / "key").ok());
  for (const mode_t mode : {0640U, 0604U, 0620U, 0602U, 0610U, 0601U, 0666U, 0777U}) {
    ASSERT_EQ(::chmod((dir / "key").c_str(), mode), 0);
    const auto loaded = Ed25519Key::load(dir / "key", kName);
    EXPECT_EQ(loaded.status().code(), Code::kDenied) << std::oct << mode;
    EXPECT_NE(loaded.status().message().find("chmod 600 "), std::string::npos);
  }
  ASSERT_EQ(::chmod((dir / "key").c_str(), 0400), 0);
  EXPECT_TRUE(Ed25519Key::load(dir / "key", kName).ok());
}

TEST(Ed25519Key, RefusesAFileOfAnotherUser) {
  const test::TempDir dir;
  auto key = Ed25519Key::generate(kName);
  ASSERT_TRUE(key.ok());
  ASSERT_TRUE((*key)->store(system_file_system(), dir / "key").ok());
  // Not as root, nobody can give a file away; but then the files of root are another user's.
  const std::string path = ::geteuid() == 0 ? dir / "key" : "/etc/hostname";
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(path.c_str(), 4711, 4711), 0);
  }
  const auto loaded = Ed25519Key::load(path, kName);
  ASSERT_EQ(loaded.status().code(), Code::kDenied) << loaded.status().message();
  EXPECT_NE(loaded.status().message().find("belongs to uid"), std::string::npos);
}

TEST(Ed25519Key, RefusesWhatIsNoKey) {
  const test::TempDir dir;
  const auto code = [&](const std::string& bytes) {
    std::ofstream(dir / "file", std::ios::binary) << bytes;
    EXPECT_EQ(::chmod((dir / "file").c_str(), 0600), 0);
    const auto loaded = Ed25519Key::load(dir / "file", kName);
    return loaded.ok() ? Code::kOk : loaded.status().code();
  };
  EXPECT_EQ(Ed25519Key::load(dir / "none", kName).status().code(), Code::kNotFound);
  EXPECT_EQ(code(""), Code::kInvalid);
  EXPECT_EQ(code("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), Code::kInvalid);
  EXPECT_EQ(code(std::string(5000, 'x')), Code::kInvalid);
  // Encrypted: an error, and no question on a terminal.
  EXPECT_EQ(code("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                 "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAiHO4JIaYbMkQICCAAw\n"
                 "-----END ENCRYPTED PRIVATE KEY-----\n"),
            Code::kInvalid);
  // X25519 instead: the same bytes under another algorithm.
  std::string other = kRfcPem;
  other.replace(other.find("K2Vw"), 4, "K2Vu");
  EXPECT_EQ(code(other), Code::kInvalid);
  EXPECT_EQ(code(kRfcPem), Code::kOk);
  std::filesystem::create_symlink(dir / "file", dir / "link");
  EXPECT_FALSE(Ed25519Key::load(dir / "link", kName).ok());
  EXPECT_EQ(Ed25519Key::load(dir.path(), kName).status().code(), Code::kInvalid);
  for (const char* name : {"", "two words", "a+b", "line\n"}) {
    EXPECT_EQ(Ed25519Key::generate(name).status().code(), Code::kInvalid) << name;
  }
}

// FIPS 186-4 by RFC 6979, appendix A.2.5: P-256, SHA-256, "sample".
constexpr const char* kEcdsaKey =
    "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
constexpr const char* kEcdsaSignature =
    "3046"
    "022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";

TEST(VerifySignature, TakesTheEcdsaOfItsRfc) {
  const VerifierKey key{kName, KeyAlgorithm::kEcdsaP256, from_hex(kEcdsaKey)};
  EXPECT_TRUE(verify_signature(key, as_bytes("sample"), from_hex(kEcdsaSignature)).ok());
  EXPECT_EQ(verify_signature(key, as_bytes("Sample"), from_hex(kEcdsaSignature)).code(),
            Code::kCorrupt);
}

TEST(VerifySignature, RefusesEveryFlippedBit) {
  const std::vector<std::pair<VerifierKey, std::pair<std::string, std::vector<std::byte>>>> cases{
      {{kName, KeyAlgorithm::kEd25519, from_hex(kRfcPublic)}, {"r", from_hex(kRfcSignature)}},
      {{kName, KeyAlgorithm::kEcdsaP256, from_hex(kEcdsaKey)},
       {"sample", from_hex(kEcdsaSignature)}}};
  for (const auto& [key, signed_text] : cases) {
    const auto& [text, signature] = signed_text;
    ASSERT_TRUE(verify_signature(key, as_bytes(text), signature).ok());
    for (std::size_t bit = 0; bit < 8 * signature.size(); ++bit) {
      std::vector<std::byte> changed = signature;
      changed[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
      ASSERT_FALSE(verify_signature(key, as_bytes(text), changed).ok()) << bit;
    }
    for (std::size_t bit = 0; bit < 8 * key.key.size(); ++bit) {
      VerifierKey changed = key;
      changed.key[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
      ASSERT_FALSE(verify_signature(changed, as_bytes(text), signature).ok()) << bit;
    }
    for (std::size_t size = 0; size < signature.size(); ++size) {
      ASSERT_FALSE(verify_signature(key, as_bytes(text), Bytes(signature).first(size)).ok());
    }
    std::vector<std::byte> longer = signature;
    longer.push_back(std::byte{0});
    EXPECT_FALSE(verify_signature(key, as_bytes(text), longer).ok());
  }
}

TEST(VerifySignature, TellsAKeyThatIsNone) {
  VerifierKey key{kName, KeyAlgorithm::kEcdsaP256, from_hex(kEcdsaKey)};
  key.key.back() ^= std::byte{1};  // off the curve
  EXPECT_EQ(verify_signature(key, as_bytes("sample"), from_hex(kEcdsaSignature)).code(),
            Code::kInvalid);
  key.key.pop_back();
  EXPECT_EQ(verify_signature(key, as_bytes("sample"), from_hex(kEcdsaSignature)).code(),
            Code::kInvalid);
  key.algorithm = static_cast<KeyAlgorithm>(9);
  EXPECT_EQ(verify_signature(key, as_bytes("sample"), from_hex(kEcdsaSignature)).code(),
            Code::kInvalid);
}

}  // namespace
}  // namespace xased
