// Power fails at every call of a life with rotations, tiles, signed heads, cursors and removals;
// and what the disk kept of the unsynced is any choice of it, reordered and torn. Every other time
// the disk is full then, for one start.
//
// XASE_CRASH_STATES: how many such disks, spread over the calls. XASE_CRASH_SEED: the first draw.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "daemon/ledger/tree/check_tiles.hpp"
#include "daemon/ledger/tree/checkpoint.hpp"
#include "daemon/ledger/verify.hpp"
#include "tests/faults/kept_ledger.hpp"
#include "tests/support/sanitized.hpp"

namespace xased {
namespace {

using test::KeptEntry;
using test::KeptLedger;
using test::LedgerRig;

std::uint64_t from_environment(const char* name, std::uint64_t by_default) {
  const char* text = std::getenv(name);
  return text == nullptr ? by_default : std::strtoull(text, nullptr, 10);
}

// What was claimed before the lights went out.
struct Claims {
  std::uint64_t durable = 0;
  std::uint64_t signed_through = 0;
  std::uint64_t removed_through = 0;

  void note(const KeptLedger& ledger) {
    durable = std::max(durable, ledger.rig.durable());
    signed_through = std::max(signed_through, ledger.signed_through());
    removed_through =
        std::max(removed_through, ledger.retention->counters().removed_through.load());
  }
};

class CrashStates : public testing::Test {
 protected:
  // A life until the disk dies, or to its end; every entry that it made, by sequence, in `made`.
  Claims live(KeptLedger& ledger, std::vector<KeptEntry>* made) {
    Claims claims;
    if (!ledger.start()) return claims;
    for (int round = 0; round < 4 && !ledger.rig.fs.is_dead(); ++round) {
      for (int i = 0; i < 6; ++i) {
        if (!ledger.record(900 + 300 * static_cast<std::size_t>(i % 4))) break;
        claims.note(ledger);
      }
      ledger.grow_tree();
      claims.note(ledger);
      if (made != nullptr) keep(ledger, *made);
      // Some are still on their way.
      constexpr std::uint64_t kUnsettled = 9;
      const std::uint64_t durable = ledger.rig.durable();
      if (!ledger.settle(durable - std::min(durable, kUnsettled))) break;
      ledger.remove_old();
      claims.note(ledger);
    }
    if (made != nullptr) keep(ledger, *made);
    return claims;
  }

  static void keep(KeptLedger& ledger, std::vector<KeptEntry>& made) {
    for (KeptEntry& entry : ledger.rig.read().entries) {
      if (entry.leaf.sequence > made.size()) made.push_back(std::move(entry));
    }
  }

  // A start that finds the disk full, and loses power again; the entries that it found.
  static std::uint64_t start_on_a_full_disk(KeptLedger& ledger) {
    ledger.rig.fs.set_space(0);
    (void)ledger.start();
    const Recovery& recovery = ledger.rig.recovery;
    EXPECT_TRUE(recovery.damage.empty()) << test::describe(recovery.damage[0]);
    const std::uint64_t found = recovery.is_new ? 0 : recovery.chain.last_sequence;
    ledger.stop();
    ledger.rig.fs.heal();
    ledger.rig.crash();
    return found;
  }

  // After the lights are on again. The first `kept` entries are those of `made`.
  void expect_sound(KeptLedger& ledger, const Claims& claims, const std::vector<KeptEntry>& made,
                    std::uint64_t kept) {
    ASSERT_TRUE(ledger.start());
    ASSERT_EQ(ledger.disagreement, "");
    const Recovery& recovery = ledger.rig.recovery;
    ASSERT_TRUE(recovery.damage.empty()) << test::describe(recovery.damage[0]);
    const std::uint64_t recovered = recovery.chain.last_sequence;
    ASSERT_GE(recovered, claims.durable);
    ASSERT_GE(ledger.signed_through(), claims.signed_through);

    const auto read = ledger.rig.read();
    ASSERT_TRUE(read.status.ok()) << read.status.message();
    ASSERT_FALSE(read.entries.empty());
    const std::uint64_t first = read.entries.front().leaf.sequence;
    test::expect_sound_chain(read.entries);
    ASSERT_EQ(read.entries.back().leaf.sequence, ledger.rig.ledger->state().last_sequence);
    for (const KeptEntry& entry : read.entries) {
      const std::uint64_t sequence = entry.leaf.sequence;
      if (recovery.is_new || sequence > std::min({recovered, kept, made.size()})) break;
      ASSERT_TRUE(entry == made[sequence - 1]) << "entry " << sequence;
    }
    // What is gone was settled by a cursor that survived, signed, and told.
    ASSERT_GT(first, claims.removed_through);
    ASSERT_LE(first - 1, ledger.cursor.settled_through);
    ASSERT_LE(first - 1, ledger.signed_through());
    VerifyOptions options;
    options.required = {VerifyProperty::kTiles};
    const auto report = verify_ledger(ledger.rig.fs, LedgerRig::kState, options);
    ASSERT_TRUE(report.ok()) << report.status().message();
    for (const VerifyFinding& finding : report->findings) ADD_FAILURE() << finding.text;
    if (ledger.signed_through() != 0) {
      ASSERT_EQ(report->exit_code(), 0);
    }

    // And it goes on.
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(ledger.record(900));
    ledger.grow_tree();
    ASSERT_EQ(ledger.signed_through(), ledger.rig.durable());
    ASSERT_TRUE(ledger.settle(ledger.rig.durable()));
    ledger.remove_old();
    ASSERT_GT(ledger.retention->counters().removed_through.load(), first - 1);
  }
};

TEST_F(CrashStates, LeaveWhatWasClaimedAtEveryCallOfAWholeLife) {
  const auto key = KeptLedger::make_key();
  std::uint64_t calls = 0;
  std::vector<KeptEntry> made;
  {
    KeptLedger ledger(key);
    const Claims claims = live(ledger, &made);
    calls = ledger.rig.fs.changes();
    ASSERT_GT(claims.removed_through, 0U);
    ASSERT_GE(claims.signed_through, claims.removed_through);
    ASSERT_EQ(made.size(), ledger.rig.durable());
  }
  constexpr std::uint64_t kDraws = 2;
  const std::uint64_t states = from_environment("XASE_CRASH_STATES", kDraws * calls);
  const std::uint64_t draws = std::max<std::uint64_t>(1, (states + calls - 1) / calls);
  const std::uint64_t seed = from_environment("XASE_CRASH_SEED", 1);
  std::printf("%llu calls, %llu states\n", static_cast<unsigned long long>(calls),
              static_cast<unsigned long long>(calls * (draws + 1)));
  // A sanitizer looks at the code, not at the states: a part of them will do.
  constexpr std::uint64_t kStep = xase::test::kSanitized ? 5 : 1;
  for (std::uint64_t nth = 1; nth <= calls; nth += kStep) {
    // The first disk kept nothing that was not synced.
    for (std::uint64_t draw = 0; draw <= draws; ++draw) {
      SCOPED_TRACE("call " + std::to_string(nth) + ", draw " + std::to_string(draw));
      KeptLedger ledger(key);
      ledger.rig.fs.die_at(nth);
      const Claims claims = live(ledger, nullptr);
      ledger.stop();
      if (draw == 0) {
        ledger.rig.crash();
      } else {
        ledger.rig.crash((seed + draw) * 1'000'003 + nth);
      }
      std::uint64_t kept = made.size();
      if ((nth + draw) % 2 == 0) kept = start_on_a_full_disk(ledger);
      expect_sound(ledger, claims, made, kept);
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace xased
