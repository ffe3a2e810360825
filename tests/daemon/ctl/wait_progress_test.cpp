#include "daemon/ctl/wait_progress.hpp"

#include <gtest/gtest.h>

namespace xased::ctl {
namespace {

using Rings = std::set<std::string>;

RingSnapshot ring(const std::string& id, std::uint64_t committed, std::uint64_t journaled) {
  RingSnapshot ring;
  ring.ring_id = id;
  ring.committed_sequence = committed;
  ring.journaled_sequence = journaled;
  ring.used_bytes = (committed - journaled) * 100;
  return ring;
}

Snapshot snapshot(std::vector<RingSnapshot> rings, std::uint64_t last, std::uint64_t durable,
                  std::uint64_t settled) {
  Snapshot s;
  s.ready = true;
  s.rings = std::move(rings);
  s.last_sequence = last;
  s.durable_sequence = durable;
  s.settled_through = settled;
  // Others are always at work.
  s.journaled = 1000;
  s.durable = 900;
  s.undelivered = 100;
  return s;
}

TEST(WaitProgress, CommittedIsReachedAtOnce) {
  WaitProgress wait(Level::kCommitted, Rings{"a"});
  EXPECT_FALSE(wait.reached());
  wait.observe(snapshot({ring("a", 5, 0)}, 1, 1, 1), Rings{"a"});
  EXPECT_TRUE(wait.reached());
}

TEST(WaitProgress, JournaledWaitsForWhatEachRingHeldAtFirst) {
  WaitProgress wait(Level::kJournaled, Rings{"a", "b"});
  wait.observe(snapshot({ring("a", 5, 3), ring("b", 2, 2)}, 5, 0, 0), Rings{"a", "b"});
  EXPECT_FALSE(wait.reached());
  EXPECT_NE(wait.missing().find("1 ring is not drained"), std::string::npos);
  // Its app goes on; what it adds is not ours to wait for.
  wait.observe(snapshot({ring("a", 50, 4), ring("b", 9, 2)}, 6, 0, 0), Rings{"a", "b"});
  EXPECT_FALSE(wait.reached());
  wait.observe(snapshot({ring("a", 99, 5), ring("b", 9, 2)}, 7, 0, 0), Rings{"a", "b"});
  EXPECT_TRUE(wait.reached());
}

TEST(WaitProgress, ARingThatTheDaemonHasNotFoundYetIsWaitedFor) {
  WaitProgress wait(Level::kJournaled, Rings{"new"});
  wait.observe(snapshot({}, 1, 1, 1), Rings{"new"});
  EXPECT_FALSE(wait.reached());
  wait.observe(snapshot({ring("new", 3, 1)}, 2, 1, 1), Rings{"new"});
  EXPECT_FALSE(wait.reached());
  wait.observe(snapshot({ring("new", 3, 3)}, 4, 1, 1), Rings{"new"});
  EXPECT_TRUE(wait.reached());
}

TEST(WaitProgress, ARingThatWasDrainedAndRemovedIsDone) {
  WaitProgress wait(Level::kJournaled, Rings{"a"});
  wait.observe(snapshot({ring("a", 3, 1)}, 2, 1, 1), Rings{"a"});
  EXPECT_FALSE(wait.reached());
  wait.observe(snapshot({}, 4, 1, 1), Rings{});
  EXPECT_TRUE(wait.reached());
}

TEST(WaitProgress, WhereRingsCannotBeListedThoseOfTheFirstAnswerCount) {
  WaitProgress wait(Level::kJournaled, std::nullopt);
  wait.observe(snapshot({ring("a", 3, 1)}, 2, 1, 1), std::nullopt);
  EXPECT_FALSE(wait.reached());
  wait.observe(snapshot({}, 4, 1, 1), std::nullopt);
  EXPECT_TRUE(wait.reached());
}

TEST(WaitProgress, ALieAboutWhatWasCommittedDoesNotHoldUpAnEmptyRing) {
  WaitProgress wait(Level::kJournaled, Rings{"liar"});
  RingSnapshot liar = ring("liar", 3, 1);
  liar.committed_sequence = UINT64_MAX;
  wait.observe(snapshot({liar}, 2, 1, 1), Rings{"liar"});
  EXPECT_FALSE(wait.reached());
  liar.used_bytes = 0;
  wait.observe(snapshot({liar}, 4, 1, 1), Rings{"liar"});
  EXPECT_TRUE(wait.reached());
}

TEST(WaitProgress, DurableWaitsForTheEntryThatWasLastOnceTheRingsWereDrained) {
  WaitProgress wait(Level::kDurable, Rings{"a"});
  wait.observe(snapshot({ring("a", 3, 3)}, 10, 5, 0), Rings{"a"});
  // The entries were appended before this answer, at the latest: 12 is the one to be synced.
  wait.observe(snapshot({ring("a", 3, 3)}, 12, 11, 0), Rings{"a"});
  EXPECT_FALSE(wait.reached());
  wait.observe(snapshot({ring("a", 3, 3)}, 99, 12, 0), Rings{"a"});
  EXPECT_TRUE(wait.reached());
}

TEST(WaitProgress, DeliveredWaitsUntilAllBeforeItIsSettledWhateverComesAfter) {
  WaitProgress wait(Level::kDelivered, Rings{});
  wait.observe(snapshot({}, 20, 20, 10), Rings{});
  EXPECT_FALSE(wait.reached());
  // As many deliveries as records, but later ones: counting would be fooled.
  wait.observe(snapshot({}, 40, 40, 19), Rings{});
  EXPECT_FALSE(wait.reached());
  EXPECT_NE(wait.missing().find("100 records are not delivered"), std::string::npos);
  wait.observe(snapshot({}, 60, 60, 20), Rings{});
  EXPECT_TRUE(wait.reached());
}

TEST(WaitProgress, NothingUndeliveredIsDelivered) {
  WaitProgress wait(Level::kDelivered, Rings{});
  Snapshot s = snapshot({}, 20, 20, 10);
  s.undelivered = 0;  // the last entries are receipts, which nobody settles
  wait.observe(s, Rings{});
  EXPECT_TRUE(wait.reached());
}

TEST(WaitProgress, SaysWhyDeliveryWaitsAndWhatWasSetAsideMeanwhile) {
  WaitProgress wait(Level::kDelivered, Rings{});
  EXPECT_EQ(wait.missing(), "no daemon has answered");
  Snapshot s = snapshot({}, 20, 20, 10);
  s.dead_letter = 2;
  wait.observe(s, Rings{});
  s.dead_letter = 5;
  s.paused = "unauthorized";
  wait.observe(s, Rings{});
  EXPECT_NE(wait.missing().find("unauthorized"), std::string::npos);
  EXPECT_EQ(wait.set_aside_meanwhile(), 3U);
}

}  // namespace
}  // namespace xased::ctl
