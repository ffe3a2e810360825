// Power fails, or the process dies, at every call that changes the disk; what was acknowledged must
// be there, also where the disk is full by then.
//
// XASE_CRASH_STATES: of how many disks that kept some of what was not synced, spread over the
// calls. XASE_CRASH_SEED: the first draw.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>

#include "tests/support/ledger_rig.hpp"

namespace xased {
namespace {

using test::expect_sound_chain;
using test::FsCall;
using test::KeptEntry;
using test::LedgerRig;

// A workload with rotations, marks, failed writes and, where asked for, a failed sync. Keeps what
// the ledger claimed.
class Workload {
 public:
  explicit Workload(LedgerRig& rig, bool with_failed_sync)
      : rig_(rig), with_failed_sync_(with_failed_sync) {}

  void run() {
    if (!rig_.start().ok()) return;
    rig_.ledger->on_new_segment([this] {
      xase::proto::ProducerBody body;
      body.next_ring_sequence = taken_ + 1;
      Subject subject;
      subject.ring_id = rig_.ring;
      (void)rig_.ledger->append_body(xase::proto::EntryType::kProducer, subject,
                                     xase::proto::encode(body));
      return true;
    });
    for (std::uint64_t n = 1; n <= 24 && !rig_.fs.is_dead(); ++n) {
      if (rig_.add(n, 400 + 300 * (n % 4)) == 0) {
        sync();
        if (rig_.add(n, 400 + 300 * (n % 4)) == 0) break;
      }
      taken_ = n;
      if (n % 2 == 0) {
        if (rig_.ledger->flush().ok()) journaled_ = n;
      }
      if (with_failed_sync_ && n == 14) rig_.fs.fail(FsCall::kSync, EIO, 1, false, ".seg");
      if (n % 3 == 0) sync();
      (void)rig_.ledger->journal().settle(n % 5 == 0);
      note_durable();
    }
  }

  std::uint64_t journaled() const { return journaled_; }
  // Ledger sequence up to which all was called durable, and the entries themselves.
  std::uint64_t durable() const { return durable_; }

 private:
  void sync() {
    for (int i = 0; i < 100; ++i) {
      rig_.clock.advance(std::chrono::milliseconds(10));
      if (rig_.sync->step() > std::chrono::nanoseconds(0)) break;
    }
    if (rig_.sync->failed() && !rig_.fs.is_dead()) {
      (void)rig_.ledger->rewrite_unsynced();
      (void)rig_.sync->step();
    }
    note_durable();
  }
  void note_durable() { durable_ = std::max(durable_, rig_.positions->durable.load()); }

  LedgerRig& rig_;
  bool with_failed_sync_;
  std::uint64_t taken_ = 0;
  std::uint64_t journaled_ = 0;
  std::uint64_t durable_ = 0;
};

enum class Death { kProcess, kPower, kPowerKeepingSome };

std::uint64_t from_environment(const char* name, std::uint64_t by_default) {
  const char* text = std::getenv(name);
  return text == nullptr ? by_default : std::strtoull(text, nullptr, 10);
}

class CrashTest : public testing::TestWithParam<std::tuple<Death, bool>> {
 protected:
  // A start that writes what it can, and has that synced. `kept`: the entries that it found.
  static void start_on_a_full_disk(LedgerRig& rig, std::uint64_t durable, std::uint64_t& kept) {
    rig.fs.set_space(0);
    const Status started = rig.start();
    if (started.ok()) {
      ASSERT_TRUE(rig.recovery.damage.empty()) << test::describe(rig.recovery.damage[0]);
      kept = rig.recovery.is_new ? 0 : rig.recovery.chain.last_sequence;
      ASSERT_GE(kept, durable);
      if (rig.journaled() != 0) {
        const auto read = rig.read(rig.journaled());
        ASSERT_TRUE(read.damage.empty()) << test::describe(read.damage[0]);
        expect_sound_chain(read.entries);
      }
      rig.run_sync();
      rig.settle();
    } else {
      ASSERT_EQ(started.code(), Code::kNoSpace) << started.message();
    }
    rig.stop();
    rig.fs.heal();
    rig.fs.crash();
  }
};

TEST_P(CrashTest, LeavesWhatWasAcknowledgedAtEveryCall) {
  const auto [death, with_failed_sync] = GetParam();
  std::uint64_t calls = 0;
  std::vector<KeptEntry> whole;
  {
    LedgerRig rig;
    Workload workload(rig, with_failed_sync);
    workload.run();
    calls = rig.fs.changes();
    ASSERT_EQ(workload.journaled(), 24U);
    ASSERT_GT(rig.segments().size(), 2U);
    whole = rig.read(rig.journaled()).entries;
  }
  constexpr std::uint64_t kDraws = 4;
  const std::uint64_t states = from_environment("XASE_CRASH_STATES", kDraws * calls);
  const std::uint64_t draws =
      death == Death::kPowerKeepingSome ? std::max(kDraws, (states + calls - 1) / calls) : 1;
  const std::uint64_t first = from_environment("XASE_CRASH_SEED", 1);
  std::printf("%llu calls, %llu states\n", static_cast<unsigned long long>(calls),
              static_cast<unsigned long long>(calls * draws));
  for (std::uint64_t nth = 1; nth <= calls; ++nth) {
    for (std::uint64_t seed = first; seed < first + draws; ++seed) {
      SCOPED_TRACE("call " + std::to_string(nth) + " seed " + std::to_string(seed));
      LedgerRig rig;
      rig.fs.die_at(nth);
      Workload workload(rig, with_failed_sync);
      workload.run();
      rig.stop();
      if (death == Death::kProcess) {
        rig.fs.restart();
      } else if (death == Death::kPower) {
        rig.crash();
      } else {
        rig.crash(nth * 1'000'000 + seed);
      }
      // Every other time the disk is full then, for one start: what is torn stays where it is.
      std::uint64_t kept = UINT64_MAX;
      if ((nth + seed) % 2 == 0) {
        start_on_a_full_disk(rig, workload.durable(), kept);
        if (testing::Test::HasFatalFailure()) return;
      }
      rig.must_start();
      ASSERT_NE(rig.ledger, nullptr);
      ASSERT_TRUE(rig.recovery.damage.empty()) << test::describe(rig.recovery.damage[0]);
      const std::uint64_t recovered = rig.recovery.chain.last_sequence;
      ASSERT_GE(recovered, workload.durable());
      const auto read = rig.read();
      ASSERT_TRUE(read.status.ok()) << read.status.message();
      ASSERT_TRUE(read.damage.empty()) << test::describe(read.damage[0]);
      ASSERT_EQ(read.entries.size(), rig.ledger->state().last_sequence);
      expect_sound_chain(read.entries);
      // The same entries as without the crash, up to where it came.
      if (!rig.recovery.is_new) {
        for (std::size_t i = 0; i < std::min(recovered, kept) && i < whole.size(); ++i) {
          ASSERT_TRUE(read.entries[i] == whole[i]) << "entry " << i + 1;
        }
      }
      if (death == Death::kProcess && workload.journaled() != 0) {
        const std::uint64_t last = rig.recovery.rings.at(rig.ring).last_ring_sequence;
        ASSERT_GE(last, workload.journaled());
      }
      // And it goes on.
      rig.add_durably(1001, 1008, 900);
      const auto more = rig.read();
      ASSERT_TRUE(more.damage.empty()) << test::describe(more.damage[0]);
      rig.crash();
      rig.must_start();
      ASSERT_TRUE(rig.recovery.damage.empty()) << test::describe(rig.recovery.damage[0]);
      const auto at_last = rig.read().entries;
      expect_sound_chain(at_last);
      ASSERT_GE(at_last.size(), more.entries.size());
      ASSERT_TRUE(std::equal(more.entries.begin(), more.entries.end(), at_last.begin()));
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

std::string name_of(const testing::TestParamInfo<CrashTest::ParamType>& about) {
  const std::array<std::string, 3> names{"ProcessDies", "PowerFails", "PowerFailsKeepingSome"};
  const auto& [death, around_a_failed_sync] = about.param;
  return names.at(static_cast<std::size_t>(death)) +
         (around_a_failed_sync ? "AroundAFailedSync" : "");
}

INSTANTIATE_TEST_SUITE_P(AtEveryCall, CrashTest,
                         testing::Combine(testing::Values(Death::kProcess, Death::kPower,
                                                          Death::kPowerKeepingSome),
                                          testing::Bool()),
                         name_of);

}  // namespace
}  // namespace xased
