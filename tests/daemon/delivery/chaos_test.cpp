// An API that fails most of what it is asked, and a daemon that dies again and again: every record
// is stored once, and what may be there twice says so.
//
// XASE_TEST_CHAOS: how many records (20,000). XASE_TEST_SEED: the draw of a run that failed.
#include "tests/daemon/delivery/simulated_lives.hpp"

namespace xased::test {
namespace {

// 30 % errors, 10 % lost, 20 % stored without a whole answer; the rest is well.
constexpr DistantService::Faults kChaos{0, 30, 10, 20};
// Records that wait at once, and between two deaths of the daemon.
constexpr std::uint64_t kBacklog = 2'000;
constexpr std::uint64_t kRecordsALife = 5'000;

class Chaos : public SimulatedLives {
 protected:
  Chaos()
      : SimulatedLives(number_from("XASE_TEST_CHAOS", 20'000) * 3),
        wanted_(number_from("XASE_TEST_CHAOS", 20'000)) {}

  const std::uint64_t wanted_;
};

TEST_F(Chaos, EveryRecordIsStoredOnceAndWhatMayBeTwiceSaysSo) {
  start();
  service_.faults = kChaos;
  std::uint64_t lives = 1;
  std::uint64_t doubted = 0;
  std::uint64_t dies_at = kRecordsALife;
  while (receipts_ < wanted_) {
    while (records_ < wanted_ && backlog() < kBacklog) record();
    rest();
    advance_to(clock_.boot_ns() + std::chrono::nanoseconds(std::chrono::minutes(1)).count());
    if (receipts_ < dies_at) continue;
    dies_at += kRecordsALife;
    ++lives;
    start();
    rest();
    doubted = std::max(doubted, doubted_through());
  }
  const Reckoning all = reckon(doubted);
  EXPECT_EQ(all.stored, wanted_);
  EXPECT_EQ(counters_.answers_refused.load(), 0U);
  std::cout << wanted_ << " records, " << lives << " lives: " << all.stored << " stored, through "
            << service_.attempts << " attempts, of which " << service_.stored_in_silence
            << " were stored without an answer; " << all.marked
            << " marked as possible duplicates, " << all.copies << " copies too many\n";
}

}  // namespace
}  // namespace xased::test
