#include "daemon/ledger/tree/tile_files.hpp"

namespace xased {

using xase::proto::kTileWidth;
using xase::proto::Tile;

namespace {

Result<std::vector<std::byte>> read_exactly(FileSystem& fs, const std::string& directory,
                                            const Tile& tile) {
  const std::string path = tile_file(directory, tile);
  auto bytes = read_file(fs, path, tile.bytes());
  if (!bytes.ok()) {
    // Longer than asked for.
    if (bytes.status().code() == Code::kInvalid) {
      return Status(Code::kCorrupt, bytes.status().message());
    }
    return bytes;
  }
  if (bytes->size() != tile.bytes()) {
    return Status(Code::kCorrupt, path + " has " + std::to_string(bytes->size()) +
                                      " bytes instead of " + std::to_string(tile.bytes()));
  }
  return bytes;
}

}  // namespace

Result<std::vector<std::byte>> read_tile(FileSystem& fs, const std::string& directory,
                                         const Tile& tile) {
  auto bytes = read_exactly(fs, directory, tile);
  if (bytes.ok() || tile.width == kTileWidth) return bytes;
  Tile full = tile;
  full.width = kTileWidth;
  auto wider = read_exactly(fs, directory, full);
  if (!wider.ok()) return bytes;
  wider->resize(tile.bytes());
  return wider;
}

std::string tile_file(const std::string& directory, const Tile& tile) {
  return directory + "/" + tile_path(tile);
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace xased
