#include "daemon/report/report.hpp"

#include <algorithm>

#include "daemon/ledger/verify_keys.hpp"
#include "daemon/report/collect.hpp"
#include "daemon/report/data_block.hpp"
#include "daemon/report/page.hpp"

namespace xased {

std::optional<ReportDisclosure> parse_disclosure(std::string_view text) {
  ReportDisclosure disclosure;
  if (text == "none") return disclosure;
  if (text == "all") return ReportDisclosure{true, true, true, true};
  for (;;) {
    const std::size_t comma = text.find(',');
    const std::string_view word = text.substr(0, comma);
    if (word == "input") {
      disclosure.input = true;
    } else if (word == "output") {
      disclosure.output = true;
    } else if (word == "context") {
      disclosure.context = true;
    } else if (word == "explanation") {
      disclosure.explanation = true;
    } else {
      return std::nullopt;
    }
    if (comma == std::string_view::npos) return disclosure;
    text.remove_prefix(comma + 1);
  }
}

Result<Report> make_report(FileSystem& fs, const std::string& state_dir,
                           const ReportOptions& options) {
  std::string key;
  Sha256 sha;
  if (options.key) {
    key = format_verifier_key(sha, *options.key);
  } else {
    // A key file that cannot be read leaves the page without a key, which it says.
    const auto beside = read_verifier_keys(fs, verifier_key_path(state_dir));
    if (beside.ok()) key = format_verifier_key(sha, beside->front());
  }
  const auto contents = collect_report(fs, state_dir, options);
  if (!contents.ok()) return contents.status();
  Report report;
  report.html = put_into_page(report_data_block(*contents, options, key));
  report.from = contents->from;
  report.to = contents->to;
  report.records = contents->records;
  report.faults = static_cast<std::uint64_t>(
      std::count_if(contents->entries.begin(), contents->entries.end(),
                    [](const ReportEntry& entry) { return !entry.faults.empty(); }));
  report.has_earlier = contents->has_earlier;
  report.has_key = !key.empty();
  report.has_checkpoint = contents->checkpoint.has_value();
  return report;
}

}  // namespace xased
