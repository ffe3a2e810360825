#include "daemon/ledger/tree/tile_reader.hpp"

#include <algorithm>

#include "daemon/ledger/tree/tile_files.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::Hash;
using xase::proto::Tile;

namespace {

constexpr std::size_t kKeptMax = 16;

}  // namespace

TileReader::TileReader(FileSystem& fs, std::string directory, std::uint64_t size, const Hash& root)
    : fs_(fs), directory_(std::move(directory)), size_(size), root_(root) {}

Result<const std::vector<std::byte>*> TileReader::bytes_of(const Tile& tile) {
  auto found =
      std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) { return kept.tile == tile; });
  if (found == kept_.end()) {
    auto bytes = read_tile(fs_, directory_, tile);
    if (!bytes.ok()) return bytes.status();
    if (kept_.size() < kKeptMax) {
      found = kept_.insert(kept_.end(), Kept{});
    } else {
      found = std::min_element(kept_.begin(), kept_.end(),
                               [](const Kept& a, const Kept& b) { return a.used < b.used; });
    }
    found->tile = tile;
    found->bytes = std::move(*bytes);
  }
  found->used = ++uses_;
  return &found->bytes;
}

std::optional<Hash> TileReader::node(unsigned level, std::uint64_t index) {
  const auto place = xase::proto::place_of(level, index, size_);
  if (!place) return std::nullopt;
  const auto bytes = bytes_of(place->tile);
  if (!bytes.ok()) {
    failure_ = bytes.status();
    return std::nullopt;
  }
  return xase::proto::fold_hashes(sha_, (*bytes)->data() + place->first * sizeof(Hash),
                                  place->count);
}

Status TileReader::failure_or(Code code, const std::string& message) const {
  return failure_.ok() ? Status(code, message) : failure_;
}

Result<std::vector<Hash>> TileReader::prove_inclusion(std::uint64_t index) {
  failure_ = {};
  const auto read = [this](unsigned level, std::uint64_t at) { return node(level, at); };
  auto path = xase::proto::prove_inclusion(sha_, read, index, size_);
  const auto leaf = path ? node(0, index) : std::nullopt;
  if (!leaf) {
    return failure_or(Code::kInvalid, "the tree of " + std::to_string(size_) +
                                          " entries has no leaf " + std::to_string(index));
  }
  if (!xase::proto::verify_inclusion(sha_, *leaf, index, size_, root_, *path)) {
    return Status(Code::kCorrupt, "the tiles in " + directory_ + " do not lead from leaf " +
                                      std::to_string(index) + " to the checkpoint's root");
  }
  return std::move(*path);
}

Result<TileReader::ProvenLeaf> TileReader::leaf(std::uint64_t sequence) {
  // Of sequence 0 this is no leaf of any tree.
  auto path = prove_inclusion(sequence - 1);
  if (!path.ok()) return path.status();
  const std::uint64_t index = sequence - 1;
  const Tile bundle = xase::proto::bundle_of(index, size_);
  const auto bytes = bytes_of(bundle);
  if (!bytes.ok()) return bytes.status();
  const auto leaf = xase::proto::bundle_leaf(
      **bytes, bundle.width, static_cast<unsigned>(index % xase::proto::kTileWidth));
  ProvenLeaf proven;
  proven.path = std::move(*path);
  if (leaf) {
    std::copy(leaf->begin(), leaf->end(), proven.leaf.begin());
    proven.leaf_hash = xase::proto::leaf_hash(sha_, *leaf);
  }
  if (!leaf ||
      !xase::proto::verify_inclusion(sha_, proven.leaf_hash, index, size_, root_, proven.path)) {
    return Status(Code::kCorrupt, tile_file(directory_, bundle) + " holds another entry " +
                                      std::to_string(sequence) + " than the checkpoint's root");
  }
  return proven;
}

Result<TileReader::ProvenRange> TileReader::range(std::uint64_t begin, std::uint64_t end) {
  failure_ = {};
  const auto read = [this](unsigned level, std::uint64_t at) { return node(level, at); };
  auto proof = xase::proto::prove_range(read, begin, end, size_);
  if (!proof) {
    return failure_or(Code::kInvalid, "the tree of " + std::to_string(size_) +
                                          " entries has no leaves " + std::to_string(begin) +
                                          " to " + std::to_string(end));
  }
  ProvenRange range;
  range.proof = std::move(*proof);
  range.leaves.reserve((end - begin) * xase::proto::kLeafBytes);
  range.hashes.reserve(end - begin);
  for (std::uint64_t index = begin; index < end; ++index) {
    const Tile bundle = xase::proto::bundle_of(index, size_);
    const auto bytes = bytes_of(bundle);
    if (!bytes.ok()) return bytes.status();
    const auto leaf = xase::proto::bundle_leaf(
        **bytes, bundle.width, static_cast<unsigned>(index % xase::proto::kTileWidth));
    if (!leaf) {
      return Status(Code::kCorrupt, tile_file(directory_, bundle) + " does not hold entry " +
                                        std::to_string(index + 1));
    }
    range.leaves.insert(range.leaves.end(), leaf->begin(), leaf->end());
    range.hashes.push_back(xase::proto::leaf_hash(sha_, *leaf));
  }
  if (xase::proto::root_by_range(sha_, begin, range.hashes, size_, range.proof) != root_) {
    return Status(Code::kCorrupt, "the files in " + directory_ + " do not lead from leaves " +
                                      std::to_string(begin) + " to " + std::to_string(end) +
                                      " to the checkpoint's root");
  }
  return range;
}

Result<TileReader::Consistency> TileReader::prove_consistency(std::uint64_t first) {
  failure_ = {};
  const auto read = [this](unsigned level, std::uint64_t at) { return node(level, at); };
  auto proof = xase::proto::prove_consistency(sha_, read, first, size_);
  const auto first_root = proof ? xase::proto::tree_root(sha_, read, first) : std::nullopt;
  if (!first_root) {
    return failure_or(Code::kInvalid, "a tree of " + std::to_string(first) +
                                          " entries is no beginning of one of " +
                                          std::to_string(size_));
  }
  if (!xase::proto::verify_consistency(sha_, first, *first_root, size_, root_, *proof)) {
    return Status(Code::kCorrupt, "the tiles in " + directory_ + " do not lead from the first " +
                                      std::to_string(first) + " entries to the checkpoint's root");
  }
  return Consistency{*first_root, std::move(*proof)};
}

}  // namespace xased
