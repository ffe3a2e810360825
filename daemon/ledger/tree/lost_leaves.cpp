#include "daemon/ledger/tree/lost_leaves.hpp"

#include <algorithm>
#include <map>

#include "daemon/ledger/tree/leaf_walk.hpp"
#include "daemon/ledger/tree/tile_files.hpp"
#include "daemon/platform/sha256.hpp"
#include "proto/frame.hpp"
#include "proto/tiles.hpp"

namespace xased {
namespace {

using xase::proto::Bytes;
using xase::proto::Hash;
using xase::proto::kFrameAlignment;
using xase::proto::kLeafBytes;

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;

// By sequence; an app's bytes may hold what looks like the leaf of an entry, too.
using Candidates = std::multimap<std::uint64_t, LeafBytes>;

// So many for one sequence: the leaf itself comes before what its own payload may hold.
constexpr std::size_t kForOneMax = 16;
constexpr std::size_t kCandidatesMax = 4 * kSalvagedMax;

// The last of them count: salvaging goes backwards.
void take_candidate(Bytes bytes, const JournalDamage& damage, Candidates& found) {
  const auto leaf = xase::proto::decode_leaf(bytes);
  if (!leaf || leaf->sequence < damage.first || leaf->sequence > damage.last) return;
  if (found.count(leaf->sequence) >= kForOneMax) return;
  const auto added = found.emplace(leaf->sequence, LeafBytes{});
  std::copy(bytes.begin(), bytes.end(), added->second.begin());
  if (found.size() > kCandidatesMax) found.erase(found.begin());
}

void search_piece(Bytes piece, const JournalDamage& damage, Candidates& found) {
  for (std::size_t at = 0; at + kLeafBytes <= piece.size(); at += kFrameAlignment) {
    const Bytes bytes = piece.subspan(at, kLeafBytes);
    if (xase::proto::load<std::array<char, 8>>(bytes.data()) != xase::proto::kLeafDomain) continue;
    take_candidate(bytes, damage, found);
  }
}

// What an earlier tree has of them, of which there is no head any more.
Status search_tree(FileSystem& fs, const std::string& tree, const JournalDamage& damage,
                   Candidates& found) {
  using xase::proto::kTileWidth;
  const std::uint64_t at_most = std::min<std::uint64_t>(damage.last, kSalvagedMax);
  std::uint64_t index = std::max(damage.first, damage.last - at_most + 1) - 1;
  while (index < damage.last) {
    const std::uint64_t size = size_of_tree_with(fs, tree, index + 1);
    const xase::proto::Tile tile = xase::proto::bundle_of(index, size);
    const auto bundle = read_tile(fs, tree, tile);
    const Code code = bundle.ok() ? Code::kOk : bundle.status().code();
    if (!bundle.ok() && code != Code::kNotFound && code != Code::kCorrupt) return bundle.status();
    for (unsigned offset = 0; bundle.ok() && offset < tile.width; ++offset) {
      if (const auto leaf = xase::proto::bundle_leaf(*bundle, tile.width, offset)) {
        take_candidate(*leaf, damage, found);
      }
    }
    index = (index / kTileWidth + 1) * kTileWidth;
  }
  return {};
}

}  // namespace

Result<std::vector<LeafBytes>> salvage_leaves(FileSystem& fs, const std::string& journal,
                                              const JournalDamage& damage, std::uint64_t end,
                                              const Hash& behind,
                                              const std::vector<std::string>& trees) {
  Candidates found;
  // These hold no app's bytes, which might crowd out what is looked for.
  for (const std::string& tree : trees) {
    if (Status status = search_tree(fs, tree, damage, found); !status.ok()) return status;
  }
  auto file = fs.open(journal + "/" + damage.segment, OpenMode::kRead);
  if (!file.ok() && file.status().code() != Code::kNotFound) return file.status();
  std::vector<std::byte> piece(kPieceBytes);
  for (std::uint64_t at = damage.position; file.ok() && at < end; at += kPieceBytes - kLeafBytes) {
    const auto got = (*file)->read_at(
        std::span<std::byte>(piece).first(std::min<std::uint64_t>(end - at, piece.size())), at);
    if (!got.ok()) return got.status();
    search_piece(Bytes(piece).first(*got), damage, found);
    if (*got < piece.size()) break;
  }
  std::vector<LeafBytes> salvaged;
  Sha256 sha;
  Hash wanted = behind;
  for (std::uint64_t sequence = damage.last; sequence >= damage.first; --sequence) {
    const auto [first, last] = found.equal_range(sequence);
    const auto right = std::find_if(first, last, [&](const auto& candidate) {
      return xase::proto::leaf_hash(sha, candidate.second) == wanted;
    });
    if (right == last || salvaged.size() == kSalvagedMax) break;
    salvaged.push_back(right->second);
    wanted = xase::proto::load<Hash>(right->second.data() + xase::proto::kLeafPreviousOffset);
  }
  std::reverse(salvaged.begin(), salvaged.end());
  return salvaged;
}

}  // namespace xased
