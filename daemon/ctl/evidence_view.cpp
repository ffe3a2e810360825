#include "daemon/ctl/evidence_view.hpp"

namespace xased::ctl {
namespace {

std::string names_where(const std::vector<EvidenceProperty>& properties, VerifyVerdict verdict) {
  std::string names;
  for (const EvidenceProperty& property : properties) {
    const bool counts = property.required || verdict == VerifyVerdict::kRefuted;
    if (!counts || property.verdict != verdict) continue;
    names += (names.empty() ? "" : ", ") + property.name;
  }
  return names;
}

}  // namespace

const char* evidence_verdict(const std::vector<EvidenceProperty>& properties) {
  switch (exit_code_of(properties)) {
    case 0:
      return "verified";
    case 1:
      return "refuted";
    default:
      return "not_established";
  }
}

std::string property_lines(const std::vector<EvidenceProperty>& properties,
                           const std::string& verified, const Style& style) {
  std::string text;
  for (const EvidenceProperty& property : properties) {
    Ink color = Ink::kDim;
    if (property.verdict == VerifyVerdict::kProven) color = Ink::kGreen;
    if (property.verdict == VerifyVerdict::kRefuted) color = Ink::kRed;
    if (property.verdict == VerifyVerdict::kNotEstablished && property.required) {
      color = Ink::kYellow;
    }
    text += paint(style, color, left(verify_verdict_name(property.verdict), 17)) +
            left(property.name, 11) + printable(property.text) + "\n";
  }
  text += "\n";
  switch (exit_code_of(properties)) {
    case 0:
      return text + paint(style, Ink::kGreen, "VERIFIED") + "  " + verified + "\n";
    case 1:
      return text + paint(style, Ink::kRed, "REFUTED") + "  " +
             names_where(properties, VerifyVerdict::kRefuted) + "\n";
    default:
      return text + paint(style, Ink::kYellow, "NOT ESTABLISHED") +
             "  there is not enough here to say: " +
             names_where(properties, VerifyVerdict::kNotEstablished) + "\n";
  }
}

nlohmann::ordered_json properties_json(const std::vector<EvidenceProperty>& properties) {
  auto json = nlohmann::ordered_json::array();
  for (const EvidenceProperty& property : properties) {
    json.push_back({{"name", property.name},
                    {"verdict", verify_verdict_name(property.verdict)},
                    {"required", property.required},
                    {"text", property.text}});
  }
  return json;
}

}  // namespace xased::ctl
