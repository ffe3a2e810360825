// Entries that the journal lost before they were in the tree.
#include "daemon/ledger/tree/lost_leaves.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "daemon/ledger/tree/leaf_walk.hpp"
#include "daemon/ledger/tree/tile_files.hpp"
#include "proto/lost_leaf.hpp"
#include "tests/daemon/ledger/tree/keeper_rig.hpp"

namespace xased {
namespace {

using std::chrono::seconds;
using xase::proto::Bytes;
using xase::proto::Checkpoint;
using xase::proto::Hash;

// Counted from the leaf on: a byte of it, and one of the payload behind it.
constexpr std::uint64_t kInLeaf = 100;
constexpr std::uint64_t kInPayload = xase::proto::kLeafBytes + 60;

class LostLeaves : public test::TreeKeeperTest {
 protected:
  LostLeaves() { rig_.options.journal.segment_bytes = 64U << 10; }

  // What is durable, and was not kept before: none of it is damaged yet.
  void keep() {
    for (const test::KeptEntry& entry : rig_.read(rig_.durable()).entries) {
      if (entry.leaf.sequence > kept_.size()) kept_.push_back(entry);
    }
  }
  void damage(std::uint64_t sequence, std::uint64_t at) {
    for (const std::string& segment : rig_.segments()) {
      const std::vector<std::byte> bytes = rig_.fs.bytes(segment);
      for (std::size_t leaf = 0; leaf + xase::proto::kLeafBytes <= bytes.size(); leaf += 8) {
        const auto found =
            xase::proto::decode_leaf(Bytes(bytes).subspan(leaf, xase::proto::kLeafBytes));
        if (found && found->sequence == sequence) rig_.fs.damage(segment, leaf + at);
      }
    }
  }
  // The root over what was kept and what the journal has by now, with lost leaves in the place of
  // these.
  Hash expected_root(const std::set<std::uint64_t>& lost) {
    std::vector<test::KeptEntry> all = kept_;
    for (const test::KeptEntry& entry : rig_.read(rig_.durable()).entries) {
      if (entry.leaf.sequence > kept_.size()) all.push_back(entry);
    }
    xase::proto::TreeFrontier frontier;
    Sha256 sha;
    Hash last{};
    for (const test::KeptEntry& entry : all) {
      LeafBytes leaf;
      std::copy(entry.leaf_bytes.begin(), entry.leaf_bytes.end(), leaf.begin());
      if (lost.contains(entry.leaf.sequence)) {
        xase::proto::encode_lost_leaf({entry.leaf.log_id, entry.leaf.sequence, last}, leaf.data());
      }
      last = xase::proto::leaf_hash(sha, leaf);
      frontier.append(sha, last);
    }
    return frontier.root(sha);
  }
  // The head covers all, with those alone lost.
  void expect_lost(const std::set<std::uint64_t>& lost) {
    const Checkpoint now = head();
    EXPECT_EQ(now.size, rig_.durable());
    EXPECT_EQ(now.root, expected_root(lost));
    const auto found = check_tiles(rig_.fs, kTree, now.size, now.root);
    ASSERT_TRUE(found.ok());
    EXPECT_TRUE(found->sound());
    EXPECT_EQ(found->lost, lost.size());
    EXPECT_EQ(found->first_lost, lost.empty() ? 0 : *lost.begin());
    EXPECT_FALSE(keeper_->counters().is_stalled.load());
    EXPECT_EQ(keeper_->counters().disagreements.load(), 0U);
  }

  std::vector<test::KeptEntry> kept_;
};

TEST_F(LostLeaves, StandForEntriesThatWereLostBeforeTheyWereInTheTree) {
  rig_.add_durably(1, 20);
  keep();
  damage(10, kInLeaf);
  run();
  expect_lost({10});
  EXPECT_EQ(keeper_->counters().lost.load(), 1U);
  rig_.add_durably(21, 40);
  ASSERT_TRUE(keeper_->finish().ok());
  expect_lost({10});
}

TEST_F(LostLeaves, AreNotNeededWhereTheLeafIsWhole) {
  rig_.add_durably(1, 20);
  keep();
  for (const std::uint64_t sequence : {1U, 7U, 8U, 9U, 15U}) damage(sequence, kInPayload);
  run();
  expect_lost({});
  EXPECT_EQ(keeper_->counters().lost.load(), 0U);
}

// Whatever of a run of frames is damaged, and how: of a leaf that is whole, those behind it show
// whether it is the right one, as far as they are whole themselves.
TEST_F(LostLeaves, OfARunAreThoseUpToTheLastThatCannotBeShown) {
  constexpr std::uint64_t kFirst = 5;
  constexpr unsigned kRun = 4;
  constexpr unsigned kWays = 3;  // sound, payload damaged, leaf damaged
  for (unsigned way = 1; way < kWays * kWays * kWays * kWays; ++way) {
    SCOPED_TRACE(way);
    const std::uint64_t before = rig_.durable();
    rig_.add_durably(way * 100, way * 100 + 10);
    keep();
    // Damage that is not next to other damage is a run of its own.
    std::set<std::uint64_t> lost;
    std::set<std::uint64_t> run_so_far;
    unsigned left = way;
    for (unsigned i = 0; i < kRun; ++i, left /= kWays) {
      const std::uint64_t sequence = before + kFirst + i;
      if (left % kWays == 0) run_so_far.clear();
      if (left % kWays == 1) {
        damage(sequence, kInPayload);
        run_so_far.insert(sequence);
      }
      if (left % kWays == 2) {
        damage(sequence, kInLeaf);
        run_so_far.insert(sequence);
        lost.merge(run_so_far);
        run_so_far.clear();
      }
    }
    run();
    const Checkpoint now = head();
    ASSERT_EQ(now.size, rig_.durable());
    const auto found = check_tiles(rig_.fs, kTree, now.size, now.root);
    ASSERT_TRUE(found.ok());
    EXPECT_TRUE(found->sound());
    std::set<std::uint64_t> in_tree;
    Status stopped;
    ASSERT_TRUE(walk_leaves(
                    rig_.fs, kTree, now.size, now.size,
                    [&](Bytes leaf, const Hash&) {
                      const auto one = xase::proto::decode_lost_leaf(leaf);
                      if (one && one->sequence > before) in_tree.insert(one->sequence);
                      return Status();
                    },
                    stopped)
                    .ok());
    ASSERT_TRUE(stopped.ok()) << stopped.message();
    ASSERT_EQ(in_tree, lost);
  }
}

TEST_F(LostLeaves, WaitForWhatComesBehindThem) {
  rig_.add_durably(1, 20);
  run();
  const Checkpoint before = head();
  rig_.add_durably(21, 25);
  keep();
  const std::uint64_t last = rig_.durable();
  damage(last, kInPayload);
  damage(last - 1, kInLeaf);
  run();
  EXPECT_EQ(head().size, last - 2) << "what comes before them is signed";
  EXPECT_GT(head().size, before.size);
  ASSERT_TRUE(keeper_->finish().ok());
  rig_.add_durably(26, 26);
  run();
  expect_lost({last - 1});
}

TEST_F(LostLeaves, OfWholeSegmentsToo) {
  std::uint64_t number = 1;
  for (; rig_.segments().size() < 3; number += 20) rig_.add_durably(number, number + 19);
  rig_.add_durably(number, number + 9);
  keep();
  const std::vector<std::string> segments = rig_.segments();
  const std::uint64_t first = rig_.frames(segments.at(1)).front().sequence;
  const std::uint64_t behind = rig_.frames(segments.at(2)).front().sequence;
  ASSERT_TRUE(rig_.fs.remove(segments.at(1)).ok());
  run();
  const std::vector<std::uint64_t> lost = test::numbers(first, behind - 1);
  expect_lost({lost.begin(), lost.end()});
}

TEST_F(LostLeaves, AreMadeAgainTheSameOfTheJournalAlone) {
  rig_.add_durably(1, 300);
  keep();
  damage(100, kInLeaf);
  damage(101, kInPayload);
  damage(280, kInPayload);
  run();
  expect_lost({100});
  restart();
  ASSERT_TRUE(rig_.fs.rename(kTree, "state/elsewhere").ok());
  EXPECT_EQ(must_open(), "");
  run();
  expect_lost({100});
}

// The tree's files are damaged: they are made again with the leaves that were signed.
TEST_F(LostLeaves, AreKeptWhereTheTreeIsMadeAgain) {
  rig_.add_durably(1, 300);
  keep();
  damage(100, kInLeaf);
  damage(290, kInLeaf);
  run();
  expect_lost({100, 290});
  for (const char* file : {"0/000", "entries/000", "0/001.p/", "entries/001.p/"}) {
    SCOPED_TRACE(file);
    const std::uint64_t size = head().size;
    ASSERT_LT(size, 512U);
    const std::string part = "0/001.p/" + std::to_string(size - 256);
    std::string path = std::string("state/tree/tile/") + file;
    if (path.ends_with("/")) path += std::to_string(size - 256);
    keeper_.reset();
    rig_.fs.damage(path, 40);
    // A start looks at the right edge, and then at all.
    if (!path.ends_with(part)) rig_.fs.damage("state/tree/tile/" + part, 40);
    restart();
    EXPECT_EQ(must_open(), "");
    run();
    expect_lost({100, 290});
  }
}

// What was signed is neither in the journal nor in the tree: nothing may be signed in its place.
TEST_F(LostLeaves, DoNotTakeThePlaceOfWhatWasSigned) {
  rig_.add_durably(1, 300);
  run();
  expect_covered();
  keep();
  const Checkpoint before = head();
  keeper_.reset();
  rig_.stop();
  damage(100, kInLeaf);
  const auto bundle = rig_.fs.bytes("state/tree/tile/entries/000");
  rig_.fs.damage("state/tree/tile/entries/000", 99 * xase::proto::kBundleLeafBytes + 60);
  // The partial tiles are what a start looks at.
  const std::string part = "state/tree/tile/0/001.p/" + std::to_string(before.size - 256);
  rig_.fs.damage(part, 40);
  rig_.must_start();
  rig_.run_sync();
  EXPECT_EQ(must_open(), "");
  run();
  EXPECT_TRUE(keeper_->counters().is_stalled.load());
  EXPECT_EQ(head().size, before.size);
  EXPECT_EQ(head().root, before.root);
  // With a copy of the tree's file it goes on.
  restart();
  rig_.fs.put("state/tree/tile/entries/000", bundle);
  EXPECT_EQ(must_open(), "");
  run();
  expect_lost({});
}

// The tree's own leaf is another than was signed, and fits its neighbours.
TEST_F(LostLeaves, AreNotTakenFromTheTreeWhereItsRootSaysOtherwise) {
  rig_.add_durably(1, 300);
  keep();
  damage(100, kInLeaf);
  run();
  const Checkpoint before = head();
  keeper_.reset();
  rig_.stop();
  const std::string file = "state/tree/tile/entries/000";
  auto bundle = rig_.fs.bytes(file);
  // A leaf in the place of the lost one, chained to the one before.
  std::byte* const at = bundle.data() + 99 * xase::proto::kBundleLeafBytes + 2;
  xase::proto::Leaf forged = kept_.at(99).leaf;
  forged.wall_ns += 1;
  xase::proto::encode_leaf(forged, at);
  // Then the entry behind it, which does not fit it any more, is of the journal.
  rig_.fs.put(file, bundle);
  rig_.fs.damage("state/tree/tile/0/001.p/" + std::to_string(before.size - 256), 40);
  rig_.must_start();
  rig_.run_sync();
  EXPECT_EQ(must_open(), "");
  run();
  EXPECT_TRUE(keeper_->counters().is_stalled.load());
  EXPECT_EQ(head().root, before.root);
}

// A tree without a head has what the journal lost: nothing else may take its place.
TEST_F(LostLeaves, AreNotNeededWhereAnEarlierTreeHasTheLeaf) {
  rig_.add_durably(1, 300);
  run();
  expect_covered();
  keep();
  keeper_.reset();
  rig_.stop();
  damage(100, kInLeaf);
  ASSERT_TRUE(rig_.fs.remove("state/tree/checkpoint").ok());
  rig_.must_start();
  rig_.run_sync();
  EXPECT_EQ(must_open(), "");
  run();
  expect_lost({});
  // Nor where the head is garbage, and the tree set aside.
  keeper_.reset();
  rig_.fs.put("state/tree/checkpoint", std::vector<std::byte>(100, std::byte{'x'}));
  EXPECT_NE(must_open(), "");
  run();
  EXPECT_EQ(head().root, expected_root({}));
}

// The tile files are gone, and a head is there that has lost leaves under it.
TEST_F(LostLeaves, AreMadeAgainUnderTheHeadThatCoversThem) {
  rig_.add_durably(1, 300);
  keep();
  damage(100, kInLeaf);
  damage(101, kInPayload);
  run();
  const Checkpoint before = head();
  restart();
  ASSERT_TRUE(rig_.fs.rename("state/tree/tile", "state/elsewhere").ok());
  EXPECT_EQ(must_open(), "");
  run();
  expect_lost({100});
  EXPECT_GT(head().size, before.size);
}

// The last entry is damaged behind its head: what a start writes goes on from the tree's leaf.
TEST_F(LostLeaves, AreNotNeededBehindAHeadOverTheLastEntry) {
  for (const std::uint64_t count : {1U, 2U}) {
    rig_.add_durably(1, 20);
    run();
    keep();
    const std::uint64_t last = rig_.durable();
    ASSERT_EQ(head().size, last);
    for (std::uint64_t n = 0; n < count; ++n) damage(last - n, kInPayload);
    restart();
    ASSERT_EQ(rig_.recovery.damage.size(), 1U);
    EXPECT_EQ(must_open(), "");
    rig_.add_durably(21, 30);
    run();
    EXPECT_EQ(head().size, rig_.durable());
    EXPECT_FALSE(keeper_->counters().is_stalled.load());
    EXPECT_EQ(head().root, expected_root({}));
  }
}

TEST_F(LostLeaves, SurviveAnyCallThatFails) {
  std::uint64_t number = 0;
  std::set<std::uint64_t> lost;
  constexpr std::array<test::FsCall, 5> kCalls{test::FsCall::kOpen, test::FsCall::kRead,
                                               test::FsCall::kWrite, test::FsCall::kSync,
                                               test::FsCall::kRename};
  for (const test::FsCall call : kCalls) {
    for (std::uint64_t nth = 1; nth <= 12; ++nth) {
      SCOPED_TRACE(std::to_string(static_cast<int>(call)) + " " + std::to_string(nth));
      rig_.add_durably(number + 1, number + 10);
      number += 10;
      keep();
      lost.insert(rig_.durable() - 5);
      damage(rig_.durable() - 5, kInLeaf);
      damage(rig_.durable() - 4, kInPayload);
      rig_.fs.fail(call, EIO, nth, false, "");
      for (int i = 0; i < 10; ++i) {
        (void)keeper_->step();
        rig_.clock.advance(seconds(2));
      }
      rig_.fs.heal();
      run();
      ASSERT_EQ(head().size, rig_.durable());
    }
  }
  EXPECT_GT(rig_.fs.faults_struck(), 30U);
  expect_lost(lost);
}

}  // namespace
}  // namespace xased
