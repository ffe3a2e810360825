// An entry as it is read back from the journal.
#pragma once

#include <cstdint>

#include "proto/erasable.hpp"
#include "proto/leaf.hpp"

namespace xased {

// Views into the reader's buffer: valid until the reader moves on.
struct Entry {
  xase::proto::Leaf leaf;
  xase::proto::Bytes leaf_bytes;
  // Empty where the erasable part was dropped.
  xase::proto::Bytes erasable_bytes;
  xase::proto::Erasable erasable;

  bool erased() const { return erasable_bytes.empty(); }
  // Of an entry that is not a record.
  xase::proto::Bytes body() const { return erasable.parts[xase::proto::kRestPart]; }
};

}  // namespace xased
