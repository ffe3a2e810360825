// xasectl verify and keys show, as an auditor uses them, on a ledger with a signed head.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/daemon/ctl/run_xasectl.hpp"
#include "tests/daemon/ledger/signed_ledger.hpp"

namespace xased {
namespace {

using test::SignedLedger;

class XasectlVerify : public ::testing::Test {
 protected:
  XasectlVerify() {
    std::filesystem::copy(test::checkpoint_path(state()), kept());
    const Ended shown = run({"keys", "show", state()});
    EXPECT_EQ(shown.code, 0) << shown.err;
    test::write_text(key_file(), shown.out);
    key_ = shown.out.substr(0, shown.out.find('\n'));
  }
  const std::string& state() const { return ledger_.dir.path(); }
  std::string kept() const { return outside_.path() + "/kept"; }
  std::string key_file() const { return outside_.path() + "/key"; }
  static std::string verdict(const nlohmann::json& report, const std::string& name) {
    for (const auto& property : report["properties"]) {
      if (property["name"] == name) return property["verdict"];
    }
    return "no such property";
  }

  SignedLedger ledger_;
  test::TempDir outside_;
  std::string key_;
};

TEST_F(XasectlVerify, KeysShowPrintsWhatIsPinned) {
  EXPECT_EQ(key_, test::verifier_key_text(*ledger_.key));
  const Ended ended = run({"keys", "show", state(), "--json"});
  ASSERT_EQ(ended.code, 0) << ended.err;
  const auto json = nlohmann::json::parse(ended.out);
  ASSERT_EQ(json.size(), 1U);
  EXPECT_EQ(json[0]["verifier_key"], key_);
  EXPECT_EQ(json[0]["origin"], ledger_.key->verifier_key().name);
  const Ended none = run({"keys", "show", outside_.path()});
  EXPECT_EQ(none.code, 1);
  EXPECT_NE(none.err.find("log.vkey"), std::string::npos) << none.err;
  test::write_text(state() + "/keys/log.vkey", "no key\n");
  EXPECT_EQ(run({"keys", "show", state()}).code, 3);
}

TEST_F(XasectlVerify, TheStateDirectoryComesFromTheConfiguration) {
  const std::string config = outside_.path() + "/xased.toml";
  test::write_text(config, "state_dir = \"" + state() + "\"\n");
  const Ended ended = run({"--config", config, "keys", "show"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(ended.out, key_ + "\n");
}

TEST_F(XasectlVerify, APinnedKeyAndAKeptCheckpointAreMetOrNot) {
  // As text and as a file, before and behind the directory.
  EXPECT_EQ(run({"verify", "--key", key_, state()}).code, 0);
  Ended ended = run({"verify", state(), "--key", key_file(), "--checkpoint", kept()});
  EXPECT_EQ(ended.code, 0) << ended.out;
  EXPECT_NE(ended.out.find("a pinned key signed it"), std::string::npos) << ended.out;
  const auto other = test::new_key("other");
  ended = run({"verify", "--key", test::verifier_key_text(*other), state()});
  EXPECT_EQ(ended.code, 2) << ended.out;
  EXPECT_NE(ended.out.find("not enough here to say: signer"), std::string::npos) << ended.out;
  // Any of the pinned ones.
  ended = run({"verify", "--key", test::verifier_key_text(*other), "--key", key_, state()});
  EXPECT_EQ(ended.code, 0) << ended.out;
}

TEST_F(XasectlVerify, ALedgerRolledBackBehindAKeptCheckpointIsRefutedInJsonToo) {
  const test::TempDir before;
  std::filesystem::copy(state(), before.path() + "/state",
                        std::filesystem::copy_options::recursive);
  const std::uint64_t last = SignedLedger::grow(state(), 4);
  test::write_text(kept(), test::sign_anew(state(), *ledger_.key, last));
  EXPECT_EQ(run({"verify", state(), "--key", key_, "--checkpoint", kept()}).code, 0);
  const Ended ended =
      run({"verify", before.path() + "/state", "--key", key_, "--checkpoint", kept(), "--json"});
  EXPECT_EQ(ended.code, 1);
  const auto json = nlohmann::json::parse(ended.out);
  EXPECT_EQ(json["verdict"], "refuted");
  EXPECT_EQ(json["first_bad_sequence"], ledger_.size + 1);
  EXPECT_EQ(json["not_covered"], 0);
  EXPECT_EQ(verdict(json, "checkpoint"), "PROVEN");
  EXPECT_EQ(verdict(json, "extends"), "REFUTED");
  EXPECT_EQ(json["checkpoint"]["size"], ledger_.size);
  EXPECT_EQ(json["checkpoint"]["signed_by"][0], key_);
  EXPECT_EQ(json["earlier_checkpoints"][0]["name"], kept());
  EXPECT_EQ(json["earlier_checkpoints"][0]["size"], last);
  EXPECT_EQ(json["earlier_checkpoints"][0]["verdict"], "REFUTED");
}

TEST_F(XasectlVerify, WhatIsNoKeyOrNoCheckpointIsMalformed) {
  const Ended ended = run({"verify", state(), "--key", "nonsense"});
  EXPECT_EQ(ended.code, 3);
  EXPECT_NE(ended.err.find("xasectl keys show"), std::string::npos) << ended.err;
  EXPECT_EQ(run({"verify", state(), "--checkpoint", key_file()}).code, 3);
  EXPECT_EQ(run({"verify", state(), "--checkpoint", kept() + ".gone"}).code, 3);
  EXPECT_EQ(run({"verify", state(), "--key", kept()}).code, 3);
}

}  // namespace
}  // namespace xased
