// Keys that change and keys that sign together, and what is noticed where one was left out.
#include <gtest/gtest.h>

#include <string>

#include "tests/daemon/ledger/keyed_ledger.hpp"

namespace xased {
namespace {

using test::KeyedLedger;
using test::Signers;
using Verdict = VerifyVerdict;

class KeyLine : public testing::Test {
 protected:
  Signer* file() { return ledger_.file.get(); }
  Signer* other() { return ledger_.other.get(); }
  Signer* module() { return ledger_.module.get(); }

  static VerifyPropertyReport signer_of(const VerifyReport& report) {
    return report.property(VerifyProperty::kSigner);
  }
  // With one key pinned, the signer and the end are proven.
  void expect_proven(const Signers& pinned, const std::string& earlier = {}) {
    const VerifyReport report = ledger_.verify(pinned, earlier);
    EXPECT_EQ(signer_of(report).verdict, Verdict::kProven) << signer_of(report).text;
    EXPECT_EQ(report.property(VerifyProperty::kEnd).verdict, Verdict::kProven);
    EXPECT_EQ(report.exit_code(), 0);
  }
  // Refuted at `sequence`; gives why.
  std::string refuted(const Signers& pinned, std::uint64_t sequence) {
    const VerifyReport report = ledger_.verify(pinned);
    EXPECT_EQ(signer_of(report).verdict, Verdict::kRefuted) << signer_of(report).text;
    EXPECT_EQ(signer_of(report).first_bad_sequence, sequence);
    EXPECT_EQ(report.exit_code(), 1);
    return signer_of(report).text;
  }
  std::string open(const Signers& pinned) {
    const VerifyReport report = ledger_.verify(pinned);
    EXPECT_EQ(signer_of(report).verdict, Verdict::kNotEstablished) << signer_of(report).text;
    EXPECT_EQ(report.property(VerifyProperty::kEnd).verdict, Verdict::kNotEstablished);
    EXPECT_EQ(report.exit_code(), 2);
    return signer_of(report).text;
  }

  KeyedLedger ledger_;
};

bool says(const std::string& text, const std::string& what) {
  return text.find(what) != std::string::npos;
}

TEST_F(KeyLine, AModulesKeyAloneEstablishesSignerAndEnd) {
  ledger_.key(KeyEvent::kInUse, {module()});
  ledger_.records(3);
  ledger_.sign({module()});
  expect_proven({module()});
}

TEST_F(KeyLine, EitherOfTwoThatSignTogetherEstablishesThem) {
  ledger_.key(KeyEvent::kInUse, {file(), module()});
  ledger_.records(3);
  ledger_.sign({file(), module()});
  expect_proven({file()});
  expect_proven({module()});
  expect_proven({file(), module()});
}

TEST_F(KeyLine, AHeadThatLacksALineIsRefuted) {
  const std::uint64_t key = ledger_.key(KeyEvent::kInUse, {file(), module()});
  const std::uint64_t last = ledger_.records(3);
  ledger_.sign({file()});
  EXPECT_TRUE(says(refuted({file()}, last), "since KEY entry " + std::to_string(key)));
  ledger_.sign({module()});
  EXPECT_TRUE(says(refuted({module()}, last), "it lacks the signature"));
}

TEST_F(KeyLine, WhileAModuleIsAwayTheFilesKeySignsAndTheVerdictSaysSo) {
  ledger_.key(KeyEvent::kInUse, {file(), module()});
  ledger_.records(2);
  ledger_.key(KeyEvent::kAway, {file()});
  ledger_.sign({file()});
  EXPECT_TRUE(says(open({file()}), "does not answer"));
  EXPECT_EQ(ledger_.verify({}).property(VerifyProperty::kCheckpoint).verdict, Verdict::kProven);
  ledger_.key(KeyEvent::kInUse, {file(), module()});
  ledger_.sign({file(), module()});
  expect_proven({file(), module()});
}

TEST_F(KeyLine, AKeyThatIsNotInForceSignsForNoOtherThatIsAway) {
  ledger_.key(KeyEvent::kInUse, {file(), module()});
  const std::uint64_t bad = ledger_.key(KeyEvent::kAway, {other()});
  ledger_.sign({file(), module()});
  EXPECT_TRUE(says(refuted({file()}, bad), "not in force"));
}

TEST_F(KeyLine, AfterAChangeTheOldKeyAndTheNewOneBothVerifyIt) {
  ledger_.key(KeyEvent::kInUse, {file()});
  ledger_.records(3);
  const std::string earlier = ledger_.sign({file()});
  ledger_.change({file()}, {other()}, {file(), other()});
  ledger_.records(3);
  ledger_.sign({other()});
  expect_proven({file()}, earlier);
  expect_proven({other()}, earlier);
  expect_proven({file(), other()}, earlier);
  EXPECT_TRUE(says(signer_of(ledger_.verify({file()})).text, "link"));
  // A second one, to a module.
  ledger_.change({other()}, {module()}, {other(), module()});
  ledger_.records(1);
  ledger_.sign({module()});
  for (Signer* pinned : {file(), other(), module()}) expect_proven({pinned}, earlier);
}

TEST_F(KeyLine, AHeadOfBeforeTheChangeIsTheOldKeysStill) {
  ledger_.key(KeyEvent::kInUse, {file()});
  ledger_.records(3);
  ledger_.sign({file()});
  ledger_.change({file()}, {other()}, {file(), other()});
  expect_proven({file()});
  expect_proven({other()});
}

TEST_F(KeyLine, TheOldKeySignsNoHeadBehindTheChange) {
  ledger_.key(KeyEvent::kInUse, {file()});
  ledger_.change({file()}, {other()}, {file(), other()});
  const std::uint64_t last = ledger_.records(3);
  ledger_.sign({file()});
  EXPECT_TRUE(says(refuted({file()}, last), "it lacks the signature"));
}

TEST_F(KeyLine, AChangeThatTheKeyInForceDidNotSignIsRefuted) {
  ledger_.key(KeyEvent::kInUse, {file()});
  const std::uint64_t bad = ledger_.change({file()}, {other()}, {other()});
  ledger_.sign({other()});
  EXPECT_TRUE(says(refuted({file()}, bad), "did not sign"));
  EXPECT_TRUE(says(refuted({other()}, bad), "did not sign"));
}

TEST_F(KeyLine, AChangeThatTheNewKeyDidNotSignIsRefuted) {
  ledger_.key(KeyEvent::kInUse, {file()});
  const std::uint64_t bad = ledger_.change({file()}, {other()}, {file()});
  ledger_.sign({other()});
  refuted({file()}, bad);
}

TEST_F(KeyLine, AKeyThatIsMerelySaidToBeInUseIsRefuted) {
  ledger_.key(KeyEvent::kInUse, {file()});
  const std::uint64_t bad = ledger_.key(KeyEvent::kInUse, {other()});
  ledger_.sign({other()});
  EXPECT_TRUE(says(refuted({file()}, bad), "did not sign"));
}

TEST_F(KeyLine, OneOfTwoKeysIsNotLeftOutInSilence) {
  ledger_.key(KeyEvent::kInUse, {file(), module()});
  const std::uint64_t bad = ledger_.key(KeyEvent::kInUse, {file()});
  ledger_.sign({file()});
  refuted({file()}, bad);
}

TEST_F(KeyLine, ANoteThatWasSignedForAnotherPlaceIsRefuted) {
  ledger_.key(KeyEvent::kInUse, {file()});
  const Signers both{file(), other()};
  const KeyEntry first{KeyEvent::kChanged, test::keys_of({other()}),
                       *sign_note(ledger_.text({file()}, {other()}), both)};
  ledger_.append(first);
  ledger_.change({other()}, {file()}, both);
  const std::uint64_t bad = ledger_.append(first);
  ledger_.sign({other()});
  EXPECT_TRUE(says(refuted({file()}, bad), "another place"));
}

TEST_F(KeyLine, ANoteOverAnotherKeyIsRefuted) {
  ledger_.key(KeyEvent::kInUse, {file()});
  const Signers all{file(), other(), module()};
  const std::uint64_t bad = ledger_.append({KeyEvent::kChanged, test::keys_of({module()}),
                                            *sign_note(ledger_.text({file()}, {other()}), all)});
  ledger_.sign({module()});
  EXPECT_TRUE(says(refuted({file()}, bad), "for other keys"));
}

TEST_F(KeyLine, WhoHasOneOfTwoKeysAndMakesTheLedgerAnewLacksTheOther) {
  ledger_.key(KeyEvent::kInUse, {file()});
  ledger_.records(3);
  ledger_.sign({file()});
  expect_proven({file()});
  EXPECT_TRUE(says(open({file(), module()}), "pinned, did not sign"));
}

TEST_F(KeyLine, AKeyBehindAnEntryWithoutItsBodyIsLinkedWithNoneBeforeIt) {
  ledger_.key(KeyEvent::kInUse, {file()});
  const std::uint64_t gone = ledger_.change({file()}, {other()}, {file(), other()});
  ledger_.key(KeyEvent::kInUse, {other()});
  ledger_.records(1);
  ledger_.writer.stop();
  test::TakenApart segment(ledger_.dir.path(), 1);
  segment.entry(gone).erase();
  segment.put_together();
  ledger_.sign({other()});
  expect_proven({other()});
  open({file()});
}

}  // namespace
}  // namespace xased
