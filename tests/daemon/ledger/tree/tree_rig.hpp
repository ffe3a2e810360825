// A tree on a fake disk, its head signed.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "daemon/ledger/tree/check_tiles.hpp"
#include "daemon/ledger/tree/checkpoint.hpp"
#include "daemon/ledger/tree/signing_key.hpp"
#include "daemon/ledger/tree/tile_files.hpp"
#include "daemon/ledger/tree/tile_reader.hpp"
#include "daemon/ledger/tree/tile_writer.hpp"
#include "tests/support/chained_leaves.hpp"
#include "tests/support/fake_file_system.hpp"

namespace xased::test {

inline constexpr const char* kTreeDirectory = "state/tree";
inline constexpr const char* kOrigin = "host-1/loans/8d5b8a7e";

class TreeRig {
 public:
  explicit TreeRig(const ChainedLeaves& leaves) : leaves_(leaves) {
    EXPECT_TRUE(fs.make_directory("state", 0700).ok());
    auto key = Ed25519Key::generate(kOrigin);
    EXPECT_TRUE(key.ok());
    signer = std::move(*key);
    keys.push_back(signer->verifier_key());
  }

  // As the daemon does: from the checkpoint where there is one.
  Status open() {
    writer.reset();
    std::uint64_t size = 0;
    xase::proto::Hash root{};
    if (fs.exists(std::string(kTreeDirectory) + "/checkpoint")) {
      const auto checkpoint = read_checkpoint(fs, kTreeDirectory, keys);
      if (!checkpoint.ok()) return checkpoint.status();
      size = checkpoint->checkpoint.size;
      root = checkpoint->checkpoint.root;
    }
    auto opened = TileWriter::open(fs, kTreeDirectory, size, root);
    if (!opened.ok()) return opened.status();
    writer = std::move(opened->writer);
    damage = opened->damage;
    return {};
  }

  // Appends what is missing up to `size`.
  Status fill(std::uint64_t size) {
    while (writer->size() < size) {
      const std::uint64_t next = writer->size() + 1;
      Status status = writer->append(next, leaves_.leaf(next), leaves_.hash(next));
      if (!status.ok()) return status;
    }
    return {};
  }

  // The whole of a checkpoint.
  Status publish() {
    if (Status status = writer->publish(); !status.ok()) return status;
    Signer* const signers[] = {signer.get()};
    const auto note = sign_checkpoint({kOrigin, writer->size(), writer->root()}, signers);
    if (!note.ok()) return note.status();
    if (Status status = write_checkpoint(fs, kTreeDirectory, *note); !status.ok()) return status;
    checkpointed = writer->size();
    return writer->remove_superseded();
  }

  // One that must go well.
  void grow(std::uint64_t size) {
    ASSERT_TRUE(fill(size).ok());
    const Status status = publish();
    ASSERT_TRUE(status.ok()) << status.message();
  }

  void expect_sound(std::uint64_t size) {
    const auto found = check_tiles(fs, kTreeDirectory, size, leaves_.root(size));
    ASSERT_TRUE(found.ok()) << found.status().message();
    EXPECT_TRUE(found->has_root);
    EXPECT_EQ(found->entries, size);
    EXPECT_EQ(found->damage_count, 0U);
    for (const TileDamage& one : found->damages) ADD_FAILURE() << one.path << ": " << one.what;
  }

  static std::string path(const xase::proto::Tile& tile) { return tile_file(kTreeDirectory, tile); }

  FakeFileSystem fs;
  std::unique_ptr<Ed25519Key> signer;
  std::vector<xase::proto::VerifierKey> keys;
  std::unique_ptr<TileWriter> writer;
  Status damage;                   // of the last open()
  std::uint64_t checkpointed = 0;  // size in the last checkpoint that was called durable

 private:
  const ChainedLeaves& leaves_;
};

}  // namespace xased::test
