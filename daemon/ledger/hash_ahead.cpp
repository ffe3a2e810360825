#include "daemon/ledger/hash_ahead.hpp"

#include "proto/erasable.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::Frame;
using xase::proto::FrameFault;

namespace {
// More would fill no more of the processor's lanes.
constexpr std::size_t kFramesAhead = 64;
}  // namespace

const FrameHashes& HashAhead::of(std::uint64_t position, Bytes bytes) {
  while (!ahead_.empty() && ahead_.front().position < position) ahead_.pop_front();
  if (ahead_.empty() || ahead_.front().position != position) {
    ahead_.clear();
    look_ahead(position, bytes);
  }
  return ahead_.front().hashes;
}

void HashAhead::look_ahead(std::uint64_t position, Bytes bytes) {
  while (ahead_.size() < kFramesAhead) {
    // Whether a frame is sound is seen when it is its turn; here it costs at most some hashing.
    const auto outline = xase::proto::outline_frame(bytes);
    if (outline.fault != FrameFault::kNone) break;
    if (!outline.frame.is_commit_mark()) {
      ahead_.push_back({position, {}});
      begin(outline.frame, ahead_.back().hashes);
    }
    position += outline.frame.bytes;
    bytes = bytes.subspan(outline.frame.bytes);
  }
  batch_.run();
}

void HashAhead::begin(const Frame& frame, FrameHashes& to) {
  batch_.start(to.leaf);
  xase::proto::add_leaf(batch_, frame.leaf);
  const auto erasable = xase::proto::decode_erasable(frame.erasable);
  if (!erasable) return;
  for (std::size_t i = 0; i < xase::proto::kParts; ++i) {
    if (erasable->parts[i].empty()) continue;
    batch_.start(to.commitments[i]);
    xase::proto::add_part(batch_, i, erasable->salts[i], erasable->parts[i]);
  }
}

}  // namespace xased
