// xasectl prove, and verify of what it wrote, each as a process.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/daemon/ctl/run_xasectl.hpp"
#include "tests/daemon/evidence/proven_ledger.hpp"

namespace xased {
namespace {

using test::ProvenLedger;

class XasectlProve : public ::testing::Test {
 protected:
  Ended prove(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "prove");
    arguments.insert(arguments.end(), {"--state-dir", ledger_.state()});
    return run(std::move(arguments));
  }
  std::string file() const { return outside_.path() + "/proof.json"; }
  std::string key() const { return test::verifier_key_text(*ledger_.key); }
  static std::string sequence_of(const std::string& proof) {
    return std::to_string(nlohmann::json::parse(proof)["sequence"].get<std::uint64_t>());
  }
  static bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  ProvenLedger ledger_;
  test::TempDir outside_;
};

TEST_F(XasectlProve, BySequenceOrByTransactionTheSameProofGoesToStdoutOrToAFile) {
  const std::string sequence = std::to_string(ledger_.record(5).sequence);
  const Ended by_id = prove({"loan-5"});
  ASSERT_EQ(by_id.code, 0) << by_id.err;
  EXPECT_EQ(sequence_of(by_id.out), sequence);
  EXPECT_EQ(prove({sequence}).out, by_id.out);
  const Ended to_file = prove({"loan-5", "--out", file()});
  EXPECT_EQ(to_file.code, 0) << to_file.err;
  EXPECT_EQ(to_file.out, "");
  EXPECT_EQ(test::read_text(file()), by_id.out);
  EXPECT_TRUE(contains(to_file.err, "xasectl verify " + file() + " --key")) << to_file.err;
}

TEST_F(XasectlProve, WhatItSaysOfAFileIsForProgramsToo) {
  const Ended ended = prove({"loan-5", "--out", file(), "--disclose", "output,rest", "--json"});
  ASSERT_EQ(ended.code, 0) << ended.err;
  const auto json = nlohmann::json::parse(ended.out);
  EXPECT_EQ(json["sequence"], ledger_.record(5).sequence);
  EXPECT_EQ(json["disclosed"], nlohmann::json({"output", "rest"}));
  EXPECT_EQ(json["bytes"], test::read_text(file()).size());
  EXPECT_GT(json["receipt_sequence"], ledger_.record(5).sequence);
  EXPECT_GT(json["hash_bytes"], 0);
}

TEST_F(XasectlProve, TheProofIsVerifiedWithTheKeyAloneAndNotWithoutIt) {
  ASSERT_EQ(prove({"loan-5", "--out", file(), "--disclose", "all"}).code, 0);
  // Nothing but the file and the key.
  std::filesystem::remove_all(ledger_.state());
  Ended ended = run({"verify", file(), "--key", key()});
  EXPECT_EQ(ended.code, 0) << ended.out << ended.err;
  EXPECT_TRUE(contains(ended.out, "VERIFIED"));
  EXPECT_TRUE(contains(ended.out, R"("name":"Zoë")"));
  EXPECT_TRUE(contains(ended.out, "loan-5"));
  EXPECT_TRUE(contains(ended.out, "txn_0123456789abcdef"));
  ended = run({"verify", file()});
  EXPECT_EQ(ended.code, 2);
  EXPECT_TRUE(contains(ended.out, "not enough here to say: signer")) << ended.out;
  const auto other = test::new_key(ledger_.key->verifier_key().name);
  EXPECT_EQ(run({"verify", file(), "--key", test::verifier_key_text(*other)}).code, 2);
  ended = run({"verify", file(), "--key", key(), "-q"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.out, "");
}

TEST_F(XasectlProve, TheReportIsForProgramsToo) {
  ASSERT_EQ(prove({"loan-5", "--out", file(), "--disclose", "input,rest"}).code, 0);
  const Ended ended = run({"verify", file(), "--key", key(), "--json"});
  ASSERT_EQ(ended.code, 0) << ended.err;
  const auto json = nlohmann::json::parse(ended.out);
  EXPECT_EQ(json["verdict"], "verified");
  EXPECT_EQ(json["signed_by"], nlohmann::json({key()}));
  EXPECT_EQ(json["size"], ledger_.size);
  EXPECT_EQ(json["entry"]["type"], "RECORD");
  EXPECT_EQ(json["entry"]["uid"], 1000);
  EXPECT_EQ(json["disclosed"]["input"], test::kInput);
  EXPECT_EQ(json["disclosed"]["policy"], "credit");
  EXPECT_FALSE(json["disclosed"].contains("output"));
  EXPECT_EQ(json["receipt"]["http_status"], 201);
  EXPECT_EQ(json["properties"].size(), 9U);
}

TEST_F(XasectlProve, WhatWasChangedIsRefutedAndItsContentIsNotShown) {
  ASSERT_EQ(prove({"loan-5", "--out", file(), "--disclose", "output"}).code, 0);
  std::string text = test::read_text(file());
  text.replace(text.find("approve"), 7, "decline");
  test::write_text(file(), text);
  Ended ended = run({"verify", file(), "--key", key()});
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(contains(ended.out, "REFUTED  output")) << ended.out;
  EXPECT_FALSE(contains(ended.out, "decline"));
  ended = run({"verify", file(), "--key", key(), "--json"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_EQ(nlohmann::json::parse(ended.out)["verdict"], "refuted");
  EXPECT_FALSE(contains(ended.out, "decline"));
}

TEST_F(XasectlProve, WhatIsNoProofIsMalformed) {
  for (const std::string& text :
       {std::string(), std::string("{}"), std::string("not JSON"), prove({"loan-5"}).out + "}"}) {
    test::write_text(file(), text);
    const Ended ended = run({"verify", file(), "--key", key()});
    EXPECT_EQ(ended.code, 3) << text.substr(0, 20);
    EXPECT_TRUE(contains(ended.err, file() + ": this is no proof")) << ended.err;
  }
  test::write_text(file(), prove({"loan-5"}).out);
  EXPECT_EQ(run({"verify", file(), "--key", "nonsense"}).code, 3);
  EXPECT_EQ(run({"verify", file(), "--key", key(), "--checkpoint", file()}).code, 2);
}

TEST_F(XasectlProve, AnEntryThatIsNotThereEndsInTheNextCommand) {
  for (const char* entry : {"loan-99", "999999", "0", ""}) {
    const Ended ended = prove({entry});
    EXPECT_EQ(ended.code, 1) << entry;
    EXPECT_EQ(ended.out, "");
    EXPECT_TRUE(contains(ended.err, "xasectl verify " + ledger_.state())) << ended.err;
  }
  // A number is a sequence, unless it is said to be an id.
  const Ended ended = prove({"5", "--transaction"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(contains(ended.err, "transaction_id 5")) << ended.err;
}

TEST_F(XasectlProve, AnEntryWithoutASignedHeadOverItSaysWhen) {
  const Ended ended = prove({"loan-late"});
  EXPECT_EQ(ended.code, 2);
  EXPECT_EQ(ended.out, "");
  EXPECT_TRUE(contains(ended.err, "within a second")) << ended.err;
  EXPECT_TRUE(contains(ended.err, "covers " + std::to_string(ledger_.size))) << ended.err;
  // The record is covered, its receipt is not yet.
  const Ended four = prove({"loan-4"});
  EXPECT_EQ(four.code, 0);
  EXPECT_TRUE(contains(four.err, "entry " + std::to_string(ledger_.late_receipt) +
                                     ", is not under a signed head yet"))
      << four.err;
  EXPECT_FALSE(nlohmann::json::parse(four.out).contains("receipt"));
}

TEST_F(XasectlProve, WrongUsageWritesNothing) {
  EXPECT_EQ(prove({}).code, 2);
  const Ended ended = prove({"loan-5", "--disclose", "inputs", "--out", file()});
  EXPECT_EQ(ended.code, 2);
  EXPECT_FALSE(std::filesystem::exists(file()));
  EXPECT_EQ(prove({"loan-5", "--out", outside_.path() + "/none/proof.json"}).code, 1);
}

TEST_F(XasectlProve, FilesThatDoNotAgreeGiveNoProof) {
  test::SignedLedger::forge(ledger_.state(), ledger_.record(5).sequence);
  const Ended ended = prove({"loan-5"});
  EXPECT_EQ(ended.code, 3);
  EXPECT_EQ(ended.out, "");
  EXPECT_TRUE(contains(ended.err, "xasectl verify tells more")) << ended.err;
}

TEST_F(XasectlProve, AnExportedStretchIsVerifiedWithTheKeyAlone) {
  const std::string bundle = outside_.path() + "/bundle.tar";
  const auto export_range = [&](const std::string& from, const std::string& to) {
    return run({"export", "--from", from, "--to", to, "--state-dir", ledger_.state(), "--disclose",
                "all", "--out", bundle});
  };
  Ended ended = export_range("3", std::to_string(ledger_.size));
  ASSERT_EQ(ended.code, 0) << ended.err;
  ended = run({"verify", bundle, "--key", key()});
  EXPECT_EQ(ended.code, 0) << ended.out << ended.err;
  EXPECT_TRUE(contains(ended.out, "VERIFIED"));
  EXPECT_EQ(run({"verify", bundle}).code, 2);
  ended = run({"verify", bundle, "--key", key(), "--json"});
  const auto json = nlohmann::json::parse(ended.out);
  EXPECT_EQ(json["verdict"], "verified");
  EXPECT_EQ(json["first"], 3);
  EXPECT_EQ(json["records"], ledger_.records.size());
  std::string bytes = test::read_text(bundle);
  bytes.replace(bytes.find("approve"), 7, "decline");
  test::write_text(bundle, bytes);
  EXPECT_EQ(run({"verify", bundle, "--key", key()}).code, 1);
  test::write_text(bundle, bytes.substr(0, bytes.size() - 1));
  EXPECT_EQ(run({"verify", bundle, "--key", key()}).code, 3);
  EXPECT_EQ(export_range("3", std::to_string(ledger_.last)).code, 2);
  EXPECT_EQ(export_range("0", "3").code, 2);
  EXPECT_EQ(export_range("4", "3").code, 2);
}

TEST_F(XasectlProve, AnExportedTransactionDisclosesNothingOfOthers) {
  const std::string bundle = outside_.path() + "/loan-5.tar";
  const auto export_loan = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words{"export",        "--transaction", "loan-5", "--state-dir",
                                   ledger_.state(), "--out",         bundle};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  Ended ended = export_loan({"--disclose", "input,rest"});
  ASSERT_EQ(ended.code, 0) << ended.err;
  ended = run({"verify", bundle, "--key", key(), "--json"});
  EXPECT_EQ(ended.code, 0) << ended.out << ended.err;
  const auto json = nlohmann::json::parse(ended.out);
  EXPECT_EQ(json["first"], ledger_.record(5).sequence);
  EXPECT_GT(json["records"], 1) << "others lie between it and its answer";
  for (const auto& property : json["properties"]) {
    EXPECT_EQ(property["verdict"], "PROVEN") << property;
  }
  // Its input, its rest, and its answer's.
  EXPECT_EQ(json["parts"], 3);
  const std::string bytes = test::read_text(bundle);
  // Of the same files always the same bytes.
  ASSERT_EQ(export_loan({"--disclose", "input,rest"}).code, 0);
  EXPECT_EQ(test::read_text(bundle), bytes);

  EXPECT_EQ(export_loan({"--from", "1"}).code, 2);
  EXPECT_EQ(run({"export", "--from", "1", "--state-dir", ledger_.state()}).code, 2);
  ended = run({"export", "--transaction", "nobody", "--state-dir", ledger_.state()});
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(contains(ended.err, "no record")) << ended.err;
}

TEST_F(XasectlProve, APolicyAsksOfLedgerProofAndBundle) {
  const std::string policy = outside_.path() + "/policy";
  const std::string proof = file();
  ASSERT_EQ(prove({"loan-5", "--out", proof}).code, 0);
  test::write_text(policy, "log " + key() + "\n");
  EXPECT_EQ(run({"verify", proof, "--policy", policy}).code, 0);
  test::write_text(policy, "log " + key() + "\nrequire input\n");
  Ended ended = run({"verify", proof, "--policy", policy});
  EXPECT_EQ(ended.code, 2);
  EXPECT_TRUE(contains(ended.out, "NOT ESTABLISHED")) << ended.out;
  ended = run({"verify", ledger_.state(), "--policy", policy});
  EXPECT_EQ(ended.code, 3);
  EXPECT_TRUE(contains(ended.err, "a ledger does not")) << ended.err;
  test::write_text(policy, "log " + key() + "\nrequire extends\n");
  ended = run({"verify", ledger_.state(), "--policy", policy, "--json"});
  EXPECT_EQ(ended.code, 2);
  std::map<std::string, bool> required;
  const auto json = nlohmann::json::parse(ended.out);
  for (const auto& property : json["properties"]) {
    required[property["name"]] = property["required"];
  }
  EXPECT_TRUE(required["extends"]);
  EXPECT_TRUE(required["signer"]);
  EXPECT_FALSE(required["end"]);
  test::write_text(policy, "log " + key() + "\nrequired end\n");
  ended = run({"verify", ledger_.state(), "--policy", policy});
  EXPECT_EQ(ended.code, 3);
  EXPECT_TRUE(
      contains(ended.err, ":2: \"required\" begins no line of a policy; did you mean require?"))
      << ended.err;
}

}  // namespace
}  // namespace xased
