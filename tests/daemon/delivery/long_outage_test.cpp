// An API that is away for days, on a clock moved by hand: nothing is lost, nothing is doubled in
// silence, memory does not know how long it lasts, and the backlog goes faster than it came.
//
// XASE_TEST_OUTAGE_DAYS: how many (2). XASE_TEST_SEED: the draw of a run that failed.
#include <malloc.h>

#include "tests/daemon/delivery/simulated_lives.hpp"

namespace xased::test {
namespace {

using std::chrono::hours;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr nanoseconds kBetweenRecords = seconds(4);
constexpr std::uint64_t kRecordsADay = hours(24) / kBetweenRecords;
// What a request's worth of noise in an allocator may be, and far less than a day of records.
constexpr std::size_t kHeapGrowthMax = std::size_t{1} << 20;
// Mostly nobody is there; now and then something takes the request and gives no answer, and it may
// be the service itself.
constexpr DistantService::Faults kAway{60, 15, 15, 10};

std::size_t heap_bytes() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

class LongOutage : public SimulatedLives {
 protected:
  // Each record and its receipt, and as much again for what comes while the backlog goes.
  LongOutage()
      : SimulatedLives((number_from("XASE_TEST_OUTAGE_DAYS", 2) + 2) * kRecordsADay * 4),
        days_(number_from("XASE_TEST_OUTAGE_DAYS", 2)),
        next_record_boot_ns_(clock_.boot_ns()) {}

  // Time passes, records come, and delivery does what it can.
  void live_for(nanoseconds time) {
    const std::int64_t end = clock_.boot_ns() + time.count();
    while (clock_.boot_ns() < end) {
      if (clock_.boot_ns() >= next_record_boot_ns_) {
        record();
        next_record_boot_ns_ += kBetweenRecords.count();
      }
      rest();
      advance_to(std::min(end, next_record_boot_ns_));
    }
    rest();
  }
  const std::uint64_t days_;
  std::int64_t next_record_boot_ns_;
};

TEST_F(LongOutage, LosesNothingDoublesNothingInSilenceAndDrainsFasterThanItFilled) {
  start();
  live_for(hours(1));
  ASSERT_EQ(backlog(), 0U);
  const std::uint64_t first = journal_.last_sequence() + 1;
  const std::uint64_t attempts_before = service_.attempts;

  service_.faults = kAway;
  std::uint64_t doubted = 0;
  std::size_t heap_first = 0;
  std::size_t heap_most = 0;
  for (std::uint64_t day = 1; day <= days_; ++day) {
    live_for(hours(24));
    const std::size_t heap = heap_bytes();
    if (day == 1) heap_first = heap;
    // Stopped, killed, or lost with the machine.
    if (day % 3 == 1) core_->store_cursor();
    if (day % 3 == 0) clock_.set_boot_id({std::byte{0xb0}, static_cast<std::byte>(day)});
    start();
    rest();
    doubted = std::max(doubted, doubted_through());
    heap_most = std::max({heap_most, heap, heap_bytes()});
    std::cout << "day " << day << ": backlog " << backlog() << ", heap " << (heap >> 10)
              << " KiB, after a restart " << (heap_bytes() >> 10) << " KiB\n";
  }
  EXPECT_EQ(backlog(), days_ * kRecordsADay);
  const std::uint64_t waiting = backlog();
  const std::uint64_t attempts = service_.attempts - attempts_before;

  service_.faults = {};
  const std::uint64_t receipts_before = receipts_;
  const std::int64_t back_boot_ns = clock_.boot_ns();
  const std::int64_t give_up_boot_ns =
      back_boot_ns + nanoseconds(hours(24)).count() * static_cast<std::int64_t>(days_);
  while (backlog() > 1 && clock_.boot_ns() < give_up_boot_ns) {
    live_for(seconds(60));
    heap_most = std::max(heap_most, heap_bytes());
  }
  const double drain_seconds = static_cast<double>(clock_.boot_ns() - back_boot_ns) / 1e9;
  const double drained_a_second = static_cast<double>(receipts_ - receipts_before) / drain_seconds;
  const double filled_a_second = 1 / std::chrono::duration<double>(kBetweenRecords).count();
  const double possible_a_second =
      options_.max_in_flight / std::chrono::duration<double>(kRoundTrip).count();
  live_for(hours(1));
  EXPECT_EQ(backlog(), 0U);
  EXPECT_GE(drained_a_second, 5 * filled_a_second);
  EXPECT_GE(drained_a_second, possible_a_second / 2) << "of what such a service can take";
  EXPECT_LE(heap_most, heap_first + kHeapGrowthMax) << "memory grows with the backlog";

  ASSERT_TRUE(fates_[first].is_record);
  EXPECT_GE(fates_[first].stored, 1U) << "the first record of the outage";
  const Reckoning all = reckon(doubted);
  EXPECT_EQ(all.stored, records_);
  std::cout << days_ << " days, " << days_ + 1 << " lives: " << all.stored << " of " << records_
            << " records stored; " << waiting << " had waited, through " << attempts
            << " attempts, of which " << service_.stored_in_silence
            << " were stored without an answer; " << all.marked
            << " marked as possible duplicates, " << all.copies
            << " copies too many at the service, all of marked ones\n"
            << "heap " << (heap_first >> 10) << " KiB on day 1, at most " << (heap_most >> 10)
            << " KiB from then on, the test's own tables included\n"
            << "filled at " << filled_a_second << " records a second, drained at "
            << drained_a_second << ", " << drained_a_second / filled_a_second
            << " times as fast, of " << possible_a_second
            << " that the round trip allows; simulated time\n";
}

}  // namespace
}  // namespace xased::test
