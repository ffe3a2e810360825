#include "daemon/ledger/chain.hpp"

#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <set>

#include "proto/entry_body.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/records.hpp"
#include "tests/support/seeded_random.hpp"

namespace xased {
namespace {

using test::ManualClock;
using test::numbered_record;
using test::SeededRandom;
using xase::proto::Bytes;
using xase::proto::EntryType;
using xase::proto::Hash;
using xase::proto::Id;

// SHA-256 by the one-shot call, over pieces put together by hand: shares nothing with the code
// under test.
Hash sha256_of(const std::vector<std::byte>& bytes) {
  Hash hash{};
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(hash.data()));
  return hash;
}

void append(std::vector<std::byte>& to, Bytes bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

Hash leaf_hash_by_hand(Bytes leaf) {
  std::vector<std::byte> bytes{std::byte{0}};
  append(bytes, leaf);
  return sha256_of(bytes);
}

Hash commitment_by_hand(std::size_t part, Bytes salt, Bytes data) {
  if (data.empty()) return Hash{};
  std::vector<std::byte> bytes;
  append(bytes, xase::proto::as_bytes("XASECMT1"));
  bytes.push_back(static_cast<std::byte>(part));
  append(bytes, salt);
  for (int i = 0; i < 8; ++i) {
    bytes.push_back(static_cast<std::byte>((std::uint64_t{data.size()} >> (8 * i)) & 0xffU));
  }
  append(bytes, data);
  return sha256_of(bytes);
}

class ChainTest : public testing::Test {
 protected:
  ChainState state_ = [] {
    ChainState state;
    state.log_id = {std::byte{0xaa}};
    return state;
  }();
  ManualClock clock_;
  SeededRandom random_;
  std::vector<std::byte> out_;

  std::vector<xase::proto::Frame> frames() const {
    std::vector<xase::proto::Frame> frames;
    Bytes left = out_;
    while (!left.empty()) {
      const auto result = xase::proto::decode_frame(left);
      EXPECT_EQ(result.fault, xase::proto::FrameFault::kNone);
      if (result.fault != xase::proto::FrameFault::kNone) break;
      frames.push_back(result.frame);
      left = left.subspan(result.frame.bytes);
    }
    return frames;
  }
};

TEST_F(ChainTest, LinksEachEntryToTheOneBeforeByTheHashOfItsLeaf) {
  Chain chain(state_, clock_, random_);
  Hash head{};
  for (std::uint64_t n = 1; n <= 50; ++n) {
    if (n % 3 == 0) {
      chain.append_body(EntryType::kStart, Subject{}, xase::proto::as_bytes("{}"), out_);
    } else {
      chain.append_record(Subject{}, numbered_record(n), out_);
    }
  }
  chain.seal(out_);
  std::uint64_t sequence = 0;
  for (const auto& frame : frames()) {
    const auto leaf = xase::proto::decode_leaf(frame.leaf);
    ASSERT_TRUE(leaf.has_value());
    EXPECT_EQ(leaf->sequence, ++sequence);
    EXPECT_EQ(frame.sequence, sequence);
    EXPECT_EQ(leaf->previous, head);
    EXPECT_EQ(leaf->log_id, state_.log_id);
    head = leaf_hash_by_hand(frame.leaf);
  }
  EXPECT_EQ(sequence, 50U);
  EXPECT_EQ(chain.state().head, head);
  EXPECT_EQ(chain.state().last_sequence, 50U);
}

TEST_F(ChainTest, MakesTheSameOfEntriesThatAreSealedAtOnceAndOneByOne) {
  // More than are hashed side by side, of all sizes, records and others; both draw the same salts.
  SeededRandom same_random(7);
  SeededRandom other_random(7);
  Chain at_once(state_, clock_, same_random);
  Chain one_by_one(state_, clock_, other_random);
  std::vector<std::byte> other;
  for (std::uint64_t n = 1; n <= 200; ++n) {
    const auto record = numbered_record(n, n * 37 % 3000);
    const std::string body(n * 13 % 700, 'b');
    at_once.append_record(Subject{}, record, out_);
    at_once.append_body(EntryType::kStop, Subject{}, xase::proto::as_bytes(body), out_);
    one_by_one.append_record(Subject{}, record, other);
    one_by_one.seal(other);
    one_by_one.append_body(EntryType::kStop, Subject{}, xase::proto::as_bytes(body), other);
    one_by_one.seal(other);
    EXPECT_EQ(at_once.last_sequence(), one_by_one.last_sequence());
  }
  at_once.seal(out_);
  EXPECT_EQ(out_, other);
  EXPECT_EQ(at_once.state().head, one_by_one.state().head);
}

TEST_F(ChainTest, CommitsToEachPartOfARecordAlone) {
  Chain chain(state_, clock_, random_);
  test::RecordMaker maker;
  maker.with(xase::proto::Span::kContext, R"({"tenant":"a"})")
      .with(xase::proto::Span::kTransactionId, "txn-1");
  const auto record = maker.encode();
  chain.append_record(Subject{}, record, out_);
  chain.seal(out_);
  const auto all = frames();
  ASSERT_EQ(all.size(), 1U);
  const auto leaf = xase::proto::decode_leaf(all[0].leaf);
  const auto erasable = xase::proto::decode_erasable(all[0].erasable);
  ASSERT_TRUE(leaf && erasable);
  EXPECT_EQ(xase::proto::as_text(erasable->parts[0]), maker.input);
  EXPECT_EQ(xase::proto::as_text(erasable->parts[1]), maker.output);
  EXPECT_EQ(xase::proto::as_text(erasable->parts[2]), R"({"tenant":"a"})");
  for (std::size_t i = 0; i < xase::proto::kParts; ++i) {
    EXPECT_EQ(leaf->commitments[i], commitment_by_hand(i, erasable->salts[i], erasable->parts[i]));
  }
  const auto fields = xase::proto::decode_record_parts(*erasable);
  ASSERT_TRUE(fields.has_value());
  EXPECT_EQ(fields->span(xase::proto::Span::kInput), maker.input);
  EXPECT_EQ(fields->span(xase::proto::Span::kTransactionId), "txn-1");
}

TEST_F(ChainTest, CommitsToAnAbsentPartAsZero) {
  Chain chain(state_, clock_, random_);
  chain.append_record(Subject{}, numbered_record(1), out_);
  chain.seal(out_);
  EXPECT_EQ(xase::proto::decode_leaf(frames()[0].leaf)->commitments[2], Hash{});
}

TEST_F(ChainTest, CommitsToABodyAsTheRestAndToNothingElse) {
  Chain chain(state_, clock_, random_);
  chain.append_body(EntryType::kStop, Subject{}, xase::proto::as_bytes("body"), out_);
  chain.seal(out_);
  const auto frame = frames()[0];
  const auto leaf = xase::proto::decode_leaf(frame.leaf);
  const auto erasable = xase::proto::decode_erasable(frame.erasable);
  EXPECT_EQ(leaf->commitments[3],
            commitment_by_hand(3, erasable->salts[3], xase::proto::as_bytes("body")));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(leaf->commitments[i], Hash{});
}

TEST_F(ChainTest, NeverUsesASaltTwice) {
  Chain chain(state_, clock_, random_);
  std::set<Id> salts;
  std::size_t count = 0;
  for (std::uint64_t n = 0; n < 500; ++n) {
    chain.append_record(Subject{}, numbered_record(n), out_);
    chain.append_body(EntryType::kStop, Subject{}, xase::proto::as_bytes("x"), out_);
  }
  chain.seal(out_);
  for (const auto& frame : frames()) {
    const auto erasable = xase::proto::decode_erasable(frame.erasable);
    for (const Id& salt : erasable->salts) {
      if (salt == Id{}) continue;
      salts.insert(salt);
      ++count;
    }
  }
  EXPECT_EQ(count, 500U * 5);
  EXPECT_EQ(salts.size(), count);
}

TEST_F(ChainTest, WritesWhomAnEntryIsAbout) {
  Chain chain(state_, clock_, random_);
  Subject subject;
  subject.ring_id = {std::byte{7}};
  subject.ring_sequence = 42;
  subject.stamp_ns = 99;
  subject.uid = 1000;
  subject.pid = 4321;
  chain.append_record(subject, numbered_record(1), out_);
  chain.seal(out_);
  const auto leaf = xase::proto::decode_leaf(frames()[0].leaf);
  EXPECT_EQ(leaf->ring_id, subject.ring_id);
  EXPECT_EQ(leaf->ring_sequence, 42U);
  EXPECT_EQ(leaf->stamp_ns, 99);
  EXPECT_EQ(leaf->uid, 1000U);
  EXPECT_EQ(leaf->pid, 4321U);
  EXPECT_EQ(leaf->wall_ns, clock_.wall_ns());
  EXPECT_EQ(leaf->boot_ns, clock_.boot_ns());
  EXPECT_EQ(leaf->boot_id, clock_.boot_id());
}

TEST_F(ChainTest, ReadsTheClockOncePerBatch) {
  Chain chain(state_, clock_, random_);
  const std::int64_t before = clock_.wall_ns();
  clock_.advance(std::chrono::seconds(1));
  chain.append_record(Subject{}, numbered_record(1), out_);
  chain.seal(out_);
  chain.start_batch();
  chain.append_record(Subject{}, numbered_record(2), out_);
  chain.seal(out_);
  const auto all = frames();
  EXPECT_EQ(xase::proto::decode_leaf(all[0].leaf)->wall_ns, before);
  EXPECT_EQ(xase::proto::decode_leaf(all[1].leaf)->wall_ns, before + 1'000'000'000);
}

TEST_F(ChainTest, SaysBeforehandHowManyBytesAnEntryTakes) {
  Chain chain(state_, clock_, random_);
  for (std::size_t size = 0; size < 40; ++size) {
    out_.clear();
    const auto record = numbered_record(1, size);
    chain.append_record(Subject{}, record, out_);
    EXPECT_EQ(out_.size(), Chain::record_frame_bytes(record.size()));
    chain.seal(out_);
    out_.clear();
    const std::string body(size, 'b');
    chain.append_body(EntryType::kStop, Subject{}, xase::proto::as_bytes(body), out_);
    EXPECT_EQ(out_.size(), Chain::body_frame_bytes(size));
    chain.seal(out_);
  }
}

TEST_F(ChainTest, TakesTheLargestRecordAndTheLargestRejectedOne) {
  Chain chain(state_, clock_, random_);
  const auto record = numbered_record(1, xase::proto::kRecordBytesMax - numbered_record(1).size());
  ASSERT_EQ(record.size(), xase::proto::kRecordBytesMax);
  chain.append_record(Subject{}, record, out_);
  xase::proto::RejectedBody rejected;
  rejected.text = std::string_view("why");
  rejected.masked_record = record;
  chain.append_body(EntryType::kRejected, Subject{}, xase::proto::encode(rejected), out_);
  chain.seal(out_);
  EXPECT_EQ(frames().size(), 2U);
}

xase::proto::LedgerTotals totals_after(EntryType type, Bytes body) {
  xase::proto::LedgerTotals totals;
  count_entry(type, body, totals);
  return totals;
}

TEST(CountEntry, CountsRecordsAndWhatBecameOfThem) {
  EXPECT_EQ(totals_after(EntryType::kRecord, {}).records, 1U);
  EXPECT_EQ(totals_after(EntryType::kRejected, {}).rejected, 1U);
  xase::proto::ReceiptBody receipt;
  receipt.flags = xase::proto::kReceiptReplayed | xase::proto::kReceiptPossibleDuplicate;
  const auto totals = totals_after(EntryType::kReceipt, xase::proto::encode(receipt));
  EXPECT_EQ(totals.receipts, 1U);
  EXPECT_EQ(totals.replayed, 1U);
  EXPECT_EQ(totals.possible_duplicates, 1U);
  EXPECT_EQ(totals_after(EntryType::kDeadLetter, xase::proto::encode(receipt)).dead_letters, 1U);
  receipt.action = xase::proto::ReceiptAction::kRetryRequested;
  EXPECT_EQ(totals_after(EntryType::kDeadLetter, xase::proto::encode(receipt)).retries, 1U);
}

TEST(CountEntry, DoesNotWrapAroundOnANonsenseGap) {
  xase::proto::LedgerTotals totals;
  xase::proto::GapBody gap;
  gap.count = UINT64_MAX - 1;
  const auto body = xase::proto::encode(gap);
  count_entry(EntryType::kGap, body, totals);
  count_entry(EntryType::kGap, body, totals);
  EXPECT_EQ(totals.gaps, 2U);
  EXPECT_EQ(totals.missing, UINT64_MAX);
}

}  // namespace
}  // namespace xased
