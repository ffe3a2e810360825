// A disk in memory that behaves as disks do when things go wrong.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/platform/file_system.hpp"
#include "tests/support/seeded_random.hpp"

namespace xased::test {

// What a call does, for choosing which shall fail.
enum class FsCall {
  kOpen,
  kRead,
  kWrite,
  kSync,
  kTruncate,
  kPreallocate,
  kRename,
  kRemove,
  kSyncDirectory,
  kMakeDirectory,
  kList,
  kLock,
  kAny
};

// Keeps bytes and names as a process sees them and, apart from that, what would survive power loss:
// bytes by sync_data(), names by sync_directory(), neither by the other. Any thread.
//
// As in Linux, a failed sync loses what it was to write: the process goes on seeing it, a later
// sync says that all is well, and power loss shows that it never reached the disk.
class FakeFileSystem final : public FileSystem {
 public:
  FakeFileSystem();
  ~FakeFileSystem() override;

  // --- Faults ---

  // The `nth` call from now on of this kind (1: the next) fails with `error`; `for_good`: and all
  // after it. Only calls whose path holds `path_part`. A failing write has written a part.
  void fail(FsCall call, int error, std::uint64_t nth = 1, bool for_good = false,
            std::string path_part = {});
  // No more faults, enough space.
  void heal();
  // Calls that failed so.
  std::uint64_t faults_struck() const;
  // All files together may not grow beyond this: ENOSPC.
  void set_space(std::uint64_t bytes);
  // As a file system without preallocate().
  void refuse_to_preallocate() { can_preallocate_ = false; }

  // The process dies in the `nth` call from now on that changes something, which may have done a
  // part of its work; every later call fails and does nothing. 0: never.
  void die_at(std::uint64_t nth);
  bool is_dead() const;
  // Calls that change something, so far.
  std::uint64_t changes() const;

  // The process died; the machine did not. Forgets faults and death.
  void restart();
  // Power was lost: only what was synced is left, and what the disk happened to have written
  // besides. With a seed, that is a random choice of the unsynced pieces, of 512 bytes or 4 KiB,
  // and of the names, in their order; without, nothing.
  void crash(std::optional<std::uint64_t> seed = std::nullopt);

  // --- Looking and tampering, which no fault stops ---

  bool has(const std::string& path) const;
  std::vector<std::byte> bytes(const std::string& path) const;
  // Replaces the file's bytes, on the disk too.
  void put(const std::string& path, const std::vector<std::byte>& bytes);
  // Flips bits of one byte, on the disk too.
  void damage(const std::string& path, std::uint64_t offset, std::byte with = std::byte{0xff});
  void erase(const std::string& path);
  std::vector<std::string> names(const std::string& directory) const;
  // Paths of which release_cache() was called, in order.
  std::vector<std::string> released() const;

  // --- FileSystem ---

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     mode_t permissions) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Status make_directory(const std::string& path, mode_t permissions) override;
  bool exists(const std::string& path) override;
  Status remove_directory(const std::string& path) override;

 private:
  struct Node;
  class FakeFile;
  using Names = std::map<std::string, std::shared_ptr<Node>>;
  struct NameChange {
    std::string name;
    std::shared_ptr<Node> node;  // null: removed
  };
  struct Directory {
    Names now;
    Names durable;
    std::vector<std::vector<NameChange>> unsynced;  // each all or nothing
  };
  struct Fault {
    FsCall call;
    int error;
    std::uint64_t nth;
    bool for_good;
    std::string path_part;
  };
  // What a call is to do: go on, fail, or do a part and die.
  struct Verdict {
    int error = 0;
    bool in_part = false;
  };

  Verdict judge(FsCall call, const std::string& path);
  // With all that is in it; durable at once, as are directories that are made.
  void rename_directory(const std::string& from, const std::string& to);
  Directory* directory_of(const std::string& path, std::string& name);
  const Directory* directory_of(const std::string& path, std::string& name) const;
  std::shared_ptr<Node> find(const std::string& path) const;
  void set_name(Directory& directory, const std::string& name, std::shared_ptr<Node> node);
  Status write(Node& node, const std::string& path, xase::proto::Bytes bytes, std::uint64_t offset);
  std::uint64_t bytes_used() const;

  mutable std::mutex mutex_;
  std::map<std::string, Directory> directories_;
  std::vector<Fault> faults_;
  std::uint64_t faults_struck_ = 0;
  std::vector<std::string> released_;
  std::optional<std::uint64_t> space_;
  bool can_preallocate_ = true;
  std::uint64_t changes_ = 0;
  std::uint64_t die_at_ = 0;
  bool dead_ = false;
  std::uint64_t generation_ = 0;  // files opened before a crash belong to a process that is gone
};

}  // namespace xased::test
