// Writes the tree's files behind the ledger.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/ledger/tree/tile_builder.hpp"
#include "daemon/platform/file_system.hpp"
#include "proto/tiles.hpp"

namespace xased {

// A file comes into being under a temporary name, is synced, renamed, and its directory is synced
// before publish() says that it is there. Full tiles and bundles are written once; partial ones
// once for every publish() that finds them wider. The order that keeps a checkpoint covered at any
// moment, power loss included:
//
//   append()...   publish()   write_checkpoint()   remove_superseded()
//
// Every call may be repeated after it failed, and then takes up where it was. Holds at most 255
// leaves, 255 hashes a level and kPendingMax full files. One owner; off the hot path: append()
// writes once in a while, publish() syncs.
class TileWriter {
 public:
  static constexpr std::size_t kPendingMax = 128;

  // What is there, and what was not.
  struct Opened {
    std::unique_ptr<TileWriter> writer;
    // Why writer->size() may be less than asked for; ok where nothing was amiss.
    Status damage;
  };

  // Goes on from the tree of a checkpoint, `size` leaves and `root`, in `directory`, which is made
  // where it is not there and holds `tile/`. Looks at the right edge alone: the partial files and
  // the last entry, and whether they lead to the root.
  //
  // Where they do not, salvage() does what it can, without the last entry where all are there and
  // do not lead to `root`: then that one is what the root alone could vouch for.
  //
  // An error where the disk fails.
  static Result<Opened> open(FileSystem& fs, const std::string& directory, std::uint64_t size,
                             const xase::proto::Hash& root);

  // Reads the bundles of a tree of `size` leaves from the first on, as far as the leaves are
  // chained and up to `at_most` of them, and derives the tiles from them again. writer->size() is
  // what is held: the caller appends from there out of the journal. The last leaf held has no
  // witness but the one that follows: append() refuses where that is not chained to it, and then
  // the caller salvages one entry less. With 0 it begins anew.
  static Result<Opened> salvage(FileSystem& fs, const std::string& directory, std::uint64_t size,
                                std::uint64_t at_most);

  // Takes entry `sequence`, which must be size() + 1: its leaf and leaf hash as the journal has
  // them, or a lost leaf. kInvalid where it is not the next or not as long as a leaf, kCorrupt
  // where it does not hold the hash of the one before, other than behind a lost leaf; these and a
  // disk that fails leave everything as it was.
  Status append(std::uint64_t sequence, xase::proto::Bytes leaf,
                const xase::proto::Hash& leaf_hash);

  // After success, every file of the tree with size() leaves survives power loss.
  Status publish();

  // Removes the partial files whose full one a checkpoint covers that is durable: to be called
  // after that of the last publish(). What fails is tried again next time; no one else need care.
  Status remove_superseded();

  std::uint64_t size() const { return builder_.size(); }
  // The size at the last publish().
  std::uint64_t published_size() const { return published_size_; }
  xase::proto::Hash root() { return builder_.root(); }
  // Of entry size(); zero where that is 0.
  const xase::proto::Hash& last_leaf_hash() const { return last_leaf_hash_; }
  // Whether entry size() is a lost leaf.
  bool ends_lost() const { return ends_lost_; }
  // Whether it is a leaf, or a lost one, that may be entry `sequence`, behind the last one.
  bool fits(std::uint64_t sequence, xase::proto::Bytes leaf) const;

 private:
  struct PendingFile {
    xase::proto::Tile tile;
    std::vector<std::byte> bytes;
  };

  TileWriter(FileSystem& fs, std::string directory) : fs_(fs), directory_(std::move(directory)) {}
  static Result<std::unique_ptr<TileWriter>> make(FileSystem& fs, const std::string& directory);
  Status restore(std::uint64_t size, const xase::proto::Hash& root);
  void find_superseded();

  void take(xase::proto::Bytes leaf, const xase::proto::Hash& leaf_hash);
  Status settle();
  Status write_files(std::span<const TileBuilder::Part> tiles);
  Result<std::unique_ptr<File>> write_temporary(const std::string& path, xase::proto::Bytes bytes);
  Status ensure_directory(const std::string& path);
  Status sync_touched();
  Status remove_partials(const std::string& path);

  FileSystem& fs_;
  const std::string directory_;
  TileBuilder builder_;
  xase::proto::Hash last_leaf_hash_{};
  bool ends_lost_ = false;
  std::uint64_t published_size_ = 0;
  // Whether a file that already holds the bytes is left alone; else it is written without a look.
  bool compares_ = false;

  std::vector<PendingFile> pending_;      // full and not written yet
  std::set<std::string> touched_;         // directories with names that are not durable yet
  std::set<std::string> known_;           // directories made, their names touched or durable
  std::set<std::string> written_parts_;   // of the tiles that are partial now: what publish() wrote
  std::vector<std::string> superseding_;  // directories of partial files, their tile full …
  std::vector<std::string> superseded_;   // … and published
};

}  // namespace xased
