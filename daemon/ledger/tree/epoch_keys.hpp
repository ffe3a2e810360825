// The keys of epochs, each in a file of its own beside the ledger's, for as long as its epoch
// lasts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/ledger/tree/signing_key.hpp"
#include "daemon/platform/file_system.hpp"

namespace xased {

// Any thread, but one epoch's file only from one at a time. No state but the files: whoever needs a
// key loads it, and it is gone for all once erase() returned.
class EpochKeys {
 public:
  // `directory`: STATE_DIR/keys, which is there. `name`: of their signature lines, the ledger's
  // origin.
  EpochKeys(FileSystem& fs, std::string directory, std::string name)
      : fs_(fs), directory_(std::move(directory)), name_(std::move(name)) {}

  const std::string& name() const { return name_; }

  // A new key, durably in its file. A file that is there already belongs to an opening that never
  // became an entry: that key was never used, and is replaced.
  Result<std::unique_ptr<Ed25519Key>> create(std::uint64_t epoch);
  // Errors as Ed25519Key::load().
  Result<std::unique_ptr<Ed25519Key>> load(std::uint64_t epoch) const;

  // Overwrites the file, syncs it and removes it, durably; success where there is none. A file
  // system or a disk that never writes in place may still keep the old bytes somewhere.
  Status erase(std::uint64_t epoch);
  // The epochs that have a file, in no order.
  Result<std::vector<std::uint64_t>> list() const;

 private:
  std::string path_of(std::uint64_t epoch) const;

  FileSystem& fs_;
  const std::string directory_;
  const std::string name_;
};

}  // namespace xased
