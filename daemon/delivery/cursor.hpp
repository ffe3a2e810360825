// Where delivery is, kept through a crash.
//
// Two slots, STATE_DIR/delivery/cursor.0 and cursor.1, written in turn: power loss in the middle of
// one leaves the other. Each slot:
//
//   offset  size
//        0     8   "XASECURS"
//        8     4   version (1)
//       12     4   bytes of the slot that count, this header included
//       16     8   generation: the larger one is the newer
//       24    32   log id of the ledger
//       56     8   settled through: every record up to here is settled
//       64     8   read through: of the records up to here, those in the open list are not settled
//       72     8   window end: records up to here, and none behind, may have been sent
//       80     8   scanned through: the entries up to here hold nothing that is not told here
//       88     8   earliest intent of a record that is not settled: boot clock, nanoseconds (0:
//       none) 96     8   the same: wall clock, nanoseconds since the epoch
//      104    16   the same: boot id
//      120     4   records in the open list
//      124     4   retries
//      128     4   damages
//      132     4   CRC-32C of all bytes that count, this word taken as zero
//      136     -   open list: 8 bytes each, sequences
//        -     -   retries: sequence, wall clock of the request; 16 bytes each
//        -     -   damages that have their entry: first and last sequence; 16 bytes each
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/platform/file_system.hpp"
#include "proto/bytes.hpp"

namespace xased {

// A moment that can be compared after a restart and after a reboot.
struct Moment {
  std::int64_t boot_ns = 0;
  std::int64_t wall_ns = 0;
  xase::proto::Id boot_id{};
};

struct PendingRetry {
  std::uint64_t sequence = 0;
  std::int64_t requested_wall_ns = 0;
};

struct SequenceRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

struct Cursor {
  static constexpr std::size_t kOpenMax = 8192;
  static constexpr std::size_t kRetriesMax = 4096;
  static constexpr std::size_t kDamagesMax = 256;

  std::uint64_t generation = 0;
  xase::proto::Hash log_id{};
  std::uint64_t settled_through = 0;
  std::uint64_t read_through = 0;
  std::uint64_t window_end = 0;
  std::uint64_t scanned_through = 0;
  std::optional<Moment> first_intent;
  std::vector<std::uint64_t> open;
  std::vector<PendingRetry> retries;
  std::vector<SequenceRange> damages;
};

std::vector<std::byte> encode_cursor(const Cursor& cursor);
// Nothing unless the bytes begin with one sound cursor.
std::optional<Cursor> decode_cursor(xase::proto::Bytes bytes);

// The two slots on disk. One thread.
class CursorStore {
 public:
  CursorStore(FileSystem& fs, std::string directory) : fs_(fs), directory_(std::move(directory)) {}

  struct Loaded {
    std::optional<Cursor> cursor;
    // A slot exists and does not read: what was sent under it cannot be told.
    bool damaged = false;
  };
  // The newest sound cursor. Makes the slots where they are missing, with their space, so that a
  // full disk does not stop delivery later.
  Result<Loaded> load();
  // Once it succeeded, the cursor survives power loss. The generation is set here. After a failure
  // that slot is made anew at the next call; the other one still holds the last success.
  Status store(Cursor& cursor);

 private:
  std::string path(std::size_t slot) const;
  Status make_slot(std::size_t slot);

  FileSystem& fs_;
  const std::string directory_;
  std::array<std::unique_ptr<File>, 2> slots_;
  std::uint64_t generation_ = 0;
  std::size_t next_ = 0;
};

}  // namespace xased
