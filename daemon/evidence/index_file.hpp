// Files that find entries: see "Index" in proto/FORMATS.md. They are hints. What they name has to
// be read and compared, and where they are gone the journal itself is read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/platform/file_system.hpp"
#include "daemon/platform/sha256.hpp"
#include "proto/bytes.hpp"

namespace xased {

// What a key leads to an entry by.
enum class IndexKind : std::uint8_t {
  kTransaction,  // transaction_key(), to the record
  kAnswer,       // a record's sequence, to the RECEIPT or DEAD_LETTER about it
};
inline constexpr std::size_t kIndexKinds = 2;

struct IndexPair {
  std::uint64_t key = 0;
  std::uint64_t sequence = 0;

  friend bool operator<(const IndexPair& a, const IndexPair& b) {
    return a.key != b.key ? a.key < b.key : a.sequence < b.sequence;
  }
};

// The beginning of the hash: ids of apps are of any length and of any distribution.
std::uint64_t transaction_key(Sha256& sha, std::string_view transaction_id);

struct IndexHeader {
  xase::proto::Hash log_id{};
  std::uint64_t first = 0;  // the entries that it covers
  std::uint64_t last = 0;
  xase::proto::Hash last_leaf_hash{};  // zero where the last one cannot be read
};

// The folder of `state_dir`, and a file in it.
std::string index_directory(const std::string& state_dir);
std::string index_name(std::uint64_t first);
// The first sequences of the files there, ascending; none where there is no folder.
Result<std::vector<std::uint64_t>> list_index(FileSystem& fs, const std::string& directory);

// Sorts the pairs, which fit in memory, and writes them; after success the file survives power
// loss, and before that there is none.
Status write_index(FileSystem& fs, const std::string& directory, const IndexHeader& header,
                   std::vector<IndexPair>& transactions, std::vector<IndexPair>& answers);

// One file, open. One thread. Reads a block at a time.
class IndexFile {
 public:
  // kCorrupt where it is no index of the entries from `first` on.
  static Result<std::unique_ptr<IndexFile>> open(FileSystem& fs, const std::string& directory,
                                                 std::uint64_t first);

  const IndexHeader& header() const { return header_; }
  // The sequences that `key` leads to, ascending. kCorrupt where a block on the way is damaged:
  // then there may be others.
  Result<std::vector<std::uint64_t>> find(IndexKind kind, std::uint64_t key) const;

 private:
  IndexFile() = default;
  Result<std::vector<IndexPair>> block(IndexKind kind, std::uint64_t index) const;
  std::uint64_t blocks(IndexKind kind) const;

  std::unique_ptr<File> file_;
  std::string path_;
  IndexHeader header_;
  std::uint64_t counts_[kIndexKinds] = {};
};

}  // namespace xased
