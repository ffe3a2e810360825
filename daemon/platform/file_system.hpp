// The file system seam: all that the ledger and the delivery cursor do to a disk goes through here,
// so that a test can lose what was not synced and fail the Nth call.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "daemon/platform/status.hpp"
#include "proto/bytes.hpp"

namespace xased {

// An open file. Any thread may call any method; writes to one place at once are the caller's to
// exclude. Closed at the end of its life.
class File {
 public:
  virtual ~File() = default;

  // Fills `to` from `offset`; fewer bytes only at the end of the file.
  virtual Result<std::size_t> read_at(std::span<std::byte> to, std::uint64_t offset) const = 0;
  // Writes all of `bytes`, or says why not; then any part of them may have been written. After
  // success they survive the death of this process, and of nothing else.
  virtual Status write_at(xase::proto::Bytes bytes, std::uint64_t offset) = 0;
  // After success the file's bytes and size survive power loss; its name does not yet: see
  // FileSystem::sync_directory(). After a failure nothing that was written since the last success
  // can be relied on, whatever a later call returns.
  virtual Status sync_data() = 0;
  // Cuts or extends (with a hole).
  virtual Status truncate(std::uint64_t bytes) = 0;
  // Gives the file disk space for `bytes` from its beginning, zeros where it had none, without
  // writing them; it is that long at least. Durable as what is written. kUnsupported, with the file
  // as it was, where that is not to be had; kNoSpace where there is no room.
  virtual Status preallocate(std::uint64_t bytes) = 0;
  virtual Result<std::uint64_t> size() const = 0;
  // A hint: what was synced of the file need not stay in memory. Changes nothing that can be read.
  virtual void release_cache() {}
  // Takes the file for this process, until it is closed; kExists where another one has it.
  virtual Status lock() = 0;
};

enum class OpenMode {
  kRead,    // must exist
  kWrite,   // must exist; read and write
  kCreate,  // must not exist; read and write
  kCreateOrWrite,
};

// Any thread. Paths are not followed through a symbolic link in their last component.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                             mode_t permissions = 0600) = 0;
  // Replaces `to` in one step. Survives power loss only after sync_directory().
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  // As sync_data() of each, with what they hold; where there are many, in far less time than one by
  // one takes. After a failure none of them can be relied on.
  virtual Status sync_all(std::span<const std::unique_ptr<File>> files);
  // After success, the names in `path` survive power loss.
  virtual Status sync_directory(const std::string& path) = 0;
  // Names in the directory, in byte order, without "." and "..".
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  // Makes one directory; success where it already is one.
  virtual Status make_directory(const std::string& path, mode_t permissions) = 0;
  virtual bool exists(const std::string& path) = 0;
  // Removes one directory, which must be empty. A file system without directories has none.
  virtual Status remove_directory(const std::string& path) {
    return {Code::kUnsupported, "this file system removes no directories: " + path};
  }
};

// The disks of this machine. Lives as long as the process.
FileSystem& system_file_system();

// Writes `path` so that at any moment, power loss included, it holds either the old bytes or the
// new: temporary name, sync, rename, sync of the directory.
Status write_file_atomically(FileSystem& fs, const std::string& path, xase::proto::Bytes bytes,
                             mode_t permissions = 0600);

// The whole file, which may be at most `bytes_max` long.
Result<std::vector<std::byte>> read_file(FileSystem& fs, const std::string& path,
                                         std::size_t bytes_max);

}  // namespace xased
