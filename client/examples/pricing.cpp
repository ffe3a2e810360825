// Prices credit applications with a score card, and records each price.
#include <array>
#include <cmath>
#include <iostream>
#include <string>

#include "client/examples/run.hpp"

namespace {

using example::Json;
using example::rounded;

struct Tier {
  const char* name;
  int points_from;
  double annual_rate_percent;
};

constexpr std::array<Tier, 4> kTiers{
    {{"A", 60, 4.9}, {"B", 40, 6.9}, {"C", 20, 9.9}, {"D", 0, 13.9}}};

// Points by rule, best first; together 0 to 80.
Json score(const Json& application) {
  const auto text = [&](const char* name) { return application.at(name).get<std::string>(); };
  const auto number = [&](const char* name) { return application.at(name).get<double>(); };
  Json points;
  points["savings"] = text("savings") == "lt.100" ? 0 : 20;
  points["employment"] = text("employment") == "gt.7"         ? 20
                         : text("employment") == "Unemployed" ? 0
                                                              : 10;
  points["property"] = text("property") == "RealEstate" ? 20
                       : text("property") == "Unknown"  ? 0
                                                        : 10;
  points["burden"] = number("installment_rate_percent") <= 2 ? 20 : 0;
  return points;
}

struct Price {
  Json output;
  Json explanation;
};

Price price(const Json& application) {
  Price price;
  price.explanation["method"] = "score-card";
  price.explanation["points"] = score(application);
  int total = 0;
  for (const auto& points : price.explanation["points"]) total += points.get<int>();
  std::size_t tier = 0;
  while (total < kTiers[tier].points_from) ++tier;
  price.explanation["total"] = total;

  const double amount = application.at("amount").get<double>();
  const int months = application.at("duration_months").get<int>();
  const double monthly_rate = kTiers[tier].annual_rate_percent / 1200;
  const double payment = amount * monthly_rate / (1 - std::pow(1 + monthly_rate, -months));
  price.output = {{"tier", kTiers[tier].name},
                  {"annual_rate_percent", kTiers[tier].annual_rate_percent},
                  {"monthly_payment", rounded(payment, 2)},
                  {"total_interest", rounded(payment * months - amount, 2)}};
  return price;
}

}  // namespace

int main(int argc, char** argv) try {
  const auto options =
      example::parse_command_line(argc, argv, "Prices credit applications and records it");

  xase::Options client_options;
  client_options.run_dir = options.run_dir;
  client_options.on_full = xase::OnFull::kBlock;  // rather wait a second than price unrecorded
  xase::Client client(client_options);

  return example::run(options, [&](const Json& application, const std::string& id) {
    const Price priced = price(application);
    const std::string input = application.dump();
    const std::string output = priced.output.dump();
    const std::string explanation = priced.explanation.dump();

    xase::Record record;
    record.policy = "pricing_policy_v2";
    record.policy_version = "2.0.1";
    record.decision_type = "PRICING";
    record.transaction_id = id;
    record.input = input;
    record.output = output;
    record.explanation = explanation;
    record.model_id = "german-credit-tiers";
    record.model_version = "2.0.1";
    return client.record(record);
  });
} catch (const std::exception& error) {
  std::cerr << "xase-example-pricing: " << error.what() << '\n';
  return 1;
}
