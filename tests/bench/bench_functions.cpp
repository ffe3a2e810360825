// The inner functions on a record's way, each alone and on one core, on the real decisions: what
// moves here moves a figure of xase-bench.
//
//   bench-functions [--benchmark_filter=REGEX] [--benchmark_format=json] ...
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <vector>

#include "daemon/delivery/canonical_json.hpp"
#include "daemon/intake/record_check.hpp"
#include "daemon/platform/sha256_batch.hpp"
#include "proto/frame.hpp"
#include "proto/hashing.hpp"
#include "proto/merkle.hpp"
#include "proto/ring_reader.hpp"
#include "proto/ring_writer.hpp"
#include "tests/bench/decisions.hpp"

namespace xase::bench {
namespace {

using benchmark::State;

const Decisions& decisions() {
  static const Decisions all(XASE_BENCH_DATA);
  return all;
}

// Encoded records, each with room behind it for a parser that reads ahead.
const std::vector<std::string>& padded() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> made;
    for (std::size_t i = 0; i < decisions().size(); ++i) {
      made.push_back(decisions().encoded(i) + std::string(xased::kJsonPaddingBytes, '\0'));
    }
    return made;
  }();
  return all;
}

// The erasable part of each, as it lies in a frame.
const std::vector<std::vector<std::byte>>& erasables() {
  static const std::vector<std::vector<std::byte>> all = [] {
    std::vector<std::vector<std::byte>> made;
    for (std::size_t i = 0; i < decisions().size(); ++i) {
      const proto::Bytes record = proto::as_bytes(decisions().encoded(i));
      made.emplace_back(proto::record_erasable_bytes(record.size()));
      proto::encode_record_erasable(record, {}, made.back().data());
    }
    return made;
  }();
  return all;
}

void count(State& state, std::size_t bytes) {
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}

// An area of a ring and one thread at both of its ends.
class Ring {
 public:
  std::byte* reserve(std::size_t bytes) { return writer_.reserve(bytes); }
  void commit(std::size_t bytes) {
    writer_.commit(
        {static_cast<std::uint32_t>(bytes), proto::kRingFrameRecord, 0, ++sequence_, 0, 0});
  }
  void release() { released_ = committed_.load(); }
  void fill() {
    for (std::size_t i = 0;; ++i) {
      const std::string& record = decisions().encoded(i);
      std::byte* to = reserve(record.size());
      if (to == nullptr) return;
      std::memcpy(to, record.data(), record.size());
      commit(record.size());
    }
  }
  proto::RingReader reader() const { return {area_.data(), area_.size(), &committed_}; }

 private:
  std::vector<std::byte> area_ = std::vector<std::byte>(proto::kRingDataBytesDefault);
  std::atomic<std::uint64_t> committed_{0};
  std::atomic<std::uint64_t> released_{0};
  proto::RingWriter writer_{area_.data(), area_.size(), &committed_, &released_};
  std::uint64_t sequence_ = 0;
};

void plain_copy(State& state) {
  std::vector<char> to(std::size_t{64} << 10);
  std::size_t bytes = 0;
  std::size_t i = 0;
  for (auto _ : state) {
    const std::string& record = decisions().encoded(i++);
    std::memcpy(to.data(), record.data(), record.size());
    benchmark::ClobberMemory();
    bytes += record.size();
  }
  count(state, bytes);
}
BENCHMARK(plain_copy);

void ring_write(State& state) {
  Ring ring;
  std::size_t bytes = 0;
  std::size_t i = 0;
  for (auto _ : state) {
    const std::string& record = decisions().encoded(i++);
    std::byte* to = ring.reserve(record.size());
    if (to == nullptr) {
      ring.release();
      to = ring.reserve(record.size());
    }
    std::memcpy(to, record.data(), record.size());
    ring.commit(record.size());
    bytes += record.size();
  }
  count(state, bytes);
}
BENCHMARK(ring_write);

// The full ring is read again and again, a record an iteration.
void ring_read(State& state) {
  Ring ring;
  ring.fill();
  const proto::RingReader reader = ring.reader();
  std::vector<std::byte> batch(std::size_t{256} << 10);
  std::uint64_t position = 0;
  proto::RingFrames frames({}, 0, reader.capacity_bytes());
  std::size_t bytes = 0;
  for (auto _ : state) {
    auto frame = frames.next(proto::kRingFrameRecord);
    while (!frame) {
      position = frames.position();
      auto chunk = reader.copy_out(position, batch);
      if (chunk.bytes == 0) {
        position = 0;
        chunk = reader.copy_out(position, batch);
      }
      frames = {{batch.data(), chunk.bytes}, position, reader.capacity_bytes()};
      frame = frames.next(proto::kRingFrameRecord);
    }
    bytes += frame->payload.size();
  }
  count(state, bytes);
}
BENCHMARK(ring_read);

void record_check(State& state) {
  xased::RecordCheck check;
  std::size_t bytes = 0;
  std::size_t i = 0;
  for (auto _ : state) {
    const std::string& record = padded()[i++ % padded().size()];
    const std::size_t size = record.size() - xased::kJsonPaddingBytes;
    const auto fields = proto::decode_record(proto::as_bytes(record).first(size));
    if (!fields || !check.check(*fields).ok()) {
      state.SkipWithError("a real decision is refused");
      break;
    }
    bytes += size;
  }
  count(state, bytes);
}
BENCHMARK(record_check);

// What the other hashes are measured against: the same bytes as one message.
void sha256_pass(State& state) {
  xased::Sha256 sha;
  std::size_t bytes = 0;
  std::size_t i = 0;
  sha.start();
  for (auto _ : state) {
    const auto& erasable = erasables()[i++ % erasables().size()];
    sha.add(erasable);
    bytes += erasable.size();
  }
  benchmark::DoNotOptimize(sha.finish());
  count(state, bytes);
}
BENCHMARK(sha256_pass);

void commitments(State& state) {
  xased::Sha256 sha;
  std::size_t bytes = 0;
  std::size_t i = 0;
  for (auto _ : state) {
    const auto& erasable = erasables()[i++ % erasables().size()];
    benchmark::DoNotOptimize(proto::commitments(sha, *proto::decode_erasable(erasable)));
    bytes += erasable.size();
  }
  count(state, bytes);
}
BENCHMARK(commitments);

// The same of many records side by side, as many as the argument says.
void commitments_together(State& state) {
  const auto together = static_cast<std::size_t>(state.range(0));
  xased::Sha256Batch batch;
  batch.run();  // the first one sets up its library
  std::vector<std::array<proto::Hash, proto::kParts>> hashes(together);
  std::size_t bytes = 0;
  std::size_t i = 0;
  while (state.KeepRunningBatch(static_cast<std::int64_t>(together))) {
    for (auto& of : hashes) {
      const auto& erasable = erasables()[i++ % erasables().size()];
      const auto parts = *proto::decode_erasable(erasable);
      for (std::size_t part = 0; part < proto::kParts; ++part) {
        batch.start(of.at(part));
        proto::add_part(batch, part, parts.salts.at(part), parts.parts.at(part));
      }
      bytes += erasable.size();
    }
    batch.run();
    benchmark::ClobberMemory();
  }
  count(state, bytes);
}
BENCHMARK(commitments_together)->Arg(1)->Arg(256);

void leaf_hash(State& state) {
  xased::Sha256 sha;
  proto::Leaf leaf;
  std::array<std::byte, proto::kLeafBytes> encoded{};
  for (auto _ : state) {
    ++leaf.sequence;
    proto::encode_leaf(leaf, encoded.data());
    leaf.previous = proto::leaf_hash(sha, encoded);
  }
  count(state, static_cast<std::size_t>(state.iterations()) * proto::kLeafBytes);
}
BENCHMARK(leaf_hash);

void merkle_append(State& state) {
  xased::Sha256 sha;
  proto::TreeFrontier tree;
  proto::Hash leaf{};
  for (auto _ : state) {
    tree.append(sha, leaf);
    leaf[0] ^= std::byte{1};
  }
  benchmark::DoNotOptimize(tree.root(sha));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(merkle_append);

void merkle_root(State& state) {
  xased::Sha256 sha;
  proto::TreeFrontier tree;
  constexpr int kLeaves = 12'345;
  for (int i = 0; i < kLeaves; ++i) tree.append(sha, proto::Hash{});
  for (auto _ : state) benchmark::DoNotOptimize(tree.root(sha));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(merkle_root);

// A frame with its leaf and erasable part in place: header, padding, CRC.
void frame_encode(State& state) {
  std::vector<std::vector<std::byte>> frames;
  for (const auto& erasable : erasables()) {
    auto& frame = frames.emplace_back(proto::frame_bytes(proto::kLeafBytes, erasable.size()));
    std::memcpy(frame.data() + proto::kFrameHeaderBytes + proto::kLeafBytes, erasable.data(),
                erasable.size());
  }
  std::size_t bytes = 0;
  std::uint64_t sequence = 0;
  for (auto _ : state) {
    const std::size_t i = sequence++ % frames.size();
    proto::seal_frame(frames[i].data(), static_cast<std::uint16_t>(proto::EntryType::kRecord),
                      sequence, proto::kLeafBytes, erasables()[i].size());
    bytes += frames[i].size();
  }
  count(state, bytes);
}
BENCHMARK(frame_encode);

void frame_decode(State& state) {
  const auto& erasable = erasables().front();
  std::vector<std::byte> frame(proto::frame_bytes(proto::kLeafBytes, erasable.size()));
  proto::seal_frame(frame.data(), static_cast<std::uint16_t>(proto::EntryType::kRecord), 1,
                    proto::kLeafBytes, erasable.size());
  for (auto _ : state) {
    if (proto::decode_frame(frame).fault != proto::FrameFault::kNone) {
      state.SkipWithError("a sound frame is refused");
      break;
    }
  }
  count(state, static_cast<std::size_t>(state.iterations()) * frame.size());
}
BENCHMARK(frame_decode);

template <std::uint32_t (*kCrc)(proto::Bytes, std::uint32_t) noexcept>
void crc_of_a_frame(State& state) {
  const auto& erasable = erasables().front();
  std::uint32_t crc = 0;
  for (auto _ : state) benchmark::DoNotOptimize(crc = kCrc(erasable, crc));
  count(state, static_cast<std::size_t>(state.iterations()) * erasable.size());
}
BENCHMARK(crc_of_a_frame<proto::crc32c>)->Name("crc32c");
BENCHMARK(crc_of_a_frame<proto::crc32c_portable>)->Name("crc32c_portable");

// Input, output, context and explanation of a decision, as they are posted.
void canonical_json(State& state) {
  xased::CanonicalJson json;
  std::string out;
  std::size_t bytes = 0;
  std::size_t i = 0;
  for (auto _ : state) {
    const Record& record = decisions()[i++];
    out.clear();
    for (const std::string_view part :
         {record.input, record.output, record.context, record.explanation}) {
      if (!part.empty() && !json.append_object(part, out).ok()) {
        state.SkipWithError("a real decision is no JSON");
        break;
      }
    }
    bytes += out.size();
  }
  count(state, bytes);
}
BENCHMARK(canonical_json);

}  // namespace
}  // namespace xase::bench

int main(int argc, char** argv) {
  try {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    // Read before anything is timed.
    (void)xase::bench::padded();
    (void)xase::bench::erasables();
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench-functions: %s\n", error.what());
    return 1;
  }
}
