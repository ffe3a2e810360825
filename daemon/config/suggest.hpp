// "did you mean": the nearest of the names that exist.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace xased {

// Edits (insert, delete, replace, swap of neighbours) from one to the other: optimal string
// alignment distance.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to `name`, when near enough that a slip of the hand explains it: a third of
// its length, two edits at least. Names longer than 128 bytes get no suggestion.
std::optional<std::string> nearest(std::string_view name, std::span<const std::string> candidates);

}  // namespace xased
