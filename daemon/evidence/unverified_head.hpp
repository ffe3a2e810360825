// The signed head of a state directory, as evidence takes it along.
#pragma once

#include <string>

#include "daemon/platform/file_system.hpp"
#include "proto/checkpoint.hpp"

namespace xased {

struct UnverifiedHead {
  std::string note;
  xase::proto::Checkpoint checkpoint;
};

// `tree`: STATE_DIR/tree. Whoever checks the evidence checks the signature. Of size 0 where there
// is none yet; kInvalid where it is malformed.
Result<UnverifiedHead> read_unverified_head(FileSystem& fs, const std::string& tree);

}  // namespace xased
