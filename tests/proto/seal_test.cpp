#include "proto/seal.hpp"

#include <gtest/gtest.h>

namespace xase::proto {
namespace {

SealBody some_seal() {
  SealBody body;
  body.epoch = 7;
  body.event = SealEvent::kClose;
  body.totals.records = 12;
  body.totals.reserved = 3;
  body.producers = {{Id{std::byte{1}}, 5, 6}, {Id{std::byte{2}}, 7, 8}};
  body.note = "text\n\n\xe2\x80\x94 name AAAA\n";
  return body;
}

TEST(SealBody, ComesBackAsItWas) {
  const SealBody body = some_seal();
  const auto bytes = encode(body);
  EXPECT_EQ(bytes.size(), kSealFixedBytes + 2 * 32 + body.note.size());
  EXPECT_LE(bytes.size(), seal_bytes_max(2));
  const auto back = decode_seal_body(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->epoch, 7U);
  EXPECT_EQ(back->event, SealEvent::kClose);
  EXPECT_EQ(back->totals.records, 12U);
  EXPECT_EQ(back->totals.reserved, 3U);
  EXPECT_EQ(back->producers, body.producers);
  EXPECT_EQ(back->note, body.note);
}

TEST(SealBody, IsRefusedWhereItIsNone) {
  const auto good = encode(some_seal());
  EXPECT_FALSE(decode_seal_body(Bytes(good).first(kSealFixedBytes - 1)));
  EXPECT_FALSE(decode_seal_body(Bytes(good).first(kSealFixedBytes + 63))) << "a producer is cut";
  const auto with = [&](std::size_t offset, auto value) {
    auto bytes = good;
    store(bytes.data() + offset, value);
    return decode_seal_body(bytes).has_value();
  };
  EXPECT_FALSE(with(0, std::uint64_t{0})) << "epochs count from 1";
  EXPECT_FALSE(with(8, std::uint32_t{0}));
  EXPECT_FALSE(with(8, std::uint32_t{5}));
  EXPECT_FALSE(with(12, std::uint32_t{0xffffffffU}));
  EXPECT_TRUE(with(12, std::uint32_t{0})) << "what follows is the note then";
  auto body = some_seal();
  body.note.assign(kSealNoteBytesMax, 'x');
  EXPECT_TRUE(decode_seal_body(encode(body)));
  body.note += 'x';
  EXPECT_FALSE(decode_seal_body(encode(body)));
}

TEST(EpochText, GivesItsKeyToItsOwnLedgerAndEpochAlone) {
  const Hash log_id{std::byte{0xab}};
  const std::string text = epoch_text("host/a/b", log_id, 12, "host/a/b+00112233+AQID");
  EXPECT_EQ(key_in_epoch_text(text, log_id, 12), "host/a/b+00112233+AQID");
  EXPECT_EQ(key_in_epoch_text(text, log_id, 13), "");
  EXPECT_EQ(key_in_epoch_text(text, Hash{}, 12), "");
  EXPECT_EQ(key_in_epoch_text(text + "more\n", log_id, 12), "");
  for (std::size_t i = 0; i < text.size(); ++i) {
    EXPECT_EQ(key_in_epoch_text(text.substr(0, i), log_id, 12), "") << i;
  }
}

TEST(ClosingText, NamesLedgerEpochPlaceAndWhatCameBefore) {
  Hash previous{};
  previous.fill(std::byte{0xff});
  EXPECT_EQ(closing_text("host/a/b", Hash{}, 2, 99, previous),
            "xase.seal/1\nhost/a/b\n" + std::string(64, '0') +
                "\n2\n99\n//////////////////////////////////////////8=\n");
}

}  // namespace
}  // namespace xase::proto
