// The tree's keeper behind a real journal on a fake disk.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>

#include "daemon/ledger/tree/check_tiles.hpp"
#include "daemon/ledger/tree/checkpoint.hpp"
#include "daemon/ledger/tree/signing_key.hpp"
#include "daemon/ledger/tree/tree_keeper.hpp"
#include "tests/support/ledger_rig.hpp"

namespace xased::test {

class TreeKeeperTest : public testing::Test {
 protected:
  static constexpr const char* kTree = "state/tree";

  void SetUp() override {
    auto key = Ed25519Key::generate("host/test/1");
    ASSERT_TRUE(key.ok());
    key_ = std::move(*key);
    keys_.add(key_);
    rig_.must_start();
    must_open();
  }

  Result<TreeKeeper::Opened> open() { return open(rig_.clock); }
  Result<TreeKeeper::Opened> open(const Clock& clock) {
    keeper_.reset();
    TreeOptions options;
    options.state_dir = LedgerRig::kState;
    options.known = {key_->verifier_key()};
    options.signing = options.known;
    auto opened = TreeKeeper::open(rig_.fs, clock, *rig_.positions, keys_, options);
    if (opened.ok()) keeper_ = std::move(opened->keeper);
    return opened;
  }
  // What did not fit the journal.
  std::string must_open() {
    const auto opened = open();
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    return opened.ok() ? opened->disagreement : "not opened";
  }
  // Steps until it has nothing to do for a second.
  void run() {
    for (int i = 0; i < 10'000; ++i) {
      const std::chrono::nanoseconds wait = keeper_->step();
      if (wait >= std::chrono::seconds(1)) return;
      rig_.clock.advance(wait + std::chrono::milliseconds(1));
    }
    FAIL() << "the tree does not come to rest";
  }
  // Another process on the same disk.
  void restart() {
    keeper_.reset();
    rig_.kill_and_start();
    rig_.run_sync();
  }
  void power_loss() {
    keeper_.reset();
    rig_.crash();
    rig_.must_start();
    rig_.run_sync();
  }

  xase::proto::Checkpoint head() {
    const std::array<xase::proto::VerifierKey, 1> keys{key_->verifier_key()};
    const auto read = read_checkpoint(rig_.fs, kTree, keys);
    EXPECT_TRUE(read.ok()) << read.status().message();
    return read.ok() ? read->checkpoint : xase::proto::Checkpoint{};
  }
  // The root over the journal's first `size` leaves.
  xase::proto::Hash root_of_journal(std::uint64_t size) {
    xase::proto::TreeFrontier frontier;
    Sha256 sha;
    for (const KeptEntry& entry : rig_.read(size).entries) {
      frontier.append(sha, xase::proto::leaf_hash(sha, entry.leaf_bytes));
    }
    return frontier.root(sha);
  }
  // The head covers everything durable, with the root of its leaves, and every tile is there.
  void expect_covered() {
    const xase::proto::Checkpoint now = head();
    EXPECT_EQ(now.size, rig_.durable());
    EXPECT_EQ(now.root, root_of_journal(now.size));
    const auto found = check_tiles(rig_.fs, kTree, now.size, now.root);
    ASSERT_TRUE(found.ok());
    EXPECT_TRUE(found->sound());
  }

  LedgerRig rig_{1 << 20};
  std::shared_ptr<Ed25519Key> key_;
  LedgerKeys keys_{"host/test/1"};
  std::unique_ptr<TreeKeeper> keeper_;
};

}  // namespace xased::test
