// Names in STATE_DIR/journal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace xased {

inline constexpr std::string_view kJournalFolder = "journal";
inline constexpr std::string_view kSegmentSuffix = ".seg";

// "<20 digits>.seg": the sequence of the segment's first entry, so that names sort as sequences do.
std::string segment_name(std::uint64_t first_sequence);
// Nothing where `name` is not a segment's.
std::optional<std::uint64_t> parse_segment_name(std::string_view name);

}  // namespace xased
