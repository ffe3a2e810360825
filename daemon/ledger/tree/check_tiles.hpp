// The whole tree against its checkpoint, file by file.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "daemon/platform/file_system.hpp"
#include "proto/tiles.hpp"

namespace xased {

struct TileDamage {
  std::string path;  // below the directory
  std::string what;
};

struct TilesFound {
  // Entries from the first on whose bundles are whole and chained, each leaf to the one before.
  std::uint64_t entries = 0;
  // How many of them are lost leaves, and the first; 0: none.
  std::uint64_t lost = 0;
  std::uint64_t first_lost = 0;
  // Whether they are all, and lead to the root.
  bool has_root = false;
  // Files that are missing or hold something else, the first `kDamagesMax` of them, and their
  // count.
  std::vector<TileDamage> damages;
  std::uint64_t damage_count = 0;

  static constexpr std::size_t kDamagesMax = 64;
  bool sound() const { return has_root && damage_count == 0; }
};

// Reads every file that a tree with `size` leaves has: computes all hashes again from the bundles
// and compares every tile. Behind an entry that cannot be read nothing can be said of the tiles any
// more. At the speed of hashing, in constant memory. An error only where reading fails for a reason
// that is not the files' content. `progress`: entries read, now and then.
Result<TilesFound> check_tiles(FileSystem& fs, const std::string& directory, std::uint64_t size,
                               const xase::proto::Hash& root,
                               const std::function<void(std::uint64_t entries)>& progress = {});

}  // namespace xased
