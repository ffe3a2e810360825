#include "daemon/platform/sha256_batch.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include "proto/merkle.hpp"

namespace xased {
namespace {

using xase::proto::Bytes;
using xase::proto::Hash;

std::vector<std::byte> random_bytes(std::mt19937& random, std::size_t size) {
  std::vector<std::byte> bytes(size);
  std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<std::byte>(random()); });
  return bytes;
}

// The multi-buffer library is part of the build wherever Debian has it.
TEST(Sha256Batch, IsParallelOnThisArchitecture) {
#ifdef __x86_64__
  EXPECT_TRUE(Sha256Batch::is_parallel());
#else
  EXPECT_FALSE(Sha256Batch::is_parallel());
#endif
}

TEST(Sha256Batch, HashesMessagesOfEveryLengthAsOneAlone) {
  std::mt19937 random(1);
  Sha256Batch batch;
  Sha256 one;
  std::vector<std::vector<std::byte>> messages;
  for (std::size_t size = 0; size < 700; ++size) messages.push_back(random_bytes(random, size));
  for (const std::size_t size : {4095U, 16'384U, 16'385U, 65'535U, 70'000U, 1U << 20}) {
    messages.push_back(random_bytes(random, size));
  }
  std::shuffle(messages.begin(), messages.end(), random);
  std::vector<Hash> hashes(messages.size());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    batch.start(hashes[i]);
    batch.add(messages[i]);
  }
  batch.run();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    EXPECT_EQ(hashes[i], one.of(messages[i])) << messages[i].size() << " bytes";
  }
}

TEST(Sha256Batch, GoesOnWithAnyNumberOfMessagesInAnyPieces) {
  std::mt19937 random(2);
  Sha256Batch batch;
  Sha256 one;
  batch.run();  // none
  for (std::size_t count = 1; count < 70; ++count) {
    std::vector<Hash> hashes(count);
    std::vector<Hash> expected;
    for (std::size_t i = 0; i < count; ++i) {
      const auto bytes = random_bytes(random, random() % 2000);
      const std::size_t cut = bytes.empty() ? 0 : random() % bytes.size();
      batch.start(hashes[i]);
      batch.add(Bytes(bytes).first(cut));
      batch.add(Bytes(bytes).subspan(cut));
      expected.push_back(one.of(bytes));
    }
    batch.run();
    EXPECT_EQ(hashes, expected) << count << " messages";
  }
}

TEST(Sha256Batch, OfOneThreadDoNotMix) {
  std::array<Hash, 2> hashes{};
  std::array<Sha256Batch, 2> batches;
  for (std::size_t i = 0; i < 2; ++i) {
    batches[i].start(hashes[i]);
    batches[i].add(xase::proto::as_bytes(i == 0 ? "a" : "b"));
  }
  batches[1].run();
  EXPECT_EQ(hashes[0], Hash{});
  batches[0].run();
  Sha256 one;
  EXPECT_EQ(hashes[0], one.of(xase::proto::as_bytes("a")));
  EXPECT_EQ(hashes[1], one.of(xase::proto::as_bytes("b")));
}

TEST(FoldNodes, GivesTheRootThatATreeOfTheseLeavesHas) {
  std::mt19937 random(3);
  Sha256Batch batch;
  Sha256 one;
  for (std::size_t count = 1; count <= 512; count *= 2) {
    std::vector<Hash> leaves(count);
    xase::proto::TreeFrontier tree;
    for (Hash& leaf : leaves) {
      leaf = one.of(random_bytes(random, 10));
      tree.append(one, leaf);
    }
    EXPECT_EQ(fold_nodes(batch, leaves), tree.root(one)) << count << " leaves";
  }
}

}  // namespace
}  // namespace xased
