#include "daemon/evidence/make_proof.hpp"

#include <algorithm>

#include "daemon/evidence/entry_finder.hpp"
#include "daemon/evidence/unverified_head.hpp"
#include "daemon/ledger/tree/tile_reader.hpp"
#include "proto/hashing.hpp"

namespace xased {

using xase::proto::Hash;
using xase::proto::kParts;

namespace {

class Maker {
 public:
  Maker(FileSystem& fs, const std::string& state_dir)
      : tree_(state_dir + "/tree"), fs_(fs), finder_(fs, state_dir) {}

  Result<MadeProof> make(std::uint64_t sequence, const Disclosure& disclose) {
    MadeProof made;
    auto head = read_unverified_head(fs_, tree_);
    if (!head.ok()) return head.status();
    made.covered = head->checkpoint.size;
    auto found = finder_.entry(sequence);
    if (!found.ok() && found.status().code() != Code::kNotFound) return found.status();
    if (sequence == 0 || sequence > made.covered) {
      if (!found.ok()) return found.status();
      return made;
    }
    TileReader tiles(fs_, tree_, head->checkpoint.size, head->checkpoint.root);
    const FoundEntry* entry = found.ok() ? &*found : nullptr;
    auto proven = prove(tiles, *head, sequence, entry);
    if (!proven.ok()) return proven.status();
    made.proof = Proof{std::move(*proven), std::nullopt};
    if (Status status = show(entry, disclose, made.proof->entry, made.remarks); !status.ok()) {
      return status;
    }
    if (entry == nullptr || entry->leaf.type != xase::proto::EntryType::kRecord) return made;
    if (Status status = add_answer(tiles, *head, *entry, made); !status.ok()) return status;
    return made;
  }

 private:
  // The entry as the tree has it, which must be as the journal has it.
  Result<ProvenEntry> prove(TileReader& tiles, const UnverifiedHead& head, std::uint64_t sequence,
                            const FoundEntry* entry) {
    const auto leaf = tiles.leaf(sequence);
    if (!leaf.ok()) return leaf.status();
    if (entry != nullptr && !std::equal(leaf->leaf.begin(), leaf->leaf.end(),
                                        entry->leaf_bytes.begin(), entry->leaf_bytes.end())) {
      return Status(Code::kCorrupt, "entry " + std::to_string(sequence) +
                                        " of the journal is another than the one that was signed; "
                                        "xasectl verify tells more");
    }
    return ProvenEntry{sequence, leaf->leaf, {sequence - 1, leaf->path, head.note}, {}};
  }

  // Puts the parts into `to`.
  Status show(const FoundEntry* entry, const Disclosure& disclose, ProvenEntry& to,
              std::vector<std::string>& remarks) {
    const auto leaf = xase::proto::decode_leaf(to.leaf);
    if (!leaf) return {Code::kCorrupt, "entry " + std::to_string(to.sequence) + " is no leaf"};
    const bool has_payload = entry != nullptr && !entry->erasable_bytes.empty();
    const auto erasable = has_payload ? entry->erasable() : xase::proto::Erasable{};
    for (std::size_t part = 0; part < kParts; ++part) {
      if (!disclose[part]) continue;
      const std::string name(part_name(part));
      if (leaf->commitments[part] == Hash{}) {
        remarks.push_back("entry " + std::to_string(to.sequence) + " has no " + name);
      } else if (!has_payload) {
        remarks.push_back("the " + name + " of entry " + std::to_string(to.sequence) +
                          " is no longer in the journal, and is not disclosed");
      } else if (xase::proto::commitment(sha_, part, erasable.salts[part], erasable.parts[part]) !=
                 leaf->commitments[part]) {
        return {Code::kCorrupt, "the " + name + " of entry " + std::to_string(to.sequence) +
                                    " is not what its leaf commits to; xasectl verify tells more"};
      } else {
        const auto bytes = erasable.parts[part];
        to.disclosed.push_back({part, erasable.salts[part], {bytes.begin(), bytes.end()}});
      }
    }
    return {};
  }

  Status add_answer(TileReader& tiles, const UnverifiedHead& head, const FoundEntry& record,
                    MadeProof& made) {
    const auto answer = finder_.answer_to(record);
    if (!answer.ok()) return answer.status();
    if (!*answer) {
      made.remarks.emplace_back("the API has not answered it yet: there is no receipt");
      return {};
    }
    const FoundEntry& entry = **answer;
    const std::uint64_t sequence = entry.leaf.sequence;
    if (sequence > made.covered) {
      made.remarks.push_back("the API's answer, entry " + std::to_string(sequence) +
                             ", is not under a signed head yet, and is not in the proof");
      return {};
    }
    auto proven = prove(tiles, head, sequence, &entry);
    if (!proven.ok()) return proven.status();
    Disclosure body{};
    body[xase::proto::kRestPart] = true;
    Status status = show(&entry, body, *proven, made.remarks);
    if (status.ok()) made.proof->receipt = std::move(*proven);
    return status;
  }

  const std::string tree_;
  FileSystem& fs_;
  EntryFinder finder_;
  Sha256 sha_;
};

}  // namespace

Result<MadeProof> make_proof(FileSystem& fs, const std::string& state_dir, std::uint64_t sequence,
                             const Disclosure& disclose) {
  // A daemon beside us may have replaced head and tree between two reads, as where it started on a
  // journal that was rolled back.
  constexpr int kAttempts = 3;
  for (int attempt = 1;; ++attempt) {
    auto made = Maker(fs, state_dir).make(sequence, disclose);
    const Code code = made.ok() ? Code::kOk : made.status().code();
    const bool may_pass = code == Code::kCorrupt || code == Code::kNotFound;
    if (!may_pass || attempt == kAttempts) return made;
  }
}

}  // namespace xased
