// What verification makes of heads that the service says it took.
#include "daemon/ledger/verify_anchors.hpp"

#include <gtest/gtest.h>

#include "proto/witness_body.hpp"
#include "tests/daemon/ledger/signed_ledger.hpp"

namespace xased {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)
using xase::proto::Hash;

// Stands in for the service's: any function of all that it is given.
std::optional<Hash> record_hash(const std::string& note, const Hash& log_id, const Hash& leaf_hash,
                                const std::optional<Hash>& previous) {
  Sha256 sha;
  sha.start();
  sha.add(xase::proto::as_bytes(note));
  sha.add(log_id);
  sha.add(leaf_hash);
  if (previous) sha.add(*previous);
  return sha.finish();
}

Hash filled(int value) {
  Hash hash{};
  hash.fill(static_cast<std::byte>(value));
  return hash;
}

// A signed ledger whose first head the service took as txn_1; an ANCHOR entry tells of it, and a
// later head covers that.
class AnchoredLedger : public testing::Test {
 protected:
  AnchoredLedger() {
    const auto read = [&](std::uint64_t sequence) {
      JournalReader reader(system_file_system(), ledger_.dir.path() + "/journal");
      EXPECT_TRUE(reader.seek(sequence).ok());
      EXPECT_TRUE(reader.next(sequence).ok());
      Sha256 sha;
      log_id_ = reader.entry().leaf.log_id;
      return xase::proto::leaf_hash(sha, reader.entry().leaf_bytes);
    };
    const Hash leaf_hash = read(ledger_.size);
    pinned_ = {"txn_1", *record_hash(ledger_.head, log_id_, leaf_hash, filled(7)), filled(7)};
    enter(ledger_.head, R"({"transaction_id":"txn_1"})");
  }

  void enter(const std::string& note, const std::string& answer) {
    xase::proto::AnchorBody body;
    const auto parsed = xase::proto::parse_note(note);
    const auto head = xase::proto::parse_checkpoint(parsed->text);
    body.size = head->size;
    body.root = head->root;
    body.http_status = 201;
    body.attempts = 1;
    body.note = note;
    body.answer = answer;
    LedgerWriter writer(ledger_.dir.path());
    anchor_ = writer.body(EntryType::kAnchor, Subject{}, xase::proto::encode(body));
    writer.stop();
    last_ = writer.ledger().state().last_sequence;
    (void)sign_anew(ledger_.dir.path(), *ledger_.key, last_);
  }

  VerifyReport verify(const std::vector<PinnedAnchor>& anchors) {
    VerifyOptions options;
    options.keys.push_back(ledger_.key->verifier_key());
    options.anchors = anchors;
    options.anchor_record_hash = record_hash;
    auto report = verify_ledger(system_file_system(), ledger_.dir.path(), options);
    if (!report.ok()) {
      ADD_FAILURE() << report.status().message();
      std::abort();
    }
    return std::move(*report);
  }
  static const VerifyPropertyReport& anchors(const VerifyReport& report) {
    return report.property(VerifyProperty::kAnchors);
  }

  SignedLedger ledger_;
  Hash log_id_{};
  PinnedAnchor pinned_;
  std::uint64_t anchor_ = 0;
  std::uint64_t last_ = 0;
};

TEST_F(AnchoredLedger, TellsWhatToAskTheServiceForWhereNothingIsPinned) {
  const VerifyReport report = verify({});
  EXPECT_EQ(report.exit_code(), 0);
  EXPECT_FALSE(anchors(report).required);
  EXPECT_EQ(anchors(report).verdict, VerifyVerdict::kNotEstablished);
  EXPECT_NE(anchors(report).text.find("GET /verify/txn_1"), std::string::npos)
      << anchors(report).text;
}

TEST_F(AnchoredLedger, ShowsNoNameThatIsNone) {
  enter(ledger_.head, R"({"transaction_id":"\u001b[2Jtxn"})");
  const VerifyReport report = verify({});
  EXPECT_EQ(report.exit_code(), 0);
  EXPECT_NE(anchors(report).text.find("GET /verify/txn_1"), std::string::npos)
      << anchors(report).text;
}

TEST_F(AnchoredLedger, IsProvenUpToTheHeadThatTheServiceStandsBy) {
  const VerifyReport report = verify({pinned_});
  EXPECT_EQ(report.exit_code(), 0) << anchors(report).text;
  EXPECT_TRUE(anchors(report).required);
  EXPECT_EQ(anchors(report).verdict, VerifyVerdict::kProven);
  EXPECT_NE(anchors(report).text.find("first " + std::to_string(ledger_.size) + " entries"),
            std::string::npos)
      << anchors(report).text;
}

TEST_F(AnchoredLedger, IsRefutedWhereTheServiceStandsByAnotherRecord) {
  for (const bool is_hash : {true, false}) {
    PinnedAnchor other = pinned_;
    (is_hash ? other.record_hash : *other.previous) = filled(9);
    const VerifyReport report = verify({other});
    EXPECT_EQ(report.exit_code(), 1);
    EXPECT_EQ(anchors(report).verdict, VerifyVerdict::kRefuted);
    EXPECT_EQ(anchors(report).first_bad_sequence, anchor_);
  }
}

TEST_F(AnchoredLedger, IsNotEstablishedWhereTheLedgerKnowsNothingOfIt) {
  PinnedAnchor other = pinned_;
  other.transaction_id = "txn_2";
  const VerifyReport report = verify({pinned_, other});
  EXPECT_EQ(report.exit_code(), 2);
  EXPECT_NE(anchors(report).text.find("txn_2"), std::string::npos) << anchors(report).text;
}

TEST_F(AnchoredLedger, IsNotEstablishedWithoutTheTreesFiles) {
  std::filesystem::remove_all(ledger_.dir.path() + "/tree/tile");
  const VerifyReport report = verify({pinned_});
  EXPECT_EQ(report.exit_code(), 2);
  EXPECT_NE(anchors(report).text.find("tree's files"), std::string::npos) << anchors(report).text;
}

// What nothing on the host can show: who has the key makes all anew and signs it.
TEST_F(AnchoredLedger, WhatWasMadeAnewUnderTheLedgersOwnKeyIsRefuted) {
  SignedLedger::forge(ledger_.dir.path(), ledger_.victim());
  (void)sign_anew(ledger_.dir.path(), *ledger_.key, last_);
  VerifyReport report = verify({});
  EXPECT_EQ(report.exit_code(), 0);
  EXPECT_EQ(report.property(VerifyProperty::kEnd).verdict, VerifyVerdict::kProven);
  report = verify({pinned_});
  EXPECT_EQ(report.exit_code(), 1);
  EXPECT_EQ(anchors(report).verdict, VerifyVerdict::kRefuted);
  EXPECT_NE(anchors(report).text.find("another root"), std::string::npos) << anchors(report).text;
}

TEST_F(AnchoredLedger, AnEntryWhoseNoteIsAnotherHeadIsMalformed) {
  xase::proto::AnchorBody body;  // says size 0, and holds the head over more
  body.note = ledger_.head;
  LedgerWriter writer(ledger_.dir.path());
  const std::uint64_t bad = writer.body(EntryType::kAnchor, Subject{}, xase::proto::encode(body));
  writer.stop();
  (void)sign_anew(ledger_.dir.path(), *ledger_.key, writer.ledger().state().last_sequence);
  const VerifyReport report = verify({});
  EXPECT_EQ(report.exit_code(), 1);
  EXPECT_EQ(report.property(VerifyProperty::kCommitments).first_bad_sequence, bad);
}

}  // namespace
}  // namespace xased
