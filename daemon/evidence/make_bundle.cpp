#include "daemon/evidence/make_bundle.hpp"

#include <algorithm>
#include <map>

#include "daemon/evidence/entry_finder.hpp"
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
using xase::proto::Leaf;

namespace {

constexpr std::uint64_t kEntriesPerProgress = 256;
// Text may become twice as long in JSON, and the rest a third longer in base64.
constexpr std::size_t kDisclosedBytesMax = kBundleBytesMax / 4;

class Discloser {
 public:
  explicit Discloser(MadeBundle& made) : made_(made) {}

  // `erasable`: null where it was dropped.
  Status take(const Disclosure& disclose, const Leaf& leaf, Bytes leaf_bytes,
              const xase::proto::Erasable* erasable) {
    const std::uint64_t at = (leaf.sequence - made_.bundle->first) * kLeafBytes;
    const Bytes proven = Bytes(made_.bundle->leaves).subspan(at, kLeafBytes);
    if (!std::equal(proven.begin(), proven.end(), leaf_bytes.begin(), leaf_bytes.end())) {
      return failed(Code::kCorrupt, leaf, "is another than the one that was signed");
    }
    for (std::size_t part = 0; part < kParts; ++part) {
      const Hash& commitment = leaf.commitments[part];
      if (!disclose[part] || commitment == Hash{}) continue;
      if (erasable == nullptr) {
        ++made_.not_at_hand;
        continue;
      }
      const Bytes bytes = erasable->parts[part];
      const auto& random = erasable->salts[part];
      if (xase::proto::commitment(sha_, part, random, bytes) != commitment) {
        return failed(Code::kCorrupt, leaf, "does not have what its leaf commits to");
      }
      bytes_ += bytes.size();
      if (bytes_ > kDisclosedBytesMax) {
        return failed(Code::kInvalid, leaf, "makes the bundle too large; export less at once");
      }
      made_.bundle->disclosed.push_back(
          {leaf.sequence, {part, random, {bytes.begin(), bytes.end()}}});
    }
    return {};
  }

 private:
  static Status failed(Code code, const Leaf& leaf, const std::string& what) {
    return {code, "entry " + std::to_string(leaf.sequence) + " of the journal " + what};
  }

  MadeBundle& made_;
  Sha256 sha_;
  std::size_t bytes_ = 0;
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

// With the leaves, and nothing disclosed.
Result<MadeBundle> with_leaves(FileSystem& fs, const std::string& state_dir, std::uint64_t first,
                               std::uint64_t last) {
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
  return made;
}

}  // namespace

Result<MadeBundle> make_bundle(
    FileSystem& fs, const std::string& state_dir, std::uint64_t first, std::uint64_t last,
    const Disclosure& disclose,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  auto made = with_leaves(fs, state_dir, first, last);
  const bool discloses = std::find(disclose.begin(), disclose.end(), true) != disclose.end();
  if (!made.ok() || !made->bundle || !discloses) return made;
  Discloser discloser(*made);
  Status taken;
  Status status = scan_entries(fs, state_dir + "/" + std::string(kJournalFolder), first, last,
                               [&](const Entry& entry) {
                                 const std::uint64_t done = entry.leaf.sequence - first;
                                 if (progress && done % kEntriesPerProgress == 0) {
                                   progress(done, last - first + 1);
                                 }
                                 taken = discloser.take(disclose, entry.leaf, entry.leaf_bytes,
                                                        entry.erased() ? nullptr : &entry.erasable);
                                 return taken.ok();
                               });
  if (status.ok()) status = taken;
  if (!status.ok()) return status;
  // Those of whole segments that are gone too.
  made->not_at_hand = parts_wanted(*made->bundle, disclose) - made->bundle->disclosed.size();
  return made;
}

Result<TransactionStretch> find_transaction(FileSystem& fs, const std::string& state_dir,
                                            std::string_view transaction_id) {
  const auto head = read_unverified_head(fs, state_dir + "/tree");
  if (!head.ok()) return head.status();
  EntryFinder finder(fs, state_dir);
  auto records = finder.records_of(transaction_id);
  if (!records.ok()) return records.status();
  if (records->empty()) {
    return Status(Code::kNotFound, "no record in " + state_dir + " has this transaction_id");
  }
  TransactionStretch found{records->front(), records->back(), std::move(*records), {}};
  for (const std::uint64_t record : found.records) {
    const auto entry = finder.entry(record);
    if (!entry.ok()) return entry.status();
    const auto answer = finder.answer_to(*entry);
    if (!answer.ok()) return answer.status();
    if (!*answer || (*answer)->leaf.sequence > head->checkpoint.size) continue;
    found.answers.push_back((*answer)->leaf.sequence);
    found.last = std::max(found.last, found.answers.back());
  }
  return found;
}

Result<MadeBundle> make_transaction_bundle(FileSystem& fs, const std::string& state_dir,
                                           const TransactionStretch& transaction,
                                           const Disclosure& disclose) {
  if (transaction.last - transaction.first >= kBundleEntriesMax) {
    return Status(Code::kInvalid,
                  "entries " + std::to_string(transaction.first) + " to " +
                      std::to_string(transaction.last) +
                      " are more than a bundle has room for: show each alone, with xasectl prove");
  }
  auto made = with_leaves(fs, state_dir, transaction.first, transaction.last);
  if (!made.ok() || !made->bundle) return made;
  std::map<std::uint64_t, Disclosure> wanted;
  for (const std::uint64_t record : transaction.records) wanted[record] = disclose;
  for (const std::uint64_t answer : transaction.answers) {
    wanted[answer] = {};
    wanted[answer][xase::proto::kRestPart] = true;
  }
  Discloser discloser(*made);
  EntryFinder finder(fs, state_dir);
  for (const auto& [sequence, parts] : wanted) {
    const auto entry = finder.entry(sequence);
    if (!entry.ok()) return entry.status();
    const xase::proto::Erasable erasable =
        entry->erasable_bytes.empty() ? xase::proto::Erasable{} : entry->erasable();
    Status status = discloser.take(parts, entry->leaf, entry->leaf_bytes,
                                   entry->erasable_bytes.empty() ? nullptr : &erasable);
    if (!status.ok()) return status;
  }
  return made;
}

}  // namespace xased
