#include "daemon/ledger/tree/tile_writer.hpp"

#include <algorithm>

#include "daemon/ledger/tree/leaf_walk.hpp"
#include "daemon/ledger/tree/tile_files.hpp"
#include "daemon/ledger/tree/tile_reader.hpp"
#include "proto/lost_leaf.hpp"

namespace xased {
namespace {

using xase::proto::Bytes;
using xase::proto::Hash;
using xase::proto::kTileWidth;
using xase::proto::Tile;
using Kind = xase::proto::Tile::Kind;

constexpr mode_t kDirectoryMode = 0700;
// Directories that are remembered or wait for a sync; there is one for a thousand full tiles.
constexpr std::size_t kKnownMax = 1024;
constexpr std::size_t kTouchedMax = 64;
// More of them pile up only where checkpoints fail for long; the rest is found at the next open().
constexpr std::size_t kSupersededMax = 1024;

// Full tiles that are looked at for partial files that should be gone: no process that died within
// a checkpoint leaves them further back, other than one that was behind by more than 256,000
// entries.
constexpr std::uint64_t kLookBack = 1000;

std::string partials_of(const std::string& full_path) { return full_path + ".p"; }
std::string temporary_of(const std::string& path) { return path + ".tmp"; }

// Whether the content of the tree's files, and not the disk, is what is wrong.
bool is_damage(const Status& status) {
  return status.code() == Code::kNotFound || status.code() == Code::kCorrupt;
}

}  // namespace

Result<std::unique_ptr<TileWriter>> TileWriter::make(FileSystem& fs, const std::string& directory) {
  if (Status status = fs.make_directory(directory, kDirectoryMode); !status.ok()) return status;
  std::unique_ptr<TileWriter> writer(new TileWriter(fs, directory));
  // Its name may be as new as it looks to be old: one that made it may have died before its sync.
  writer->touched_.insert(directory_of(directory));
  writer->known_.insert(directory);
  return writer;
}

Result<TileWriter::Opened> TileWriter::open(FileSystem& fs, const std::string& directory,
                                            std::uint64_t size, const Hash& root) {
  auto writer = make(fs, directory);
  if (!writer.ok()) return writer.status();
  if (size == 0) return Opened{std::move(*writer), {}};
  Status damage = (*writer)->restore(size, root);
  if (damage.ok()) {
    (*writer)->find_superseded();
    return Opened{std::move(*writer), {}};
  }
  if (!is_damage(damage)) return damage;
  auto salvaged = salvage(fs, directory, size, size);
  if (salvaged.ok() && salvaged->writer->size() == size && salvaged->writer->root() != root) {
    salvaged = salvage(fs, directory, size, size - 1);
  }
  if (salvaged.ok()) salvaged->damage = std::move(damage);
  return salvaged;
}

Result<TileWriter::Opened> TileWriter::salvage(FileSystem& fs, const std::string& directory,
                                               std::uint64_t size, std::uint64_t at_most) {
  auto made = make(fs, directory);
  if (!made.ok()) return made.status();
  Opened opened{std::move(*made), {}};
  TileWriter& writer = *opened.writer;
  writer.compares_ = true;
  const Status walked = walk_leaves(
      fs, directory, size, std::min(size, at_most),
      [&](Bytes leaf, const Hash& leaf_hash) {
        if (writer.pending_.size() >= kPendingMax) {
          if (Status status = writer.settle(); !status.ok()) return status;
        }
        writer.take(leaf, leaf_hash);
        return Status();
      },
      opened.damage);
  if (!walked.ok()) return walked;
  return opened;
}

Status TileWriter::restore(std::uint64_t size, const Hash& root) {
  if (size > xase::proto::kTreeSizeMax) return {Code::kCorrupt, "no tree is that large"};
  Status failure;
  auto builder =
      TileBuilder::restore(size, [&](const Tile& tile) -> std::optional<std::vector<std::byte>> {
        auto bytes = read_tile(fs_, directory_, tile);
        if (bytes.ok()) return std::move(*bytes);
        failure = bytes.status();
        return std::nullopt;
      });
  if (!builder) return failure;
  if (builder->root() != root) {
    return {Code::kCorrupt,
            "the partial tiles in " + directory_ + " do not lead to the checkpoint's root"};
  }
  // The leaves that wait for their bundle to become full: written again then, so they must be
  // right.
  const std::vector<TileBuilder::Part> parts = builder->parts();
  Sha256 sha;
  if (!parts.empty() && parts[0].tile.kind == Kind::kEntries) {
    for (unsigned i = 0; i < parts[0].tile.width; ++i) {
      const auto leaf = xase::proto::bundle_leaf(parts[0].bytes, parts[0].tile.width, i);
      // A partial bundle and the partial tile with its hashes are there at the same time.
      const auto expected = xase::proto::load<Hash>(parts[1].bytes.data() + i * sizeof(Hash));
      if (!leaf || xase::proto::leaf_hash(sha, *leaf) != expected) {
        return {Code::kCorrupt, tile_file(directory_, parts[0].tile) +
                                    " holds another leaf than its tile at " + std::to_string(i)};
      }
    }
  }
  TileReader reader(fs_, directory_, size, root);
  const auto last = reader.leaf(size);
  if (!last.ok()) return last.status();
  builder_ = std::move(*builder);
  last_leaf_hash_ = last->leaf_hash;
  ends_lost_ = xase::proto::decode_lost_leaf(last->leaf).has_value();
  published_size_ = size;
  return {};
}

// A process that died behind its checkpoint left the partial files of tiles that had become full.
void TileWriter::find_superseded() {
  const auto look_at = [&](Kind kind, unsigned level) {
    const std::uint64_t full = xase::proto::tile_hashes(level, size()) / kTileWidth;
    for (std::uint64_t i = full > kLookBack ? full - kLookBack : 0; i < full; ++i) {
      const std::string partials = partials_of(tile_file(directory_, {kind, level, i, kTileWidth}));
      if (fs_.exists(partials)) superseded_.push_back(partials);
    }
  };
  look_at(Kind::kEntries, 0);
  for (unsigned level = 0; level < xase::proto::kTileLevels; ++level) look_at(Kind::kHashes, level);
}

Status TileWriter::append(std::uint64_t sequence, Bytes leaf, const Hash& leaf_hash) {
  if (sequence != size() + 1 || size() >= xase::proto::kTreeSizeMax ||
      leaf.size() != xase::proto::kLeafBytes) {
    return {Code::kInvalid, "entry " + std::to_string(sequence) + " does not follow a tree of " +
                                std::to_string(size())};
  }
  if (!is_chained(leaf, last_leaf_hash_, ends_lost_)) {
    return {Code::kCorrupt, "entry " + std::to_string(sequence) +
                                " is not chained to the entry before it in the tree"};
  }
  if (pending_.size() >= kPendingMax) {
    if (Status status = settle(); !status.ok()) return status;
  }
  take(leaf, leaf_hash);
  return {};
}

void TileWriter::take(Bytes leaf, const Hash& leaf_hash) {
  builder_.append(leaf, leaf_hash, [this](const Tile& tile, Bytes bytes) {
    pending_.push_back({tile, {bytes.begin(), bytes.end()}});
  });
  last_leaf_hash_ = leaf_hash;
  ends_lost_ = xase::proto::decode_lost_leaf(leaf).has_value();
}

bool TileWriter::fits(std::uint64_t sequence, Bytes leaf) const {
  return sequence == size() + 1 && leaf_sequence(leaf) == sequence &&
         is_chained(leaf, last_leaf_hash_, ends_lost_);
}

// Writes the full tiles that wait: all, or as good as none.
Status TileWriter::settle() {
  std::vector<TileBuilder::Part> tiles;
  for (const PendingFile& pending : pending_) tiles.push_back({pending.tile, pending.bytes});
  if (Status status = write_files(tiles); !status.ok()) return status;
  for (const PendingFile& pending : pending_) {
    const std::string partials = partials_of(tile_file(directory_, pending.tile));
    if (superseding_.size() < kSupersededMax && fs_.exists(partials)) {
      superseding_.push_back(partials);
    }
  }
  pending_.clear();
  return touched_.size() > kTouchedMax ? sync_touched() : Status();
}

// Under temporary names, synced all at once, and only then under their own. May be repeated.
Status TileWriter::write_files(std::span<const TileBuilder::Part> tiles) {
  std::vector<std::string> paths;
  std::vector<std::unique_ptr<File>> files;
  for (const TileBuilder::Part& part : tiles) {
    const std::string path = tile_file(directory_, part.tile);
    const std::string directory = directory_of(path);
    if (Status status = ensure_directory(directory); !status.ok()) return status;
    if (compares_) {
      const auto there = read_file(fs_, path, part.bytes.size());
      if (there.ok() &&
          std::equal(there->begin(), there->end(), part.bytes.begin(), part.bytes.end())) {
        touched_.insert(directory);
        continue;
      }
    }
    auto file = write_temporary(temporary_of(path), part.bytes);
    if (!file.ok()) return file.status();
    files.push_back(std::move(*file));
    paths.push_back(path);
  }
  if (Status status = fs_.sync_all(files); !status.ok()) return status;
  for (std::size_t i = 0; i < files.size(); ++i) {
    // Nothing here reads it again but the next open(), where it is not full.
    files[i]->release_cache();
    if (Status status = fs_.rename(temporary_of(paths[i]), paths[i]); !status.ok()) return status;
    touched_.insert(directory_of(paths[i]));
  }
  return {};
}

// What is there is of a process that died, or of a try that failed: what a failed sync left is not
// synced again.
Result<std::unique_ptr<File>> TileWriter::write_temporary(const std::string& path, Bytes bytes) {
  if (fs_.exists(path)) {
    if (Status status = fs_.remove(path); !status.ok()) return status;
  }
  auto file = fs_.open(path, OpenMode::kCreate);
  if (!file.ok()) return file.status();
  if (Status status = (*file)->write_at(bytes, 0); !status.ok()) return status;
  return file;
}

Status TileWriter::ensure_directory(const std::string& path) {
  if (known_.contains(path)) return {};
  const std::string parent = directory_of(path);
  if (Status status = ensure_directory(parent); !status.ok()) return status;
  if (Status status = fs_.make_directory(path, kDirectoryMode); !status.ok()) return status;
  // Also where it was there: nobody knows whether its name was synced.
  touched_.insert(parent);
  if (known_.size() >= kKnownMax) {
    known_.clear();
    known_.insert(directory_);
  }
  known_.insert(path);
  return {};
}

Status TileWriter::sync_touched() {
  while (!touched_.empty()) {
    if (Status status = fs_.sync_directory(*touched_.begin()); !status.ok()) return status;
    touched_.erase(touched_.begin());
  }
  return {};
}

Status TileWriter::publish() {
  if (published_size_ == size() && pending_.empty() && touched_.empty()) return {};
  if (Status status = settle(); !status.ok()) return status;
  std::set<std::string> parts;
  std::vector<TileBuilder::Part> fresh;
  for (const TileBuilder::Part& part : builder_.parts()) {
    const std::string path = tile_path(part.tile);
    if (!written_parts_.contains(path)) fresh.push_back(part);
    parts.insert(path);
  }
  if (Status status = write_files(fresh); !status.ok()) return status;
  written_parts_ = std::move(parts);
  if (Status status = sync_touched(); !status.ok()) return status;
  compares_ = false;
  published_size_ = size();
  superseded_.insert(superseded_.end(), superseding_.begin(), superseding_.end());
  superseding_.clear();
  return {};
}

Status TileWriter::remove_superseded() {
  while (!superseded_.empty()) {
    Status status = remove_partials(superseded_.back());
    if (!status.ok() && status.code() != Code::kNotFound) return status;
    superseded_.pop_back();
  }
  return {};
}

Status TileWriter::remove_partials(const std::string& path) {
  const auto names = fs_.list(path);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    Status status = fs_.remove(std::string(path).append("/").append(name));
    if (!status.ok()) return status;
  }
  known_.erase(path);
  touched_.erase(path);
  return fs_.remove_directory(path);
}

}  // namespace xased
