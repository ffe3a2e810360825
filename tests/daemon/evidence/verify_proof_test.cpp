// What a proof shows, and what nobody can make it show.
#include "daemon/evidence/verify_proof.hpp"

#include <gtest/gtest.h>

#include "tests/daemon/evidence/proven_ledger.hpp"

namespace xased {
namespace {

using test::kAll;
using test::ProvenLedger;

class VerifyProof : public testing::Test {
 protected:
  static void SetUpTestSuite() { ledger_ = new ProvenLedger; }
  static void TearDownTestSuite() {
    delete ledger_;
    ledger_ = nullptr;
  }
  static VerifyVerdict verdict(const ProofReport& report, const char* name) {
    return report.property(name).verdict;
  }
  // Refuted, by this property among others.
  void expect_refuted(const Proof& proof, const char* name) {
    const ProofReport report = ledger_->verified(proof);
    EXPECT_EQ(report.exit_code(), 1) << name;
    EXPECT_EQ(verdict(report, name), VerifyVerdict::kRefuted) << name;
  }

  static ProvenLedger* ledger_;
};

ProvenLedger* VerifyProof::ledger_ = nullptr;

TEST_F(VerifyProof, AllThatIsDisclosedIsProvenUnderAPinnedKey) {
  const ProofReport report = ledger_->verified(ledger_->proof(1, kAll));
  EXPECT_EQ(report.exit_code(), 0);
  for (const EvidenceProperty& property : report.properties) {
    EXPECT_EQ(property.verdict, VerifyVerdict::kProven) << property.name << ": " << property.text;
    EXPECT_TRUE(property.required) << property.name;
  }
  EXPECT_EQ(report.leaf.sequence, ledger_->record(1).sequence);
  EXPECT_EQ(report.size, ledger_->size);
  EXPECT_EQ(report.signed_by, std::vector{test::verifier_key_text(*ledger_->key)});
  ASSERT_TRUE(report.receipt);
  EXPECT_EQ(report.receipt->type, xase::proto::EntryType::kReceipt);
}

TEST_F(VerifyProof, WithoutDisclosureTheEntryIsProvenAndNothingOfItsContentIsInTheFile) {
  const Proof proof = ledger_->proof(1);
  EXPECT_TRUE(proof.entry.disclosed.empty());
  const std::string text = encode_proof(proof);
  for (const char* secret : {"52000", "approve", "channel", "credit", "loan-1"}) {
    EXPECT_EQ(text.find(secret), std::string::npos) << secret;
  }
  const ProofReport report = ledger_->verified(proof);
  EXPECT_EQ(report.exit_code(), 0);
  for (const char* part : {"input", "output", "context", "rest"}) {
    EXPECT_EQ(verdict(report, part), VerifyVerdict::kNotEstablished);
    EXPECT_EQ(report.property(part).text, "not disclosed");
  }
}

TEST_F(VerifyProof, NoKeyOrOthersKeysDoNotPass) {
  const Proof proof = ledger_->proof(1, kAll);
  auto report = verify_proof(proof, {});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->exit_code(), 2);
  EXPECT_EQ(verdict(*report, "signer"), VerifyVerdict::kNotEstablished);
  EXPECT_EQ(verdict(*report, "inclusion"), VerifyVerdict::kProven);
  // One of the same name.
  const auto other = test::new_key(ledger_->key->verifier_key().name);
  report = verify_proof(proof, test::policy_of(*other));
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->exit_code(), 2);
  EXPECT_TRUE(report->signed_by.empty());
}

TEST_F(VerifyProof, AHeadThatAnotherKeySignedDoesNotPass) {
  // Whoever has the files can make a tree of his own, and sign it under the ledger's name.
  Proof proof = ledger_->proof(1);
  const auto other = test::new_key(ledger_->key->verifier_key().name);
  const std::array<Signer*, 1> signers{other.get()};
  const auto head = open_checkpoint(proof.entry.inclusion.checkpoint, ledger_->pinned().logs);
  ASSERT_TRUE(head.ok());
  proof.entry.inclusion.checkpoint = *sign_checkpoint(head->checkpoint, signers);
  proof.receipt.reset();
  EXPECT_EQ(ledger_->verified(proof).exit_code(), 2);
}

TEST_F(VerifyProof, AnotherLeafIsRefuted) {
  Proof proof = ledger_->proof(5);
  xase::proto::Leaf leaf = *xase::proto::decode_leaf(proof.entry.leaf);
  leaf.wall_ns += 1;
  xase::proto::encode_leaf(leaf, proof.entry.leaf.data());
  expect_refuted(proof, "inclusion");
}

TEST_F(VerifyProof, AnotherPlaceOrSequenceIsRefuted) {
  Proof proof = ledger_->proof(5);
  proof.entry.sequence += 1;
  expect_refuted(proof, "leaf");
  proof.entry.inclusion.index += 1;
  expect_refuted(proof, "leaf");
  proof = ledger_->proof(5);
  proof.entry.inclusion.index = ledger_->size;
  expect_refuted(proof, "inclusion");
}

TEST_F(VerifyProof, HashesThatAreMissingOrTooManyAreRefuted) {
  Proof proof = ledger_->proof(5);
  const auto hash = proof.entry.inclusion.path.back();
  proof.entry.inclusion.path.pop_back();
  expect_refuted(proof, "inclusion");
  proof.entry.inclusion.path.push_back(hash);
  EXPECT_EQ(ledger_->verified(proof).exit_code(), 0);
  proof.entry.inclusion.path.push_back(hash);
  expect_refuted(proof, "inclusion");
}

TEST_F(VerifyProof, ALeafOfAnotherLedgerUnderAHeadOfThisNameIsRefuted) {
  const ProvenLedger other;
  const auto head = open_checkpoint(other.proof(1).entry.inclusion.checkpoint, other.pinned().logs);
  ASSERT_TRUE(head.ok());
  xase::proto::Checkpoint renamed = head->checkpoint;
  renamed.origin = checkpoint_origin("host.test/ledger", xase::proto::Hash{});
  const std::array<Signer*, 1> signers{ledger_->key.get()};
  Proof proof = other.proof(1);
  proof.receipt.reset();
  proof.entry.inclusion.checkpoint = *sign_checkpoint(renamed, signers);
  expect_refuted(proof, "ledger");
}

TEST_F(VerifyProof, APartWithAnotherByteOrOtherRandomBytesOrOfAnotherPlaceIsRefuted) {
  const char* const names[] = {"input", "output", "context", "rest"};
  for (std::size_t part = 0; part < 4; ++part) {
    Proof proof = ledger_->proof(5, kAll);
    proof.entry.disclosed[part].bytes[3] ^= std::byte{1};
    expect_refuted(proof, names[part]);
    proof = ledger_->proof(5, kAll);
    (*proof.entry.disclosed[part].random)[0] ^= std::byte{1};
    expect_refuted(proof, names[part]);
    proof = ledger_->proof(5, kAll);
    proof.entry.disclosed[part].bytes.push_back(std::byte{' '});
    expect_refuted(proof, names[part]);
    proof = ledger_->proof(5, kAll);
    proof.entry.disclosed[part].bytes.clear();
    expect_refuted(proof, names[part]);
  }
  Proof proof = ledger_->proof(5, kAll);
  std::swap(proof.entry.disclosed[0].part, proof.entry.disclosed[1].part);
  expect_refuted(proof, "input");
}

TEST_F(VerifyProof, APartThatTheEntryDoesNotHaveCannotBeDisclosed) {
  ProvenLedger ledger;
  const auto bare =
      ledger.writer().record(ProvenLedger::ring(), test::record_with("bare", nullptr));
  ledger.writer().sync();
  test::sign_anew(ledger.state(), *ledger.key, bare.sequence);
  auto made = ledger.make(bare.sequence, kAll);
  ASSERT_TRUE(made.ok() && made->proof);
  EXPECT_EQ(made->proof->entry.disclosed.size(), 3U);
  ProofReport report = ledger.verified(*made->proof);
  EXPECT_EQ(report.exit_code(), 0);
  EXPECT_EQ(report.property("context").text, "the entry has none");
  for (const std::vector<std::byte>& bytes : {std::vector<std::byte>{}, {std::byte{'{'}}}) {
    Proof proof = *made->proof;
    proof.entry.disclosed.push_back({2, xase::proto::Id{}, bytes});
    EXPECT_EQ(verdict(ledger.verified(proof), "context"), VerifyVerdict::kRefuted);
  }
}

TEST_F(VerifyProof, PartsCanBeTakenOutAndRandomBytesTakenAway) {
  Proof proof = ledger_->proof(1, kAll);
  proof.entry.disclosed.erase(proof.entry.disclosed.begin());
  ProofReport report = ledger_->verified(proof);
  EXPECT_EQ(report.exit_code(), 0);
  EXPECT_EQ(verdict(report, "input"), VerifyVerdict::kNotEstablished);
  // The entry stays proven, but its content, which can no longer be held against it, is not.
  for (DisclosedPart& part : proof.entry.disclosed) part.random.reset();
  report = ledger_->verified(proof);
  EXPECT_EQ(report.exit_code(), 2);
  EXPECT_EQ(verdict(report, "inclusion"), VerifyVerdict::kProven);
  EXPECT_EQ(verdict(report, "signer"), VerifyVerdict::kProven);
  EXPECT_EQ(verdict(report, "output"), VerifyVerdict::kNotEstablished);
  proof.entry.disclosed.clear();
  EXPECT_EQ(ledger_->verified(proof).exit_code(), 0);
  proof.receipt.reset();
  EXPECT_EQ(ledger_->verified(proof).exit_code(), 0);
}

TEST_F(VerifyProof, TheReceiptOfAnotherRecordIsRefuted) {
  Proof proof = ledger_->proof(5);
  proof.receipt = ledger_->proof(6).receipt;
  expect_refuted(proof, "receipt");
  EXPECT_NE(ledger_->verified(proof).property("receipt").text.find("another record"),
            std::string::npos);
}

TEST_F(VerifyProof, WhatIsNoAnswerOrIsUnderAnotherHeadIsRefuted) {
  Proof proof = ledger_->proof(5);
  const ProvenEntry sound = *proof.receipt;
  proof.receipt = proof.entry;
  expect_refuted(proof, "receipt");
  proof.receipt = sound;
  proof.receipt->inclusion.path.pop_back();
  expect_refuted(proof, "receipt");
  proof.receipt = sound;
  proof.receipt->disclosed[0].bytes[50] ^= std::byte{1};
  expect_refuted(proof, "receipt");
  proof.receipt = sound;
  proof.receipt->disclosed.push_back({0, xase::proto::Id{}, {std::byte{1}}});
  expect_refuted(proof, "receipt");
  proof.receipt = sound;
  const auto head = open_checkpoint(sound.inclusion.checkpoint, ledger_->pinned().logs);
  const std::array<Signer*, 1> signers{test::new_key("x").release()};
  const std::unique_ptr<Signer> owner(signers[0]);
  proof.receipt->inclusion.checkpoint = *sign_checkpoint(head->checkpoint, signers);
  expect_refuted(proof, "receipt");
  // Its body alone says whose it is.
  proof.receipt = sound;
  proof.receipt->disclosed.clear();
  EXPECT_EQ(ledger_->verified(proof).exit_code(), 2);
}

TEST_F(VerifyProof, ARecordThatWasSetAsideIsShownAsThat) {
  const ProofReport report = ledger_->verified(ledger_->proof(2));
  EXPECT_EQ(report.exit_code(), 0);
  EXPECT_EQ(report.receipt->type, xase::proto::EntryType::kDeadLetter);
  EXPECT_NE(report.property("receipt").text.find("set aside, with status 400"), std::string::npos);
}

TEST_F(VerifyProof, MalformedLeavesAndHeadsAreNotJudged) {
  const Proof sound = ledger_->proof(1);
  Proof proof = sound;
  proof.entry.leaf[0] ^= std::byte{1};
  EXPECT_EQ(verify_proof(proof, ledger_->pinned()).status().code(), Code::kInvalid);
  proof = sound;
  proof.receipt->leaf[0] ^= std::byte{1};
  EXPECT_EQ(verify_proof(proof, ledger_->pinned()).status().code(), Code::kInvalid);
  proof = sound;
  proof.entry.inclusion.checkpoint = "no note";
  EXPECT_EQ(verify_proof(proof, ledger_->pinned()).status().code(), Code::kInvalid);
}

}  // namespace
}  // namespace xased
