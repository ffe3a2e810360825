// Gives the memory back in which the kernel keeps segments that everybody here has read.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/ledger/upkeep_stage.hpp"
#include "daemon/platform/clock.hpp"
#include "daemon/platform/file_system.hpp"

namespace xased {

// What the journal writes passes through the kernel's page cache, and would push out of it whatever
// the host's apps have there; in a pod it counts as the pod's. Segments are read in order, once
// each by tree and index: then their pages may go. What delivery has not read by then, and what
// people ask for, is read from the disk.
//
// The upkeep stage's thread.
class CacheRelease final : public UpkeepWork {
 public:
  // Segments in `directory` are released up to the lower of the two positions, which like the rest
  // outlive this: entries that the tree holds, and that the index covers.
  CacheRelease(FileSystem& fs, const Clock& clock, std::string directory,
               const std::atomic<std::uint64_t>& in_tree,
               const std::atomic<std::uint64_t>& in_index);

  // Releases what may be, once a second at most while little is written.
  std::chrono::nanoseconds step() override;

 private:
  FileSystem& fs_;
  const Clock& clock_;
  const std::string directory_;
  const std::atomic<std::uint64_t>& in_tree_;
  const std::atomic<std::uint64_t>& in_index_;
  std::uint64_t released_through_ = 0;  // entries of segments that were released
  // Entries that must have been read before there can be more to release, as of the last look at
  // the folder, and how many had been then.
  std::uint64_t look_from_ = 0;
  std::uint64_t looked_at_ = 0;
  std::int64_t listed_boot_ns_ = INT64_MIN / 2;
};

}  // namespace xased
