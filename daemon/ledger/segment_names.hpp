// Names in STATE_DIR/journal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/platform/file_system.hpp"

namespace xased {

inline constexpr std::string_view kJournalFolder = "journal";
inline constexpr std::string_view kSegmentSuffix = ".seg";

// "<20 digits>.seg": the sequence of the segment's first entry, so that names sort as sequences do.
std::string segment_name(std::uint64_t first_sequence);
// Nothing where `name` is not a segment's.
std::optional<std::uint64_t> parse_segment_name(std::string_view name);
// The first sequences of all segments in `directory`, ascending. Other files are passed over.
Result<std::vector<std::uint64_t>> list_segments(FileSystem& fs, const std::string& directory);

}  // namespace xased
