// A ledger on a fake disk, moved by hand: what intake and the sync stage do with it, one step at a
// time.
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/ledger/journal_reader.hpp"
#include "daemon/ledger/ledger.hpp"
#include "daemon/ledger/segment_names.hpp"
#include "proto/entry_body.hpp"
#include "tests/support/fake_file_system.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/records.hpp"
#include "tests/support/seeded_random.hpp"

namespace xased::test {

// An entry that owns its bytes.
struct KeptEntry {
  xase::proto::Leaf leaf;
  std::vector<std::byte> leaf_bytes;
  std::vector<std::byte> erasable_bytes;

  bool operator==(const KeptEntry& other) const {
    return leaf_bytes == other.leaf_bytes && erasable_bytes == other.erasable_bytes;
  }
  xase::proto::Bytes body() const {
    return xase::proto::decode_erasable(erasable_bytes)->parts[xase::proto::kRestPart];
  }
};

inline std::string describe(const JournalDamage& damage) {
  return "entries " + std::to_string(damage.first) + " to " + std::to_string(damage.last) + ", " +
         damage.segment + " at " + std::to_string(damage.position) + ": " + damage.what;
}

// The journal as a reader meets it.
struct ReadJournal {
  std::vector<KeptEntry> entries;
  std::vector<JournalDamage> damage;
  Status status;
};

inline ReadJournal read_journal(FileSystem& fs, const std::string& directory, std::uint64_t first,
                                std::uint64_t through) {
  ReadJournal out;
  JournalReader reader(fs, directory);
  out.status = reader.seek(first);
  while (out.status.ok()) {
    const auto step = reader.next(through);
    if (!step.ok()) {
      out.status = step.status();
    } else if (*step == JournalReader::Step::kEnd) {
      break;
    } else if (*step == JournalReader::Step::kDamage) {
      out.damage.push_back(reader.damage());
    } else {
      const Entry& entry = reader.entry();
      out.entries.push_back({entry.leaf,
                             {entry.leaf_bytes.begin(), entry.leaf_bytes.end()},
                             {entry.erasable_bytes.begin(), entry.erasable_bytes.end()}});
    }
  }
  return out;
}

// Fails the test where the entries are not one chain with true commitments.
inline void expect_sound_chain(const std::vector<KeptEntry>& entries) {
  Sha256 sha256;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const KeptEntry& entry = entries[i];
    const auto erasable = xase::proto::decode_erasable(entry.erasable_bytes);
    ASSERT_TRUE(erasable.has_value()) << "entry " << entry.leaf.sequence;
    EXPECT_EQ(xase::proto::commitments(sha256, *erasable), entry.leaf.commitments)
        << "entry " << entry.leaf.sequence;
    if (i == 0) continue;
    ASSERT_EQ(entry.leaf.sequence, entries[i - 1].leaf.sequence + 1);
    EXPECT_EQ(entry.leaf.previous, xase::proto::leaf_hash(sha256, entries[i - 1].leaf_bytes))
        << "entry " << entry.leaf.sequence;
  }
}

class LedgerRig {
 public:
  static constexpr const char* kState = "state";
  static constexpr const char* kJournal = "state/journal";

  explicit LedgerRig(std::uint64_t segment_bytes = 16384) {
    options.state_dir = kState;
    options.origin = "host/test";
    options.version = "0-test";
    options.journal.directory = kJournal;
    options.journal.segment_bytes = segment_bytes;
    options.journal.max_bytes = 1000 * segment_bytes;
    options.journal.reserve_bytes = 0;
    EXPECT_TRUE(fs.make_directory(kState, 0700).ok());
    EXPECT_TRUE(fs.make_directory(kJournal, 0700).ok());
  }

  // --- The process ---

  // Starts a process on what the disk holds.
  Status start() {
    stop();
    positions = std::make_unique<Positions>();
    sync_wake = std::make_unique<Wake>();
    intake_wake = std::make_unique<Wake>();
    preparer = std::make_unique<SegmentPreparer>(fs, std::string(kJournal) + "/next.tmp",
                                                 options.journal.segment_bytes);
    sync = std::make_unique<SyncStage>(clock, *positions, *preparer, *sync_wake, *intake_wake,
                                       std::chrono::nanoseconds(0));
    recovery = Recovery{};
    auto opened = Ledger::open(fs, clock, random, options, *positions, *preparer, *sync, recovery);
    if (!opened.ok()) return opened.status();
    ledger = std::move(*opened);
    return {};
  }
  void must_start() {
    const Status status = start();
    ASSERT_TRUE(status.ok()) << status.message();
  }
  void stop() {
    ledger.reset();
    sync.reset();
    preparer.reset();
    positions.reset();
  }
  // The process dies, and another takes over.
  void kill_and_start() {
    stop();
    fs.restart();
    must_start();
  }
  // Power fails; see FakeFileSystem::crash().
  void crash(std::optional<std::uint64_t> seed = std::nullopt) {
    stop();
    fs.crash(seed);
  }

  // --- The stages ---

  // The sync stage, until it has nothing to do.
  void run_sync() {
    for (int i = 0; i < 10'000; ++i) {
      clock.advance(std::chrono::milliseconds(10));
      if (sync->step() > std::chrono::nanoseconds(0)) return;
    }
    ADD_FAILURE() << "the sync stage does not come to rest";
  }
  // What intake does each round besides appending.
  void settle(bool mark = true) {
    const Status status = ledger->journal().settle(mark);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  // Appends a record; its sequence, or 0.
  std::uint64_t add(std::uint64_t number, std::size_t bytes = 0) {
    Subject subject;
    subject.ring_id = ring;
    subject.ring_sequence = number;
    subject.uid = 1000;
    return ledger->append_record(subject, numbered_record(number, bytes));
  }
  // Appends, writes and syncs records `first` to `last`.
  void add_durably(std::uint64_t first, std::uint64_t last, std::size_t bytes = 0) {
    for (std::uint64_t number = first; number <= last; ++number) {
      if (add(number, bytes) == 0) {
        run_sync();
        ASSERT_NE(add(number, bytes), 0U) << ledger->trouble().message();
      }
    }
    ASSERT_TRUE(ledger->flush().ok()) << ledger->trouble().message();
    run_sync();
    settle();
  }

  // --- Looking ---

  std::uint64_t journaled() const { return positions->journaled.load(); }
  std::uint64_t durable() const { return positions->durable.load(); }
  ReadJournal read(std::uint64_t through = 0) {
    return read_journal(fs, kJournal, 1, through == 0 ? ledger->state().last_sequence : through);
  }
  std::vector<std::string> segments() const {
    std::vector<std::string> out;
    for (const std::string& name : fs.names(kJournal)) {
      if (parse_segment_name(name)) out.push_back(std::string(kJournal) + "/" + name);
    }
    return out;
  }
  // Offset, sequence and size of each frame in a segment; commit marks have `is_mark`.
  struct FramePlace {
    std::uint64_t offset;
    std::uint64_t sequence;
    std::size_t bytes;
    bool is_mark;
    std::uint64_t mark_position;
  };
  std::vector<FramePlace> frames(const std::string& path) const {
    const std::vector<std::byte> bytes = fs.bytes(path);
    std::vector<FramePlace> out;
    for (std::size_t at = xase::proto::kSegmentHeaderBytes; at < bytes.size();) {
      const auto result = xase::proto::decode_frame(xase::proto::Bytes(bytes).subspan(at));
      if (result.fault != xase::proto::FrameFault::kNone) break;
      const auto& frame = result.frame;
      out.push_back({at, frame.sequence, frame.bytes, frame.is_commit_mark(),
                     frame.is_commit_mark() ? frame.commit_position() : 0});
      at += frame.bytes;
    }
    return out;
  }
  // Every record number in the ledger, in order.
  std::vector<std::uint64_t> record_numbers() {
    std::vector<std::uint64_t> numbers;
    for (const KeptEntry& entry : read().entries) {
      if (entry.leaf.type == xase::proto::EntryType::kRecord) {
        numbers.push_back(entry.leaf.ring_sequence);
      }
    }
    return numbers;
  }

  FakeFileSystem fs;
  ManualClock clock;
  SeededRandom random;
  LedgerOptions options;
  std::unique_ptr<Wake> sync_wake;
  std::unique_ptr<Wake> intake_wake;
  std::unique_ptr<Positions> positions;
  std::unique_ptr<SegmentPreparer> preparer;
  std::unique_ptr<SyncStage> sync;
  Recovery recovery;
  std::unique_ptr<Ledger> ledger;
  xase::proto::Id ring{std::byte{0x11}, std::byte{0x22}};
};

inline std::vector<std::uint64_t> numbers(std::uint64_t first, std::uint64_t last) {
  std::vector<std::uint64_t> out;
  for (std::uint64_t n = first; n <= last; ++n) out.push_back(n);
  return out;
}

}  // namespace xased::test
