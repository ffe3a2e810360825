// Decides on credit applications with a logistic model, and records each decision.
//
// The model is the one behind tests/data/credit-decisions.jsonl (Statlog German Credit, Hofmann
// 1994): its terms were read from the explanations in that file, and where a term never made it
// into one, from the probabilities. It gives the same decision on all 1,000 applications.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "client/examples/run.hpp"

namespace {

using example::Json;
using example::rounded;

constexpr double kIntercept = 1.1962;
constexpr double kApproveFrom = 0.6;

struct Slope {
  double weight;
  double mean;
};

const std::map<std::string, Slope> kNumbers{{"duration_months", {-0.0300112, 20.903}},
                                            {"amount", {-0.00010011, 3271.235}},
                                            {"installment_rate_percent", {-0.284859, 2.973}},
                                            {"age", {0.0153767, 35.546}},
                                            {"existing_credits", {-0.310596, 1.407}}};

const std::map<std::string, std::map<std::string, double>> kCategories{
    {"checking_account",
     {{"lt.0", -0.8036}, {"0.to.200", -0.4473}, {"gt.200", 0.0765}, {"none", 0.852}}},
    {"credit_history",
     {{"ThisBank.AllPaid", -1.1654},
      {"NoCredit.AllPaid", -0.767},
      {"PaidDuly", -0.2213},
      {"Delay", 0.0504},
      {"Critical", 0.6848}}},
    {"purpose",
     {{"Education", -0.7717},
      {"NewCar", -0.6219},
      {"Repairs", -0.3594},
      {"DomesticAppliance", -0.22},
      {"Business", -0.035},
      {"Furniture.Equipment", 0.045},
      {"Radio.Television", 0.2434},
      {"Other", 0.667},
      {"UsedCar", 1.0018},
      {"Retraining", 1.173}}},
    {"savings",
     {{"lt.100", -0.283},
      {"100.to.500", 0.0605},
      {"500.to.1000", 0.1081},
      {"gt.1000", 0.8481},
      {"Unknown", 0.6389}}},
    {"employment",
     {{"Unemployed", -0.377},
      {"lt.1", -0.3237},
      {"1.to.4", -0.0822},
      {"4.to.7", 0.642},
      {"gt.7", -0.0189}}},
    {"property",
     {{"Unknown", -0.4955}, {"CarOther", -0.0313}, {"Insurance", 0.0308}, {"RealEstate", 0.2822}}},
    {"housing", {{"Rent", -0.4044}, {"Own", 0.0563}, {"ForFree", 0.2989}}},
    {"job",
     {{"UnskilledResident", -0.0452},
      {"SkilledEmployee", -0.0278},
      {"Management.SelfEmp.HighlyQualified", 0.1064},
      {"UnemployedUnskilled", 0.4915}}}};

struct Decision {
  Json output;
  Json explanation;
  double confidence;
};

// What each feature adds to the log-odds, the strongest first.
std::vector<std::pair<std::string, double>> contributions(const Json& application) {
  std::vector<std::pair<std::string, double>> terms;
  terms.reserve(kNumbers.size() + kCategories.size());
  for (const auto& [feature, slope] : kNumbers) {
    terms.emplace_back(feature,
                       slope.weight * (application.at(feature).get<double>() - slope.mean));
  }
  for (const auto& [feature, weights] : kCategories) {
    terms.emplace_back(feature, weights.at(application.at(feature).get<std::string>()));
  }
  std::sort(terms.begin(), terms.end(),
            [](const auto& a, const auto& b) { return std::abs(a.second) > std::abs(b.second); });
  return terms;
}

Decision decide(const Json& application) {
  const auto terms = contributions(application);
  double log_odds = kIntercept;
  for (const auto& [feature, value] : terms) log_odds += value;
  const double good = 1 / (1 + std::exp(-log_odds));

  Decision decision;
  decision.confidence = rounded(std::max(good, 1 - good), 4);
  decision.output["decision"] = good >= kApproveFrom ? "APPROVED" : "DECLINED";
  decision.output["probability_good"] = rounded(good, 4);
  if (good >= kApproveFrom) decision.output["limit"] = application.at("amount");
  decision.explanation = {{"method", "logit-terms"}, {"unit", "log-odds"}};
  for (std::size_t i = 0; i < 5; ++i) {
    decision.explanation["top"].push_back(
        {{"feature", terms[i].first}, {"contribution", rounded(terms[i].second, 4)}});
  }
  return decision;
}

}  // namespace

int main(int argc, char** argv) try {
  const auto options =
      example::parse_command_line(argc, argv, "Decides on credit applications and records it");

  xase::Options client_options;
  client_options.run_dir = options.run_dir;
  client_options.on_full = xase::OnFull::kBlock;  // rather wait a second than decide unrecorded
  xase::Client client(client_options);

  return example::run(options, [&](const Json& application, const std::string& id) {
    const auto start = std::chrono::steady_clock::now();
    const Decision decision = decide(application);
    const auto taken = std::chrono::steady_clock::now() - start;

    const std::string input = application.dump();
    const std::string output = decision.output.dump();
    const std::string explanation = decision.explanation.dump();

    xase::Record record;
    record.policy = "credit_policy_v4";
    record.policy_version = "4.2.0";
    record.decision_type = "UNDERWRITING";
    record.transaction_id = id;
    record.input = input;
    record.output = output;
    record.confidence = decision.confidence;
    record.explanation = explanation;
    record.processing_time = taken;
    record.model_id = "german-credit-logit";
    record.model_version = "1.0.0";
    return client.record(record);
  });
} catch (const std::exception& error) {
  std::cerr << "xase-example-credit: " << error.what() << '\n';
  return 1;
}
