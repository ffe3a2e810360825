// The records that the API refused: an index beside the journal, from which it can be rebuilt.
//
// STATE_DIR/delivery/dead_letters.idx holds one line of 64 bytes for each time that a record was
// set aside, asked for again or, after that, delivered:
//
//   offset  size
//        0     8   sequence of the record
//        8     8   its DEAD_LETTER entry has this sequence or a later one, close behind
//       16     8   wall clock, nanoseconds since the epoch
//       24     2   HTTP status (0: never sent)
//       26     2   event: 1 set aside, 2 asked for again, 3 delivered
//       28     4   error code
//       32    28   the API's code, zero-padded
//       60     4   CRC-32C of the bytes before
//
// The owner thread of delivery appends; any thread reads. A line whose CRC is wrong ends the file:
// it was torn by a crash, and the next append takes its place.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/platform/file_system.hpp"
#include "proto/bytes.hpp"

namespace xased {

enum class DeadLetterEvent : std::uint16_t { kSetAside = 1, kRetryRequested = 2, kDelivered = 3 };

struct DeadLetter {
  std::uint64_t record_sequence = 0;
  // Where to look for its DEAD_LETTER entry in the journal: there or shortly behind.
  std::uint64_t near_sequence = 0;
  std::int64_t wall_ns = 0;
  std::uint16_t http_status = 0;
  DeadLetterEvent event = DeadLetterEvent::kSetAside;
  std::uint32_t error_code = 0;
  std::string api_code;  // at most 28 bytes are kept
};

class DeadLetters {
 public:
  static constexpr std::size_t kLineBytes = 64;

  DeadLetters(FileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}

  // Opens or makes the file. kNotFound, with an empty file made, where there was none: then it has
  // to be rebuilt.
  Status open();
  // Empties it, to be rebuilt.
  Status clear();
  Status append(const DeadLetter& letter);
  // Makes what was appended durable; nothing to do is success.
  Status sync();

  // The newest event of each record that is set aside or asked for again, by sequence: up to
  // `limit` of those behind `after`. Reads the file; takes no memory but that of the answer.
  Result<std::vector<DeadLetter>> list(std::uint64_t after, std::size_t limit) const;
  // The newest event of one record.
  Result<std::optional<DeadLetter>> find(std::uint64_t record_sequence) const;

 private:
  template <class Visit>
  Status for_each(Visit visit) const;

  FileSystem& fs_;
  const std::string path_;
  mutable std::mutex mutex_;  // guards what follows; held for one line or one block of them
  std::unique_ptr<File> file_;
  std::uint64_t bytes_ = 0;
  bool dirty_ = false;
};

}  // namespace xased
