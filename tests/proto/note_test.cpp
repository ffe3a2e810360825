#include "proto/note.hpp"

#include <gtest/gtest.h>

#include "daemon/platform/sha256.hpp"
#include "proto/checkpoint.hpp"
#include "proto/verifier_key.hpp"
#include "tests/support/seeded_random.hpp"

namespace xase::proto {
namespace {

// The example of golang.org/x/mod/sumdb/note.
constexpr std::string_view kText =
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n";
constexpr std::string_view kPeter =
    "\u2014 PeterNeumann "
    "x08go/ZJkuBS9UG/"
    "SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
constexpr std::string_view kEnoch =
    "\u2014 EnochRoot "
    "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/"
    "5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";
constexpr std::string_view kPeterKey =
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string all;
  for (const std::string_view part : parts) all += part;
  return all;
}

NoteFault fault_of(std::string_view bytes) { return parse_note(bytes).fault; }

TEST(Base64, HasTheVectorsOfItsRfc) {
  const std::vector<std::pair<std::string_view, std::string_view>> vectors{{"", ""},
                                                                           {"f", "Zg=="},
                                                                           {"fo", "Zm8="},
                                                                           {"foo", "Zm9v"},
                                                                           {"foob", "Zm9vYg=="},
                                                                           {"fooba", "Zm9vYmE="},
                                                                           {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : vectors) {
    EXPECT_EQ(encode_base64(as_bytes(plain)), text);
    const auto decoded = decode_base64(text);
    ASSERT_TRUE(decoded) << text;
    EXPECT_EQ(as_text(*decoded), plain);
  }
}

TEST(Base64, HasOneSpellingForEveryBytes) {
  for (const std::string_view text :
       {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Z===", "=g==", "Zg==Zg==", "Zh==", "Zm9=",
        "Zm8=\n", "Zm8 ", " Zm8=", "Zm-_", "Zm9v=", "Zg=a", "Zm9v\n", "Z\ng="}) {
    EXPECT_FALSE(decode_base64(text)) << text;
  }
  EXPECT_FALSE(decode_base64(std::string_view("Zm9\0", 4)));
  // Whatever is taken comes out the same.
  xased::test::SeededRandom random(3);
  std::size_t taken = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text(4, 'A');
    for (char& c : text) c = "AQgwB/+9=="[random.between(0, 9)];
    if (const auto bytes = decode_base64(text)) {
      ++taken;
      ASSERT_EQ(encode_base64(*bytes), text);
    }
  }
  EXPECT_GT(taken, 1000U);
}

TEST(Note, ReadsAndWritesTheExampleOfItsSpecification) {
  const std::string bytes = joined({kText, "\n", kPeter, kEnoch});
  const auto note = parse_note(bytes);
  ASSERT_TRUE(note.ok()) << note_fault_text(note.fault);
  EXPECT_EQ(note->text, kText);
  ASSERT_EQ(note->signatures.size(), 2U);
  EXPECT_EQ(note->signatures[0].name, "PeterNeumann");
  EXPECT_EQ(key_id_text(note->signatures[0].key_id), "c74f20a3");
  EXPECT_EQ(note->signatures[0].signature.size(), 64U);
  EXPECT_EQ(note->signatures[1].name, "EnochRoot");
  EXPECT_EQ(key_id_text(note->signatures[1].key_id), "af0cfe78");
  EXPECT_EQ(format_note(*note), bytes);
}

TEST(Note, MayHaveEmptyLinesInItsText) {
  const auto note = parse_note(joined({"a\n\nb\n\n", kPeter}));
  ASSERT_TRUE(note.ok());
  EXPECT_EQ(note->text, "a\n\nb\n");
}

TEST(Note, NamesWhatIsWrong) {
  EXPECT_EQ(fault_of(""), NoteFault::kNoText);
  EXPECT_EQ(fault_of("text"), NoteFault::kNoText);
  EXPECT_EQ(fault_of("text\n"), NoteFault::kNoSignatures);
  EXPECT_EQ(fault_of("text\n\n"), NoteFault::kNoSignatures);
  EXPECT_EQ(fault_of(joined({"text\n", kPeter})), NoteFault::kNoSignatures);
  EXPECT_EQ(fault_of(joined({"text\n\n", kPeter, "\n"})), NoteFault::kNoSignatures);
  EXPECT_EQ(fault_of(joined({"text\n\n", kPeter.substr(0, kPeter.size() - 1)})),
            NoteFault::kNoText);
  EXPECT_EQ(fault_of(joined({"text\r\n\n", kPeter})), NoteFault::kControlCharacter);
  EXPECT_EQ(fault_of(joined({"te\txt\n\n", kPeter})), NoteFault::kControlCharacter);
  EXPECT_EQ(fault_of(joined({"te\x7fxt\n\n", kPeter})), NoteFault::kControlCharacter);
  EXPECT_EQ(fault_of(joined({"te\xc2\x9fxt\n\n", kPeter})), NoteFault::kControlCharacter);
  EXPECT_EQ(fault_of(joined({std::string_view("te\0xt\n\n", 7), kPeter})),
            NoteFault::kControlCharacter);
  EXPECT_EQ(fault_of(joined({"te\xffxt\n\n", kPeter})), NoteFault::kNotUtf8);
  EXPECT_EQ(fault_of(joined({"text\n\nx\n"})), NoteFault::kSignatureLine);
  EXPECT_EQ(fault_of(joined({"text\n\n", kPeter, "x\n"})), NoteFault::kSignatureLine);
  EXPECT_EQ(fault_of("text\n\n- name AAAAAAA=\n"), NoteFault::kSignatureLine);
  EXPECT_EQ(fault_of("text\n\n\u2013 name AAAAAAA=\n"), NoteFault::kSignatureLine);
  EXPECT_EQ(fault_of("text\n\n\u2014  AAAAAAA=\n"), NoteFault::kName);
  EXPECT_EQ(fault_of("text\n\n\u2014 a+b AAAAAAA=\n"), NoteFault::kName);
  EXPECT_EQ(fault_of("text\n\n\u2014 a\u3000b AAAAAAA=\n"), NoteFault::kName);
  EXPECT_EQ(fault_of("text\n\n\u2014 name\n"), NoteFault::kSignatureLine);
  EXPECT_EQ(fault_of("text\n\n\u2014 name AAAAAAB=\n"), NoteFault::kBase64);
  EXPECT_EQ(fault_of("text\n\n\u2014 name AAAAAAA= \n"), NoteFault::kBase64);
  EXPECT_EQ(fault_of("text\n\n\u2014 name  AAAAAAA=\n"), NoteFault::kBase64);
  EXPECT_EQ(fault_of("text\n\n\u2014 name AAAAAA==\n"), NoteFault::kSignatureBytes);
  EXPECT_EQ(fault_of("text\n\n\u2014 name \n"), NoteFault::kSignatureBytes);
  EXPECT_EQ(fault_of("text\n\n\u2014 name " + std::string(8000, 'A') + "\n"),
            NoteFault::kSignatureBytes);
  EXPECT_EQ(fault_of("text\n\n\u2014 " + std::string(513, 'n') + " AAAAAAA=\n"), NoteFault::kName);
  EXPECT_EQ(fault_of(std::string(kNoteBytesMax, 'x') + "\n"), NoteFault::kTooLong);
  std::string many = "text\n\n";
  for (int i = 0; i < 16; ++i) many += kPeter;
  EXPECT_EQ(fault_of(many), NoteFault::kNone);
  EXPECT_EQ(fault_of(many + std::string(kPeter)), NoteFault::kTooManySignatures);
}

TEST(Note, TakesNothingThatItWouldWriteOtherwise) {
  const std::string bytes = joined({kText, "\n", kPeter, kEnoch});
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(static_cast<unsigned char>(changed[at]) ^ (1U << bit));
      const auto note = parse_note(changed);
      if (!note.ok()) continue;
      ASSERT_EQ(format_note(*note), changed) << at << " bit " << bit;
    }
    // Cut between the two signatures, it is a note with one.
    ASSERT_EQ(parse_note(std::string_view(bytes).substr(0, at)).ok(),
              at == bytes.size() - kEnoch.size());
  }
}

TEST(Utf8, IsTakenStrictly) {
  for (const std::string_view text :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x80\x80", "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xe2\x80", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf0\x9f\x98", "\xff"}) {
    std::string_view left = text;
    EXPECT_FALSE(take_utf8(left)) << testing::PrintToString(text);
  }
  const std::vector<std::pair<std::string_view, char32_t>> good{{"A", U'A'},
                                                                {"\xc2\x80", 0x80},
                                                                {"\xdf\xbf", 0x7ff},
                                                                {"\xe0\xa0\x80", 0x800},
                                                                {"\xed\x9f\xbf", 0xd7ff},
                                                                {"\xee\x80\x80", 0xe000},
                                                                {"\xef\xbf\xbd", 0xfffd},
                                                                {"\xf0\x90\x80\x80", 0x10000},
                                                                {"\xf4\x8f\xbf\xbf", 0x10ffff}};
  for (const auto& [text, character] : good) {
    std::string_view left = text;
    EXPECT_EQ(take_utf8(left), character);
    EXPECT_TRUE(left.empty());
  }
}

TEST(VerifierKey, ReadsAndWritesTheExampleOfTheSpecification) {
  xased::Sha256 sha;
  const auto key = parse_verifier_key(sha, kPeterKey);
  ASSERT_TRUE(key.ok()) << note_fault_text(key.fault);
  EXPECT_EQ(key->name, "PeterNeumann");
  EXPECT_EQ(key->algorithm, KeyAlgorithm::kEd25519);
  EXPECT_EQ(key_id_text(key_id(sha, *key)), "c74f20a3");
  EXPECT_EQ(format_verifier_key(sha, *key), kPeterKey);
}

// The P-256 key of RFC 6979, appendix A.2.5.
VerifierKey ecdsa_key() {
  VerifierKey key;
  key.name = "host-1/loans";
  key.algorithm = KeyAlgorithm::kEcdsaP256;
  const std::string hex =
      "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
      "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
      "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    key.key.push_back(static_cast<std::byte>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return key;
}

TEST(VerifierKey, OfEcdsaIsIdentifiedByItsBytesAlone) {
  xased::Sha256 sha;
  VerifierKey key = ecdsa_key();
  ASSERT_TRUE(has_key_form(key));
  const std::string text = format_verifier_key(sha, key);
  EXPECT_EQ(text.substr(0, 22),
            "host-1/loans+" + key_id_text(load<KeyId>(sha.of(key.key).data())) + "+");
  const auto again = parse_verifier_key(sha, text);
  ASSERT_TRUE(again.ok()) << note_fault_text(again.fault);
  EXPECT_EQ(*again, key);
  const KeyId id = key_id(sha, key);
  key.name = "another";
  EXPECT_EQ(key_id(sha, key), id);
}

TEST(VerifierKey, NamesWhatIsWrong) {
  xased::Sha256 sha;
  const auto fault = [&](std::string_view text) { return parse_verifier_key(sha, text).fault; };
  const std::string good(kPeterKey);
  const std::string name = "PeterNeumann";
  EXPECT_EQ(fault(""), NoteFault::kVerifierKey);
  EXPECT_EQ(fault("PeterNeumann"), NoteFault::kVerifierKey);
  EXPECT_EQ(fault("PeterNeumann+c74f20a3"), NoteFault::kVerifierKey);
  EXPECT_EQ(fault("PeterNeumann+c74f20a3+"), NoteFault::kVerifierKey);
  EXPECT_EQ(fault("PeterNeumann+c74f20a+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"),
            NoteFault::kVerifierKey);
  EXPECT_EQ(fault(good.substr(name.size())), NoteFault::kName);
  EXPECT_EQ(fault("Peter Neumann" + good.substr(name.size())), NoteFault::kName);
  EXPECT_EQ(fault("peterNeumann" + good.substr(name.size())), NoteFault::kKeyId);
  EXPECT_EQ(fault("PeterNeumann+C74F20A3" + good.substr(name.size() + 9)), NoteFault::kKeyId);
  EXPECT_EQ(fault("PeterNeumann+c74f20a4" + good.substr(name.size() + 9)), NoteFault::kKeyId);
  EXPECT_EQ(fault(good + "\n"), NoteFault::kBase64);
  EXPECT_EQ(fault(good + " "), NoteFault::kBase64);
  // As in Go's own tests: a key of another length, and an algorithm that nobody knows.
  EXPECT_EQ(fault("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEQ=="),
            NoteFault::kKeyBytes);
  EXPECT_EQ(fault("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"),
            NoteFault::kAlgorithm);
  EXPECT_EQ(fault(std::string(2000, 'x')), NoteFault::kTooLong);
  VerifierKey compressed = ecdsa_key();
  compressed.key[26] = std::byte{0x02};
  EXPECT_EQ(fault(format_verifier_key(sha, compressed)), NoteFault::kKeyBytes);
}

constexpr std::string_view kCheckpoint =
    "host-1/loans/8d5b8a7e\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

TEST(Checkpoint, ReadsAndWritesItsThreeLines) {
  const auto checkpoint = parse_checkpoint(kCheckpoint);
  ASSERT_TRUE(checkpoint.ok()) << note_fault_text(checkpoint.fault);
  EXPECT_EQ(checkpoint->origin, "host-1/loans/8d5b8a7e");
  EXPECT_EQ(checkpoint->size, 20852163U);
  EXPECT_EQ(checkpoint->root[0], std::byte{0x0a});
  EXPECT_EQ(checkpoint->root[31], std::byte{0x62});
  EXPECT_EQ(format_checkpoint(*checkpoint), kCheckpoint);
  const Checkpoint empty{"o", 0, {}};
  EXPECT_EQ(format_checkpoint(empty), "o\n0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
  EXPECT_EQ(*parse_checkpoint(format_checkpoint(empty)), empty);
}

TEST(Checkpoint, NamesWhatIsWrong) {
  const std::string root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
  const auto fault = [](const std::string& text) { return parse_checkpoint(text).fault; };
  EXPECT_EQ(fault(""), NoteFault::kOrigin);
  EXPECT_EQ(fault("\n1\n" + root), NoteFault::kOrigin);
  EXPECT_EQ(fault("a b\n1\n" + root), NoteFault::kOrigin);
  EXPECT_EQ(fault("o\n"), NoteFault::kSize);
  EXPECT_EQ(fault("o\n\n" + root), NoteFault::kSize);
  EXPECT_EQ(fault("o\n01\n" + root), NoteFault::kSize);
  EXPECT_EQ(fault("o\n-1\n" + root), NoteFault::kSize);
  EXPECT_EQ(fault("o\n+1\n" + root), NoteFault::kSize);
  EXPECT_EQ(fault("o\n1 \n" + root), NoteFault::kSize);
  EXPECT_EQ(fault("o\n0x1\n" + root), NoteFault::kSize);
  EXPECT_EQ(fault("o\n9223372036854775807\n" + root), NoteFault::kNone);
  EXPECT_EQ(fault("o\n9223372036854775808\n" + root), NoteFault::kSize);
  EXPECT_EQ(fault("o\n99999999999999999999\n" + root), NoteFault::kSize);
  EXPECT_EQ(fault("o\n1\n"), NoteFault::kRoot);
  EXPECT_EQ(fault("o\n1\n\n"), NoteFault::kRoot);
  EXPECT_EQ(fault("o\n1\nAAAA\n"), NoteFault::kRoot);
  EXPECT_EQ(fault("o\n1\n" + root.substr(0, root.size() - 1)), NoteFault::kRoot);
  EXPECT_EQ(fault("o\n1\n" + root + "more\n"), NoteFault::kExtensionLines);
  EXPECT_EQ(fault("o\n1\n" + root + "\n"), NoteFault::kExtensionLines);
}

}  // namespace
}  // namespace xase::proto
