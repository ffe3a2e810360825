#include "daemon/ctl/bundle_view.hpp"

#include "daemon/ctl/evidence_view.hpp"

namespace xased::ctl {

std::string bundle_page(const BundleReport& report, const Style& style) {
  std::string text;
  const auto labelled = [&](std::string_view label, const std::string& what) {
    text += paint(style, Ink::kDim, left(label, 11)) + what + "\n";
  };
  labelled("ledger", printable(report.origin));
  labelled("entries", std::to_string(report.first) + " to " + std::to_string(report.last) + ", " +
                          with_commas(report.records) + " of them records, under a head over " +
                          with_commas(report.size));
  labelled("made", local_time(report.first_wall_ns) + " to " + local_time(report.last_wall_ns) +
                       " by the host's clock");
  labelled("disclosed", with_commas(report.parts) + " parts");
  return text + "\n" +
         property_lines(report.properties,
                        "these entries are in the ledger that a pinned key signed", style);
}

std::string bundle_json(const BundleReport& report) {
  const nlohmann::ordered_json json{{"verdict", evidence_verdict(report.properties)},
                                    {"origin", report.origin},
                                    {"size", report.size},
                                    {"root", report.root},
                                    {"signed_by", report.signed_by},
                                    {"first", report.first},
                                    {"last", report.last},
                                    {"first_wall_ns", report.first_wall_ns},
                                    {"last_wall_ns", report.last_wall_ns},
                                    {"records", report.records},
                                    {"parts", report.parts},
                                    {"properties", properties_json(report.properties)}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace xased::ctl
