// A policy: what is refused is refused with its line, and what is taken asks for something, its
// groups can be met, and a ledger that nobody saw meets no quorum.
#include <string>

#include "daemon/evidence/policy.hpp"
#include "tests/fuzz/fuzz.hpp"

using xase::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto policy = xased::parse_policy(text, "p");
  if (!policy.ok()) {
    require(policy.status().message().starts_with("p:"), "a refusal names file and line");
    require(policy.status().message().size() < 600, "a refusal is brief");
    return 0;
  }
  const xased::WitnessPolicy& witnesses = policy->witnesses;
  require(!policy->logs.empty() || witnesses.asks() || !policy->required.empty(),
          "it asks for something");
  for (const xased::WitnessGroup& group : witnesses.groups) {
    require(group.threshold >= 1 && group.threshold <= group.members.size(), "a group can be met");
  }
  const xased::WitnessSightings nobody(witnesses);
  require(nobody.quorum_size() == 0, "nobody saw anything");
  require(!nobody.text(7).empty(), "that is said");
  return 0;
}
