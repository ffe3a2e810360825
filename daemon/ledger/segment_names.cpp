#include "daemon/ledger/segment_names.hpp"

#include <charconv>

#include "proto/merkle.hpp"

namespace xased {
namespace {
constexpr std::size_t kDigits = 20;
}

std::string segment_name(std::uint64_t first_sequence) {
  const std::string digits = std::to_string(first_sequence);
  return std::string(kDigits - digits.size(), '0') + digits + std::string(kSegmentSuffix);
}

std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
  if (name.size() != kDigits + kSegmentSuffix.size() || !name.ends_with(kSegmentSuffix)) {
    return std::nullopt;
  }
  std::uint64_t sequence = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kDigits, sequence);
  if (error != std::errc{} || end != name.data() + kDigits || sequence == 0 ||
      sequence > xase::proto::kTreeSizeMax) {
    return std::nullopt;
  }
  return sequence;
}

Result<std::vector<std::uint64_t>> list_segments(FileSystem& fs, const std::string& directory) {
  const auto names = fs.list(directory);
  if (!names.ok()) return names.status();
  std::vector<std::uint64_t> firsts;
  for (const std::string& name : *names) {
    if (const auto first = parse_segment_name(name)) firsts.push_back(*first);
  }
  return firsts;
}

}  // namespace xased
