// What a verifier has to hash of frames, many of them at once.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "daemon/platform/sha256_batch.hpp"
#include "proto/frame.hpp"

namespace xased {

// What the bytes of one frame hash to.
struct FrameHashes {
  xase::proto::Hash leaf{};
  // Of the parts beside the leaf; zero for one without bytes, and where they cannot be told apart.
  std::array<xase::proto::Hash, xase::proto::kParts> commitments{};
};

// Hashes frames before it is their turn, so that several go side by side. One owner.
class HashAhead {
 public:
  // Of the sound entry's frame that `bytes`, the file's from `position` on, begin with. Until
  // forget(), they and what lies behind them there are the same bytes each time. Valid until the
  // next call.
  const FrameHashes& of(std::uint64_t position, xase::proto::Bytes bytes);
  // The file is another, or its bytes were read anew.
  void forget() { ahead_.clear(); }

 private:
  struct Known {
    std::uint64_t position = 0;
    FrameHashes hashes;
  };
  void look_ahead(std::uint64_t position, xase::proto::Bytes bytes);
  void begin(const xase::proto::Frame& frame, FrameHashes& to);

  Sha256Batch batch_;
  std::deque<Known> ahead_;  // in the file's order
};

}  // namespace xased
