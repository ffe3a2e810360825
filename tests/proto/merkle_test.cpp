// The tree against RFC 6962's definitions written down as they stand, and against the hashes that
// certificate-transparency tests its own with.
#include "proto/merkle.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "daemon/platform/sha256.hpp"
#include "tests/support/seeded_random.hpp"

namespace xase::proto {
namespace {

using Leaves = std::vector<Hash>;
using Proof = std::vector<Hash>;

xased::Sha256& hasher() {
  static xased::Sha256 sha;
  return sha;
}

Hash from_hex(const std::string& hex) {
  Hash hash{};
  EXPECT_EQ(hex.size(), 64U);
  for (std::size_t i = 0; i < hash.size(); ++i) {
    hash[i] = static_cast<std::byte>(std::stoul(hex.substr(2 * i, 2), nullptr, 16));
  }
  return hash;
}

// The eight leaves of certificate-transparency's tests.
Leaves known_leaves() {
  const std::vector<std::vector<unsigned>> data{{},
                                                {0x00},
                                                {0x10},
                                                {0x20, 0x21},
                                                {0x30, 0x31},
                                                {0x40, 0x41, 0x42, 0x43},
                                                {0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57},
                                                {0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67,
                                                 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f}};
  Leaves leaves;
  for (const auto& bytes : data) {
    std::vector<std::byte> leaf;
    for (const unsigned b : bytes) leaf.push_back(static_cast<std::byte>(b));
    leaves.push_back(leaf_hash(hasher(), leaf));
  }
  return leaves;
}

const std::vector<std::string> kKnownRoots{
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

Leaves made_up_leaves(std::size_t count) {
  Leaves leaves;
  for (std::size_t i = 0; i < count; ++i) {
    leaves.push_back(leaf_hash(hasher(), as_bytes("leaf " + std::to_string(i))));
  }
  return leaves;
}

// RFC 6962, section 2.1, word for word.
class Model {
 public:
  explicit Model(const Leaves& leaves) : leaves_(leaves) {}

  Hash mth(std::size_t begin, std::size_t end) {
    if (begin == end) return empty_root(hasher());
    const auto found = known_.find({begin, end});
    if (found != known_.end()) return found->second;
    Hash hash = leaves_.at(begin);
    if (end - begin > 1) {
      const std::size_t k = split(end - begin);
      hash = node_hash(hasher(), mth(begin, begin + k), mth(begin + k, end));
    }
    known_[{begin, end}] = hash;
    return hash;
  }

  Proof path(std::size_t m, std::size_t begin, std::size_t end) {
    if (end - begin == 1) return {};
    const std::size_t k = split(end - begin);
    Proof proof;
    if (m < k) {
      proof = path(m, begin, begin + k);
      proof.push_back(mth(begin + k, end));
    } else {
      proof = path(m - k, begin + k, end);
      proof.push_back(mth(begin, begin + k));
    }
    return proof;
  }

  Proof subproof(std::size_t m, std::size_t begin, std::size_t end, bool whole) {
    if (m == end - begin) return whole ? Proof{} : Proof{mth(begin, end)};
    const std::size_t k = split(end - begin);
    Proof proof;
    if (m <= k) {
      proof = subproof(m, begin, begin + k, whole);
      proof.push_back(mth(begin + k, end));
    } else {
      proof = subproof(m - k, begin + k, end, false);
      proof.push_back(mth(begin, begin + k));
    }
    return proof;
  }

  // A NodeReader that only ever gives complete subtrees of a tree with `size` leaves.
  auto reader(std::size_t size) {
    return [this, size](unsigned level, std::uint64_t index) -> std::optional<Hash> {
      const std::size_t width = std::size_t{1} << level;
      EXPECT_LE((index + 1) * width, size) << "level " << level << " index " << index;
      if ((index + 1) * width > size) return std::nullopt;
      return mth(index * width, (index + 1) * width);
    };
  }

 private:
  static std::size_t split(std::size_t n) {
    std::size_t k = 1;
    while (k * 2 < n) k *= 2;
    return k;
  }

  const Leaves& leaves_;
  std::map<std::pair<std::size_t, std::size_t>, Hash> known_;
};

// All that a forger could do with little work: each is refused by `verifies`.
template <class Verifies>
void expect_mutations_refused(const Proof& proof, Verifies&& verifies) {
  for (std::size_t i = 0; i < proof.size(); ++i) {
    Proof changed = proof;
    changed[i][(7 * i + 3) % 32] ^= std::byte{0x10};
    EXPECT_FALSE(verifies(changed)) << "a bit of hash " << i;
    changed = proof;
    changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_FALSE(verifies(changed)) << "without hash " << i;
    changed = proof;
    changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(i), proof[i]);
    EXPECT_FALSE(verifies(changed)) << "hash " << i << " twice";
    if (i + 1 < proof.size() && proof[i] != proof[i + 1]) {
      changed = proof;
      std::swap(changed[i], changed[i + 1]);
      EXPECT_FALSE(verifies(changed)) << "hashes " << i << " and the next swapped";
    }
  }
  Proof longer = proof;
  longer.push_back(Hash{});
  EXPECT_FALSE(verifies(longer)) << "a hash of zero behind";
  longer = proof;
  longer.insert(longer.begin(), Hash{});
  EXPECT_FALSE(verifies(longer)) << "a hash of zero before";
  longer.resize(kProofHashesMax + 1);
  EXPECT_FALSE(verifies(longer)) << "longer than any";
}

TEST(Merkle, HasTheRootsThatCertificateTransparencyKnows) {
  TreeFrontier frontier;
  EXPECT_EQ(frontier.root(hasher()), from_hex(kKnownRoots[0]));
  const Leaves leaves = known_leaves();
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    frontier.append(hasher(), leaves[i]);
    EXPECT_EQ(frontier.root(hasher()), from_hex(kKnownRoots[i + 1])) << i + 1 << " leaves";
  }
}

TEST(Merkle, MakesTheProofsThatCertificateTransparencyKnows) {
  const Leaves leaves = known_leaves();
  Model model(leaves);
  const auto inclusion = prove_inclusion(hasher(), model.reader(8), 5, 8);
  ASSERT_TRUE(inclusion);
  EXPECT_EQ(*inclusion,
            (Proof{from_hex("bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"),
                   from_hex("ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"),
                   from_hex("d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")}));
  const auto consistency = prove_consistency(hasher(), model.reader(8), 6, 8);
  ASSERT_TRUE(consistency);
  EXPECT_EQ(*consistency,
            (Proof{from_hex("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"),
                   from_hex("ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"),
                   from_hex("d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")}));
  EXPECT_TRUE(verify_consistency(hasher(), 6, from_hex(kKnownRoots[6]), 8, from_hex(kKnownRoots[8]),
                                 *consistency));
}

TEST(Merkle, HasTheRootsOfTheDefinitionForEverySize) {
  constexpr std::size_t kSizes = 300;
  const Leaves leaves = made_up_leaves(kSizes);
  Model model(leaves);
  TreeFrontier frontier;
  for (std::size_t size = 0; size <= kSizes; ++size) {
    ASSERT_EQ(frontier.size(), size);
    ASSERT_EQ(frontier.root(hasher()), model.mth(0, size)) << size;
    ASSERT_EQ(tree_root(hasher(), model.reader(size), size), model.mth(0, size)) << size;
    const auto again = TreeFrontier::of(size, model.reader(size));
    ASSERT_TRUE(again);
    ASSERT_EQ(again->root(hasher()), model.mth(0, size)) << size;
    if (size < kSizes) frontier.append(hasher(), leaves[size]);
  }
}

TEST(Merkle, TellsOfEveryCompletedNodeOnce) {
  constexpr std::size_t kSize = 77;
  const Leaves leaves = made_up_leaves(kSize);
  Model model(leaves);
  TreeFrontier frontier;
  std::map<std::pair<unsigned, std::uint64_t>, Hash> told;
  for (const Hash& leaf : leaves) {
    frontier.append(hasher(), leaf, [&](unsigned level, std::uint64_t index, const Hash& hash) {
      EXPECT_TRUE(told.emplace(std::pair(level, index), hash).second);
    });
  }
  std::size_t expected = 0;
  for (unsigned level = 0; (kSize >> level) != 0; ++level) {
    for (std::size_t index = 0; index < (kSize >> level); ++index, ++expected) {
      ASSERT_TRUE(told.contains({level, index})) << level << " " << index;
      const std::size_t width = std::size_t{1} << level;
      EXPECT_EQ(told.at(std::pair(level, index)), model.mth(index * width, (index + 1) * width));
    }
  }
  EXPECT_EQ(told.size(), expected);
}

TEST(Merkle, ProvesEveryLeafOfEveryTreeAndRefusesEveryChange) {
  constexpr std::size_t kSizes = 70;
  const Leaves leaves = made_up_leaves(kSizes);
  Model model(leaves);
  for (std::size_t size = 1; size <= kSizes; ++size) {
    const Hash root = model.mth(0, size);
    for (std::size_t index = 0; index < size; ++index) {
      SCOPED_TRACE("leaf " + std::to_string(index) + " of " + std::to_string(size));
      const auto proof = prove_inclusion(hasher(), model.reader(size), index, size);
      ASSERT_TRUE(proof);
      ASSERT_EQ(*proof, model.path(index, 0, size));
      ASSERT_TRUE(verify_inclusion(hasher(), leaves[index], index, size, root, *proof));
      expect_mutations_refused(*proof, [&](const Proof& changed) {
        return verify_inclusion(hasher(), leaves[index], index, size, root, changed);
      });
      Hash other = leaves[index];
      other[0] ^= std::byte{1};
      EXPECT_FALSE(verify_inclusion(hasher(), other, index, size, root, *proof));
      other = root;
      other[31] ^= std::byte{0x80};
      EXPECT_FALSE(verify_inclusion(hasher(), leaves[index], index, size, other, *proof));
      for (std::size_t place = 0; place < size; ++place) {
        if (place == index) continue;
        EXPECT_FALSE(verify_inclusion(hasher(), leaves[index], place, size, root, *proof))
            << "at " << place;
      }
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(Merkle, ProvesEveryPairOfTreesAndRefusesEveryChange) {
  constexpr std::size_t kSizes = 70;
  const Leaves leaves = made_up_leaves(kSizes);
  Model model(leaves);
  for (std::size_t second = 0; second <= kSizes; ++second) {
    const Hash second_root = model.mth(0, second);
    for (std::size_t first = 0; first <= second; ++first) {
      SCOPED_TRACE(std::to_string(first) + " to " + std::to_string(second));
      const Hash first_root = model.mth(0, first);
      const auto proof = prove_consistency(hasher(), model.reader(second), first, second);
      ASSERT_TRUE(proof);
      ASSERT_EQ(*proof, first == 0 ? Proof{} : model.subproof(first, 0, second, true));
      ASSERT_TRUE(verify_consistency(hasher(), first, first_root, second, second_root, *proof));
      expect_mutations_refused(*proof, [&](const Proof& changed) {
        return verify_consistency(hasher(), first, first_root, second, second_root, changed);
      });
      Hash other = first_root;
      other[5] ^= std::byte{1};
      EXPECT_FALSE(verify_consistency(hasher(), first, other, second, second_root, *proof));
      if (first != 0) {
        other = second_root;
        other[5] ^= std::byte{1};
        EXPECT_FALSE(verify_consistency(hasher(), first, first_root, second, other, *proof));
      }
      if (testing::Test::HasFailure()) return;
    }
  }
}

// A root does not say how many leaves are below it; the number of hashes that a proof must have
// does bind the sizes that are claimed with it.
TEST(Merkle, RefusesAProofUnderSizesThatAskForAnotherNumberOfHashes) {
  constexpr std::size_t kSizes = 18;
  const Leaves leaves = made_up_leaves(kSizes);
  Model model(leaves);
  const auto hashes = [&](std::size_t first, std::size_t second) {
    return first == 0 ? 0 : model.subproof(first, 0, second, true).size();
  };
  std::size_t refused = 0;
  for (std::size_t second = 1; second <= kSizes; ++second) {
    for (std::size_t first = 1; first <= second; ++first) {
      const Proof inclusion = model.path(first - 1, 0, second);
      const Proof consistency = model.subproof(first, 0, second, true);
      for (std::size_t other_second = 1; other_second <= kSizes; ++other_second) {
        for (std::size_t other_first = 1; other_first <= other_second; ++other_first) {
          if (model.path(other_first - 1, 0, other_second).size() != inclusion.size()) {
            ++refused;
            ASSERT_FALSE(root_by_inclusion(hasher(), leaves[first - 1], other_first - 1,
                                           other_second, inclusion));
          }
          if (hashes(other_first, other_second) != consistency.size()) {
            ++refused;
            ASSERT_FALSE(verify_consistency(hasher(), other_first, model.mth(0, first),
                                            other_second, model.mth(0, second), consistency))
                << first << " to " << second << " as " << other_first << " to " << other_second;
          }
        }
      }
    }
  }
  EXPECT_GT(refused, 10000U);
}

TEST(Merkle, RefusesWhatNoTreeHas) {
  const Leaves leaves = made_up_leaves(5);
  Model model(leaves);
  const Hash root = model.mth(0, 5);
  EXPECT_FALSE(prove_inclusion(hasher(), model.reader(5), 5, 5));
  EXPECT_FALSE(prove_inclusion(hasher(), model.reader(5), 0, 0));
  EXPECT_FALSE(prove_inclusion(hasher(), model.reader(5), 0, kTreeSizeMax + 1));
  EXPECT_FALSE(prove_consistency(hasher(), model.reader(5), 6, 5));
  EXPECT_FALSE(verify_inclusion(hasher(), leaves[0], 5, 5, root, {}));
  EXPECT_FALSE(verify_inclusion(hasher(), leaves[0], 0, 0, empty_root(hasher()), {}));
  EXPECT_FALSE(verify_inclusion(hasher(), root, 0, kTreeSizeMax + 1, root, {}));
  EXPECT_FALSE(verify_consistency(hasher(), 5, root, 4, model.mth(0, 4), {}));
  EXPECT_FALSE(verify_consistency(hasher(), 0, root, 5, root, {}));
  EXPECT_FALSE(verify_consistency(hasher(), 0, root, 0, root, {}));
}

TEST(Merkle, SaysWhereANodeIsMissing) {
  const Leaves leaves = made_up_leaves(21);
  Model model(leaves);
  std::size_t asked = 0;
  const auto without = [&](std::size_t nth) {
    return [&, nth, read = model.reader(21)](unsigned level,
                                             std::uint64_t index) -> std::optional<Hash> {
      if (++asked == nth) return std::nullopt;
      return read(level, index);
    };
  };
  for (std::size_t nth = 1; nth <= 3; ++nth) {
    asked = 0;
    EXPECT_FALSE(tree_root(hasher(), without(nth), 21)) << nth;
    asked = 0;
    EXPECT_FALSE(TreeFrontier::of(21, without(nth))) << nth;
    asked = 0;
    EXPECT_FALSE(prove_inclusion(hasher(), without(nth), 4, 21)) << nth;
    asked = 0;
    EXPECT_FALSE(prove_consistency(hasher(), without(nth), 6, 21)) << nth;
  }
}

// Large trees, all of whose leaves are the same, so that every node of a level is.
TEST(Merkle, ProvesInTreesOfAnySize) {
  const Hash leaf = leaf_hash(hasher(), as_bytes("the same"));
  std::array<Hash, kTreeLevels> levels;
  levels[0] = leaf;
  for (unsigned i = 1; i < kTreeLevels; ++i) {
    levels[i] = node_hash(hasher(), levels[i - 1], levels[i - 1]);
  }
  const auto read = [&](unsigned level, std::uint64_t) -> std::optional<Hash> {
    return levels.at(level);
  };
  xased::test::SeededRandom random(20260107);
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t second =
        i == 0 ? kTreeSizeMax : random.between(1, kTreeSizeMax >> random.between(0, 62));
    const std::uint64_t first = i == 1 ? second : random.between(0, second);
    SCOPED_TRACE(std::to_string(first) + " of " + std::to_string(second));
    const auto root = tree_root(hasher(), read, second);
    const auto first_root = tree_root(hasher(), read, first);
    ASSERT_TRUE(root && first_root);
    const auto consistency = prove_consistency(hasher(), read, first, second);
    ASSERT_TRUE(consistency);
    ASSERT_TRUE(verify_consistency(hasher(), first, *first_root, second, *root, *consistency));
    if (first == second) continue;
    const auto inclusion = prove_inclusion(hasher(), read, first, second);
    ASSERT_TRUE(inclusion);
    ASSERT_LE(inclusion->size(), kProofHashesMax);
    ASSERT_TRUE(verify_inclusion(hasher(), leaf, first, second, *root, *inclusion));
  }
}

}  // namespace
}  // namespace xase::proto
