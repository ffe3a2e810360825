#include "daemon/ledger/spare_segments.hpp"

#include <string_view>

namespace xased {
namespace {
constexpr std::string_view kPrefix = "spare-";
constexpr std::string_view kSuffix = ".tmp";
}  // namespace

Status SpareSegments::remove_leftovers() {
  const auto names = fs_.list(directory_);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    if (Status status = fs_.remove(directory_ + "/" + name); !status.ok()) return status;
  }
  return {};
}

Status SpareSegments::put(const PreparedFile& prepared) {
  const std::string path = directory_ + "/" + std::string(kPrefix) +
                           std::to_string(next_number_++) + std::string(kSuffix);
  if (Status status = fs_.rename(prepared.path, path); !status.ok()) return status;
  spares_.push_back({path, prepared.file});
  return {};
}

std::optional<PreparedFile> SpareSegments::take() {
  if (spares_.empty()) return std::nullopt;
  PreparedFile first = std::move(spares_.front());
  spares_.pop_front();
  return first;
}

}  // namespace xased
