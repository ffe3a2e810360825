// Rings whose files lose their names while no daemon is there: noticed within seconds, and told of.
#include "tests/client/fake_daemon.hpp"

namespace xase::test {
namespace {

namespace fs = std::filesystem;

class Moved : public testing::Test {
 protected:
  // Records until the thread has another ring. Returns how many are in the one before.
  std::uint64_t record_until_moved() {
    const std::uint64_t replaced = counts_of(client_).rings_replaced;
    const std::uint64_t before = counts_of(client_).committed;
    const xase_record_fields fields = some_record();
    for (int i = 0; i < 10'000; ++i) {
      EXPECT_EQ(xase_record(client_.get(), &fields), XASE_OK) << xase_last_error_message();
      if (counts_of(client_).rings_replaced != replaced) {
        return counts_of(client_).committed - before - 1;
      }
    }
    ADD_FAILURE() << "the ring is not replaced";
    return 0;
  }
  void record(int count) {
    const xase_record_fields fields = some_record();
    for (int i = 0; i < count; ++i) ASSERT_EQ(xase_record(client_.get(), &fields), XASE_OK);
  }
  void remove_rings() { fs::remove_all(dir_.path() + "/rings"); }
  std::unique_ptr<FakeRing> ring() {
    const auto paths = ring_paths(dir_.path());
    EXPECT_EQ(paths.size(), 1U);
    return std::make_unique<FakeRing>(paths.at(0));
  }

  const TempDir dir_;
  ClientPtr client_ = open_client(
      dir_.path(), [](auto& options) { options.ring_bytes = proto::kRingDataBytesMin; });
};

TEST_F(Moved, TheFirstRingTakesNoOthersPlace) {
  record(1);
  EXPECT_EQ(ring()->identity().before.ring_id, proto::Id{});
}

TEST_F(Moved, TheNextRingTellsWhatWasLeftAndWhatWasJournaled) {
  record(5);
  const auto first = ring();
  EXPECT_EQ(first->read().size(), 5U);
  first->release();
  first->daemon().journaled_sequence.store(4);
  remove_rings();
  const std::uint64_t more = record_until_moved();
  const proto::RingBefore before = ring()->identity().before;
  EXPECT_EQ(before.ring_id, first->identity().ring_id);
  EXPECT_EQ(before.committed, 5 + more);
  EXPECT_EQ(before.journaled, 4U);
  EXPECT_EQ(before.earlier, 0U);
  EXPECT_EQ(ring()->read().size(), 1U) << "the record that was made there";
}

TEST_F(Moved, OneThatNobodyReadHandsOnWhatItWasToTell) {
  record(1);
  remove_rings();
  const std::uint64_t first = 1 + record_until_moved();
  const auto second = ring();
  EXPECT_EQ(second->identity().before.committed, first);
  remove_rings();
  const std::uint64_t in_second = 1 + record_until_moved();
  const auto third = ring();
  EXPECT_EQ(third->identity().before.ring_id, second->identity().ring_id);
  EXPECT_EQ(third->identity().before.committed, in_second);
  EXPECT_EQ(third->identity().before.earlier, first);
  remove_rings();
  // A daemon that takes of it has heard what it tells.
  EXPECT_EQ(third->read().size(), 1U);
  third->release();
  third->daemon().journaled_sequence.store(1);
  record_until_moved();
  EXPECT_EQ(ring()->identity().before.earlier, 0U);
}

TEST_F(Moved, RefusalsThatNoDaemonHeardOfAreHandedOnAndCountedOnce) {
  const xase_record_fields fields = some_record();
  std::uint64_t taken = 0;
  while (xase_record(client_.get(), &fields) == XASE_OK) ++taken;
  for (int i = 0; i < 4; ++i) EXPECT_EQ(xase_record(client_.get(), &fields), XASE_QUEUE_FULL);
  remove_rings();
  EXPECT_TRUE(eventually([&] {
    static_cast<void>(xase_record(client_.get(), &fields));
    return counts_of(client_).rings_replaced == 1;
  }));
  const std::uint64_t refused = counts_of(client_).refused;
  EXPECT_GE(refused, 5U);
  EXPECT_EQ(ring()->producer().refused.load(), refused);
  EXPECT_EQ(ring()->identity().before.committed, taken);
  // One that is attached tells by itself.
  ring()->daemon().condemned.store(proto::kRingMoved);
  remove_rings();
  EXPECT_TRUE(eventually([&] {
    static_cast<void>(xase_record(client_.get(), &fields));
    return counts_of(client_).rings_replaced == 2;
  }));
  EXPECT_EQ(ring()->producer().refused.load(), 0U);
  EXPECT_EQ(counts_of(client_).refused, refused);
}

TEST_F(Moved, ARingThatTheDaemonHasGivenUpIsNoneOfIt) {
  record(2);
  ring()->daemon().condemned.store(proto::kRingGivenUp);
  remove_rings();
  record(1);
  EXPECT_EQ(ring()->identity().before.ring_id, proto::Id{});
}

TEST_F(Moved, AClosedClientLeavesWordOfWhatNobodyCanReadAnyMore) {
  record(3);
  const auto first = ring();
  remove_rings();
  xase_client_close(client_.get());
  const auto word = ring();
  EXPECT_EQ(word->identity().before.ring_id, first->identity().ring_id);
  EXPECT_EQ(word->identity().before.committed, 3U);
  EXPECT_EQ(word->identity().data_bytes, proto::kRingDataBytesMin);
  EXPECT_TRUE(word->read().empty());
  EXPECT_FALSE(word->has_owner());
}

TEST_F(Moved, AClosedClientLeavesNothingWhereAllIsReadOrCanBe) {
  record(3);
  xase_client_close(client_.get());
  EXPECT_EQ(ring()->read().size(), 3U);
}

// An app of few records fills no quarter of its ring in years.
TEST_F(Moved, ARingThatNobodyReadsIsLookedAfterEveryFewSeconds) {
  client_ = open_client(dir_.path(), [](auto& options) { options.ring_bytes = 64U << 20U; });
  record(1);
  const auto first = ring();
  remove_rings();
  EXPECT_TRUE(eventually([&] {
    record(1);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return counts_of(client_).rings_replaced == 1;
  }));
  EXPECT_LT(first->producer().committed.load(), 16U << 20U) << "not by its being a quarter full";
  EXPECT_NE(ring()->identity().before.ring_id, proto::Id{});
}

}  // namespace
}  // namespace xase::test
