// The part of the tree's keeper that passes entries which the journal lost before they were in the
// tree: so that what comes behind them is signed, and its segments may go one day.
#include <algorithm>

#include "daemon/ledger/segment_names.hpp"
#include "daemon/ledger/tree/lost_leaves.hpp"
#include "daemon/ledger/tree/tile_files.hpp"
#include "daemon/ledger/tree/tree_keeper.hpp"
#include "proto/hashing.hpp"
#include "proto/lost_leaf.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::Hash;

namespace {

// Leaves a step: some tens of milliseconds.
constexpr std::uint64_t kLostPerStep = 16'384;
// More at once is no damage, but a file that names a sequence of its own making.
constexpr std::uint64_t kLostMax = std::uint64_t{1} << 24;

std::string range_is(std::uint64_t first, std::uint64_t last) {
  if (first == last) return "entry " + std::to_string(first) + " is";
  return "entries " + std::to_string(first) + " to " + std::to_string(last) + " are";
}

}  // namespace

// The reader is behind damage that begins with the entry that the tree needs next. Which leaves can
// be salvaged depends on what lies behind it: until an entry does, the tree waits, and then it is
// made in one way, however often it is made again.
Status TreeKeeper::pass_lost(std::uint64_t durable) {
  Lost lost;
  lost.first = reader_->damage().first;
  auto step = JournalReader::Step::kDamage;
  while (step == JournalReader::Step::kDamage) {
    lost.damage = reader_->damage();
    const auto next = reader_->next(durable);
    if (!next.ok()) {
      reader_.reset();
      return next.status();
    }
    step = *next;
  }
  waits_behind_lost_ = step == JournalReader::Step::kEnd;
  if (!waits_behind_lost_) {
    const Entry& behind = reader_->entry();
    const bool is_same_segment =
        segment_name(reader_->segment_first_sequence()) == lost.damage.segment;
    lost.end = is_same_segment ? reader_->entry_position() : UINT64_MAX;
    lost.log_id = behind.leaf.log_id;
    lost.behind = behind.leaf.previous;
  }
  // It goes on at the entry that the tree needs.
  reader_.reset();
  if (waits_behind_lost_) return {};
  if (lost.damage.last - lost.first >= kLostMax) {
    stall(range_is(lost.first, lost.damage.last) + " not in the journal");
    return {};
  }
  return expected_ ? take_own_leaves(lost) : put_lost_leaves(lost, lost.damage.last);
}

// Of a tree that is made again up to where it was signed, only what was signed will do: as the
// bundles have it, else as it is made for a new tree. Its root shows whether that is right.
Status TreeKeeper::take_own_leaves(const Lost& lost) {
  const std::uint64_t last = std::min(lost.damage.last, expected_->size);
  std::vector<std::byte> bundle;
  xase::proto::Tile tile;
  for (std::uint64_t n = 0; n < kLostPerStep && expected_ && writer_->size() < last; ++n) {
    const std::uint64_t index = writer_->size();
    const xase::proto::Tile wanted = xase::proto::bundle_of(index, expected_->size);
    if (bundle.empty() || tile != wanted) {
      auto read = read_tile(fs_, directory_, wanted);
      const Code code = read.ok() ? Code::kOk : read.status().code();
      if (!read.ok() && code != Code::kNotFound && code != Code::kCorrupt) return read.status();
      bundle = read.ok() ? std::move(*read) : std::vector<std::byte>();
      tile = wanted;
    }
    const auto leaf = xase::proto::bundle_leaf(
        bundle, wanted.width, static_cast<unsigned>(index % xase::proto::kTileWidth));
    is_patched_ = true;
    if (!leaf || !writer_->fits(index + 1, *leaf)) return put_lost_leaves(lost, last);
    if (Status status = append_without_body(index + 1, *leaf); !status.ok()) return status;
  }
  return {};
}

Status TreeKeeper::append_without_body(std::uint64_t sequence, Bytes leaf) {
  Status status = append_leaf(sequence, leaf, xase::proto::leaf_hash(sha_, leaf));
  const auto whole = xase::proto::decode_leaf(leaf);
  // Who signs from here on cannot be read any more.
  if (status.ok() && whole && whole->type == xase::proto::EntryType::kKey) signing_ = KeySet();
  return status;
}

Status TreeKeeper::put_lost_leaves(const Lost& lost, std::uint64_t last) {
  const auto salvaged = salvage_leaves(fs_, options_.state_dir + "/" + std::string(kJournalFolder),
                                       lost.damage, lost.end, lost.behind, trees_);
  if (!salvaged.ok()) return salvaged.status();
  const std::uint64_t salvaged_from = lost.damage.last + 1 - salvaged->size();
  for (std::uint64_t n = 0; n < kLostPerStep && writer_->size() < last; ++n) {
    const std::uint64_t sequence = writer_->size() + 1;
    LeafBytes leaf;
    if (sequence >= salvaged_from) {
      leaf = (*salvaged)[sequence - salvaged_from];
    } else {
      xase::proto::encode_lost_leaf({lost.log_id, sequence, writer_->last_leaf_hash()},
                                    leaf.data());
    }
    if (Status status = append_without_body(sequence, leaf); !status.ok()) return status;
    if (sequence < salvaged_from) counters_.lost.fetch_add(1, std::memory_order_relaxed);
  }
  if (writer_->size() < last) return {};
  log_error("tree", "the tree goes on behind entries that the journal lost before they were in it",
            {{"first", lost.first}, {"last", last}, {"leaves_salvaged", salvaged->size()}});
  return {};
}

}  // namespace xased
