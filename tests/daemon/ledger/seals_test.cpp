// Epochs: opened, counted and closed under their keys, and what is noticed where they are not.
#include "daemon/ledger/seals.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemon/ledger/tree/sign_note.hpp"
#include "tests/daemon/ledger/sealed_ledger.hpp"

namespace xased {
namespace {

using std::chrono::milliseconds;
using test::LedgerWriter;
using test::SealedLedger;
using test::TakenApart;
using xase::proto::EntryType;
using xase::proto::SealBody;
using xase::proto::SealEvent;

using Verdict = VerifyVerdict;

VerifyPropertyReport seals_of(const VerifyReport& report) {
  return report.property(VerifyProperty::kSeals);
}

// What the SEAL entries of the segment that starts at `first` say, in order.
std::vector<SealBody> seals_in(const std::string& state_dir, std::uint64_t first) {
  std::vector<SealBody> seals;
  TakenApart segment(state_dir, first);
  for (TakenApart::Piece& piece : segment.pieces) {
    if (piece.is_mark) continue;
    if (xase::proto::decode_leaf(piece.leaf_bytes())->type != EntryType::kSeal) continue;
    const auto erasable = xase::proto::decode_erasable({piece.erasable(), piece.erasable_bytes()});
    const auto seal = xase::proto::decode_seal_body(erasable->parts[xase::proto::kRestPart]);
    EXPECT_TRUE(seal.has_value());
    if (seal) seals.push_back(*seal);
  }
  return seals;
}

std::string events_in(const std::string& state_dir, std::uint64_t first) {
  std::string events;
  for (const SealBody& seal : seals_in(state_dir, first)) {
    if (!events.empty()) events += " ";
    events += std::string(seal_event_name(seal.event)) + std::to_string(seal.epoch);
  }
  return events;
}

TEST(Seals, AnEpochIsOpenedAtStartAndClosedAtStop) {
  SealedLedger ledger;
  auto run = ledger.run();
  EXPECT_EQ(run->seals->open_epoch(), 1U);
  run->record(3);
  run->stop();
  EXPECT_EQ(run->seals->open_epoch(), 0U);
  EXPECT_EQ(events_in(ledger.state_dir(), 1), "open1 close1");
  const SealBody close = seals_in(ledger.state_dir(), 1).back();
  EXPECT_EQ(close.totals.records, 3U);
  ASSERT_EQ(close.producers.size(), 1U);
  EXPECT_EQ(close.producers[0].last_ring_sequence, 3U);
  const VerifyReport report = ledger.verify(run->last());
  EXPECT_EQ(seals_of(report).verdict, Verdict::kProven) << seals_of(report).text;
  EXPECT_TRUE(seals_of(report).required);
  EXPECT_EQ(report.exit_code(), 0);
}

TEST(Seals, TheEpochThatACrashLeftOpenIsClosedByItsOwnKeyAtTheNextStart) {
  SealedLedger ledger;
  auto run = ledger.run();
  run->record(3);
  run->writer.sync();
  run.reset();
  run = ledger.run();
  EXPECT_EQ(run->seals->open_epoch(), 2U);
  run->record(1);
  run->stop();
  EXPECT_EQ(events_in(ledger.state_dir(), 1), "open1 close1 open2 close2");
  const VerifyReport report = ledger.verify(run->last());
  EXPECT_EQ(seals_of(report).verdict, Verdict::kProven) << seals_of(report).text;
}

TEST(Seals, AnEpochWhoseKeyIsLostIsNeverClosedAndTheVerdictSaysSo) {
  SealedLedger ledger;
  auto run = ledger.run();
  run->record(3);
  run->writer.sync();
  run.reset();
  std::filesystem::remove(ledger.key_file(1));
  run = ledger.run();
  EXPECT_EQ(run->seals->open_epoch(), 2U) << "the daemon starts all the same";
  run->stop();
  const VerifyReport report = ledger.verify(run->last());
  EXPECT_EQ(seals_of(report).verdict, Verdict::kNotEstablished);
  EXPECT_NE(seals_of(report).text.find("epoch 1 was never closed"), std::string::npos);
  EXPECT_EQ(report.exit_code(), 2);
}

TEST(Seals, KeysOfClosedEpochsAndOfOpeningsThatNeverWereAreErasedAtStart) {
  SealedLedger ledger;
  auto run = ledger.run();
  run->stop();
  EXPECT_TRUE(std::filesystem::exists(ledger.key_file(1)))
      << "the last checkpoint is still to come";
  EXPECT_TRUE(run->keys->create(7).ok());
  run.reset();
  run = ledger.run();
  EXPECT_FALSE(std::filesystem::exists(ledger.key_file(1)));
  EXPECT_FALSE(std::filesystem::exists(ledger.key_file(7)));
  EXPECT_TRUE(std::filesystem::exists(ledger.key_file(2)));
}

TEST(Seals, AtItsEndAnEpochIsClosedAndTheNextOneOpened) {
  SealedLedger ledger;
  SealOptions options;
  options.epoch = milliseconds(300);
  options.interval = std::chrono::hours(1);
  auto run = ledger.run(options, 8U << 20);
  int turns = 0;
  while (run->seals->open_epoch() < 3) {
    run->record(1);
    (void)run->step();
    ASSERT_LT(++turns, 10'000);
  }
  run->stop();
  EXPECT_EQ(events_in(ledger.state_dir(), 1), "open1 close1 open2 close2 open3 close3");
  const VerifyReport report = ledger.verify(run->last());
  EXPECT_EQ(seals_of(report).verdict, Verdict::kProven) << seals_of(report).text;
}

TEST(Seals, AnIdleTimeIsSealedToo) {
  SealedLedger ledger;
  SealOptions options;
  options.interval = milliseconds(50);
  auto run = ledger.run(options);
  run->record(2);
  int sealed = 0;
  for (int i = 0; sealed < 2; ++i) {
    sealed += run->step() ? 1 : 0;
    ASSERT_LT(i, 10'000);
  }
  run->stop();
  const auto seals = seals_in(ledger.state_dir(), 1);
  ASSERT_EQ(events_in(ledger.state_dir(), 1), "open1 interval1 interval1 close1");
  EXPECT_EQ(seals[1].totals.records, 2U);
  EXPECT_EQ(seals[2].producers, seals[1].producers) << "nothing happened between";
  EXPECT_EQ(ledger.verify(run->last()).exit_code(), 0);
}

TEST(Seals, EverySegmentStartsWithOneAndRecoveryNeedsNoOther) {
  SealedLedger ledger;
  auto run = ledger.run();
  while (test::segments_of(ledger.state_dir()).size() < 3) run->record(1);
  run->writer.sync();
  run.reset();
  const std::uint64_t last = test::segments_of(ledger.state_dir()).back();
  EXPECT_EQ(events_in(ledger.state_dir(), last).substr(0, 8), "segment1");
  run = ledger.run();
  EXPECT_EQ(run->seals->open_epoch(), 2U);
  run->stop();
  // As retention leaves it: the seal at the segment's head brings the epoch's certificate along.
  std::filesystem::remove(test::segment_path(ledger.state_dir(), 1));
  VerifyOptions options;
  options.keys = {ledger.key->verifier_key()};
  const auto report = verify_ledger(system_file_system(), ledger.state_dir(), options);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(seals_of(*report).verdict, Verdict::kProven) << seals_of(*report).text;
}

TEST(Seals, ASegmentThatBeganBetweenTwoEpochsDoesNotHideTheLastOne) {
  SealedLedger ledger;
  auto run = ledger.run();
  run->record(1);
  ASSERT_TRUE(run->seals->close(run->producers));
  const std::string filler = "{\"event\":\"" + std::string(4000, 'x') + "\"}";
  while (test::segments_of(ledger.state_dir()).size() < 2) {
    run->writer.body(EntryType::kRecovered, Subject{}, xase::proto::as_bytes(filler));
  }
  run->writer.sync();
  const std::uint64_t second = test::segments_of(ledger.state_dir()).back();
  EXPECT_EQ(events_in(ledger.state_dir(), second), "") << "it has no seal to go by";
  run.reset();
  run = ledger.run();
  EXPECT_EQ(run->seals->open_epoch(), 2U);
  run->stop();
  const VerifyReport report = ledger.verify(run->last());
  EXPECT_EQ(seals_of(report).verdict, Verdict::kProven) << seals_of(report).text;
}

TEST(Seals, AHeadThatWasMadeInAnOpenEpochBearsTheSignatureOfItsKey) {
  SealedLedger ledger;
  auto run = ledger.run();
  run->record(3);
  run->writer.sync();
  auto key = run->keys->load(1);
  ASSERT_TRUE(key.ok());
  const VerifyReport report = ledger.verify(run->last(), key->get());
  EXPECT_EQ(seals_of(report).verdict, Verdict::kProven) << seals_of(report).text;
  // Someone who has the ledger's key, and not the epoch's.
  const VerifyReport without = ledger.verify(run->last());
  EXPECT_EQ(seals_of(without).verdict, Verdict::kNotEstablished);
  EXPECT_NE(seals_of(without).text.find("its key did not sign the head"), std::string::npos);
  EXPECT_EQ(without.exit_code(), 2);
}

TEST(Seals, AnAnswerToARingThatIsGoneTellsNothingOfItsRecords) {
  SealedLedger ledger;
  auto run = ledger.run();
  run->record(1);
  test::Written elsewhere;
  elsewhere.sequence = 4;
  elsewhere.ring_id = LedgerWriter::ring(9);
  elsewhere.ring_sequence = 400;
  run->writer.receipt(elsewhere);
  run->writer.sync();
  run.reset();
  run = ledger.run();
  EXPECT_EQ(run->writer.recovery.rings.count(LedgerWriter::ring(9)), 0U);
  EXPECT_EQ(run->writer.recovery.rings.count(LedgerWriter::ring(1)), 1U);
}

TEST(Seals, WhoHasTheLedgersKeyAndNotTheEpochsCannotMakeAClosedEpochAnew) {
  SealedLedger ledger;
  auto run = ledger.run();
  run->record(4);
  run->stop();
  const std::uint64_t last = run->last();
  run.reset();
  TakenApart segment(ledger.state_dir(), 1);
  for (TakenApart::Piece& piece : segment.pieces) {
    if (piece.is_mark || xase::proto::decode_leaf(piece.leaf_bytes())->type != EntryType::kRecord) {
      continue;
    }
    constexpr std::string_view kValue = "approve";
    const auto at =
        std::search(piece.bytes.begin(), piece.bytes.end(), kValue.begin(), kValue.end(),
                    [](std::byte b, char c) { return std::to_integer<char>(b) == c; });
    ASSERT_NE(at, piece.bytes.end());
    *at = std::byte{'A'};
    break;
  }
  segment.chain_anew(1);
  segment.put_together();
  // verify() signs the whole anew with the ledger's own key: the thief has that.
  const VerifyReport report = ledger.verify(last);
  EXPECT_EQ(report.property(VerifyProperty::kChain).verdict, Verdict::kProven);
  EXPECT_EQ(report.property(VerifyProperty::kSigner).verdict, Verdict::kProven);
  EXPECT_EQ(seals_of(report).verdict, Verdict::kRefuted);
  EXPECT_EQ(seals_of(report).first_bad_sequence, last - 1) << "the closing seal";
  EXPECT_EQ(report.exit_code(), 1);
}

// What an attacker appends who has neither key.
class ForgedSeal : public testing::Test {
 protected:
  ForgedSeal() : run_(ledger_.run()) { run_->record(2); }

  SealBody seal(SealEvent event, std::uint64_t epoch) {
    return SealBody{epoch, event, run_->writer.ledger().state().totals, run_->producers, {}};
  }
  // Why it was refuted.
  std::string refuted(const SealBody& forged) {
    const std::uint64_t sequence =
        run_->writer.body(EntryType::kSeal, Subject{}, xase::proto::encode(forged));
    run_->writer.sync();
    const VerifyReport report = ledger_.verify(run_->last());
    EXPECT_EQ(seals_of(report).verdict, Verdict::kRefuted);
    EXPECT_EQ(seals_of(report).first_bad_sequence, sequence);
    return seals_of(report).text;
  }

  SealedLedger ledger_;
  std::unique_ptr<SealedLedger::Run> run_;
};

TEST_F(ForgedSeal, ACloseThatTheEpochsKeyDidNotSignIsRefuted) {
  SealBody forged = seal(SealEvent::kClose, 1);
  const ChainState& state = run_->writer.ledger().state();
  const auto other = test::new_key(ledger_.key->verifier_key().name);
  forged.note = *sign_note(xase::proto::closing_text(other->verifier_key().name, state.log_id, 1,
                                                     state.last_sequence + 1, state.head),
                           *other);
  EXPECT_NE(refuted(forged).find("did not sign"), std::string::npos);
}

TEST_F(ForgedSeal, ACloseThatWasSignedForAnotherPlaceIsRefuted) {
  SealBody forged = seal(SealEvent::kClose, 1);
  const ChainState& state = run_->writer.ledger().state();
  auto key = run_->keys->load(1);
  ASSERT_TRUE(key.ok());
  forged.note = *sign_note(xase::proto::closing_text(ledger_.key->verifier_key().name, state.log_id,
                                                     1, state.last_sequence + 2, state.head),
                           **key);
  EXPECT_NE(refuted(forged).find("did not sign"), std::string::npos);
}

TEST_F(ForgedSeal, AnEpochIsNotLeftOut) {
  SealBody forged = seal(SealEvent::kOpen, 3);
  EXPECT_NE(refuted(forged).find("the one before it was epoch 1"), std::string::npos);
}

TEST_F(ForgedSeal, AnEpochThatAnotherKeyCertifiedIsRefuted) {
  SealBody forged = seal(SealEvent::kOpen, 2);
  const auto other = test::new_key(ledger_.key->verifier_key().name);
  forged.note = *sign_note(
      xase::proto::epoch_text(other->verifier_key().name, run_->writer.ledger().state().log_id, 2,
                              test::verifier_key_text(*other)),
      *other);
  EXPECT_NE(refuted(forged).find("no KEY entry"), std::string::npos);
}

TEST_F(ForgedSeal, ACertificateOfAnotherEpochIsNoneOfThisOne) {
  SealBody forged = seal(SealEvent::kOpen, 2);
  forged.note = seals_in(ledger_.state_dir(), 1).front().note;
  EXPECT_NE(refuted(forged).find("malformed"), std::string::npos);
}

TEST_F(ForgedSeal, WrongTotalsAreRefuted) {
  SealBody forged = seal(SealEvent::kInterval, 1);
  ++forged.totals.records;
  EXPECT_NE(refuted(forged).find("it counts 3 records"), std::string::npos);
}

TEST_F(ForgedSeal, AProducersHiddenRecordsAreRefuted) {
  SealBody forged = seal(SealEvent::kInterval, 1);
  ASSERT_EQ(forged.producers.size(), 1U);
  forged.producers[0].last_ring_sequence = 5;
  EXPECT_NE(refuted(forged).find("it counts 5 records of producer"), std::string::npos);
}

TEST(EpochKeys, ErasingOverwritesTheBytesBeforeTheNameGoes) {
  SealedLedger ledger;
  auto run = ledger.run();
  const std::string kept = ledger.state_dir() + "/kept";
  std::filesystem::create_hard_link(ledger.key_file(1), kept);
  ASSERT_NE(test::read_text(kept).find("PRIVATE KEY"), std::string::npos);
  ASSERT_TRUE(run->keys->erase(1).ok());
  EXPECT_FALSE(std::filesystem::exists(ledger.key_file(1)));
  const std::string bytes = test::read_text(kept);
  EXPECT_FALSE(bytes.empty());
  EXPECT_EQ(bytes.find_first_not_of('\0'), std::string::npos);
  EXPECT_TRUE(run->keys->erase(1).ok()) << "erasing what is gone is no error";
}

}  // namespace
}  // namespace xased
