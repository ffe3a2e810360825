#include "daemon/evidence/make_bundle.hpp"

#include <algorithm>

#include "daemon/evidence/entry_scan.hpp"
#include "daemon/evidence/unverified_head.hpp"
#include "daemon/ledger/segment_names.hpp"
#include "daemon/ledger/tree/tile_reader.hpp"
#include "proto/hashing.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::Hash;
using xase::proto::kLeafBytes;
using xase::proto::kParts;

namespace {

// Text may become twice as long in JSON, and the rest a third longer in base64.
constexpr std::size_t kDisclosedBytesMax = kBundleBytesMax / 4;

class Discloser {
 public:
  Discloser(const Disclosure& disclose, MadeBundle& made) : disclose_(disclose), made_(made) {}

  // False: enough, see status().
  bool take(const Entry& entry) {
    const std::uint64_t at = (entry.leaf.sequence - made_.bundle->first) * kLeafBytes;
    const Bytes proven = Bytes(made_.bundle->leaves).subspan(at, kLeafBytes);
    if (!std::equal(proven.begin(), proven.end(), entry.leaf_bytes.begin(),
                    entry.leaf_bytes.end())) {
      return fail(Code::kCorrupt, entry, "is another than the one that was signed");
    }
    for (std::size_t part = 0; part < kParts; ++part) {
      const Hash& commitment = entry.leaf.commitments[part];
      if (!disclose_[part] || commitment == Hash{} || entry.erased()) continue;
      const Bytes bytes = entry.erasable.parts[part];
      const auto& random = entry.erasable.salts[part];
      if (xase::proto::commitment(sha_, part, random, bytes) != commitment) {
        return fail(Code::kCorrupt, entry, "does not have what its leaf commits to");
      }
      bytes_ += bytes.size();
      if (bytes_ > kDisclosedBytesMax) {
        return fail(Code::kInvalid, entry, "makes the bundle too large; export less at once");
      }
      made_.bundle->disclosed.push_back(
          {entry.leaf.sequence, {part, random, {bytes.begin(), bytes.end()}}});
    }
    return true;
  }

  const Status& status() const { return status_; }

 private:
  bool fail(Code code, const Entry& entry, const std::string& what) {
    status_ = {code, "entry " + std::to_string(entry.leaf.sequence) + " of the journal " + what};
    return false;
  }

  const Disclosure& disclose_;
  MadeBundle& made_;
  Sha256 sha_;
  std::size_t bytes_ = 0;
  Status status_;
};

// Parts that the leaves commit to and that are to be disclosed.
std::uint64_t parts_wanted(const Bundle& bundle, const Disclosure& disclose) {
  std::uint64_t wanted = 0;
  for (std::size_t at = 0; at < bundle.leaves.size(); at += kLeafBytes) {
    const auto leaf = xase::proto::decode_leaf(Bytes(bundle.leaves).subspan(at, kLeafBytes));
    for (std::size_t part = 0; leaf && part < kParts; ++part) {
      if (disclose[part] && leaf->commitments[part] != Hash{}) ++wanted;
    }
  }
  return wanted;
}

}  // namespace

Result<MadeBundle> make_bundle(FileSystem& fs, const std::string& state_dir, std::uint64_t first,
                               std::uint64_t last, const Disclosure& disclose) {
  if (first == 0 || first > last || last - first >= kBundleEntriesMax) {
    return Status(Code::kInvalid, "a bundle is of 1 to " + std::to_string(kBundleEntriesMax) +
                                      " entries, the first of which has sequence 1");
  }
  const std::string tree = state_dir + "/tree";
  auto head = read_unverified_head(fs, tree);
  if (!head.ok()) return head.status();
  MadeBundle made;
  made.covered = head->checkpoint.size;
  if (last > made.covered) return made;
  TileReader tiles(fs, tree, head->checkpoint.size, head->checkpoint.root);
  auto range = tiles.range(first - 1, last);
  if (!range.ok()) return range.status();
  made.bundle =
      Bundle{first, std::move(range->leaves), std::move(range->proof), std::move(head->note), {}};
  if (std::find(disclose.begin(), disclose.end(), true) == disclose.end()) return made;
  Discloser discloser(disclose, made);
  Status status = scan_entries(fs, state_dir + "/" + std::string(kJournalFolder), first, last,
                               [&](const Entry& entry) { return discloser.take(entry); });
  if (status.ok()) status = discloser.status();
  if (!status.ok()) return status;
  made.not_at_hand = parts_wanted(*made.bundle, disclose) - made.bundle->disclosed.size();
  return made;
}

}  // namespace xased
