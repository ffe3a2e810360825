// A torn tail is cut off as a whole or not at all, wherever the start that cuts it dies.
#include "daemon/ledger/torn_tail.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "tests/daemon/ledger/recovery_rig.hpp"
#include "tests/support/temp_dir.hpp"

namespace xased {
namespace {

using test::FsCall;
using test::LedgerRig;
using xase::proto::kCommitMarkBytes;
using xase::proto::kFrameAlignment;

constexpr const char* kQuarantine = "state/quarantine";

std::vector<std::byte> some_bytes(std::size_t count, std::uint64_t seed) {
  test::SeededRandom random(seed);
  std::vector<std::byte> bytes(count);
  random.fill(bytes);
  bytes.back() |= std::byte{1};
  return bytes;
}

class TornTailTest : public RecoveryTest {
 protected:
  // The kept tails, and whatever else is in the quarantine.
  std::vector<std::string> kept() const { return rig_.fs.names(kQuarantine); }
  void empty_quarantine() {
    for (const std::string& name : kept()) rig_.fs.erase(std::string(kQuarantine) + "/" + name);
  }
  std::vector<std::byte> kept_bytes(const std::string& name) const {
    return rig_.fs.bytes(std::string(kQuarantine) + "/" + name);
  }

  // Puts `bytes` behind the last entry, as a torn write leaves them.
  TornTail tear(const std::vector<std::byte>& bytes) {
    const std::string path = last_segment();
    const auto frames = rig_.frames(path);
    TornTail tail;
    tail.segment = *parse_segment_name(path.substr(std::string("state/journal/").size()));
    tail.from = frames.back().offset + frames.back().bytes;
    tail.next_sequence = rig_.ledger->state().last_sequence + 1;
    tail.bytes = bytes;
    auto all = rig_.fs.bytes(path);
    std::copy(bytes.begin(), bytes.end(), all.begin() + static_cast<std::ptrdiff_t>(tail.from));
    rig_.fs.put(path, all);
    rig_.stop();
    return tail;
  }

  // A start that cuts a tail, and before that every way to die in it: each time what comes after is
  // what a start that does not die makes of it.
  void expect_the_same_wherever_it_dies() {
    const std::string path = last_segment();
    const auto torn = rig_.fs.bytes(path);
    const Recovery whole = recover();
    ASSERT_GT(whole.torn_bytes, 0U);
    const auto cut = rig_.fs.bytes(path);
    ASSERT_NE(cut, torn);
    ASSERT_EQ(kept().size(), 1U);
    const auto tail = kept_bytes(kept()[0]);
    ASSERT_EQ(tail.size(), whole.torn_bytes);

    constexpr std::uint64_t kWays = 8;  // the process dies; power fails, with what a seed keeps
    std::uint64_t deaths = 0;
    for (std::uint64_t nth = 1; deaths == (nth - 1) * kWays; ++nth) {
      for (std::uint64_t way = 0; way < kWays; ++way) {
        SCOPED_TRACE("call " + std::to_string(nth) + ", way " + std::to_string(way));
        rig_.fs.put(path, torn);
        empty_quarantine();
        rig_.fs.die_at(nth);
        static_cast<void>(recover_ledger(rig_.fs, LedgerRig::kState));
        if (rig_.fs.is_dead()) ++deaths;
        if (way == 0) {
          rig_.fs.restart();
        } else {
          rig_.fs.crash(way == 1 ? std::nullopt : std::optional(way));
        }
        const Recovery again = recover();
        ASSERT_EQ(again.chain.last_sequence, whole.chain.last_sequence);
        ASSERT_EQ(again.chain.head, whole.chain.head);
        ASSERT_EQ(again.tail.position, whole.tail.position);
        ASSERT_EQ(again.damage.size(), whole.damage.size());
        ASSERT_EQ(rig_.fs.bytes(path), cut);
        // What was cut off is in one file, under its own name.
        std::size_t files = 0;
        for (const std::string& name : kept()) {
          if (name.ends_with(".tmp")) continue;
          ASSERT_EQ(name.find("cutting"), std::string::npos) << name;
          ASSERT_EQ(kept_bytes(name), tail);
          ++files;
        }
        ASSERT_EQ(files, 1U);
      }
    }
    EXPECT_GE(deaths, 7 * kWays);
  }
};

TEST_F(TornTailTest, OfWholeEntriesBehindAHole) {
  rig_.add_durably(1, 4);
  for (std::uint64_t n = 5; n <= 7; ++n) ASSERT_NE(rig_.add(n, 1500), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  const std::string path = last_segment();
  const auto hole = entry_from_end(path, 3);
  rig_.fs.damage(path, hole.offset + 100);
  rig_.stop();
  expect_the_same_wherever_it_dies();
}

TEST_F(TornTailTest, ThatHoldsTheOnlyMark) {
  rig_.add_durably(1, 4);
  const std::string path = last_segment();
  for (std::uint64_t n = 5; n <= 6; ++n) ASSERT_NE(rig_.add(n), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  rig_.run_sync();
  const auto bad = entry_from_end(path, 2);
  // The mark that says that they were synced comes behind one that was not.
  ASSERT_NE(rig_.add(7, 2000), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  rig_.settle();
  ASSERT_TRUE(rig_.frames(path).back().is_mark);
  const auto torn = entry_from_end(path, 1);
  rig_.fs.damage(path, bad.offset + 200);
  rig_.fs.damage(path, torn.offset + 200);
  rig_.stop();
  expect_the_same_wherever_it_dies();
}

// Whatever the half that is left spells: here entries that a start would take.
TEST_F(TornTailTest, ThatHoldsEntriesThatWouldFollow) {
  rig_.add_durably(1, 4);
  const std::string path = last_segment();
  const auto before = rig_.fs.bytes(path);
  for (std::uint64_t n = 5; n <= 6; ++n) ASSERT_NE(rig_.add(n, 600), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  const auto first = entry_from_end(path, 2);
  const auto last = entry_from_end(path, 1);
  const auto written = rig_.fs.bytes(path);
  // Before them, and so hiding them, a frame that does not follow: the last of them.
  auto torn = before;
  auto to = torn.begin() + static_cast<std::ptrdiff_t>(first.offset);
  to = std::copy_n(written.begin() + static_cast<std::ptrdiff_t>(last.offset), last.bytes, to);
  std::copy_n(written.begin() + static_cast<std::ptrdiff_t>(first.offset), first.bytes, to);
  rig_.fs.put(path, torn);
  rig_.stop();
  expect_the_same_wherever_it_dies();
}

TEST_F(TornTailTest, IsAsItWasWhereThereIsNoRoomToKeepIt) {
  rig_.add_durably(1, 4);
  const TornTail tail = tear(some_bytes(3000, 1));
  const auto torn = rig_.fs.bytes(last_segment());
  for (const FsCall call :
       {FsCall::kMakeDirectory, FsCall::kOpen, FsCall::kWrite, FsCall::kSync, FsCall::kRename}) {
    for (std::uint64_t nth = 1; nth <= 2; ++nth) {
      rig_.fs.fail(call, ENOSPC, nth, false, "quarantine");
      const std::uint64_t struck = rig_.fs.faults_struck();
      const auto kept_tail = cut_torn_tail(rig_.fs, LedgerRig::kState, tail);
      const bool has_struck = rig_.fs.faults_struck() != struck;
      rig_.fs.heal();
      // The second rename is of a cut that is durable: it is ended by the next start.
      const bool is_cut = !has_struck || (call == FsCall::kRename && nth == 2);
      ASSERT_EQ(rig_.fs.bytes(last_segment()) != torn, is_cut);
      if (has_struck && !is_cut) {
        ASSERT_TRUE(kept_tail.ok()) << kept_tail.status().message();
        EXPECT_FALSE(kept_tail->has_value());
        // Nothing that the next start would take for a cut, and no half of a file.
        EXPECT_EQ(kept(), std::vector<std::string>{});
      } else {
        EXPECT_EQ(kept_tail.ok(), !has_struck);
      }
      rig_.fs.put(last_segment(), torn);
      empty_quarantine();
    }
  }
}

TEST_F(TornTailTest, IsCutLaterWhereItsFileIsThereAndTheSegmentCannotBeWritten) {
  rig_.add_durably(1, 4);
  const TornTail tail = tear(some_bytes(3000, 2));
  const auto torn = rig_.fs.bytes(last_segment());
  rig_.fs.fail(FsCall::kWrite, ENOSPC, 1, false, "journal/");
  rig_.fs.fail(FsCall::kSync, EIO, 1, false, "journal/");
  // No room for zeros: a start that went on behind the tail would leave a file that says otherwise.
  for (int i = 0; i < 2; ++i) {
    const auto failed = recover_ledger(rig_.fs, LedgerRig::kState);
    ASSERT_FALSE(failed.ok());
  }
  const auto recovered = recover_ledger(rig_.fs, LedgerRig::kState);
  ASSERT_TRUE(recovered.ok()) << recovered.status().message();
  EXPECT_EQ(recovered->torn_bytes, tail.bytes.size());
  EXPECT_EQ(rig_.fs.bytes(recovered->torn_saved_as), tail.bytes);
  EXPECT_NE(rig_.fs.bytes(last_segment()), torn);
}

TEST_F(TornTailTest, DoesNotTakeTheNameOfAnother) {
  rig_.add_durably(1, 4);
  const auto first = some_bytes(100, 3);
  const TornTail tail = tear(first);
  const Recovery once = recover();
  auto bytes = rig_.fs.bytes(last_segment());
  const auto second = some_bytes(50, 4);
  std::copy(second.begin(), second.end(), bytes.begin() + static_cast<std::ptrdiff_t>(tail.from));
  rig_.fs.put(last_segment(), bytes);
  const Recovery twice = recover();
  EXPECT_EQ(rig_.fs.bytes(once.torn_saved_as), first);
  EXPECT_EQ(rig_.fs.bytes(twice.torn_saved_as), second);
}

// Its file was renamed, power failed, and the disk shows the old name: the cut was durable, and
// entries may have been written there since.
TEST_F(TornTailTest, LeavesAloneWhatWasWrittenSince) {
  rig_.add_durably(1, 4);
  tear(some_bytes(1000, 5));
  rig_.must_start();
  const std::string name = kept().at(0);
  rig_.add_durably(5, 8);
  rig_.stop();
  const auto written = rig_.fs.bytes(last_segment());
  for (const char* ending : {".cutting", ".cutting-4-9000"}) {
    const auto tail = kept_bytes(name);
    empty_quarantine();
    rig_.fs.put(std::string(kQuarantine) + "/" + name + ending, tail);
    const Recovery recovery = recover();
    EXPECT_EQ(recovery.damage.size(), 0U);
    EXPECT_EQ(rig_.fs.bytes(last_segment()), written);
    EXPECT_EQ(kept(), std::vector<std::string>{name});
    EXPECT_EQ(kept_bytes(name), tail);
  }
}

TEST_F(TornTailTest, IsNoneByAnyOtherName) {
  rig_.add_durably(1, 4);
  const TornTail tail = tear(some_bytes(100, 6));
  const std::string segment = segment_name(tail.segment);
  const std::string from = std::to_string(tail.from);
  ASSERT_TRUE(rig_.fs.make_directory(kQuarantine, 0700).ok());
  const std::vector<std::string> names = {
      ".cutting",
      "torn-.cutting",
      "torn-" + segment,
      "torn-" + segment + ".cutting",
      "torn-" + segment + "-" + from + ".cutting",
      "torn-" + segment + "-" + from + "-.cutting",
      "torn-" + segment + "-x-6.cutting",
      "torn-" + segment + "-" + from + "-6.cutting-",
      "torn-" + segment + "-" + from + "-6.cutting-1",
      "torn-" + segment + "-" + from + "-6.cutting-1-2-3",
      "torn-" + segment + "-" + from + "-6.cutting-1-99999999999999999999",
      "torn-" + segment + "-" + from + "-6.cutting.tmp",
      "torn-00000000000000000000.seg-" + from + "-6.cutting",
      "tree-1-" + segment + "-" + from + "-6.cutting",
  };
  for (const std::string& name : names) {
    rig_.fs.put(std::string(kQuarantine) + "/" + name, tail.bytes);
  }
  const auto finished = finish_cuts(rig_.fs, LedgerRig::kState);
  ASSERT_TRUE(finished.ok()) << finished.status().message();
  EXPECT_FALSE(finished->has_value());
  auto sorted = names;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(kept(), sorted);
}

// Nothing can be done with it, and nothing is in its way.
TEST_F(TornTailTest, OfASegmentThatIsGoneIsLeftAlone) {
  rig_.add_durably(1, 4);
  const auto bytes = some_bytes(100, 7);
  tear(bytes);
  ASSERT_TRUE(rig_.fs.make_directory(kQuarantine, 0700).ok());
  const std::string name = "torn-" + segment_name(77) + "-4096-99.cutting";
  rig_.fs.put(std::string(kQuarantine) + "/" + name, bytes);
  const auto finished = finish_cuts(rig_.fs, LedgerRig::kState);
  ASSERT_TRUE(finished.ok()) << finished.status().message();
  EXPECT_FALSE(finished->has_value());
  EXPECT_EQ(kept(), std::vector<std::string>{name});
}

// A file that says so for a place where its bytes cannot have been.
TEST_F(TornTailTest, IsNoneWhereTheSegmentHasNoSuchPlace) {
  rig_.add_durably(1, 4);
  const std::string path = last_segment();
  rig_.stop();
  const auto whole = rig_.fs.bytes(path);
  ASSERT_TRUE(rig_.fs.make_directory(kQuarantine, 0700).ok());
  const std::string segment = "torn-" + segment_name(1) + "-";
  const std::string size = std::to_string(whole.size());
  for (const std::string& from :
       {std::string("0"), std::string("4095"), std::to_string(whole.size() - 10), size,
        std::string("1099511627776"), std::string("18446744073709551615")}) {
    for (const char* ending : {"-6.cutting", "-6.cutting-4-4096"}) {
      rig_.fs.put(std::string(kQuarantine) + "/" + segment + from + ending, some_bytes(11, 8));
    }
  }
  const Recovery recovery = recover();
  EXPECT_EQ(recovery.torn_bytes, 0U);
  EXPECT_EQ(rig_.fs.bytes(path), whole);
}

// The page cache showed a tail of which nothing but the mark's old place had reached the disk.
TEST_F(TornTailTest, IsCutWhereTheDiskHasZerosInItsPlace) {
  rig_.add_durably(1, 4);
  const std::string path = last_segment();
  const auto zeros = rig_.fs.bytes(path);
  TornTail tail = tear(some_bytes(3000, 9));
  tail.mark = TailMark{4, tail.from};
  const auto kept_tail = cut_torn_tail(rig_.fs, LedgerRig::kState, tail);
  ASSERT_TRUE(kept_tail.ok()) << kept_tail.status().message();
  const auto cut = rig_.fs.bytes(path);
  const std::string name = kept().at(0);
  empty_quarantine();
  rig_.fs.put(path, zeros);
  rig_.fs.put(std::string(kQuarantine) + "/" + name + ".cutting-4-" + std::to_string(tail.from),
              tail.bytes);
  ASSERT_TRUE(finish_cuts(rig_.fs, LedgerRig::kState).ok());
  EXPECT_EQ(rig_.fs.bytes(path), cut);
}

// Whole entries behind a hole, never acknowledged, have the sequences that are given out next.
TEST_F(TornTailTest, ThatStaysForWantOfRoomHoldsNoEntry) {
  rig_.add_durably(1, 4);
  for (std::uint64_t n = 5; n <= 8; ++n) ASSERT_NE(rig_.add(n, 700), 0U);
  ASSERT_TRUE(rig_.ledger->flush().ok());
  const std::string path = last_segment();
  rig_.fs.damage(path, entry_from_end(path, 4).offset + 100);
  rig_.stop();
  rig_.fs.restart();
  rig_.fs.set_space(0);
  rig_.must_start();
  EXPECT_GT(rig_.recovery.torn_bytes, 0U);
  EXPECT_EQ(rig_.recovery.torn_saved_as, "");
  rig_.fs.heal();
  for (std::uint64_t n = 5; n <= 6; ++n) rig_.add_durably(n, n);
  const auto before = rig_.read();
  EXPECT_TRUE(before.damage.empty());
  test::expect_sound_chain(before.entries);
  const auto head = rig_.ledger->state().head;
  rig_.stop();
  for (int i = 0; i < 2; ++i) {
    const Recovery recovery = recover();
    EXPECT_EQ(recovery.chain.head, head);
    EXPECT_TRUE(recovery.damage.empty());
    EXPECT_EQ(recovery.torn_bytes, 0U);
  }
  rig_.must_start();
  EXPECT_EQ(rig_.record_numbers(), test::numbers(1, 6));
}

// On a disk, where names may be of anything.
TEST(TornTailOnDisk, IsNoneThatIsNoFile) {
  const test::TempDir dir;
  FileSystem& fs = system_file_system();
  const std::string state = dir.path();
  ASSERT_TRUE(fs.make_directory(state + "/journal", 0700).ok());
  ASSERT_TRUE(fs.make_directory(state + "/quarantine", 0700).ok());
  const std::string segment = state + "/journal/" + segment_name(1);
  ASSERT_TRUE(write_file_atomically(fs, segment, some_bytes(8192, 10)).ok());
  const std::string name = state + "/quarantine/torn-" + segment_name(1) + "-";
  ASSERT_EQ(::mkdir((name + "4096-2.cutting").c_str(), 0700), 0);
  ASSERT_EQ(::mkfifo((name + "4104-2.cutting").c_str(), 0600), 0);
  ASSERT_EQ(::symlink(segment.c_str(), (name + "4112-2.cutting").c_str()), 0);
  ASSERT_TRUE(write_file_atomically(fs, name + "4120-2.cutting", {}).ok());
  ASSERT_TRUE(write_file_atomically(fs, name + "4128-2.cutting", some_bytes(9000, 11)).ok());
  const auto finished = finish_cuts(fs, state);
  ASSERT_TRUE(finished.ok()) << finished.status().message();
  EXPECT_FALSE(finished->has_value());
  EXPECT_EQ(*read_file(fs, segment, 8192), some_bytes(8192, 10));
  EXPECT_EQ(fs.list(state + "/quarantine")->size(), 5U);
}

}  // namespace
}  // namespace xased
