#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "proto/ring_layout.hpp"
#include "proto/ring_reader.hpp"
#include "proto/ring_writer.hpp"

namespace xase::proto {
namespace {

constexpr std::uint64_t kCapacity = 4096;

// An area with the two words, both sides in one process.
struct Ring {
  explicit Ring(std::uint64_t bytes = kCapacity, std::uint64_t start = 0)
      : area(bytes), committed(start), released(start) {}

  RingWriter writer() {
    return {area.data(), area.size(), &committed, &released, committed.load()};
  }
  RingReader reader() const { return {area.data(), area.size(), &committed}; }

  std::vector<std::byte> area;
  std::atomic<std::uint64_t> committed;
  std::atomic<std::uint64_t> released;
};

// What a record of this sequence and size holds: both sides compute it.
std::byte content(std::uint64_t sequence, std::size_t i) {
  return static_cast<std::byte>((sequence * 31 + i * 7) & 0xffU);
}

bool write(RingWriter& writer, std::uint64_t sequence, std::size_t bytes) {
  std::byte* to = writer.reserve(bytes);
  if (to == nullptr) return false;
  for (std::size_t i = 0; i < bytes; ++i) to[i] = content(sequence, i);
  writer.commit({static_cast<std::uint32_t>(bytes), kRingFrameRecord, 0, sequence, 0, 0});
  return true;
}

struct Seen {
  std::uint64_t sequence;
  std::size_t bytes;
  bool operator==(const Seen&) const = default;
};

// Reads what is there in pieces of at most `piece` bytes (grown where a frame needs more), and
// moves `position`.
RingFault read(const RingReader& reader, std::uint64_t& position, std::size_t piece,
               std::vector<Seen>& seen) {
  std::vector<std::byte> buffer(piece);
  while (true) {
    const auto chunk = reader.copy_out(position, buffer);
    if (chunk.fault != RingFault::kNone) return chunk.fault;
    if (chunk.bytes == 0) return RingFault::kNone;
    RingFrames frames(Bytes(buffer).first(chunk.bytes), position, reader.capacity_bytes());
    while (const auto frame = frames.next(kRingFrameRecord)) {
      for (std::size_t i = 0; i < frame->payload.size(); ++i) {
        if (frame->payload[i] != content(frame->header.sequence, i)) {
          ADD_FAILURE() << "byte " << i << " of " << frame->header.sequence << " is torn";
          return RingFault::kBadFrameLength;
        }
      }
      seen.push_back({frame->header.sequence, frame->payload.size()});
    }
    if (frames.fault() != RingFault::kNone) return frames.fault();
    if (frames.position() == position) {
      if (frames.needed_bytes() <= buffer.size()) return RingFault::kBadFrameLength;
      buffer.resize(frames.needed_bytes());
    }
    position = frames.position();
  }
}

TEST(Ring, WhatIsReservedIsNotThereBeforeTheCommit) {
  Ring ring;
  RingWriter writer = ring.writer();
  ASSERT_NE(writer.reserve(10), nullptr);
  EXPECT_FALSE(ring.reader().has_data(0));
  ASSERT_TRUE(write(writer, 1, 20)) << "reserving again drops the first";
  std::vector<Seen> seen;
  std::uint64_t position = 0;
  EXPECT_EQ(read(ring.reader(), position, kCapacity, seen), RingFault::kNone);
  EXPECT_EQ(seen, (std::vector<Seen>{{1, 20}}));
  EXPECT_EQ(position, ring.committed.load());
}

TEST(Ring, RefusesARecordThatDoesNotFitAndTakesTheLargest) {
  Ring ring;
  RingWriter writer = ring.writer();
  const std::uint64_t largest = ring_payload_bytes_max(kCapacity);
  EXPECT_TRUE(writer.fits(largest));
  EXPECT_FALSE(writer.fits(largest + 1));
  EXPECT_TRUE(write(writer, 1, largest));
}

TEST(Ring, AFullRingTakesAgainExactlyWhenSpaceIsReleased) {
  Ring ring;
  RingWriter writer = ring.writer();
  std::uint64_t written = 0;
  while (write(writer, written + 1, 480)) ++written;
  EXPECT_EQ(written, kCapacity / 512) << "every byte is usable";
  EXPECT_EQ(writer.used_bytes(), kCapacity);
  ring.released = 511;
  EXPECT_FALSE(write(writer, written + 1, 480));
  ring.released = 512;
  EXPECT_TRUE(write(writer, written + 1, 480));
}

TEST(Ring, PaddingNeverMakesTheLargestRecordUnfit) {
  for (std::uint64_t start = 0; start < kCapacity; start += kRingFrameAlignment) {
    Ring ring(kCapacity, (std::uint64_t{1} << 40U) + start);
    RingWriter writer = ring.writer();
    std::uint64_t position = ring.committed;
    ASSERT_TRUE(write(writer, 1, ring_payload_bytes_max(kCapacity))) << start;
    std::vector<Seen> seen;
    EXPECT_EQ(read(ring.reader(), position, kCapacity, seen), RingFault::kNone);
    EXPECT_EQ(seen.size(), 1U);
  }
}

TEST(Ring, AReleasedWordThatCannotBeRightFreesNothing) {
  Ring ring;
  RingWriter writer = ring.writer();
  std::uint64_t written = 0;
  while (write(writer, written + 1, 480)) ++written;
  for (const std::uint64_t word : {std::uint64_t{kCapacity + 32}, UINT64_MAX}) {
    ring.released = word;
    EXPECT_FALSE(write(writer, written + 1, 480)) << word;
  }
  ring.released = 1024;
  EXPECT_TRUE(write(writer, written + 1, 480));
  ring.released = 0;
  EXPECT_TRUE(write(writer, written + 2, 480)) << "going back takes nothing away";
  EXPECT_FALSE(write(writer, written + 3, 480));
}

// A queue of sizes is the model; every step does the same to both.
TEST(Ring, BehavesLikeAQueueOfRecords) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Ring ring(kCapacity, (random() % (std::uint64_t{1} << 50U)) & ~std::uint64_t{31});
  RingWriter writer = ring.writer();
  std::uint64_t position = ring.committed;
  std::deque<Seen> model;
  std::uint64_t sequence = 0;
  for (int step = 0; step < 200'000; ++step) {
    if (random() % 3 != 0) {
      const std::size_t bytes = random() % (ring_payload_bytes_max(kCapacity) + 1);
      const std::uint64_t before = writer.position();
      if (write(writer, sequence + 1, bytes)) {
        model.push_back({++sequence, bytes});
        ASSERT_LE(writer.position() - ring.released, kCapacity);
      } else {
        ASSERT_EQ(writer.position(), before);
        ASSERT_GT(writer.position() + 2 * ring_frame_bytes(bytes) - ring.released, kCapacity)
            << "refused though padding and frame would fit";
      }
    } else {
      std::vector<Seen> seen;
      ASSERT_EQ(read(ring.reader(), position, 1 + random() % kCapacity, seen), RingFault::kNone);
      ASSERT_EQ(seen, std::vector<Seen>(model.begin(), model.end()));
      model.clear();
      if (random() % 2 == 0) ring.released = position;
    }
  }
}

TEST(Ring, TwoThreadsLoseTearAndRepeatNothing) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Ring ring;
  constexpr std::uint64_t kRecords = 200'000;
  std::thread producer([&] {
    std::mt19937_64 random(seed);
    RingWriter writer = ring.writer();
    for (std::uint64_t sequence = 1; sequence <= kRecords; ++sequence) {
      const std::size_t bytes =
          random() % 8 == 0 ? random() % (ring_payload_bytes_max(kCapacity) + 1) : random() % 200;
      while (!write(writer, sequence, bytes)) std::this_thread::yield();
    }
  });
  std::mt19937_64 sizes(seed);
  std::mt19937_64 random(seed + 1);
  std::uint64_t position = 0;
  std::uint64_t sequence = 0;
  while (sequence < kRecords && !testing::Test::HasFailure()) {
    std::vector<Seen> seen;
    EXPECT_EQ(read(ring.reader(), position, 1 + random() % kCapacity, seen), RingFault::kNone);
    for (const Seen& record : seen) {
      const std::size_t bytes =
          sizes() % 8 == 0 ? sizes() % (ring_payload_bytes_max(kCapacity) + 1) : sizes() % 200;
      EXPECT_EQ(record, (Seen{++sequence, bytes}));
    }
    ring.released.store(position, std::memory_order_release);
    if (seen.empty()) std::this_thread::yield();
  }
  if (sequence < kRecords) ring.released = ring.committed.load();  // lets the producer end
  producer.join();
  EXPECT_EQ(sequence, kRecords);
  EXPECT_FALSE(ring.reader().has_data(position));
}

TEST(RingReader, RefusesAPositionThatCannotBe) {
  Ring ring;
  std::vector<std::byte> buffer(kCapacity);
  const auto fault_at = [&](std::uint64_t committed, std::uint64_t position) {
    ring.committed = committed;
    const auto chunk = ring.reader().copy_out(position, buffer);
    EXPECT_EQ(chunk.bytes, 0U);
    return chunk.fault;
  };
  EXPECT_EQ(fault_at(32, 64), RingFault::kPositionWentBack);
  EXPECT_EQ(fault_at(0, 64), RingFault::kPositionWentBack);
  EXPECT_EQ(fault_at(kCapacity + 32, 0), RingFault::kPositionTooFarAhead);
  EXPECT_EQ(fault_at(UINT64_MAX, 0), RingFault::kPositionTooFarAhead);
  EXPECT_EQ(fault_at(33, 0), RingFault::kPositionMisaligned);
  EXPECT_EQ(fault_at(64, 64), RingFault::kNone);
}

TEST(RingFrames, RefuseHeadersThatCannotBe) {
  const auto fault_of = [](RingFrameHeader header, std::uint64_t position) {
    std::vector<std::byte> copy(kCapacity - (position & (kCapacity - 1)));
    store(copy.data(), header);
    RingFrames frames(copy, position, kCapacity);
    EXPECT_FALSE(frames.next(kRingFrameRecord).has_value());
    EXPECT_EQ(frames.position(), position) << "a fault is not passed over";
    EXPECT_FALSE(frames.next(kRingFrameRecord).has_value()) << "and stays one";
    return frames.fault();
  };
  const auto largest = static_cast<std::uint32_t>(ring_payload_bytes_max(kCapacity));
  EXPECT_EQ(fault_of({0, 0, 0, 0, 0, 0}, 0), RingFault::kBadFrameType);
  EXPECT_EQ(fault_of({0, kRingFrameResult, 0, 0, 0, 0}, 0), RingFault::kBadFrameType);
  EXPECT_EQ(fault_of({largest + 1, kRingFrameRecord, 0, 0, 0, 0}, 0), RingFault::kBadFrameLength);
  EXPECT_EQ(fault_of({1'000'000'000, kRingFrameRecord, 0, 0, 0, 0}, 0), RingFault::kBadFrameLength);
  EXPECT_EQ(fault_of({UINT32_MAX, kRingFrameRecord, 0, 0, 0, 0}, 0), RingFault::kBadFrameLength);
  EXPECT_EQ(fault_of({33, kRingFrameRecord, 0, 0, 0, 0}, kCapacity - 64),
            RingFault::kBadFrameLength)
      << "a frame is never split";
  EXPECT_EQ(fault_of({32, kRingFramePadding, 0, 0, 0, 0}, kCapacity - 96),
            RingFault::kBadFrameLength)
      << "padding goes exactly to the end";
  EXPECT_EQ(fault_of({UINT32_MAX, kRingFramePadding, 0, 0, 0, 0}, 0), RingFault::kBadFrameLength);
}

// Whatever bytes and words a producer leaves behind, reading stays within the copy and ends.
TEST(RingReader, SurvivesAScribblingProducer) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  int faults = 0;
  for (int round = 0; round < 3'000; ++round) {
    Ring ring;
    RingWriter writer = ring.writer();
    for (std::uint64_t sequence = 1; write(writer, sequence, random() % 300); ++sequence) {
    }
    for (int i = 0; i < 4; ++i) {
      const std::uint64_t at = random() % (kCapacity / 32) * 32 + random() % 8;
      ring.area[at] = static_cast<std::byte>(random());
    }
    if (random() % 4 == 0) ring.committed = random() % (2 * kCapacity);
    std::uint64_t position = 0;
    std::vector<std::byte> buffer(1 + random() % kCapacity);
    while (true) {
      const auto chunk = ring.reader().copy_out(position, buffer);
      faults += chunk.fault != RingFault::kNone ? 1 : 0;
      if (chunk.bytes == 0) break;
      ASSERT_LE(chunk.bytes, buffer.size());
      RingFrames frames(Bytes(buffer).first(chunk.bytes), position, kCapacity);
      while (const auto frame = frames.next(kRingFrameRecord)) {
        ASSERT_GE(frame->payload.data(), buffer.data());
        ASSERT_LE(frame->payload.data() + frame->payload.size(), buffer.data() + chunk.bytes);
      }
      faults += frames.fault() != RingFault::kNone ? 1 : 0;
      if (frames.fault() != RingFault::kNone) break;
      if (frames.position() == position) {
        ASSERT_LE(frames.needed_bytes(), kCapacity);
        ASSERT_GT(frames.needed_bytes(), chunk.bytes);
        if (frames.needed_bytes() <= buffer.size()) break;  // cut off by the committed position
        buffer.resize(frames.needed_bytes());
      }
      ASSERT_GE(frames.position(), position);
      position = frames.position();
    }
  }
  EXPECT_GT(faults, 0);
}

}  // namespace
}  // namespace xase::proto
