#include "daemon/evidence/index_file.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "daemon/platform/file_system.hpp"
#include "proto/crc32c.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::load;
using xase::proto::store;

namespace {

constexpr std::array<char, 8> kMagic{'X', 'A', 'S', 'E', 'I', 'N', 'D', 'X'};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kBlockBytes = 4096;
constexpr std::size_t kCrcOffset = kBlockBytes - 4;
constexpr std::size_t kPairBytes = 16;
constexpr std::uint64_t kPairsInBlock = 255;
constexpr std::size_t kDigits = 20;
// Entries of one file at most: a header that says more is damaged.
constexpr std::uint64_t kEntriesMax = std::uint64_t{1} << 24;

using Block = std::array<std::byte, kBlockBytes>;

void seal(std::byte* block) { store(block + kCrcOffset, xase::proto::crc32c({block, kCrcOffset})); }

bool is_sealed(const Block& block) {
  return load<std::uint32_t>(block.data() + kCrcOffset) ==
         xase::proto::crc32c(Bytes(block).first(kCrcOffset));
}

constexpr std::uint64_t blocks_of(std::uint64_t pairs) {
  return (pairs + kPairsInBlock - 1) / kPairsInBlock;
}

void append_blocks(const std::vector<IndexPair>& pairs, std::vector<std::byte>& to) {
  for (std::size_t i = 0; i < pairs.size(); i += kPairsInBlock) {
    const std::size_t at = to.size();
    to.resize(at + kBlockBytes);
    const std::size_t end = std::min<std::size_t>(pairs.size(), i + kPairsInBlock);
    for (std::size_t k = i; k < end; ++k) {
      std::byte* pair = to.data() + at + (k - i) * kPairBytes;
      store(pair, pairs[k].key);
      store(pair + 8, pairs[k].sequence);
    }
    seal(to.data() + at);
  }
}

}  // namespace

std::uint64_t transaction_key(Sha256& sha, std::string_view transaction_id) {
  return load<std::uint64_t>(sha.of(xase::proto::as_bytes(transaction_id)).data());
}

std::string index_directory(const std::string& state_dir) { return state_dir + "/index"; }

std::string index_name(std::uint64_t first) {
  const std::string digits = std::to_string(first);
  return std::string(kDigits - digits.size(), '0') + digits;
}

Result<std::vector<std::uint64_t>> list_index(FileSystem& fs, const std::string& directory) {
  const auto names = fs.list(directory);
  if (!names.ok() && names.status().code() == Code::kNotFound) return std::vector<std::uint64_t>{};
  if (!names.ok()) return names.status();
  std::vector<std::uint64_t> firsts;
  for (const std::string& name : *names) {
    std::uint64_t first = 0;
    const char* end = name.data() + name.size();
    if (name.size() != kDigits) continue;
    const auto [stop, error] = std::from_chars(name.data(), end, first);
    if (error == std::errc() && stop == end && first != 0) firsts.push_back(first);
  }
  return firsts;
}

Status write_index(FileSystem& fs, const std::string& directory, const IndexHeader& header,
                   std::vector<IndexPair>& transactions, std::vector<IndexPair>& answers) {
  std::sort(transactions.begin(), transactions.end());
  std::sort(answers.begin(), answers.end());
  std::vector<std::byte> bytes(kBlockBytes);
  store(bytes.data(), kMagic);
  store(bytes.data() + 8, kVersion);
  store(bytes.data() + 12, static_cast<std::uint32_t>(kBlockBytes));
  store(bytes.data() + 16, header.log_id);
  store(bytes.data() + 48, header.first);
  store(bytes.data() + 56, header.last);
  store(bytes.data() + 64, header.last_leaf_hash);
  store(bytes.data() + 96, std::uint64_t{transactions.size()});
  store(bytes.data() + 104, std::uint64_t{answers.size()});
  seal(bytes.data());
  append_blocks(transactions, bytes);
  append_blocks(answers, bytes);
  return write_file_atomically(fs, directory + "/" + index_name(header.first), bytes);
}

Result<std::unique_ptr<IndexFile>> IndexFile::open(FileSystem& fs, const std::string& directory,
                                                   std::uint64_t first) {
  std::unique_ptr<IndexFile> index(new IndexFile);
  index->path_ = directory + "/" + index_name(first);
  auto file = fs.open(index->path_, OpenMode::kRead);
  if (!file.ok()) return file.status();
  index->file_ = std::move(*file);
  const Status corrupt(Code::kCorrupt, index->path_ + " is no index of the entries from " +
                                           std::to_string(first) + " on");
  Block block{};
  const auto got = index->file_->read_at(block, 0);
  if (!got.ok()) return got.status();
  if (*got != kBlockBytes || !is_sealed(block)) return corrupt;
  IndexHeader& header = index->header_;
  header = {load<xase::proto::Hash>(block.data() + 16), load<std::uint64_t>(block.data() + 48),
            load<std::uint64_t>(block.data() + 56), load<xase::proto::Hash>(block.data() + 64)};
  bool is_sound = load<std::array<char, 8>>(block.data()) == kMagic &&
                  load<std::uint32_t>(block.data() + 8) == kVersion && header.first == first &&
                  header.last >= first && header.last - first < kEntriesMax;
  for (std::size_t kind = 0; kind < kIndexKinds; ++kind) {
    index->counts_[kind] = load<std::uint64_t>(block.data() + 96 + 8 * kind);
    is_sound = is_sound && index->counts_[kind] <= header.last - first + 1;
  }
  if (!is_sound) return corrupt;
  return index;
}

std::uint64_t IndexFile::blocks(IndexKind kind) const {
  return blocks_of(counts_[static_cast<std::size_t>(kind)]);
}

Result<std::vector<IndexPair>> IndexFile::block(IndexKind kind, std::uint64_t index) const {
  const std::uint64_t before = kind == IndexKind::kAnswer ? blocks(IndexKind::kTransaction) : 0;
  Block block{};
  const auto got = file_->read_at(block, (1 + before + index) * kBlockBytes);
  if (!got.ok()) return got.status();
  if (*got != kBlockBytes || !is_sealed(block)) {
    return Status(Code::kCorrupt, path_ + " is damaged");
  }
  const std::uint64_t left =
      counts_[static_cast<std::size_t>(kind)] - std::uint64_t{index} * kPairsInBlock;
  std::vector<IndexPair> pairs(std::min(left, kPairsInBlock));
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i] = {load<std::uint64_t>(block.data() + i * kPairBytes),
                load<std::uint64_t>(block.data() + i * kPairBytes + 8)};
  }
  return pairs;
}

Result<std::vector<std::uint64_t>> IndexFile::find(IndexKind kind, std::uint64_t key) const {
  // The first block whose last pair is not before the key.
  std::uint64_t low = 0;
  std::uint64_t high = blocks(kind);
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    const auto pairs = block(kind, middle);
    if (!pairs.ok()) return pairs.status();
    if (pairs->back().key < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  std::vector<std::uint64_t> found;
  for (const std::uint64_t end = blocks(kind); low < end; ++low) {
    const auto pairs = block(kind, low);
    if (!pairs.ok()) return pairs.status();
    for (const IndexPair& pair : *pairs) {
      if (pair.key > key) return found;
      if (pair.key == key) found.push_back(pair.sequence);
    }
  }
  return found;
}

}  // namespace xased
