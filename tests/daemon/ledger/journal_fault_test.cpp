// The journal on a disk of which any one call fails, once or with all after it.
#include <gtest/gtest.h>

#include "daemon/ledger/journal.hpp"
#include "tests/support/io_errors.hpp"
#include "tests/support/ledger_rig.hpp"

namespace xased {
namespace {

using test::expect_sound_chain;
using test::FsCall;
using test::IoError;
using test::LedgerRig;

class JournalFault : public testing::TestWithParam<std::tuple<IoError, bool>> {};

// Records, with the sync stage and what intake does beside it; those that were taken.
std::vector<std::uint64_t> live_through_faults(LedgerRig& rig) {
  std::vector<std::uint64_t> taken;
  for (std::uint64_t n = 1; n <= 30; ++n) {
    if (rig.add(n, 1000) != 0) taken.push_back(n);
    (void)rig.ledger->flush();
    rig.run_sync();
    // As intake does: what fails a second time stops the daemon.
    if (rig.sync->failed() && !rig.ledger->rewrite_unsynced().ok()) break;
    (void)rig.ledger->journal().settle(true);
  }
  return taken;
}

TEST_P(JournalFault, OfAnyOneCallLosesNothing) {
  // Every kind of call, at every place of a workload with rotations: records are refused or
  // written, never lost, and the ledger goes on.
  const auto [error, for_good] = GetParam();
  std::uint64_t failed = 0;
  for (const FsCall call :
       {FsCall::kWrite, FsCall::kRename, FsCall::kSyncDirectory, FsCall::kOpen, FsCall::kRemove,
        FsCall::kSync, FsCall::kTruncate, FsCall::kPreallocate}) {
    for (std::uint64_t nth = 1;; ++nth) {
      SCOPED_TRACE(std::string(test::name_of(call)) + " " + std::to_string(nth));
      LedgerRig rig;
      rig.must_start();
      rig.fs.fail(call, error.number, nth, for_good);
      const std::vector<std::uint64_t> taken = live_through_faults(rig);
      if (rig.fs.faults_struck() == 0) break;
      ++failed;
      const std::uint64_t durable = rig.durable();
      if (for_good) {
        // A process that ends, and another that finds the disk mended: what was not written is
        // still in its ring.
        const std::uint64_t journaled = rig.journaled();
        rig.kill_and_start();
        ASSERT_GE(rig.recovery.chain.last_sequence, std::max(durable, journaled));
        const auto found = rig.record_numbers();
        ASSERT_LE(found.size(), taken.size());
        ASSERT_TRUE(std::equal(found.begin(), found.end(), taken.begin()));
      } else {
        rig.clock.advance(std::chrono::seconds(2));
        ASSERT_TRUE(rig.ledger->flush().ok());
        rig.run_sync();
        rig.settle();
      }
      const auto before = for_good ? rig.record_numbers() : taken;
      rig.crash();
      rig.must_start();
      ASSERT_EQ(rig.record_numbers(), before);
      ASSERT_TRUE(rig.recovery.damage.empty());
      expect_sound_chain(rig.read().entries);
      rig.add_durably(101, 110, 1000);
    }
  }
  test::print_failed_calls(failed, error, for_good);
}

std::string fault_name(const testing::TestParamInfo<JournalFault::ParamType>& about) {
  const auto& [error, for_good] = about.param;
  return error.name + std::string(for_good ? "ForGood" : "Once");
}

INSTANTIATE_TEST_SUITE_P(AtEveryCall, JournalFault,
                         testing::Combine(testing::ValuesIn(test::kIoErrors), testing::Bool()),
                         fault_name);

}  // namespace
}  // namespace xased
