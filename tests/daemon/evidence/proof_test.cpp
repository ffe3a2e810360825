// The proof as a file.
#include "daemon/evidence/proof.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "tests/daemon/evidence/proven_ledger.hpp"

namespace xased {
namespace {

using Json = nlohmann::ordered_json;
using test::kAll;
using test::ProvenLedger;

std::string code_of(const Result<Proof>& proof) {
  return proof.ok() ? "decoded" : proof.status().message();
}

TEST(ProofFile, HasOneEncodingAndGivesBackWhatWentIn) {
  const ProvenLedger ledger;
  for (const Disclosure& disclose : {Disclosure{}, kAll, Disclosure{true, false, false, false}}) {
    const Proof proof = ledger.proof(1, disclose);
    const std::string text = encode_proof(proof);
    const auto decoded = decode_proof(text);
    ASSERT_TRUE(decoded.ok()) << code_of(decoded);
    EXPECT_EQ(encode_proof(*decoded), text);
    EXPECT_EQ(decoded->entry.disclosed, proof.entry.disclosed);
    EXPECT_EQ(decoded->entry.leaf, proof.entry.leaf);
    EXPECT_EQ(ledger.verified(*decoded).exit_code(), 0);
  }
}

TEST(ProofFile, CanBeReadByPeopleAndByPublicTools) {
  const ProvenLedger ledger;
  const Json json = Json::parse(encode_proof(ledger.proof(1, kAll)));
  EXPECT_EQ(json["format"], "xase-proof/1");
  EXPECT_EQ(json["disclosed"][0]["text"], test::kInput);
  EXPECT_TRUE(json["disclosed"][3].contains("base64"));
  const std::string inclusion = json["inclusion"];
  EXPECT_TRUE(inclusion.starts_with("c2sp.org/tlog-proof@v1\nindex " +
                                    std::to_string(ledger.record(1).sequence - 1) + "\n"));
  EXPECT_TRUE(inclusion.ends_with(test::read_text(test::checkpoint_path(ledger.state()))));
}

TEST(ProofFile, TheOrderOfMembersAndWhiteSpaceMeanNothing) {
  const ProvenLedger ledger;
  const nlohmann::json sorted = nlohmann::json::parse(encode_proof(ledger.proof(1, kAll)));
  const auto decoded = decode_proof(sorted.dump(-1, ' ', /*ensure_ascii=*/true));
  ASSERT_TRUE(decoded.ok()) << code_of(decoded);
  EXPECT_EQ(ledger.verified(*decoded).exit_code(), 0);
}

// Whoever changes a byte makes it fail, or says the same in other words.
TEST(ProofFile, NoFlippedBitMakesAnythingElseOfItProven) {
  const ProvenLedger ledger;
  const Proof proof = ledger.proof(1, kAll);
  const std::string sound = encode_proof(proof);
  std::size_t same = 0;
  for (std::size_t at = 0; at < sound.size(); ++at) {
    for (const int bit : {0, 2, 5}) {
      std::string text = sound;
      text[at] = static_cast<char>(text[at] ^ (1 << bit));
      const auto decoded = decode_proof(text);
      if (!decoded.ok()) continue;
      const auto report = verify_proof(*decoded, ledger.pinned());
      if (!report.ok() || report->exit_code() != 0) continue;
      ++same;
      ASSERT_EQ(encode_proof(*decoded), sound) << "byte " << at << ", bit " << bit;
    }
  }
  // White space between members is all that may differ.
  EXPECT_LT(same, sound.size() / 10);
}

TEST(ProofFile, WhatIsNoProofIsRefusedWithAReason) {
  const ProvenLedger ledger;
  const Json sound = Json::parse(encode_proof(ledger.proof(1, kAll)));
  const auto refused = [&](const std::string& why, const std::function<void(Json&)>& change) {
    Json json = sound;
    change(json);
    const auto decoded = decode_proof(json.dump());
    ASSERT_FALSE(decoded.ok()) << why;
    EXPECT_EQ(decoded.status().code(), Code::kInvalid);
    EXPECT_NE(decoded.status().message().find(why), std::string::npos)
        << decoded.status().message();
  };
  refused("its format is not xase-proof/1", [](Json& j) { j["format"] = "other"; });
  refused("it has no format", [](Json& j) { j.erase("format"); });
  refused("the proof has a member that is not known", [](Json& j) { j["key"] = "k"; });
  refused("the receipt has a member that is not known", [](Json& j) { j["receipt"]["key"] = "k"; });
  refused("a disclosed part of the proof has a member that is not known",
          [](Json& j) { j["disclosed"][0]["base64"] = "AAAA"; });
  refused("the receipt is not an object", [](Json& j) { j["receipt"] = nullptr; });
  refused("the proof has no sequence", [](Json& j) { j.erase("sequence"); });
  refused("the sequence of the proof is no number", [](Json& j) { j["sequence"] = -3; });
  refused("the sequence of the proof is no number", [](Json& j) { j["sequence"] = 3.0; });
  refused("the sequence of the proof is no number", [](Json& j) { j["sequence"] = "3"; });
  refused("the proof has no leaf", [](Json& j) { j.erase("leaf"); });
  refused("the leaf of the proof is no text", [](Json& j) { j["leaf"] = 1; });
  refused("the leaf of the proof does not have 288 bytes", [](Json& j) { j["leaf"] = "AAAA"; });
  refused("not canonical base64", [](Json& j) { j["leaf"] = std::string(384, '*'); });
  refused("not canonical base64",
          [](Json& j) { j["disclosed"][0]["random"] = "AAAAAAAAAAAAAAAAAAAAAB=="; });
  refused("the random of a disclosed part of the proof does not have 16 bytes",
          [](Json& j) { j["disclosed"][0]["random"] = ""; });
  refused("is no tlog-proof",
          [](Json& j) { j["inclusion"] = "c2sp.org/tlog-proof@v1\nindex 02\n\n"; });
  refused("is no tlog-proof",
          [](Json& j) { j["inclusion"] = "c2sp.org/tlog-proof@v1\nindex 2\nAAAA\n\n"; });
  refused("is of a part that is not known", [](Json& j) { j["disclosed"][0]["part"] = "Input"; });
  refused("the proof discloses its output twice",
          [](Json& j) { j["disclosed"][0]["part"] = "output"; });
  refused("are no array", [](Json& j) { j["disclosed"] = "all"; });
}

TEST(ProofFile, WhatIsNoSuchJsonIsRefused) {
  const std::string sound = encode_proof(ProvenLedger().proof(1));
  const std::string deep(100'000, '[');
  std::string twice = sound;
  twice.insert(twice.find("\"sequence\""), "\"sequence\": 7, ");
  std::string many = R"({"format":"xase-proof/1","disclosed":[)";
  for (int i = 0; i < 100'000; ++i) many += "0,";
  for (const std::string& text :
       {std::string(), std::string("{"), deep, "{\"a\":" + deep, twice, many + "0]}", sound + "x",
        sound + std::string(1, '\0'), "[" + sound + "]", "\xef\xbb\xbf" + sound,
        std::string("{\"format\":\"\xff\"}"), sound.substr(0, sound.size() / 2)}) {
    EXPECT_EQ(decode_proof(text).status().code(), Code::kInvalid) << text.substr(0, 40);
  }
  EXPECT_EQ(decode_proof(R"({"format":"xase-proof/2"})").status().code(), Code::kUnsupported);
}

}  // namespace
}  // namespace xased
