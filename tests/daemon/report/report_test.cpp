#include "daemon/report/report.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "proto/base64.hpp"
#include "proto/checkpoint.hpp"
#include "proto/merkle.hpp"
#include "tests/daemon/ledger/signed_ledger.hpp"

namespace xased {
namespace {

using nlohmann::json;
using test::SignedLedger;
using test::TakenApart;

ReportOptions disclosing(std::string_view parts) {
  ReportOptions options;
  options.disclose = *parse_disclosure(parts);
  options.program = "test";
  return options;
}

Report report_of(const SignedLedger& ledger, const ReportOptions& options) {
  auto report = make_report(system_file_system(), ledger.dir.path(), options);
  if (!report.ok()) {
    ADD_FAILURE() << report.status().message();
    std::abort();
  }
  return std::move(*report);
}

// The data block as the page's script gets it.
json data_of(const Report& report) {
  constexpr std::string_view kBegin = R"(id="data">)";
  const std::size_t begin = report.html.find(kBegin) + kBegin.size();
  return json::parse(report.html.substr(begin, report.html.find("</script>", begin) - begin));
}

const json& entry_of(const json& data, std::uint64_t sequence) {
  for (const json& entry : data["entries"]) {
    if (entry["s"] == sequence) return entry;
  }
  throw std::out_of_range("no entry " + std::to_string(sequence));
}

std::vector<std::byte> bytes_of(const json& base64) {
  return *xase::proto::decode_base64(base64.get<std::string>());
}

TEST(Disclosure, TakesPartsAndRefusesOtherWords) {
  EXPECT_TRUE(parse_disclosure("all")->all());
  EXPECT_FALSE(parse_disclosure("none")->input);
  const auto some = parse_disclosure("output,explanation");
  ASSERT_TRUE(some);
  EXPECT_TRUE(some->output && some->explanation && !some->input && !some->context);
  for (const char* text : {"", "input,", "inputs", "all,input", "none,input"}) {
    EXPECT_FALSE(parse_disclosure(text)) << text;
  }
}

TEST(Report, EveryEntryLeadsToTheRootOfTheHead) {
  const SignedLedger ledger;
  const Report report = report_of(ledger, disclosing("all"));
  EXPECT_EQ(report.records, 16U);
  EXPECT_EQ(report.faults, 0U);
  const json data = data_of(report);
  EXPECT_EQ(data["note"], ledger.head);
  EXPECT_EQ(data["key"], test::verifier_key_text(*ledger.key));
  const auto head =
      xase::proto::parse_checkpoint(xase::proto::parse_note(data["note"].get<std::string>())->text);
  ASSERT_EQ(data["entries"].size(), ledger.size);
  Sha256 sha;
  for (const json& entry : data["entries"]) {
    std::vector<xase::proto::Hash> path;
    for (const json& index : entry["p"]) {
      path.push_back(xase::proto::load<xase::proto::Hash>(
          bytes_of(data["hashes"][index.get<std::size_t>()]).data()));
    }
    EXPECT_TRUE(xase::proto::verify_inclusion(
        sha, xase::proto::leaf_hash(sha, bytes_of(entry["l"])), entry["s"].get<std::uint64_t>() - 1,
        head->size, head->root, path));
  }
}

TEST(Report, ADisclosedPartFitsItsCommitmentAndAWithheldOneIsNotThere) {
  const SignedLedger ledger;
  const json data = data_of(report_of(ledger, disclosing("input")));
  const json& entry = entry_of(data, ledger.victim());
  EXPECT_TRUE(entry["d"][1].is_null());
  const auto leaf = xase::proto::decode_leaf(bytes_of(entry["l"]));
  const auto salt = xase::proto::load<xase::proto::Id>(bytes_of(entry["d"][0][1]).data());
  Sha256 sha;
  EXPECT_EQ(xase::proto::commitment(sha, 0, salt, bytes_of(entry["d"][0][0])),
            leaf->commitments[0]);
}

TEST(Report, ATamperedPayloadIsToldWhetherDisclosedOrNot) {
  const SignedLedger ledger;
  TakenApart segment(ledger.dir.path(), 1);
  auto& piece = segment.entry(ledger.victim());
  piece.erasable()[xase::proto::kErasableHeaderBytes + 2] ^= std::byte{1};
  piece.reseal();
  segment.put_together();
  for (const char* parts : {"none", "all"}) {
    const Report report = report_of(ledger, disclosing(parts));
    EXPECT_EQ(report.faults, 1U) << parts;
    const json data = data_of(report);
    EXPECT_EQ(entry_of(data, ledger.victim())["f"].size(), 1U);
    EXPECT_FALSE(entry_of(data, ledger.victim() + 1).contains("f"));
  }
}

TEST(Report, AnEntryThatCannotBeReadIsShownFromTheTreeAndFailsNothing) {
  const SignedLedger ledger;
  TakenApart segment(ledger.dir.path(), 1);
  segment.entry(ledger.victim()).erasable()[100] ^= std::byte{1};
  segment.put_together();
  const Report report = report_of(ledger, disclosing("all"));
  EXPECT_EQ(report.records, 16U);
  EXPECT_EQ(report.faults, 1U);
  const json data = data_of(report);
  const json& entry = entry_of(data, ledger.victim());
  EXPECT_EQ(entry["t"], 1);
  EXPECT_FALSE(entry.contains("d"));
  EXPECT_EQ(xase::proto::decode_leaf(bytes_of(entry["l"]))->sequence, ledger.victim());
  ASSERT_EQ(data["damages"].size(), 1U);
  EXPECT_EQ(data["damages"][0]["first"], ledger.victim());
  EXPECT_EQ(data["damages"][0]["last"], ledger.victim());
}

TEST(Report, AnEntryThatIsInNeitherJournalNorTreeHasNoLeaf) {
  const SignedLedger ledger;
  std::filesystem::remove_all(ledger.dir.path() + "/tree");
  TakenApart segment(ledger.dir.path(), 1);
  segment.entry(ledger.victim()).erasable()[100] ^= std::byte{1};
  segment.put_together();
  const Report report = report_of(ledger, disclosing("all"));
  EXPECT_FALSE(report.has_checkpoint);
  const json data = data_of(report);
  EXPECT_FALSE(entry_of(data, ledger.victim()).contains("l"));
  EXPECT_FALSE(data["note_problem"].get<std::string>().empty());
}

TEST(Report, AnErasedPayloadIsNoFault) {
  const SignedLedger ledger;
  TakenApart segment(ledger.dir.path(), 1);
  segment.entry(ledger.victim()).erase();
  segment.put_together();
  const Report report = report_of(ledger, disclosing("all"));
  EXPECT_EQ(report.faults, 0U);
  EXPECT_EQ(entry_of(data_of(report), ledger.victim())["e"], 1);
}

TEST(Report, AJournalThatWasCutBelowItsHeadShowsWhatIsGone) {
  const SignedLedger ledger;
  TakenApart segment(ledger.dir.path(), 1);
  std::erase_if(segment.pieces, [&](const TakenApart::Piece& piece) {
    return piece.is_mark || piece.sequence >= ledger.size - 1;
  });
  segment.put_together();
  // Zeros are all that the file has behind them.
  const auto end = test::read_bytes(test::segment_path(ledger.dir.path(), 1));
  ASSERT_FALSE(end.empty());
  const Report report = report_of(ledger, disclosing("none"));
  EXPECT_EQ(report.to, ledger.size);
  EXPECT_GE(report.faults, 2U);
}

TEST(Report, TheLastRecordsAreTheDefault) {
  const SignedLedger ledger;
  ReportOptions options = disclosing("none");
  options.default_records = 5;
  const Report report = report_of(ledger, options);
  EXPECT_EQ(report.records, 5U);
  EXPECT_TRUE(report.has_earlier);
  EXPECT_EQ(report.from, ledger.records[11].sequence);
}

TEST(Report, ARangeBringsTheAnswersThatCameAfterIt) {
  const SignedLedger ledger;
  ReportOptions options = disclosing("none");
  options.from = options.to = ledger.records[0].sequence;
  const json data = data_of(report_of(ledger, options));
  ASSERT_EQ(data["entries"].size(), 2U);
  const auto leaf = xase::proto::decode_leaf(bytes_of(data["entries"][1]["l"]));
  EXPECT_EQ(leaf->type, xase::proto::EntryType::kReceipt);
}

TEST(Report, ARangeWithoutEntriesAndOneWithTooManyRecordsAreRefused) {
  const SignedLedger ledger;
  ReportOptions options = disclosing("none");
  options.from = ledger.size + 1;
  const auto none = make_report(system_file_system(), ledger.dir.path(), options);
  EXPECT_EQ(none.status().code(), Code::kInvalid);
  options.from = 1;
  options.records_max = 15;
  const auto many = make_report(system_file_system(), ledger.dir.path(), options);
  EXPECT_EQ(many.status().code(), Code::kInvalid);
  const auto nothing = make_report(system_file_system(), ledger.dir.path() + "/keys", options);
  EXPECT_FALSE(nothing.ok());
}

}  // namespace
}  // namespace xased
