#include "proto/tlog_proof.hpp"

#include <gtest/gtest.h>

namespace xase::proto {
namespace {

constexpr char kNote[] = "host-1/loans\n3\nAAAA\n\n\u2014 host-1/loans AAAAAAA=\n";
// 32 zero bytes.
const std::string kHash = std::string(43, 'A') + "=";

std::string with_lines(const std::string& index, const std::string& hashes) {
  return "c2sp.org/tlog-proof@v1\nindex " + index + "\n" + hashes + "\n" + kNote;
}

TEST(TlogProof, IsTheTextOfItsSpecification) {
  const TlogProof proof{2, {Hash{}, Hash{}}, kNote};
  const std::string text = format_tlog_proof(proof);
  EXPECT_EQ(text, with_lines("2", kHash + "\n" + kHash + "\n"));
  const auto parsed = parse_tlog_proof(text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->index, 2U);
  EXPECT_EQ(parsed->path, proof.path);
  EXPECT_EQ(parsed->checkpoint, kNote);
}

TEST(TlogProof, OfATreeWithOneLeafHasNoHashes) {
  const auto parsed = parse_tlog_proof(with_lines("0", ""));
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->path.empty());
  EXPECT_EQ(format_tlog_proof(*parsed), with_lines("0", ""));
}

TEST(TlogProof, TakesNoOtherSpelling) {
  const std::string sound = with_lines("2", kHash + "\n");
  ASSERT_TRUE(parse_tlog_proof(sound));
  std::string many;
  for (std::size_t i = 0; i <= kProofHashesMax; ++i) many += kHash + "\n";
  for (const std::string& text :
       {std::string(),
        sound.substr(1),
        with_lines("02", ""),
        with_lines("", ""),
        with_lines("-1", ""),
        with_lines(" 2", ""),
        with_lines("2 ", ""),
        with_lines("0x2", ""),
        with_lines("9223372036854775807", ""),
        with_lines("99999999999999999999", ""),
        with_lines("2", "AAAA\n"),
        with_lines("2", kHash + "\r\n"),
        with_lines("2", " " + kHash),
        with_lines("2", "extra AAAA\n"),
        with_lines("2", many),
        "c2sp.org/tlog-proof@v1\nextra AAAA\nindex 2\n\n" + std::string(kNote),
        "c2sp.org/tlog-proof@v2\nindex 2\n\n" + std::string(kNote),
        std::string("c2sp.org/tlog-proof@v1\nindex 2"),
        "c2sp.org/tlog-proof@v1\nindex 2\n" + kHash + "\n",
        sound + std::string(kNoteBytesMax, 'a')}) {
    EXPECT_FALSE(parse_tlog_proof(text)) << text.substr(0, 60);
  }
}

// Each byte in front of the note is either what it must be, or says something else.
TEST(TlogProof, AFlippedBitIsRefusedOrIsAnotherProof) {
  const std::string sound = with_lines("12", kHash + "\n");
  for (std::size_t at = 0; at < sound.size() - (sizeof kNote - 1); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string text = sound;
      text[at] = static_cast<char>(text[at] ^ (1 << bit));
      const auto parsed = parse_tlog_proof(text);
      if (!parsed) continue;
      EXPECT_EQ(format_tlog_proof(*parsed), text) << at << ", bit " << bit;
    }
  }
}

}  // namespace
}  // namespace xase::proto
