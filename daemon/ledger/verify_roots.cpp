#include "daemon/ledger/verify_roots.hpp"

#include "daemon/ledger/tree/tile_files.hpp"

namespace xased {

using xase::proto::Hash;
using xase::proto::kTileHeight;
using xase::proto::kTileWidth;
using xase::proto::TreeFrontier;

// A node as the tiles have it, unchecked.
std::optional<Hash> VerifyRoots::tile_node(unsigned level, std::uint64_t index) {
  const auto place = xase::proto::place_of(level, index, tiles_size_);
  if (!place) return std::nullopt;
  if (tile_ != place->tile) {
    tile_ = place->tile;
    auto bytes = read_tile(fs_, directory_, place->tile);
    tile_bytes_ = bytes.ok() ? std::move(*bytes) : std::vector<std::byte>();
  }
  if (tile_bytes_.empty()) return std::nullopt;
  return xase::proto::fold_hashes(sha_, tile_bytes_.data() + place->first * sizeof(Hash),
                                  place->count);
}

void VerifyRoots::begin_at(std::uint64_t first) {
  begin_ = first;
  last_ = first - 1;
  if (first > 1) {
    frontier_ = TreeFrontier::of(
        first - 1, [this](unsigned level, std::uint64_t index) { return tile_node(level, index); });
    if (frontier_) {
      borrowed_ = first - 1;
    } else {
      unknown_from_ = 1;
    }
  }
  keep_root();
}

void VerifyRoots::take(const Hash& leaf_hash) {
  if (first_difference_ == 0 && last_ < tiles_size_) {
    const auto in_tile = tile_node(0, last_);
    if (in_tile && *in_tile != leaf_hash) first_difference_ = last_ + 1;
  }
  add(leaf_hash);
}

void VerifyRoots::lose(std::uint64_t through) {
  has_holes_ = true;
  // A hole of any size costs no more than there are tiles.
  while (frontier_ && last_ < through) {
    const auto hash = tile_node(0, last_);
    if (!hash) {
      frontier_.reset();
      leaves_.clear();
      unknown_from_ = last_ + 1;
      break;
    }
    ++borrowed_;
    add(*hash);
  }
  last_ = through;
}

void VerifyRoots::add(const Hash& leaf_hash) {
  ++last_;
  if (!frontier_) return;
  if (leaves_.empty() && frontier_->size() % kTileWidth != 0) {
    frontier_->append(sha_, leaf_hash);
  } else {
    leaves_.push_back(leaf_hash);
    if (leaves_.size() == kTileWidth) {
      frontier_->append_node(sha_, kTileHeight, fold_nodes(batch_, leaves_));
      leaves_.clear();
    }
  }
  keep_root();
}

void VerifyRoots::keep_root() {
  if (!frontier_) return;
  const auto wanted = roots_.find(last_);
  if (wanted == roots_.end()) return;
  TreeFrontier whole = *frontier_;
  for (const Hash& leaf_hash : leaves_) whole.append(sha_, leaf_hash);
  wanted->second = whole.root(sha_);
  borrowed_at_[last_] = borrowed_;
}

std::optional<Hash> VerifyRoots::root_at(std::uint64_t size) const {
  const auto found = roots_.find(size);
  return found == roots_.end() ? std::nullopt : found->second;
}

std::uint64_t VerifyRoots::borrowed(std::uint64_t size) const {
  const auto found = borrowed_at_.find(size);
  return found == borrowed_at_.end() ? 0 : found->second;
}

}  // namespace xased
