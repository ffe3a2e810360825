#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/client/fake_daemon.hpp"

namespace xase::test {
namespace {

using nlohmann::json;
using proto::Span;

// Runs a program of build/bin on the applications and returns what it recorded, by transaction id.
std::map<std::string, SeenRecord> records_of(const std::string& program, int count) {
  const TempDir dir;
  const std::string command = std::string(XASE_BIN) + "/" + program + " --run-dir " + dir.path() +
                              "/run --id-prefix t --count " + std::to_string(count) + " " +
                              XASE_DATA + " > " + dir.path() + "/out";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;  // NOLINT(cert-env33-c): a fixed command
  std::ifstream out(dir.path() + "/out");
  const json counts = json::parse(out);
  EXPECT_EQ(counts.at("recorded"), count);
  EXPECT_EQ(counts.at("refused"), 0);
  std::map<std::string, SeenRecord> records;
  for (const std::string& path : ring_paths(dir.path() + "/run")) {
    for (SeenRecord& record : FakeRing(path).read()) {
      records.emplace(record.text(Span::kTransactionId), std::move(record));
    }
  }
  EXPECT_EQ(records.size(), static_cast<std::size_t>(count));
  return records;
}

std::vector<json> data() {
  std::vector<json> rows;
  std::ifstream file(XASE_DATA);
  for (std::string line; std::getline(file, line);) rows.push_back(json::parse(line));
  return rows;
}

TEST(Examples, TheCreditModelDecidesAsTheOneBehindTheData) {
  const std::vector<json> rows = data();
  ASSERT_EQ(rows.size(), 1000U);
  const auto records = records_of("xase-example-credit", 1000);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const SeenRecord& record = records.at("t-" + std::to_string(i + 1));
    const json output = json::parse(record.text(Span::kOutput));
    EXPECT_EQ(json::parse(record.text(Span::kInput)), rows[i].at("input"));
    EXPECT_EQ(output.at("decision"), rows[i].at("output").at("decision")) << i;
    EXPECT_EQ(output.value("limit", 0), rows[i].at("output").value("limit", 0)) << i;
    EXPECT_NEAR(output.at("probability_good").get<double>(),
                rows[i].at("output").at("probability_good").get<double>(), 0.00021);
    EXPECT_NEAR(record.fields().confidence, rows[i].at("confidence").get<double>(), 0.00021);
    // Equal contributions may change places.
    const json top = json::parse(record.text(Span::kExplanation)).at("top");
    for (std::size_t t = 0; t < top.size(); ++t) {
      EXPECT_NEAR(std::abs(top[t].at("contribution").get<double>()),
                  std::abs(rows[i].at("explanation").at("top")[t].at("contribution").get<double>()),
                  0.0002);
    }
    EXPECT_TRUE(record.fields().has(proto::kRecordHasProcessingTime));
  }
}

TEST(Examples, PricesFollowTheScoreCard) {
  const std::map<std::string, double> rates{{"A", 4.9}, {"B", 6.9}, {"C", 9.9}, {"D", 13.9}};
  std::map<std::string, int> tiers;
  for (const auto& [id, record] : records_of("xase-example-pricing", 1000)) {
    const json output = json::parse(record.text(Span::kOutput));
    const json input = json::parse(record.text(Span::kInput));
    const std::string tier = output.at("tier");
    ++tiers[tier];
    EXPECT_EQ(output.at("annual_rate_percent"), rates.at(tier));
    EXPECT_NEAR(
        output.at("monthly_payment").get<double>() * input.at("duration_months").get<double>(),
        input.at("amount").get<double>() + output.at("total_interest").get<double>(), 1.0);
    EXPECT_GT(output.at("total_interest").get<double>(), 0);
    EXPECT_EQ(record.text(Span::kDecisionType), "PRICING");
  }
  EXPECT_EQ(tiers.size(), rates.size()) << "every tier occurs";
}

}  // namespace
}  // namespace xase::test
