// A ring's area and its position word, both written by a hostile producer: every frame lies within
// what is committed, and the pieces in which the area is read change nothing.
#include <atomic>
#include <vector>

#include "proto/ring_reader.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace xase::proto;
using xase::fuzz::require;
using xase::fuzz::same;

struct Seen {
  RingFrameHeader header{};
  std::vector<std::byte> payload;
  std::uint64_t end = 0;  // position behind it

  bool operator==(const Seen& other) const {
    return std::memcmp(&header, &other.header, sizeof header) == 0 && payload == other.payload &&
           end == other.end;
  }
};

struct Walk {
  std::vector<Seen> frames;
  std::uint64_t position = 0;
  RingFault fault = RingFault::kNone;
  bool operator==(const Walk&) const = default;
};

struct Area {
  std::vector<std::byte> bytes;
  std::atomic<std::uint64_t> committed{0};
  std::uint64_t start = 0;
  std::uint16_t type = kRingFrameRecord;
};

// As intake and the client's results do it, with a buffer of `piece` bytes that grows.
Walk read(const Area& area, std::size_t piece) {
  const RingReader reader(area.bytes.data(), area.bytes.size(), &area.committed);
  Walk walk;
  walk.position = area.start;
  std::vector<std::byte> buffer(piece);
  for (;;) {
    const auto chunk = reader.copy_out(walk.position, buffer);
    require(chunk.bytes <= buffer.size(), "a chunk fits its buffer");
    walk.fault = chunk.fault;
    if (chunk.fault != RingFault::kNone || chunk.bytes == 0) return walk;
    RingFrames frames(Bytes(buffer).first(chunk.bytes), walk.position, reader.capacity_bytes());
    while (const auto frame = frames.next(area.type)) {
      require(frame->header.payload_bytes == frame->payload.size(), "the payload is whole");
      require(frame->payload.size() <= ring_payload_bytes_max(area.bytes.size()),
              "no payload is larger than a ring's");
      walk.frames.push_back(
          {frame->header, {frame->payload.begin(), frame->payload.end()}, frames.position()});
    }
    require(frames.position() >= walk.position && frames.position() - walk.position <= chunk.bytes,
            "frames end within the chunk");
    require(frames.position() % kRingFrameAlignment == 0, "positions stay aligned");
    const bool moved = frames.position() != walk.position;
    walk.position = frames.position();
    walk.fault = frames.fault();
    if (walk.fault != RingFault::kNone) return walk;
    if (moved) continue;
    if (frames.needed_bytes() <= buffer.size() || frames.needed_bytes() > area.bytes.size()) {
      // A frame that goes on beyond what is committed.
      walk.fault = RingFault::kBadFrameLength;
      return walk;
    }
    buffer.resize(frames.needed_bytes());
  }
}

// The format's rule, byte by byte on the area itself.
Walk model(const Area& area) {
  const std::uint64_t capacity = area.bytes.size();
  const std::uint64_t committed = area.committed.load();
  Walk walk;
  walk.position = area.start;
  if (committed < area.start) walk.fault = RingFault::kPositionWentBack;
  if (committed > area.start && committed - area.start > capacity) {
    walk.fault = RingFault::kPositionTooFarAhead;
  } else if (committed > area.start && committed % 32 != 0) {
    walk.fault = RingFault::kPositionMisaligned;
  }
  while (walk.fault == RingFault::kNone && walk.position != committed) {
    const std::uint64_t index = walk.position % capacity;
    const std::byte* at = area.bytes.data() + index;
    const std::uint64_t payload_bytes = load<std::uint32_t>(at);
    const std::uint64_t frame_bytes = (32 + payload_bytes + 31) / 32 * 32;
    const auto type = load<std::uint16_t>(at + 4);
    const bool is_padding = type == kRingFramePadding;
    if (!is_padding && type != area.type) {
      walk.fault = RingFault::kBadFrameType;
    } else if (is_padding ? index + frame_bytes != capacity
                          : payload_bytes > capacity / 4 - 32 || index + frame_bytes > capacity) {
      walk.fault = RingFault::kBadFrameLength;
    } else if (frame_bytes > committed - walk.position) {
      walk.fault = RingFault::kBadFrameLength;
    } else {
      walk.position += frame_bytes;
      if (is_padding) continue;
      walk.frames.push_back(
          {load<RingFrameHeader>(at), {at + 32, at + 32 + payload_bytes}, walk.position});
    }
  }
  return walk;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  xase::fuzz::Input input(data, size);
  const auto shape = input.take<std::uint8_t>();
  Area area;
  area.bytes.resize(std::size_t{512} << (shape & 3U));
  area.type = (shape & 4U) != 0 ? kRingFrameResult : kRingFrameRecord;
  // The daemon's own position is always aligned; the producer's word is whatever it is.
  const auto start = input.take<std::uint64_t>();
  const auto word = input.take<std::uint64_t>();
  area.start = start - start % kRingFrameAlignment;
  area.committed = (shape & 8U) != 0 ? word : area.start + word % (area.bytes.size() + 1) / 32 * 32;
  const std::size_t piece = sizeof(RingFrameHeader) + input.take<std::uint8_t>();
  const Bytes bytes = input.rest();
  std::copy_n(bytes.begin(), std::min(bytes.size(), area.bytes.size()), area.bytes.begin());

  const Walk whole = read(area, area.bytes.size());
  require(whole == model(area), "reading follows the format");
  require(whole == read(area, piece), "pieces change nothing");
  return 0;
}
