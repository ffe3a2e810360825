// Keys that take over from others while the ledger is written, and what a death leaves on the way.
#include "daemon/ledger/key_keeper.hpp"

#include <gtest/gtest.h>

#include <string>

#include "daemon/ledger/keys_in_force.hpp"
#include "daemon/ledger/tree/tree_keeper.hpp"
#include "daemon/ledger/verify_keys.hpp"
#include "tests/daemon/ledger/signed_ledger.hpp"
#include "tests/support/dying_file_system.hpp"
#include "tests/support/p256_key.hpp"

namespace xased {
namespace {

using test::DyingFileSystem;
using test::LedgerWriter;
using xase::proto::VerifierKey;
using Verdict = VerifyVerdict;

// A module whose silence and slowness a test decides on.
class FakeModule final : public ModuleKeys {
 public:
  // Signs at the `looks`th call with the same message.
  class SlowKey final : public Signer {
   public:
    SlowKey(const std::string& name, const int& looks) : key_(name), looks_(looks) {}
    const VerifierKey& verifier_key() const override { return key_.verifier_key(); }
    Result<std::vector<std::byte>> sign(xase::proto::Bytes message) override {
      if (is_silent) return Status(Code::kIo, "the module is silent");
      if (++calls_ % looks_ != 0) return Status(Code::kTimeout, "under way");
      return key_.sign(message);
    }
    bool is_silent = false;

   private:
    test::P256Key key_;
    const int& looks_;
    int calls_ = 0;
  };

  std::shared_ptr<SlowKey> add(const std::string& name) {
    keys.push_back(std::make_shared<SlowKey>(name, looks));
    return keys.back();
  }
  Result<std::shared_ptr<Signer>> wanted() const override {
    if (!status.ok()) return status;
    return std::shared_ptr<Signer>(keys.back());
  }
  std::shared_ptr<Signer> find(const VerifierKey& key) const override {
    for (const auto& known : keys) {
      if (is_shown && known->verifier_key() == key) return known;
    }
    return nullptr;
  }
  Status trouble() const override { return status; }
  void be_silent(bool silent) {
    for (const auto& key : keys) key->is_silent = silent;
    status = silent ? Status(Code::kIo, "the module is silent") : Status();
  }

  std::vector<std::shared_ptr<SlowKey>> keys;
  bool is_shown = true;
  Status status;
  int looks = 1;
};

class KeyKeeperTest : public testing::Test {
 protected:
  static constexpr int kStepsMax = 20'000;

  // One life of a daemon; ends like a kill.
  struct Run {
    Run(KeyKeeperTest& test, const KeyOptions& options) : writer(test.dir.path()) {
      KeyFiles::Options file_options;
      file_options.directory = test.dir.path() + "/keys";
      file_options.configured_origin = "host.test/ledger";
      file_options.log_id = writer.ledger().state().log_id;
      file_options.makes_file_key = options.wants_file;
      file_options.in_force_by_journal = [this, &test] {
        return keys_in_force(system_file_system(), test.dir.path(),
                             writer.positions().durable.load());
      };
      auto opened = KeyFiles::open(test.fs, file_options);
      EXPECT_TRUE(opened.ok()) << opened.status().message();
      files = std::move(*opened);
      keys.emplace(files->name());
      TreeOptions tree_options;
      tree_options.state_dir = test.dir.path();
      tree_options.checkpoint_interval = std::chrono::nanoseconds(0);
      tree_options.known = files->known();
      auto tree_opened = TreeKeeper::open(system_file_system(), writer.clock(), writer.positions(),
                                          *keys, tree_options);
      EXPECT_TRUE(tree_opened.ok()) << tree_opened.status().message();
      EXPECT_EQ(tree_opened->disagreement, "");
      tree = std::move(tree_opened->keeper);
      keeper.emplace(KeyKeeper::Peers{writer.clock(), writer.positions(), writer.ledger(), *files,
                                      *keys, test.module.get(), tree->counters().checkpoint_size},
                     options);
      keeper->begin();
      writer.sync();
    }

    void record() { (void)writer.record(LedgerWriter::ring(1)); }
    // As all threads do, one after the other.
    void step() {
      (void)keeper->step();
      writer.sync();
      (void)tree->step();
    }
    std::uint64_t covered() const { return tree->counters().checkpoint_size.load(); }
    std::uint64_t last() { return writer.ledger().state().last_sequence; }

    LedgerWriter writer;
    std::unique_ptr<KeyFiles> files;
    std::optional<LedgerKeys> keys;
    std::unique_ptr<TreeKeeper> tree;
    std::optional<KeyKeeper> keeper;
  };

  std::unique_ptr<Run> run(const KeyOptions& options = {}) {
    return std::make_unique<Run>(*this, options);
  }
  // Steps until `done`, or until the process is dead.
  template <class Done>
  void step_until(Run& run, Done done) {
    for (int i = 0; !fs.is_dead() && !done(); ++i) {
      run.step();
      ASSERT_LT(i, kStepsMax) << run.keeper->trouble();
    }
  }
  void cover(Run& run) {
    run.record();
    step_until(run, [&] { return run.covered() >= run.last(); });
  }
  static void settle(Run& run) {
    for (int i = 0; i < 20; ++i) run.step();
  }

  KeySet in_force() {
    auto keys = read_verifier_keys(system_file_system(), dir.path() + "/keys/log.vkey");
    EXPECT_TRUE(keys.ok());
    return keys.ok() ? *keys : KeySet{};
  }
  bool has(const std::string& file) const {
    return std::filesystem::exists(dir.path() + "/keys/" + file);
  }
  void expect_verifies(const KeySet& pinned) {
    VerifyOptions options;
    options.keys = pinned;
    const auto report = verify_ledger(system_file_system(), dir.path(), options);
    ASSERT_TRUE(report.ok());
    const VerifyPropertyReport& signer = report->property(VerifyProperty::kSigner);
    EXPECT_EQ(signer.verdict, Verdict::kProven) << signer.text;
    EXPECT_EQ(report->exit_code(), 0);
  }
  std::size_t lines_of_head() {
    const auto note = xase::proto::parse_note(test::read_text(test::checkpoint_path(dir.path())));
    EXPECT_TRUE(note.ok());
    return note->signatures.size();
  }

  const test::TempDir dir;
  DyingFileSystem fs;
  std::unique_ptr<FakeModule> module;
};

TEST_F(KeyKeeperTest, ANewKeyTakesOverAndTheOldPrivateHalfIsErasedOnceItsCheckpointCoversThat) {
  auto run = this->run();
  cover(*run);
  const KeySet old_keys = in_force();
  const std::string kept = dir.path() + "/kept";
  std::filesystem::create_hard_link(dir.path() + "/keys/log.key", kept);
  ASSERT_TRUE(run->keeper->ask_to_rotate().ok());
  EXPECT_EQ(run->keeper->ask_to_rotate().code(), Code::kExists);
  // The entry is durable, and no checkpoint covers it yet.
  while (in_force() == old_keys) {
    (void)run->keeper->step();
    run->writer.sync();
  }
  settle(*run);
  EXPECT_FALSE(has("next.key"));
  EXPECT_EQ(test::read_text(kept).find_first_not_of('\0'), std::string::npos)
      << "the old private half was overwritten";
  cover(*run);
  ASSERT_EQ(in_force().size(), 1U);
  EXPECT_NE(in_force(), old_keys);
  expect_verifies(old_keys);
  expect_verifies(in_force());
  const KeySet second = in_force();
  ASSERT_TRUE(run->keeper->ask_to_rotate().ok());
  step_until(*run, [&] { return in_force() != second; });
  cover(*run);
  for (const KeySet& pinned : {old_keys, second, in_force()}) expect_verifies(pinned);
}

TEST_F(KeyKeeperTest, TheOldPrivateHalfStaysUntilACheckpointOfTheNewKeyCoversTheChange) {
  auto run = this->run();
  cover(*run);
  const KeySet old_keys = in_force();
  ASSERT_TRUE(run->keeper->ask_to_rotate().ok());
  for (int i = 0; i < 50; ++i) {
    (void)run->keeper->step();
    run->writer.sync();
  }
  EXPECT_NE(in_force(), old_keys);
  EXPECT_TRUE(has("next.key"));
  EXPECT_NE(test::read_text(dir.path() + "/keys/log.key").find("PRIVATE KEY"), std::string::npos);
}

TEST_F(KeyKeeperTest, ADeathAtAnyStepLeavesALedgerThatGoesOnAndVerifies) {
  int deaths = 0;
  int before = 0;
  for (std::uint64_t nth = 1;; ++nth) {
    std::filesystem::remove_all(dir.path() + "/journal");
    std::filesystem::remove_all(dir.path() + "/tree");
    std::filesystem::remove_all(dir.path() + "/keys");
    fs.die_at(0);
    auto life = run();
    cover(*life);
    const KeySet old_keys = in_force();
    fs.die_at(nth);
    ASSERT_TRUE(life->keeper->ask_to_rotate().ok());
    step_until(*life, [&] { return in_force() != old_keys && !has("next.key"); });
    const bool died = fs.is_dead();
    life.reset();
    fs.die_at(0);
    life = run();
    cover(*life);
    settle(*life);
    SCOPED_TRACE("death in change " + std::to_string(nth));
    before += in_force() == old_keys ? 1 : 0;
    EXPECT_FALSE(has("next.key"));
    EXPECT_FALSE(has("next.vkey"));
    expect_verifies(old_keys);
    expect_verifies(in_force());
    // And once more, to the end.
    const KeySet keys = in_force();
    ASSERT_TRUE(life->keeper->ask_to_rotate().ok());
    step_until(*life, [&] { return in_force() != keys && !has("next.key"); });
    cover(*life);
    expect_verifies(old_keys);
    expect_verifies(in_force());
    if (HasFailure() || !died) break;
    ++deaths;
  }
  EXPECT_GT(deaths, 12);
  EXPECT_GT(before, 4);
  EXPECT_LT(before, deaths);
}

TEST_F(KeyKeeperTest, AChangeWhoseEntryWasLostBeforeItWasDurableNeverWas) {
  auto life = run();
  cover(*life);
  const KeySet old_keys = in_force();
  ASSERT_TRUE(life->keeper->ask_to_rotate().ok());
  while (!has("next.vkey")) (void)life->keeper->step();
  life.reset();  // the batch with it
  life = run();
  EXPECT_EQ(in_force(), old_keys);
  EXPECT_FALSE(has("next.vkey"));
  EXPECT_FALSE(has("next.key"));
  cover(*life);
  expect_verifies(old_keys);
}

TEST_F(KeyKeeperTest, AModulesKeyJoinsTheFilesAndBothSign) {
  auto life = run();
  cover(*life);
  const KeySet file_alone = in_force();
  life.reset();
  module = std::make_unique<FakeModule>();
  module->looks = 3;
  module->add(file_alone.front().name);
  life = run({true, true});
  step_until(*life, [&] { return in_force().size() == 2; });
  cover(*life);
  EXPECT_EQ(lines_of_head(), 2U);
  for (const VerifierKey& key : in_force()) expect_verifies({key});
  expect_verifies(in_force());
  expect_verifies(file_alone);
}

TEST_F(KeyKeeperTest, AModulesKeyAloneSignsFromTheFirstEntryOnWhereItComesLate) {
  module = std::make_unique<FakeModule>();
  module->is_shown = false;
  module->status = Status(Code::kTimeout, "it has not answered yet");
  auto life = run({false, true});
  life->record();
  settle(*life);
  EXPECT_EQ(life->covered(), 0U) << "there is nobody to sign";
  EXPECT_FALSE(has("log.key"));
  module->add(life->keys->name());
  module->is_shown = true;
  module->status = {};
  cover(*life);
  settle(*life);
  ASSERT_EQ(in_force().size(), 1U);
  expect_verifies(in_force());
  EXPECT_EQ(life->keeper->rotate(std::chrono::seconds(0)).status().code(), Code::kUnsupported);
}

TEST_F(KeyKeeperTest, WhileTheModuleIsSilentTheFilesKeySignsAloneAndTheLedgerSaysSo) {
  module = std::make_unique<FakeModule>();
  module->add(checkpoint_origin("host.test/ledger", run()->writer.ledger().state().log_id));
  auto life = run({true, true});
  step_until(*life, [&] { return in_force().size() == 2; });
  cover(*life);
  const KeySet both = in_force();
  module->be_silent(true);
  cover(*life);
  EXPECT_EQ(lines_of_head(), 1U);
  EXPECT_NE(life->keeper->trouble().find("the module is silent"), std::string::npos);
  VerifyOptions options;
  options.keys = both;
  const auto report = verify_ledger(system_file_system(), dir.path(), options);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->exit_code(), 2) << "not proven, and no false alarm";
  // A restart meanwhile changes nothing.
  life.reset();
  life = run({true, true});
  cover(*life);
  EXPECT_EQ(lines_of_head(), 1U);
  module->be_silent(false);
  step_until(*life, [&] { return lines_of_head() == 2; });
  cover(*life);
  EXPECT_EQ(life->keeper->trouble(), "");
  expect_verifies(both);
}

TEST_F(KeyKeeperTest, TheFilesKeyGivesWayToTheModulesWhereThatAloneIsWanted) {
  auto life = run();
  cover(*life);
  const KeySet old_keys = in_force();
  life.reset();
  module = std::make_unique<FakeModule>();
  module->add(old_keys.front().name);
  life = run({false, true});
  step_until(*life, [&] { return in_force() != old_keys && !has("log.key"); });
  cover(*life);
  expect_verifies(old_keys);
  expect_verifies(in_force());
  life.reset();
  // And back.
  life = run({true, false});
  step_until(*life, [&] { return has("log.key"); });
  cover(*life);
  expect_verifies(old_keys);
  expect_verifies(in_force());
}

TEST_F(KeyKeeperTest, AnotherKeyOfTheModuleTakesOverFromTheOneBefore) {
  module = std::make_unique<FakeModule>();
  module->looks = 2;
  module->add(checkpoint_origin("host.test/ledger", run()->writer.ledger().state().log_id));
  auto life = run({false, true});
  cover(*life);
  settle(*life);
  const KeySet old_keys = in_force();
  module->add(old_keys.front().name);
  step_until(*life, [&] { return in_force() != old_keys; });
  cover(*life);
  expect_verifies(old_keys);
  expect_verifies(in_force());
}

}  // namespace
}  // namespace xased
