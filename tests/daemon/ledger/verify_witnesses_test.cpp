// What verification makes of witnesses that must have seen a ledger.
#include "daemon/ledger/verify_witnesses.hpp"

#include <gtest/gtest.h>

#include "tests/daemon/ledger/cosigned.hpp"

namespace xased {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)
using xase::proto::KeyAlgorithm;

xase::proto::Note note_of(const std::string& text) {
  auto note = xase::proto::parse_note(text);
  EXPECT_TRUE(note.ok());
  return std::move(note.value);
}

class WitnessedLedger : public testing::Test {
 protected:
  VerifyReport verify(const WitnessPolicy& policy, const std::vector<std::string>& earlier = {}) {
    VerifyOptions options;
    options.keys.push_back(ledger_.key->verifier_key());
    options.witnesses = policy;
    for (const std::string& note : earlier) options.earlier.push_back({"kept.txt", note});
    auto report = verify_ledger(system_file_system(), ledger_.dir.path(), options);
    if (!report.ok()) {
      ADD_FAILURE() << report.status().message();
      std::abort();
    }
    return std::move(*report);
  }
  static const VerifyPropertyReport& witnesses(const VerifyReport& report) {
    return report.property(VerifyProperty::kWitnesses);
  }
  void replace_head(const std::string& note) {
    write_text(checkpoint_path(ledger_.dir.path()), note);
  }

  SignedLedger ledger_;
  const TestWitness anna_{"anna"};
  const TestWitness bela_{"bela"};
  const TestWitness cara_{"cara", KeyAlgorithm::kEd25519};
};

TEST_F(WitnessedLedger, IsNotAskedForWitnessesWithoutAPolicy) {
  const VerifyReport report = verify({});
  EXPECT_EQ(witnesses(report).verdict, VerifyVerdict::kNotEstablished);
  EXPECT_FALSE(witnesses(report).required);
  EXPECT_EQ(report.exit_code(), 0);
}

TEST_F(WitnessedLedger, IsNotEstablishedUntilTheQuorumSawIt) {
  const WitnessPolicy two = quorum_of(2, {&anna_, &bela_, &cara_});
  VerifyReport report = verify(two);
  EXPECT_EQ(report.exit_code(), 2);
  EXPECT_TRUE(witnesses(report).required);
  EXPECT_NE(witnesses(report).text.find("missing: anna, bela, cara"), std::string::npos);

  const std::string once = anna_.cosign(ledger_.head);
  replace_head(once);
  report = verify(two);
  EXPECT_EQ(report.exit_code(), 2);
  EXPECT_NE(witnesses(report).text.find("missing: bela, cara"), std::string::npos);

  replace_head(cara_.cosign(once));
  report = verify(two);
  EXPECT_EQ(report.exit_code(), 0) << witnesses(report).text;
  EXPECT_EQ(witnesses(report).verdict, VerifyVerdict::kProven);
  EXPECT_NE(witnesses(report).text.find("2026-09-21T"), std::string::npos)
      << witnesses(report).text;
}

TEST_F(WitnessedLedger, AnEarlierHeadThatWasSeenCountsUpToItsSize) {
  const std::string seen = anna_.cosign(ledger_.head);
  const std::uint64_t last = SignedLedger::grow(ledger_.dir.path(), 3);
  (void)sign_anew(ledger_.dir.path(), *ledger_.key, last);
  const WitnessPolicy one = quorum_of(1, {&anna_});
  EXPECT_EQ(verify(one).exit_code(), 2);
  const VerifyReport report = verify(one, {seen});
  EXPECT_EQ(report.exit_code(), 0) << witnesses(report).text;
  EXPECT_NE(witnesses(report).text.find(std::to_string(last - ledger_.size) + " after them"),
            std::string::npos)
      << witnesses(report).text;
}

TEST_F(WitnessedLedger, AHeadOfAnotherHistoryBringsNoWitness) {
  const std::string seen = anna_.cosign(ledger_.head);
  SignedLedger::forge(ledger_.dir.path(), ledger_.victim());
  (void)sign_anew(ledger_.dir.path(), *ledger_.key, ledger_.size);
  const VerifyReport report = verify(quorum_of(1, {&anna_}), {seen});
  EXPECT_EQ(report.property(VerifyProperty::kExtends).verdict, VerifyVerdict::kRefuted);
  EXPECT_EQ(witnesses(report).verdict, VerifyVerdict::kNotEstablished);
  EXPECT_EQ(report.exit_code(), 1);
}

TEST_F(WitnessedLedger, ALineThatDoesNotVerifyCountsForNothing) {
  // Another time than the one that was signed.
  std::string text = anna_.cosign(ledger_.head);
  auto note = note_of(text);
  note.signatures.back().signature[7] ^= std::byte{1};
  replace_head(xase::proto::format_note(note));
  VerifyReport report = verify(quorum_of(1, {&anna_}));
  EXPECT_EQ(report.exit_code(), 2);
  EXPECT_NE(witnesses(report).text.find("does not verify"), std::string::npos);
  // Cut off.
  note = note_of(text);
  note.signatures.back().signature.pop_back();
  replace_head(xase::proto::format_note(note));
  EXPECT_EQ(verify(quorum_of(1, {&anna_})).exit_code(), 2);
  // A witness's plain signature is none of the kind that tells the time.
  const TestWitness plain("anna", KeyAlgorithm::kEd25519);
  Witness claimed = plain.witness();
  claimed.key.algorithm = KeyAlgorithm::kCosignatureV1;
  WitnessPolicy policy{{claimed}, {}, "anna"};
  replace_head(plain.cosign(ledger_.head));
  EXPECT_EQ(verify(policy).exit_code(), 2);
}

TEST_F(WitnessedLedger, ALineBehindThatIsSoundCountsDespiteOneBeforeThatIsNot) {
  auto note = note_of(anna_.cosign(ledger_.head));
  note.signatures.push_back(note.signatures.back());
  note.signatures[note.signatures.size() - 2].signature[20] ^= std::byte{1};
  replace_head(xase::proto::format_note(note));
  EXPECT_EQ(verify(quorum_of(1, {&anna_})).exit_code(), 0);
}

TEST_F(WitnessedLedger, ARequiredPropertyThatIsNotProvenDoesNotPass) {
  VerifyOptions options;
  options.keys.push_back(ledger_.key->verifier_key());
  options.required.push_back(VerifyProperty::kExtends);
  auto report = verify_ledger(system_file_system(), ledger_.dir.path(), options);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->exit_code(), 2);
  options.required = {VerifyProperty::kEnd};
  report = verify_ledger(system_file_system(), ledger_.dir.path(), options);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->exit_code(), 0);
}

TEST(WitnessSightings, AGroupSawWhatItsThresholdSaw) {
  const SignedLedger ledger;
  const TestWitness a("a");
  const TestWitness b("b");
  const TestWitness c("c");
  WitnessPolicy policy;
  for (const TestWitness* one : {&a, &b, &c}) policy.witnesses.push_back(one->witness());
  policy.groups = {{"two", 2, {"a", "b", "c"}}, {"all", 2, {"two", "c"}}};
  policy.quorum = "all";
  WitnessSightings sightings(policy);
  EXPECT_EQ(sightings.quorum_size(), 0U);
  sightings.take(note_of(a.cosign(ledger.head)), 10);
  sightings.take(note_of(c.cosign(ledger.head)), 7);
  EXPECT_EQ(sightings.quorum_size(), 7U);
  sightings.take(note_of(b.cosign(ledger.head)), 9);
  EXPECT_EQ(sightings.quorum_size(), 7U) << "c is in both, and saw 7";
  sightings.take(note_of(c.cosign(ledger.head)), 8);
  EXPECT_EQ(sightings.quorum_size(), 8U);
}

TEST(WitnessSightings, ManyGroupsThatShareMembersAreCountedQuickly) {
  const TestWitness a("a");
  WitnessPolicy policy{{a.witness()}, {{"g0", 1, {"a"}}, {"h0", 1, {"a"}}}, ""};
  for (int i = 1; i < 400; ++i) {
    const std::string before = std::to_string(i - 1);
    policy.groups.push_back({"g" + std::to_string(i), 2, {"g" + before, "h" + before}});
    policy.groups.push_back({"h" + std::to_string(i), 2, {"g" + before, "h" + before}});
  }
  policy.quorum = "g399";
  const SignedLedger ledger;
  WitnessSightings sightings(policy);
  sightings.take(note_of(a.cosign(ledger.head)), 5);
  EXPECT_EQ(sightings.quorum_size(), 5U);
}

}  // namespace
}  // namespace xased
