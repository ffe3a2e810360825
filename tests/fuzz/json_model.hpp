// A second reader of JSON, nlohmann's, and what it is compared by.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace xase::fuzz {

using Json = nlohmann::json;

// Of a repeated name the last counts, as everywhere in the project. Nothing: not JSON. It takes a
// NUL for the end of the text, which JSON does not know.
inline std::optional<Json> read_json(std::string_view text) {
  Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || text.find('\0') != std::string_view::npos) return std::nullopt;
  return json;
}

// Levels of nesting; a value that holds nothing is 1.
inline std::size_t depth_of(const Json& json) {
  std::size_t deepest = 0;
  if (json.is_structured()) {
    for (const Json& item : json) deepest = std::max(deepest, depth_of(item));
  }
  return deepest + 1;
}

// The same value to a reader whose numbers are doubles.
inline bool same_value(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) return a.get<double>() == b.get<double>();
  if (a.type() != b.type()) return false;
  if (!a.is_structured()) return a == b;
  if (a.size() != b.size()) return false;
  if (a.is_array()) return std::equal(a.begin(), a.end(), b.begin(), same_value);
  const auto& left = a.get_ref<const Json::object_t&>();
  const auto& right = b.get_ref<const Json::object_t&>();
  return std::equal(left.begin(), left.end(), right.begin(), [](const auto& x, const auto& y) {
    return x.first == y.first && same_value(x.second, y.second);
  });
}

}  // namespace xase::fuzz
