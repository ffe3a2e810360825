#include "daemon/evidence/policy.hpp"

#include <gtest/gtest.h>

#include "daemon/evidence/make_bundle.hpp"
#include "daemon/evidence/verify_bundle.hpp"
#include "proto/hex.hpp"
#include "tests/daemon/evidence/proven_ledger.hpp"
#include "tests/daemon/ledger/cosigned.hpp"

namespace xased {
namespace {

constexpr std::string_view kLog =
    "host-1/loans/8d5b8a7e+7c386215+AT1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYM";

Policy parsed(const std::string& text) {
  auto policy = parse_policy(text, "p");
  if (!policy.ok()) {
    ADD_FAILURE() << policy.status().message();
    return {};
  }
  return std::move(*policy);
}

std::string fault(const std::string& text) {
  const auto policy = parse_policy(text, "p");
  return policy.ok() ? "" : policy.status().message();
}

class ReadPolicy : public testing::Test {
 protected:
  const test::TestWitness anna_{"anna"};
  const test::TestWitness bela_{"bela", xase::proto::KeyAlgorithm::kEd25519};
  std::string witnesses() const {
    return "witness anna " + anna_.key_text() + "\nwitness bela " + bela_.key_text() +
           " https://bela.example\n";
  }
};

TEST_F(ReadPolicy, TakesLogsWitnessesGroupsQuorumAndProperties) {
  const Policy policy =
      parsed("# ours\n\nlog " + std::string(kLog) + " https://x.example\r\n" + witnesses() +
             "group both all anna bela\n" + "group one 1 anna both\n  quorum\tone  \n" +
             "require end seals\nrequire end\n");
  ASSERT_EQ(policy.logs.size(), 1U);
  EXPECT_EQ(policy.logs[0].name, "host-1/loans/8d5b8a7e");
  ASSERT_EQ(policy.witnesses.witnesses.size(), 2U);
  EXPECT_EQ(policy.witnesses.witnesses[0].key.algorithm, xase::proto::KeyAlgorithm::kCosignatureV1);
  EXPECT_EQ(policy.witnesses.witnesses[1].key.algorithm, xase::proto::KeyAlgorithm::kEd25519);
  ASSERT_EQ(policy.witnesses.groups.size(), 2U);
  EXPECT_EQ(policy.witnesses.groups[0].threshold, 2U);
  EXPECT_EQ(policy.witnesses.groups[1].threshold, 1U);
  EXPECT_EQ(policy.witnesses.quorum, "one");
  EXPECT_EQ(policy.required, (std::vector<std::string>{"end", "seals"}));
}

TEST_F(ReadPolicy, SaysWhichLineIsWrongAndWhatWasMeant) {
  EXPECT_EQ(fault("logs x\n"),
            "p:1: \"logs\" begins no line of a policy; did you mean log? There are log, witness, "
            "group, quorum, anchor and require");
  EXPECT_NE(fault("\n# c\nlog\n").find("p:3: expected log VERIFIER_KEY"), std::string::npos);
  EXPECT_NE(fault("log nonsense\n").find("p:1: \"nonsense\" is no key"), std::string::npos);
  EXPECT_NE(fault("log " + anna_.key_text() + "\n").find("algorithm"), std::string::npos)
      << "a cosigner's key signs no ledger";
  EXPECT_NE(fault("require ends\n").find("did you mean end?"), std::string::npos);
  EXPECT_NE(fault(witnesses() + "quorum ana\n").find("did you mean anna?"), std::string::npos);
}

TEST_F(ReadPolicy, RefusesWhatWouldAskForLessThanItSeemsTo) {
  EXPECT_NE(fault("").find("asks for nothing"), std::string::npos);
  EXPECT_NE(fault("quorum none\n").find("asks for nothing"), std::string::npos);
  EXPECT_NE(fault(witnesses()).find("quorum"), std::string::npos);
  EXPECT_NE(fault("witness a " + anna_.key_text() + "\nwitness b " + anna_.key_text() + "\n")
                .find("is that of a"),
            std::string::npos);
  EXPECT_NE(fault(witnesses() + "group g 2 anna anna\n").find("twice"), std::string::npos);
  EXPECT_NE(fault(witnesses() + "group g 3 anna bela\n").find("number"), std::string::npos);
  EXPECT_NE(fault(witnesses() + "group g 0 anna bela\n").find("number"), std::string::npos);
  EXPECT_NE(fault(witnesses() + "group g 1x anna bela\n").find("number"), std::string::npos);
  EXPECT_NE(fault(witnesses() + "group g all anna g\n").find("no witness"), std::string::npos);
  EXPECT_NE(fault(witnesses() + "group anna all bela\n").find("another"), std::string::npos);
  EXPECT_NE(fault(witnesses() + "quorum anna\nquorum none\n").find("already"), std::string::npos);
  EXPECT_NE(fault("log " + std::string(kLog) + "\nlog " + std::string(kLog) + "\n").find("twice"),
            std::string::npos);
}

TEST_F(ReadPolicy, TakesAnchorsAndAsksForThem) {
  const std::string hash(64, 'a');
  const Policy policy = parsed("anchor txn_1 " + hash + " genesis\nanchor txn_2 " + hash + " " +
                               std::string(64, 'b') + "\n");
  ASSERT_EQ(policy.anchors.size(), 2U);
  EXPECT_EQ(policy.anchors[0].transaction_id, "txn_1");
  EXPECT_EQ(xase::proto::to_hex(policy.anchors[0].record_hash), hash);
  EXPECT_FALSE(policy.anchors[0].previous.has_value());
  EXPECT_TRUE(policy.anchors[1].previous.has_value());
  EXPECT_EQ(policy.required, std::vector<std::string>{"anchors"});
  EXPECT_NE(fault("anchor txn_1 " + hash + "\n").find("expected anchor"), std::string::npos);
  EXPECT_NE(fault("anchor txn/../1 " + hash + " genesis\n").find("transaction_id"),
            std::string::npos);
  EXPECT_NE(fault("anchor txn_1 abc genesis\n").find("is no hash"), std::string::npos);
  EXPECT_NE(fault("anchor txn_1 " + hash + " genisis\n").find("nor genesis"), std::string::npos);
  EXPECT_NE(fault("anchor t " + hash + " genesis\nanchor t " + hash + " genesis\n").find("twice"),
            std::string::npos);
}

class PolicyOnEvidence : public testing::Test {
 protected:
  static void SetUpTestSuite() { ledger_ = new test::ProvenLedger(); }
  static void TearDownTestSuite() { delete ledger_; }
  static test::ProvenLedger* ledger_;
};
test::ProvenLedger* PolicyOnEvidence::ledger_ = nullptr;

TEST_F(PolicyOnEvidence, AProofWithoutTheQuorumDoesNotPass) {
  const test::TestWitness anna("anna");
  Policy policy = ledger_->pinned();
  policy.witnesses = test::quorum_of(1, {&anna});
  Proof proof = ledger_->proof(1);
  auto report = verify_proof(proof, policy);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->exit_code(), 2);
  EXPECT_TRUE(report->property("witnesses").required);
  const std::string seen = anna.cosign(proof.entry.inclusion.checkpoint);
  proof.entry.inclusion.checkpoint = seen;
  if (proof.receipt) proof.receipt->inclusion.checkpoint = seen;
  report = verify_proof(proof, policy);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->exit_code(), 0) << report->property("witnesses").text;
}

TEST_F(PolicyOnEvidence, ABundleWithoutTheQuorumDoesNotPass) {
  const test::TestWitness anna("anna");
  Policy policy = ledger_->pinned();
  policy.witnesses = test::quorum_of(1, {&anna});
  auto made = make_bundle(system_file_system(), ledger_->state(), 1, 5, {});
  ASSERT_TRUE(made.ok() && made->bundle);
  auto report = verify_bundle(*made->bundle, policy);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->exit_code(), 2);
  made->bundle->checkpoint = anna.cosign(made->bundle->checkpoint);
  report = verify_bundle(*made->bundle, policy);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->exit_code(), 0) << report->property("witnesses").text;
}

TEST_F(PolicyOnEvidence, AnAnchorIsAskedForAndHeldByNoProofAndNoBundle) {
  const std::string hash(64, 'a');
  auto policy = parse_policy("anchor txn_1 " + hash + " genesis\n", "p");
  ASSERT_TRUE(policy.ok()) << policy.status().message();
  policy->logs = ledger_->pinned().logs;
  auto report = verify_proof(ledger_->proof(1), *policy);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->exit_code(), 2);
  EXPECT_TRUE(report->property("anchors").required);
}

TEST_F(PolicyOnEvidence, WhatIsRequiredAndNotToldOfIsNotEstablished) {
  Policy policy = ledger_->pinned();
  policy.required = {"input"};
  auto report = verify_proof(ledger_->proof(1), policy);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->exit_code(), 2) << "it is not disclosed";
  report = verify_proof(ledger_->proof(1, {true, false, false, false}), policy);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->exit_code(), 0);
  policy.required = {"seals"};
  report = verify_proof(ledger_->proof(1), policy);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->exit_code(), 2);
  EXPECT_EQ(report->property("seals").text,
            "the policy asks for it, and a proof does not tell of it");
}

}  // namespace
}  // namespace xased
