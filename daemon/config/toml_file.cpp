#include "daemon/config/toml_file.hpp"

#include <toml++/toml.h>

#include <algorithm>

namespace xased {
namespace {

TomlPosition position(const toml::source_region& region) {
  return {static_cast<std::uint32_t>(region.begin.line),
          static_cast<std::uint32_t>(region.begin.column)};
}

ConfigValue value_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return {ValueForm::kString, text->get()};
  if (const auto* number = node.as_integer()) {
    return {ValueForm::kInteger, std::to_string(number->get())};
  }
  if (const auto* boolean = node.as_boolean()) {
    return {ValueForm::kBoolean, boolean->get() ? "true" : "false"};
  }
  if (node.is_floating_point()) return {ValueForm::kOther, "a number with a fraction"};
  if (node.is_array()) return {ValueForm::kOther, "an array"};
  return {ValueForm::kOther, "a date or a time"};
}

void list(const toml::table& table, const std::string& prefix, std::vector<TomlEntry>& entries) {
  for (const auto& [key, node] : table) {
    TomlEntry entry;
    entry.name = prefix + std::string(key.str());
    entry.table = node.is_table();
    entry.name_at = position(key.source());
    entry.value_at = position(node.source());
    if (!entry.table) entry.value = value_of(node);
    entries.push_back(std::move(entry));
    if (node.is_table() && prefix.empty()) {
      list(*node.as_table(), std::string(key.str()) + '.', entries);
    }
  }
}

// The parser quotes what it tripped over: control characters would reach the operator's terminal.
std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return out;
}

bool before(const TomlEntry& a, const TomlEntry& b) {
  return a.name_at.line != b.name_at.line ? a.name_at.line < b.name_at.line
                                          : a.name_at.column < b.name_at.column;
}

}  // namespace

Result<std::vector<TomlEntry>> parse_toml(std::string_view text, const std::string& file) {
  try {
    const toml::table root = toml::parse(text, file);
    std::vector<TomlEntry> entries;
    list(root, "", entries);
    // The parser sorts by name; people read from the top.
    std::stable_sort(entries.begin(), entries.end(), before);
    return entries;
  } catch (const toml::parse_error& error) {
    const TomlPosition at = position(error.source());
    return Status(Code::kInvalid, file + ':' + std::to_string(at.line) + ':' +
                                      std::to_string(at.column) + ": " +
                                      printable(error.description()));
  }
}

}  // namespace xased
