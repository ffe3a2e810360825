// A stretch of the ledger, taken out and checked elsewhere.
#include "daemon/evidence/bundle.hpp"

#include <gtest/gtest.h>

#include "daemon/evidence/make_bundle.hpp"
#include "daemon/evidence/tar.hpp"
#include "daemon/evidence/verify_bundle.hpp"
#include "proto/lost_leaf.hpp"
#include "tests/daemon/evidence/proven_ledger.hpp"

namespace xased {
namespace {

using test::kAll;
using test::ProvenLedger;

class BundleTest : public testing::Test {
 protected:
  Bundle make(std::uint64_t first, std::uint64_t last, const Disclosure& disclose = {}) const {
    auto made = make_bundle(system_file_system(), ledger_.state(), first, last, disclose);
    if (!made.ok() || !made->bundle) {
      ADD_FAILURE() << (made.ok() ? "not under a head" : made.status().message());
      std::abort();
    }
    return std::move(*made->bundle);
  }
  BundleReport verified(const Bundle& bundle) const {
    auto report = verify_bundle(bundle, ledger_.pinned());
    if (!report.ok()) {
      ADD_FAILURE() << report.status().message();
      std::abort();
    }
    return std::move(*report);
  }
  void expect_refuted(const Bundle& bundle, const char* name) const {
    const BundleReport report = verified(bundle);
    EXPECT_EQ(report.exit_code(), 1) << name;
    EXPECT_EQ(report.property(name).verdict, VerifyVerdict::kRefuted) << name;
  }

  ProvenLedger ledger_;
};

TEST_F(BundleTest, EveryStretchIsProvenAndComesBackFromItsFile) {
  for (std::uint64_t first = 1; first <= ledger_.size; ++first) {
    for (std::uint64_t last = first; last <= ledger_.size; ++last) {
      const Bundle bundle = make(first, last);
      const std::string bytes = encode_bundle(bundle);
      const auto decoded = decode_bundle(bytes);
      ASSERT_TRUE(decoded.ok()) << decoded.status().message();
      ASSERT_EQ(encode_bundle(*decoded), bytes);
      ASSERT_EQ(verified(*decoded).exit_code(), 0) << first << " to " << last;
    }
  }
}

TEST_F(BundleTest, WhatIsDisclosedIsProvenAndAnswersBelongToTheirRecords) {
  const Bundle bundle = make(1, ledger_.size, kAll);
  const std::string bytes = encode_bundle(bundle);
  EXPECT_EQ(bytes, encode_bundle(make(1, ledger_.size, kAll)));
  const auto decoded = decode_bundle(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status().message();
  const BundleReport report = verified(*decoded);
  for (const EvidenceProperty& property : report.properties) {
    EXPECT_EQ(property.verdict, VerifyVerdict::kProven) << property.name << ": " << property.text;
  }
  EXPECT_EQ(report.records, ledger_.records.size());
  EXPECT_EQ(report.property("answers").text, "10 answers are those to records in the bundle");
  EXPECT_EQ(verify_bundle(*decoded, {})->exit_code(), 2);
}

TEST_F(BundleTest, WhatWasChangedIsRefuted) {
  const Bundle sound = make(4, 20, kAll);
  ASSERT_EQ(verified(sound).exit_code(), 0);
  Bundle bundle = sound;
  // The wall clock of the second entry.
  bundle.leaves[xase::proto::kLeafBytes + 88] ^= std::byte{1};
  expect_refuted(bundle, "inclusion");
  expect_refuted(bundle, "leaves");
  bundle = sound;
  bundle.first += 1;
  for (BundlePart& part : bundle.disclosed) part.sequence += 1;
  expect_refuted(bundle, "leaves");
  bundle = sound;
  bundle.leaves.resize(bundle.leaves.size() - xase::proto::kLeafBytes);
  std::erase_if(bundle.disclosed, [](const BundlePart& part) { return part.sequence == 20; });
  expect_refuted(bundle, "inclusion");
  bundle = sound;
  bundle.proof.right[0][0] ^= std::byte{1};
  expect_refuted(bundle, "inclusion");
  bundle = sound;
  bundle.proof.left.pop_back();
  expect_refuted(bundle, "inclusion");
  bundle = sound;
  bundle.disclosed[1].part.bytes[0] ^= std::byte{1};
  expect_refuted(bundle, "disclosed");
  bundle = sound;
  bundle.disclosed[0].part.random.reset();
  EXPECT_EQ(verified(bundle).exit_code(), 2);
  for (BundlePart& part : bundle.disclosed) part.part.random.reset();
  EXPECT_EQ(verified(bundle).property("answers").verdict, VerifyVerdict::kNotEstablished);
  bundle.disclosed.clear();
  EXPECT_EQ(verified(bundle).exit_code(), 0);
}

TEST_F(BundleTest, AnAnswerToALostRecordRefutesNothing) {
  Bundle bundle = make(1, ledger_.size, kAll);
  const std::uint64_t lost = ledger_.record(5).sequence;
  std::byte* const leaf = bundle.leaves.data() + (lost - 1) * xase::proto::kLeafBytes;
  const auto whole = xase::proto::decode_leaf(xase::proto::Bytes(leaf, xase::proto::kLeafBytes));
  ASSERT_TRUE(whole);
  xase::proto::encode_lost_leaf({whole->log_id, lost, whole->previous}, leaf);
  std::erase_if(bundle.disclosed, [&](const BundlePart& one) { return one.sequence == lost; });
  const BundleReport report = verified(bundle);
  EXPECT_EQ(report.property("answers").verdict, VerifyVerdict::kProven);
  EXPECT_EQ(report.property("leaves").verdict, VerifyVerdict::kNotEstablished);
  EXPECT_EQ(report.property("disclosed").verdict, VerifyVerdict::kProven);
  // No head was signed over that.
  EXPECT_EQ(report.property("inclusion").verdict, VerifyVerdict::kRefuted);
}

TEST_F(BundleTest, NoFlippedByteOfTheFileMakesAnythingElseProven) {
  const std::string sound = encode_bundle(make(3, 12, kAll));
  std::size_t same = 0;
  for (std::size_t at = 0; at < sound.size(); ++at) {
    std::string bytes = sound;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << (at % 7)));
    const auto decoded = decode_bundle(bytes);
    if (!decoded.ok()) continue;
    const auto report = verify_bundle(*decoded, ledger_.pinned());
    if (!report.ok() || report->exit_code() != 0) continue;
    ++same;
    ASSERT_EQ(encode_bundle(*decoded), sound) << "byte " << at;
  }
  EXPECT_LT(same, sound.size() / 100);
}

TEST_F(BundleTest, StretchesThatAreNotThereAreRefused) {
  const auto code = [&](std::uint64_t first, std::uint64_t last) {
    return make_bundle(system_file_system(), ledger_.state(), first, last, {}).status().code();
  };
  EXPECT_EQ(code(0, 3), Code::kInvalid);
  EXPECT_EQ(code(5, 4), Code::kInvalid);
  EXPECT_EQ(code(1, kBundleEntriesMax + 1), Code::kInvalid);
  const auto late = make_bundle(system_file_system(), ledger_.state(), 1, ledger_.size + 1, {});
  ASSERT_TRUE(late.ok());
  EXPECT_FALSE(late->bundle);
  EXPECT_EQ(late->covered, ledger_.size);
  test::SignedLedger::forge(ledger_.state(), ledger_.record(5).sequence);
  EXPECT_EQ(
      make_bundle(system_file_system(), ledger_.state(), 1, ledger_.size, kAll).status().code(),
      Code::kCorrupt);
}

TEST(Tar, HasOneForm) {
  const std::string tar = write_tar({{"a", "one"}, {"b", ""}, {"c", std::string(512, 'x')}});
  EXPECT_EQ(tar.size(), 512U * (2 + 1 + 2 + 2));
  const auto members = read_tar(tar, 3);
  ASSERT_TRUE(members.ok());
  ASSERT_EQ(members->size(), 3U);
  EXPECT_EQ((*members)[0].name, "a");
  EXPECT_EQ((*members)[0].bytes, "one");
  EXPECT_EQ((*members)[2].bytes, std::string(512, 'x'));
  EXPECT_FALSE(read_tar(tar, 2).ok());
  EXPECT_FALSE(read_tar(tar + std::string(512, '\0'), 3).ok());
  for (std::size_t cut = 1; cut < tar.size(); cut += 100) {
    EXPECT_FALSE(read_tar(std::string_view(tar).substr(0, tar.size() - cut), 3).ok()) << cut;
  }
  for (std::size_t at = 0; at < tar.size(); ++at) {
    std::string changed = tar;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    const auto read = read_tar(changed, 3);
    if (!read.ok()) continue;
    EXPECT_EQ(write_tar({{std::string((*read)[0].name), std::string((*read)[0].bytes)},
                         {std::string((*read)[1].name), std::string((*read)[1].bytes)},
                         {std::string((*read)[2].name), std::string((*read)[2].bytes)}}),
              changed);
  }
}

}  // namespace
}  // namespace xased
