#include "daemon/ledger/tree/lost_leaves.hpp"

#include <algorithm>
#include <map>

#include "daemon/platform/sha256.hpp"
#include "proto/frame.hpp"

namespace xased {
namespace {

using xase::proto::Bytes;
using xase::proto::Hash;
using xase::proto::kFrameAlignment;
using xase::proto::kLeafBytes;

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;

// By sequence; an app's bytes may hold what looks like the leaf of an entry, too.
using Candidates = std::multimap<std::uint64_t, LeafBytes>;

// The last of them count: salvaging goes backwards.
void take_candidates(Bytes piece, const JournalDamage& damage, Candidates& found) {
  for (std::size_t at = 0; at + kLeafBytes <= piece.size(); at += kFrameAlignment) {
    const Bytes bytes = piece.subspan(at, kLeafBytes);
    if (xase::proto::load<std::array<char, 8>>(bytes.data()) != xase::proto::kLeafDomain) continue;
    const auto leaf = xase::proto::decode_leaf(bytes);
    if (!leaf || leaf->sequence < damage.first || leaf->sequence > damage.last) continue;
    const auto added = found.emplace(leaf->sequence, LeafBytes{});
    std::copy(bytes.begin(), bytes.end(), added->second.begin());
    if (found.size() > kSalvagedMax) found.erase(found.begin());
  }
}

}  // namespace

Result<std::vector<LeafBytes>> salvage_leaves(FileSystem& fs, const std::string& journal,
                                              const JournalDamage& damage, std::uint64_t end,
                                              const Hash& behind) {
  std::vector<LeafBytes> salvaged;
  auto file = fs.open(journal + "/" + damage.segment, OpenMode::kRead);
  if (!file.ok()) {
    if (file.status().code() == Code::kNotFound) return salvaged;
    return file.status();
  }
  Candidates found;
  std::vector<std::byte> piece(kPieceBytes);
  for (std::uint64_t at = damage.position; at < end; at += kPieceBytes - kLeafBytes) {
    const auto got = (*file)->read_at(
        std::span<std::byte>(piece).first(std::min<std::uint64_t>(end - at, piece.size())), at);
    if (!got.ok()) return got.status();
    take_candidates(Bytes(piece).first(*got), damage, found);
    if (*got < piece.size()) break;
  }
  Sha256 sha;
  Hash wanted = behind;
  for (std::uint64_t sequence = damage.last; sequence >= damage.first; --sequence) {
    const auto [first, last] = found.equal_range(sequence);
    const auto right = std::find_if(first, last, [&](const auto& candidate) {
      return xase::proto::leaf_hash(sha, candidate.second) == wanted;
    });
    if (right == last) break;
    salvaged.push_back(right->second);
    wanted = xase::proto::load<Hash>(right->second.data() + xase::proto::kLeafPreviousOffset);
  }
  std::reverse(salvaged.begin(), salvaged.end());
  return salvaged;
}

}  // namespace xased
