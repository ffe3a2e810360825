// What a report's page knows: one JSON object.
#pragma once

#include <string>

#include "daemon/report/collect.hpp"

namespace xased {

// `key`: in text; empty where there is none.
std::string report_data_block(const ReportContents& contents, const ReportOptions& options,
                              const std::string& key);

}  // namespace xased
