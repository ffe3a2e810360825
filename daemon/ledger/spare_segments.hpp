// Segments made ahead for when no more can be made.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "daemon/platform/file_system.hpp"

namespace xased {

// A file of zeros, synced, and where it lies until it becomes a segment.
struct PreparedFile {
  std::string path;
  std::shared_ptr<File> file;
};

// Holds whole segments' worth of space, so that what must be written on a full disk can be. Owned
// by intake's thread.
class SpareSegments {
 public:
  SpareSegments(FileSystem& fs, std::string directory, std::size_t wanted)
      : fs_(fs), directory_(std::move(directory)), wanted_(wanted) {}

  // Removes the spares of an earlier run: one that was being used when that ended may hold frames.
  Status remove_leftovers();

  std::size_t count() const { return spares_.size(); }
  bool wants_more() const { return spares_.size() < wanted_; }
  // Takes a prepared file in, under a name of its own.
  Status put(const PreparedFile& prepared);
  // The one that was put in first; nothing where there is none.
  std::optional<PreparedFile> take();

 private:
  FileSystem& fs_;
  const std::string directory_;
  const std::size_t wanted_;
  std::deque<PreparedFile> spares_;
  std::uint64_t next_number_ = 1;
};

}  // namespace xased
