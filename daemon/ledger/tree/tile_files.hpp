// Single files of the tree, as they lie on disk.
#pragma once

#include <string>
#include <vector>

#include "daemon/platform/file_system.hpp"
#include "proto/tiles.hpp"

namespace xased {

// The bytes of `tile` in `directory`, exactly tile.bytes() of them. Where a partial one is not
// there, or not whole, the beginning of the full one serves. kNotFound where neither is there,
// kCorrupt where one is and has another size.
Result<std::vector<std::byte>> read_tile(FileSystem& fs, const std::string& directory,
                                         const xase::proto::Tile& tile);

// "<directory>/<tile_path>".
std::string tile_file(const std::string& directory, const xase::proto::Tile& tile);

// What comes before the last slash of `path`.
std::string directory_of(const std::string& path);

}  // namespace xased
