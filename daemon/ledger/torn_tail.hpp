// Cuts what no commit vouches for off a segment: as a whole or not at all, wherever a start that
// does it dies. For the thread that starts the ledger, before anything else writes to it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/platform/file_system.hpp"

namespace xased {

// A commit mark, as it is to stand where the tail began.
struct TailMark {
  std::uint64_t sequence = 0;
  std::uint64_t position = 0;
};

struct TornTail {
  std::uint64_t segment = 0;        // its first sequence
  std::uint64_t from = 0;           // the tail's first byte in it
  std::uint64_t next_sequence = 0;  // that the ledger goes on with: tells two tails apart
  // Where the last mark is in the tail: without one the next recovery would take damage before it
  // for a torn tail, and cut off entries that were acknowledged.
  std::optional<TailMark> mark;
  std::vector<std::byte> bytes;  // not empty; behind them the segment holds zeros
  // Where in the segment commit marks are among them, ascending: those that were met, not what a
  // frame may hold that looks like one.
  std::vector<std::uint64_t> marks;
};

// A tail that was cut off.
struct KeptTail {
  std::uint64_t bytes = 0;
  std::string path;  // of the file that holds it
};

// Keeps the bytes in a file in STATE_DIR/quarantine, and writes the mark and zeros over them: the
// space stays the segment's. Durable on success. Nothing where there is no room for that file: then
// the bytes stay, and nothing in them can be read any more but those marks. Errors: what the file
// system says; finish_cuts() is to come first at the next start.
Result<std::optional<KeptTail>> cut_torn_tail(FileSystem& fs, const std::string& state_dir,
                                              const TornTail& tail);

// Ends the cuts that a start died in. Gives the last of them, if there was one. What was written
// since at the place of one is left alone. Durable on success.
Result<std::optional<KeptTail>> finish_cuts(FileSystem& fs, const std::string& state_dir);

}  // namespace xased
