// Finding entries: with an index, without, and with one that is wrong.
#include "daemon/evidence/entry_finder.hpp"

#include <gtest/gtest.h>

#include "tests/daemon/evidence/proven_ledger.hpp"

namespace xased {
namespace {

using test::ProvenLedger;

constexpr std::uint64_t kRun = 16;

class EntryFinderTest : public testing::Test {
 protected:
  EntryFinder finder() const { return {system_file_system(), ledger_.state()}; }
  std::string index_file(std::uint64_t first) const {
    return index_directory(ledger_.state()) + "/" + index_name(first);
  }
  std::vector<std::uint64_t> index_files() const {
    return *list_index(system_file_system(), index_directory(ledger_.state()));
  }
  // All records and all answers are found; gives how many entries that had to read.
  std::uint64_t expect_all_found() const {
    EntryFinder finder = this->finder();
    for (std::uint64_t n = 1; n <= ledger_.records.size(); ++n) {
      const auto found = finder.records_of("loan-" + std::to_string(n));
      EXPECT_TRUE(found.ok());
      EXPECT_EQ(*found, std::vector{ledger_.record(n).sequence}) << "loan-" << n;
      const auto answer = finder.answer_to(*finder.entry(ledger_.record(n).sequence));
      EXPECT_TRUE(answer.ok());
      EXPECT_EQ(answer->has_value(), n != 3) << "loan-" << n;
      if (!*answer) continue;
      const auto erasable = (*answer)->erasable();
      const auto body = xase::proto::decode_receipt_body(erasable.parts[xase::proto::kRestPart]);
      EXPECT_EQ(body->record_sequence, ledger_.record(n).sequence);
      EXPECT_EQ((*answer)->leaf.type,
                n == 2 ? xase::proto::EntryType::kDeadLetter : xase::proto::EntryType::kReceipt);
    }
    EXPECT_EQ(*finder.records_of("loan-late"), std::vector{ledger_.late.sequence});
    EXPECT_TRUE(finder.records_of("loan")->empty());
    EXPECT_TRUE(finder.records_of("")->empty());
    EXPECT_EQ(*finder.last_sequence(), ledger_.last);
    return finder.entries_scanned();
  }

  ProvenLedger ledger_{60, 16384};  // several segments
};

TEST_F(EntryFinderTest, FindsEverythingWithoutAnIndex) {
  ASSERT_GT(list_segments(system_file_system(), ledger_.state() + "/journal")->size(), 2U);
  EXPECT_GT(expect_all_found(), ledger_.last);
}

TEST_F(EntryFinderTest, ReadsOnlyWhatIsNotYetInTheIndex) {
  const std::uint64_t indexed = ledger_.index(kRun);
  EXPECT_EQ(indexed, ledger_.last / kRun * kRun);
  EXPECT_EQ(index_files().size(), ledger_.last / kRun);
  EXPECT_GT(expect_all_found(), 0U);
  EntryFinder finder = this->finder();
  EXPECT_TRUE(finder.records_of("loan-17").ok());
  EXPECT_EQ(finder.entries_scanned(), ledger_.last - indexed);
}

TEST_F(EntryFinderTest, AMissingOrDamagedIndexFileIsReplacedByReading) {
  ledger_.index(kRun);
  const std::uint64_t all = expect_all_found();
  std::filesystem::remove(index_file(1));
  EXPECT_GT(expect_all_found(), all);
  for (const std::size_t at : {std::size_t{20}, std::size_t{4096 + 9}}) {
    test::ByteBuffer bytes = test::read_bytes(index_file(1 + kRun));
    bytes[at] ^= std::byte{1};
    test::write_bytes(index_file(1 + kRun), bytes);
    EXPECT_GT(expect_all_found(), all);
  }
  test::write_text(index_file(1 + 2 * kRun), "");
  expect_all_found();
  std::filesystem::remove_all(index_directory(ledger_.state()));
  expect_all_found();
}

TEST_F(EntryFinderTest, WhatAnIndexNamesIsBelievedOnlyOnceItIsRead) {
  // A sound file that sends loan-1 to the entry of loan-5, and its answer to that one's.
  Sha256 sha;
  std::vector<IndexPair> transactions{{transaction_key(sha, "loan-1"), ledger_.record(5).sequence},
                                      {transaction_key(sha, "loan-5"), ledger_.record(5).sequence},
                                      {transaction_key(sha, "loan-6"), 1'000'000}};
  std::vector<IndexPair> answers{{ledger_.record(5).sequence, ledger_.last}};
  ASSERT_TRUE(system_file_system().make_directory(index_directory(ledger_.state()), 0700).ok());
  ASSERT_TRUE(write_index(system_file_system(), index_directory(ledger_.state()),
                          {{}, 1, ledger_.last, {}}, transactions, answers)
                  .ok());
  EntryFinder finder = this->finder();
  EXPECT_TRUE(finder.records_of("loan-1")->empty());
  EXPECT_TRUE(finder.records_of("loan-6")->empty());
  EXPECT_EQ(*finder.records_of("loan-5"), std::vector{ledger_.record(5).sequence});
  EXPECT_FALSE(finder.answer_to(*finder.entry(ledger_.record(5).sequence))->has_value());
}

TEST_F(EntryFinderTest, OfSeveralRecordsWithOneIdAllAreFoundUpToTheLimit) {
  std::vector<std::uint64_t> wanted;
  for (std::size_t i = 0; i < EntryFinder::kRecordsMax + 4; ++i) {
    const auto one = ledger_.writer().record(ProvenLedger::ring(), test::record_with("twice"));
    if (i >= 4) wanted.push_back(one.sequence);
  }
  ledger_.writer().sync();
  EXPECT_EQ(*finder().records_of("twice"), wanted);
  ledger_.last = wanted.back();
  ledger_.index(8);
  EXPECT_EQ(*finder().records_of("twice"), wanted);
}

TEST_F(EntryFinderTest, AReceiptCountsMoreThanTheDeadLetterBeforeIt) {
  const auto& record = ledger_.record(2);
  ledger_.writer().dead_letter(record, /*retry=*/true);
  EntryFinder finder = this->finder();
  ledger_.writer().sync();
  // An operator's wish is no answer: the last one still stands.
  auto answer = finder.answer_to(*finder.entry(record.sequence));
  EXPECT_EQ((*answer)->leaf.type, xase::proto::EntryType::kDeadLetter);
  EXPECT_LT((*answer)->leaf.sequence, ledger_.size);
  const std::uint64_t receipt = ledger_.writer().receipt(record);
  ledger_.writer().sync();
  answer = finder.answer_to(*finder.entry(record.sequence));
  EXPECT_EQ((*answer)->leaf.sequence, receipt);
}

TEST_F(EntryFinderTest, AnEntryThatIsNotThereIsNotFound) {
  EXPECT_EQ(finder().entry(0).status().code(), Code::kNotFound);
  EXPECT_EQ(finder().entry(ledger_.last + 1).status().code(), Code::kNotFound);
  EntryFinder nowhere(system_file_system(), ledger_.state() + "/none");
  EXPECT_EQ(nowhere.entry(1).status().code(), Code::kNotFound);
  EXPECT_EQ(nowhere.records_of("loan-1").status().code(), Code::kNotFound);
}

TEST_F(EntryFinderTest, DamageElsewhereHidesNothing) {
  const std::string journal = ledger_.state() + "/journal/";
  test::ByteBuffer bytes = test::read_bytes(journal + segment_name(1));
  // Inside of entry 1, before all that is looked for.
  for (std::size_t i = 0; i < 32; ++i) bytes[4096 + 64 + i] = std::byte{0};
  test::write_bytes(journal + segment_name(1), bytes);
  expect_all_found();
  EXPECT_EQ(finder().entry(1).status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace xased
