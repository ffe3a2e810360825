// What verification makes of signed heads: the ledger's own, with and without a pinned key, and
// earlier ones from outside.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "daemon/ledger/tree/tile_files.hpp"
#include "tests/daemon/ledger/signed_ledger.hpp"
#include "tests/daemon/ledger/verified_ledger.hpp"

namespace xased {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)

constexpr auto kProven = VerifyVerdict::kProven;
constexpr auto kRefuted = VerifyVerdict::kRefuted;
constexpr auto kOpen = VerifyVerdict::kNotEstablished;

VerifyOptions pinned(Signer& signer) {
  VerifyOptions options;
  options.keys.push_back(signer.verifier_key());
  return options;
}

VerifyOptions with_earlier(VerifyOptions options, const std::string& note) {
  options.earlier.push_back({"kept.txt", note});
  return options;
}

bool says(const VerifyReport& report, VerifyProperty property, const std::string& part) {
  return report.property(property).text.find(part) != std::string::npos;
}

// In the order of kCheckpoint, kSigner, kEnd, kExtends, kTiles; no witness is asked for.
void expect_verdicts(const VerifyReport& report, int exit_code,
                     const std::array<VerifyVerdict, 5>& verdicts) {
  EXPECT_EQ(report.exit_code(), exit_code) << describe(report);
  constexpr std::array<VerifyProperty, 5> kProperties{
      VerifyProperty::kCheckpoint, VerifyProperty::kSigner, VerifyProperty::kEnd,
      VerifyProperty::kExtends, VerifyProperty::kTiles};
  EXPECT_EQ(report.property(VerifyProperty::kWitnesses).verdict, kOpen);
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    const auto& property = report.property(kProperties[i]);
    EXPECT_EQ(property.verdict, verdicts[i]) << verify_property_name(property.property) << "\n"
                                             << describe(report);
    EXPECT_EQ(property.findings != 0, property.verdict == kRefuted);
  }
}

void copy_state(const std::string& from, const std::string& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

class SignedVerify : public ::testing::Test {
 protected:
  VerifyReport verify_pinned() const { return verify(state(), pinned(*ledger_.key)); }
  const std::string& state() const { return ledger_.dir.path(); }

  SignedLedger ledger_;
};

TEST_F(SignedVerify, ASoundLedgerIsProvenToWhoPinnedItsKey) {
  const VerifyReport report = verify_pinned();
  expect_verdicts(report, 0, {kProven, kProven, kProven, kOpen, kProven});
  EXPECT_EQ(report.first_bad_sequence(), 0U);
  EXPECT_EQ(report.not_covered, 0U);
  ASSERT_TRUE(report.checkpoint.has_value());
  EXPECT_EQ(report.checkpoint->size, ledger_.size);
  EXPECT_TRUE(report.checkpoint->signed_by_pinned);
  EXPECT_EQ(report.checkpoint->signed_by, std::vector{verifier_key_text(*ledger_.key)});
  EXPECT_TRUE(report.property(VerifyProperty::kSigner).required);
  EXPECT_FALSE(report.property(VerifyProperty::kExtends).required);
}

TEST_F(SignedVerify, AKeyThatLiesBesideTheLedgerProvesNothing) {
  const VerifyReport report = verify(state());
  expect_verdicts(report, 0, {kProven, kOpen, kOpen, kOpen, kProven});
  EXPECT_TRUE(says(report, VerifyProperty::kSigner, "found beside the ledger proves nothing"));
  EXPECT_TRUE(says(report, VerifyProperty::kSigner, "xasectl keys show"));
  EXPECT_FALSE(report.property(VerifyProperty::kSigner).required);
}

TEST_F(SignedVerify, EntriesAfterTheCheckpointAreCountedAsNotCovered) {
  const std::uint64_t last = SignedLedger::grow(state(), 3);
  const VerifyReport report = verify_pinned();
  expect_verdicts(report, 0, {kProven, kProven, kProven, kOpen, kProven});
  EXPECT_EQ(report.not_covered, last - ledger_.size);
  EXPECT_TRUE(says(
      report, VerifyProperty::kCheckpoint,
      std::to_string(last - ledger_.size) + " entries after the last checkpoint are not covered"));
  EXPECT_TRUE(says(report, VerifyProperty::kEnd, "up to entry " + std::to_string(ledger_.size)));
}

TEST_F(SignedVerify, WithoutATreeNothingIsEstablishedAndAPinnedKeyIsNotMet) {
  std::filesystem::remove_all(state() + "/tree");
  expect_verdicts(verify(state()), 0, {kOpen, kOpen, kOpen, kOpen, kOpen});
  expect_verdicts(verify_pinned(), 2, {kOpen, kOpen, kOpen, kOpen, kOpen});
  // A head that was kept elsewhere does not need the tree.
  const VerifyOptions kept = with_earlier(pinned(*ledger_.key), ledger_.head);
  expect_verdicts(verify(state(), kept), 2, {kOpen, kOpen, kOpen, kProven, kOpen});
  SignedLedger::forge(state(), ledger_.victim());
  expect_verdicts(verify(state()), 0, {kOpen, kOpen, kOpen, kOpen, kOpen});
  expect_verdicts(verify(state(), kept), 1, {kOpen, kOpen, kOpen, kRefuted, kOpen});
}

TEST_F(SignedVerify, ATruncatedTailIsRefuted) {
  TakenApart segment(state(), 1);
  const std::uint64_t cut = ledger_.size - 4;
  segment.pieces.erase(segment.pieces.begin() + static_cast<std::ptrdiff_t>(segment.index_of(cut)),
                       segment.pieces.end());
  segment.put_together();
  const VerifyReport report = verify_pinned();
  expect_verdicts(report, 1, {kRefuted, kOpen, kRefuted, kOpen, kProven});
  EXPECT_EQ(report.first_bad_sequence(), cut);
  // The two contradict each other for anybody.
  expect_verdicts(verify(state()), 1, {kRefuted, kOpen, kOpen, kOpen, kProven});
}

TEST_F(SignedVerify, ARollbackIsNotEstablishedWithoutAnEarlierCheckpointAndRefutedWithIt) {
  const TempDir snapshot;
  copy_state(state(), snapshot.path());
  const std::uint64_t last = SignedLedger::grow(state(), 5);
  const std::string kept = sign_anew(state(), *ledger_.key, last);
  expect_verdicts(verify(state(), with_earlier(pinned(*ledger_.key), ledger_.head)), 0,
                  {kProven, kProven, kProven, kProven, kProven});
  copy_state(snapshot.path(), state());
  VerifyReport report = verify_pinned();
  expect_verdicts(report, 0, {kProven, kProven, kProven, kOpen, kProven});
  EXPECT_TRUE(says(report, VerifyProperty::kEnd, "rolled back"));
  report = verify(state(), with_earlier(pinned(*ledger_.key), kept));
  expect_verdicts(report, 1, {kProven, kProven, kProven, kRefuted, kProven});
  EXPECT_EQ(report.property(VerifyProperty::kExtends).first_bad_sequence, ledger_.size + 1);
  // Also to who pinned nothing, by the key that the ledger names.
  report = verify(state(), with_earlier({}, kept));
  expect_verdicts(report, 1, {kProven, kOpen, kOpen, kRefuted, kProven});
}

TEST_F(SignedVerify, AForgeryChainedAnewIsRefutedAndPlacedByTheTreeThatWasLeft) {
  SignedLedger::forge(state(), ledger_.victim());
  const VerifyReport report = verify_pinned();
  expect_verdicts(report, 1, {kRefuted, kOpen, kOpen, kOpen, kProven});
  EXPECT_EQ(report.first_bad_sequence(), ledger_.victim());
  EXPECT_TRUE(says(report, VerifyProperty::kCheckpoint,
                   "entry " + std::to_string(ledger_.victim()) + " is another"));
}

TEST_F(SignedVerify, AForgeryWithTheTreeMadeAnewIsRefutedByTheOldSignature) {
  SignedLedger::forge(state(), ledger_.victim());
  (void)sign_anew(state(), *new_key("nobody"), ledger_.size);
  write_text(checkpoint_path(state()), ledger_.head);
  const VerifyReport report = verify_pinned();
  expect_verdicts(report, 1, {kRefuted, kOpen, kOpen, kOpen, kOpen});
  EXPECT_EQ(report.first_bad_sequence(), ledger_.size);
  // The signature lines moved to a head that fits: over another text.
  const std::string forged = sign_anew(state(), *new_key("nobody"), ledger_.size);
  write_text(checkpoint_path(state()), forged.substr(0, forged.find("\n\n")) +
                                           ledger_.head.substr(ledger_.head.find("\n\n")));
  expect_verdicts(verify_pinned(), 1, {kRefuted, kRefuted, kOpen, kOpen, kProven});
}

TEST_F(SignedVerify, AForgerysOwnKeyIsRefutedByTheKeyEntryOfTheLedger) {
  SignedLedger::forge(state(), ledger_.victim());
  const auto own = new_key(ledger_.key->verifier_key().name);
  write_text(state() + "/keys/log.vkey", verifier_key_text(*own));
  (void)sign_anew(state(), *own, ledger_.size);
  const VerifyReport report = verify(state());
  expect_verdicts(report, 1, {kRefuted, kOpen, kOpen, kOpen, kProven});
  EXPECT_TRUE(says(report, VerifyProperty::kCheckpoint, "no KEY entry names that one"));
  expect_verdicts(verify_pinned(), 1, {kRefuted, kOpen, kOpen, kOpen, kProven});
}

TEST_F(SignedVerify, AForgeryWhoseKeyEntryIsForgedTooIsNotThePinnedKeysAndContradictsACheckpoint) {
  const auto own = new_key(ledger_.key->verifier_key().name);
  TakenApart segment(state(), 1);
  auto& piece = segment.entry(2);
  const std::string body = key_entry(*own);
  ASSERT_EQ(body.size(), key_entry(*ledger_.key).size());
  std::copy_n(xase::proto::as_bytes(body).begin(), body.size(),
              piece.erasable() + xase::proto::kErasableHeaderBytes);
  segment.pieces.resize(segment.index_of(ledger_.victim() + 3));  // no receipts to contradict it
  segment.chain_anew(2);
  segment.put_together();
  write_text(state() + "/keys/log.vkey", verifier_key_text(*own));
  (void)sign_anew(state(), *own, ledger_.victim());
  // All of it holds for who knows nothing from elsewhere.
  expect_verdicts(verify(state()), 0, {kProven, kOpen, kOpen, kOpen, kProven});
  VerifyReport report = verify_pinned();
  expect_verdicts(report, 2, {kProven, kOpen, kOpen, kOpen, kProven});
  EXPECT_TRUE(says(report, VerifyProperty::kSigner, "none of the pinned keys signed"));
  report = verify(state(), with_earlier(pinned(*ledger_.key), ledger_.head));
  expect_verdicts(report, 1, {kProven, kOpen, kOpen, kRefuted, kProven});
  // The old head is of a key that this ledger does not know: without a pin it shows nothing.
  expect_verdicts(verify(state(), with_earlier({}, ledger_.head)), 2,
                  {kProven, kOpen, kOpen, kOpen, kProven});
}

TEST_F(SignedVerify, AStrippedSignatureIsRefuted) {
  const std::string text = ledger_.head.substr(0, ledger_.head.find("\n\n"));
  write_text(checkpoint_path(state()), text + "\n\n");
  expect_verdicts(verify_pinned(), 1, {kRefuted, kOpen, kOpen, kOpen, kOpen});
  // A line of somebody else instead.
  write_text(checkpoint_path(state()), text + "\n\n\u2014 somebody AAAAAAAA\n");
  const VerifyReport report = verify_pinned();
  expect_verdicts(report, 1, {kRefuted, kOpen, kOpen, kOpen, kProven});
  EXPECT_EQ(report.first_bad_sequence(), ledger_.size + 1);
}

TEST_F(SignedVerify, EachFlippedBitOfTheCheckpointIsDetected) {
  std::size_t flips = 0;
  for (std::size_t at = 0; at < ledger_.head.size(); ++at) {
    for (unsigned bit = 0; bit < 8; bit += 3) {
      std::string note = ledger_.head;
      note[at] = static_cast<char>(static_cast<unsigned char>(note[at]) ^ (1U << bit));
      write_text(checkpoint_path(state()), note);
      const VerifyReport report = verify_pinned();
      ASSERT_EQ(report.exit_code(), 1) << "byte " << at << ", bit " << bit << "\n"
                                       << describe(report);
      ASSERT_NE(report.property(VerifyProperty::kSigner).verdict, kProven);
      ++flips;
    }
  }
  EXPECT_GT(flips, 500U);
}

TEST_F(SignedVerify, AnotherLedgersCheckpointIsRefutedEvenByItsName) {
  const SignedLedger other(2);
  write_text(checkpoint_path(state()), other.head);
  VerifyReport report = verify_pinned();
  EXPECT_EQ(report.exit_code(), 1);
  EXPECT_EQ(report.property(VerifyProperty::kCheckpoint).verdict, kRefuted);
  // Where the key is the same and the entries too, up to where it signed: of none.
  write_text(checkpoint_path(state()), ledger_.head);
  VerifyOptions both = pinned(*ledger_.key);
  both.keys.push_back(other.key->verifier_key());
  report = verify(state(), with_earlier(both, other.head));
  expect_verdicts(report, 1, {kProven, kProven, kProven, kRefuted, kProven});
  EXPECT_EQ(report.first_bad_sequence(), 1U);
  report = verify(state(), with_earlier(pinned(*ledger_.key), other.head));
  expect_verdicts(report, 2, {kProven, kProven, kProven, kOpen, kProven});
}

TEST_F(SignedVerify, ACheckpointOverNothingShowsNothing) {
  std::filesystem::remove_all(state() + "/tree");
  (void)TreeOf(state()).sign(*ledger_.key);
  const VerifyReport report = verify_pinned();
  expect_verdicts(report, 2, {kOpen, kOpen, kOpen, kOpen, kProven});
}

TEST_F(SignedVerify, AForkAfterASnapshotIsRefutedByTheOtherBranchsHead) {
  const TempDir branch;
  copy_state(state(), branch.path());
  const std::uint64_t last = SignedLedger::grow(state(), 6);
  const std::string kept = sign_anew(state(), *ledger_.key, last);
  const std::uint64_t branch_last = SignedLedger::grow(branch.path(), 8, 5);
  ASSERT_GT(branch_last, last);
  (void)sign_anew(branch.path(), *ledger_.key, branch_last);
  // Each branch alone is signed by the right key.
  expect_verdicts(verify(branch.path(), with_earlier(pinned(*ledger_.key), ledger_.head)), 0,
                  {kProven, kProven, kProven, kProven, kProven});
  const VerifyReport report = verify(branch.path(), with_earlier(pinned(*ledger_.key), kept));
  expect_verdicts(report, 1, {kProven, kProven, kProven, kRefuted, kProven});
  EXPECT_EQ(report.first_bad_sequence(), last);
}

TEST_F(SignedVerify, AnEarlierCheckpointThatIsNotGenuineSpeaksNeitherForNorAgainst) {
  std::string spoiled = ledger_.head;
  char& last = spoiled[spoiled.size() - 10];
  last = last == 'A' ? 'B' : 'A';
  const VerifyReport report = verify(state(), with_earlier(pinned(*ledger_.key), spoiled));
  expect_verdicts(report, 2, {kProven, kProven, kProven, kOpen, kProven});
  EXPECT_TRUE(says(report, VerifyProperty::kExtends, "does not verify"));
  ASSERT_EQ(report.earlier.size(), 1U);
  EXPECT_EQ(report.earlier[0].name, "kept.txt");
  EXPECT_EQ(report.earlier[0].verdict, kOpen);
  const auto malformed =
      verify_ledger(system_file_system(), state(), with_earlier({}, "no checkpoint\n"));
  ASSERT_FALSE(malformed.ok());
  EXPECT_EQ(malformed.status().code(), Code::kInvalid);
}

TEST_F(SignedVerify, DamagedTilesRefuteNothing) {
  const std::string path =
      tile_file(state() + "/tree",
                *xase::proto::parse_tile_path("tile/0/000.p/" + std::to_string(ledger_.size)));
  ByteBuffer bytes = read_bytes(path);
  ASSERT_FALSE(bytes.empty());
  bytes[40] ^= std::byte{1};
  write_bytes(path, bytes);
  VerifyReport report = verify_pinned();
  expect_verdicts(report, 0, {kProven, kProven, kProven, kOpen, kOpen});
  EXPECT_TRUE(says(report, VerifyProperty::kTiles, "tile/0/000.p/"));
  EXPECT_TRUE(says(report, VerifyProperty::kTiles, "makes them again"));
  // Nor do they excuse a ledger that was changed.
  SignedLedger::forge(state(), ledger_.victim());
  report = verify_pinned();
  expect_verdicts(report, 1, {kRefuted, kOpen, kOpen, kOpen, kOpen});
  EXPECT_EQ(report.first_bad_sequence(), ledger_.size);
}

TEST_F(SignedVerify, AnEntryThatCannotBeReadLeavesTheOthersProven) {
  TakenApart segment(state(), 1);
  const std::uint64_t lost = ledger_.records[5].sequence;
  segment.entry(lost).bytes[70] ^= std::byte{1};
  segment.put_together();
  VerifyReport report = verify_pinned();
  expect_verdicts(report, 1, {kProven, kProven, kProven, kOpen, kProven});
  EXPECT_EQ(report.first_bad_sequence(), lost);
  EXPECT_TRUE(says(report, VerifyProperty::kCheckpoint, "1 entry that is not here"));
  std::filesystem::remove_all(state() + "/tree/tile");
  report = verify_pinned();
  expect_verdicts(report, 1, {kOpen, kOpen, kOpen, kOpen, kOpen});
}

TEST_F(SignedVerify, AKeyEntryThatNamesNoKeyIsRefutedAndAnErasedOneIsNot) {
  TakenApart segment(state(), 1);
  segment.entry(2).erase();
  segment.put_together();
  const VerifyReport report = verify_pinned();
  expect_verdicts(report, 2, {kOpen, kOpen, kOpen, kOpen, kProven});
  for (const char* body : {"{}", "[]", "{\"event\":\"in_use\",\"verifier_key\":\"host+1+x\"}"}) {
    const TempDir dir;
    std::uint64_t bad = 0;
    {
      LedgerWriter writer(dir.path());
      bad = writer.body(EntryType::kKey, Subject{}, xase::proto::as_bytes(std::string_view(body)));
      writer.stop();
    }
    const VerifyReport told = verify(dir.path());
    EXPECT_EQ(told.exit_code(), 1);
    EXPECT_EQ(told.property(VerifyProperty::kCommitments).first_bad_sequence, bad);
  }
}

// Ledgers whose first segment retention removed.
class SignedVerifyWithoutItsBeginning : public ::testing::Test {
 protected:
  SignedVerifyWithoutItsBeginning() : ledger_(1, 8U << 10) {
    const auto firsts = segments_of(state());
    EXPECT_GE(firsts.size(), 3U);
    first_ = firsts[1];
    remove_before(state(), first_, 8U << 10);
    // As every start does.
    LedgerWriter writer(state(), 8U << 10);
    writer.body(EntryType::kKey, Subject{}, xase::proto::as_bytes(key_entry(*ledger_.key)));
    writer.stop();
  }
  const std::string& state() const { return ledger_.dir.path(); }

  SignedLedger ledger_;
  std::uint64_t first_ = 0;
};

TEST_F(SignedVerifyWithoutItsBeginning, IsProvenWithTheHashesThatTheTreeHas) {
  VerifyReport report = verify(state(), with_earlier(pinned(*ledger_.key), ledger_.head));
  expect_verdicts(report, 0, {kProven, kProven, kProven, kProven, kProven});
  EXPECT_EQ(report.property(VerifyProperty::kBeginning).verdict, kOpen);
  EXPECT_TRUE(says(report, VerifyProperty::kCheckpoint,
                   std::to_string(first_ - 1) + " entries that are not here"));
}

TEST_F(SignedVerifyWithoutItsBeginning, ACheckpointOverWhatIsGoneIsCheckedThroughTheTree) {
  const SignedLedger twin(1, 8U << 10);
  const TempDir scratch;
  copy_state(twin.dir.path(), scratch.path());
  // The same clocks and random bytes made the same entries: but for KEY, which has another key.
  const std::string others = sign_anew(scratch.path(), *ledger_.key, 3);
  VerifyReport report = verify(state(), with_earlier(pinned(*ledger_.key), others));
  expect_verdicts(report, 1, {kProven, kProven, kProven, kRefuted, kProven});
  std::filesystem::remove_all(state() + "/tree/tile");
  report = verify(state(), with_earlier(pinned(*ledger_.key), others));
  expect_verdicts(report, 2, {kOpen, kOpen, kOpen, kOpen, kOpen});
}

TEST_F(SignedVerifyWithoutItsBeginning, WithDamagedTilesItCannotBeTold) {
  const std::string path = state() + "/tree/tile/0/000.p/" + std::to_string(ledger_.size);
  ByteBuffer bytes = read_bytes(path);
  bytes[40] ^= std::byte{1};
  write_bytes(path, bytes);
  const VerifyReport report = verify(state(), pinned(*ledger_.key));
  expect_verdicts(report, 2, {kOpen, kOpen, kOpen, kOpen, kOpen});
  EXPECT_TRUE(says(report, VerifyProperty::kTiles, "are nowhere else"));
}

TEST(SignedVerifyMeanwhile, ALedgerThatIsBeingWrittenAndSignedIsNeverRefuted) {
  const TempDir dir;
  LedgerWriter writer(dir.path(), 64U << 10);
  const auto key = new_key(checkpoint_origin("host.test/ledger", writer.ledger().state().log_id));
  writer.body(EntryType::kKey, Subject{}, xase::proto::as_bytes(key_entry(*key)));
  writer.sync();
  TreeOf tree(dir.path());
  tree.take(2);
  (void)tree.sign(*key);
  std::atomic<bool> done{false};
  std::thread verifier([&] {
    std::string earlier;
    int rounds = 0;
    while (!done.load() || rounds < 3) {
      VerifyOptions options = pinned(*key);
      if (!earlier.empty()) options = with_earlier(options, earlier);
      earlier = read_text(checkpoint_path(dir.path()));
      const auto report = verify_ledger(system_file_system(), dir.path(), options);
      ASSERT_TRUE(report.ok()) << report.status().message();
      ASSERT_EQ(report->exit_code(), 0) << describe(*report);
      ASSERT_EQ(report->property(VerifyProperty::kTiles).verdict, kProven) << describe(*report);
      ++rounds;
    }
  });
  for (int i = 0; i < 2000; ++i) {
    const Written written = writer.record(LedgerWriter::ring(1));
    if (i % 37 != 0) continue;
    writer.sync();
    tree.take(written.sequence);
    (void)tree.sign(*key);
  }
  writer.stop();
  done.store(true);
  verifier.join();
}

}  // namespace
}  // namespace xased
