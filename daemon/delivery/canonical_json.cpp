#include "daemon/delivery/canonical_json.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <vector>

namespace xased {
namespace {

namespace dom = simdjson::dom;

// Integers up to here are doubles of their own.
constexpr std::int64_t kExactIntegerMax = std::int64_t{1} << 53;

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The digits of `value` without a point, and the power of ten of the first one.
struct Shortest {
  std::array<char, 32> digits{};
  int count = 0;
  int exponent = 0;
};

Shortest shortest_digits(double value) {
  std::array<char, 32> text{};
  const auto written =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::scientific);
  Shortest shortest;
  const char* at = text.data();
  for (; at != written.ptr && *at != 'e'; ++at) {
    if (is_digit(*at)) shortest.digits[static_cast<std::size_t>(shortest.count++)] = *at;
  }
  if (at != written.ptr) {
    ++at;
    if (*at == '+') ++at;
    std::from_chars(at, written.ptr, shortest.exponent);
  }
  return shortest;
}

// simdjson refuses integers beyond 64 bits, which JSON.parse reads as doubles. Gives them a
// fraction, which makes simdjson do the same.
std::string with_long_integers_as_doubles(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    out += c;
    if (in_string) {
      if (c == '\\' && i + 1 < text.size()) out += text[++i];
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (!is_digit(c)) continue;
    std::size_t end = i + 1;
    while (end < text.size() && is_digit(text[end])) out += text[end++];
    const bool integer =
        end == text.size() || (text[end] != '.' && text[end] != 'e' && text[end] != 'E');
    if (integer && end - i > 18) out += ".0";
    // What follows a point or an exponent is no integer.
    while (!integer && end < text.size() &&
           (is_digit(text[end]) || text[end] == '.' || text[end] == 'e' || text[end] == 'E' ||
            text[end] == '+' || text[end] == '-')) {
      out += text[end++];
    }
    i = end - 1;
  }
  return out;
}

}  // namespace

void append_canonical_number(double value, std::string& out) {
  if (value == 0) {  // also of minus zero
    out += '0';
    return;
  }
  if (value < 0) out += '-';
  const Shortest shortest = shortest_digits(std::fabs(value));
  const std::string_view digits(shortest.digits.data(), static_cast<std::size_t>(shortest.count));
  const int count = shortest.count;
  const int point = shortest.exponent + 1;  // ECMAScript's n
  if (count <= point && point <= 21) {
    out += digits;
    out.append(static_cast<std::size_t>(point - count), '0');
  } else if (0 < point && point <= 21) {
    out += digits.substr(0, static_cast<std::size_t>(point));
    out += '.';
    out += digits.substr(static_cast<std::size_t>(point));
  } else if (-6 < point && point <= 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-point), '0');
    out += digits;
  } else {
    out += digits[0];
    if (count > 1) {
      out += '.';
      out += digits.substr(1);
    }
    out += 'e';
    out += shortest.exponent < 0 ? '-' : '+';
    out += std::to_string(std::abs(shortest.exponent));
  }
}

void append_canonical_string(std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  std::size_t plain = 0;  // start of what is copied as it is
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, plain, i - plain);
    plain = i + 1;
    out += '\\';
    switch (c) {
      case '"':
      case '\\':
        out += c;
        break;
      case '\b':
        out += 'b';
        break;
      case '\t':
        out += 't';
        break;
      case '\n':
        out += 'n';
        break;
      case '\f':
        out += 'f';
        break;
      case '\r':
        out += 'r';
        break;
      default:
        out += "u00";
        out += kHex[byte >> 4U];
        out += kHex[byte & 15U];
    }
  }
  out.append(text, plain);
  out += '"';
}

bool utf16_less(std::string_view a, std::string_view b) {
  const auto differ = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (differ.first == a.end() || differ.second == b.end()) return a.size() < b.size();
  const auto left = static_cast<unsigned char>(*differ.first);
  const auto right = static_cast<unsigned char>(*differ.second);
  // UTF-8 sorts by code point. UTF-16 differs in one place: what is beyond U+FFFF (first byte from
  // 0xf0) is written with surrogates, which sort before U+E000 to U+FFFF (0xee and 0xef).
  const bool left_beyond = left >= 0xf0;
  const bool right_beyond = right >= 0xf0;
  if (left_beyond && (right == 0xee || right == 0xef)) return true;
  if (right_beyond && (left == 0xee || left == 0xef)) return false;
  return left < right;
}

struct CanonicalJson::Impl {
  struct Entry {
    std::string_view name;
    std::string_view canonical;  // where this has bytes, they are the value
    dom::element value;
  };

  Status parse(std::string_view text, std::size_t layer, dom::object& object) {
    dom::element root;
    auto error = parsers[layer].parse(text.data(), text.size(), true).get(root);
    if (error == simdjson::NUMBER_ERROR) {
      const std::string doubles = with_long_integers_as_doubles(text);
      error = parsers[layer].parse(doubles.data(), doubles.size(), true).get(root);
    }
    if (error) return {Code::kInvalid, std::string("not JSON: ") + simdjson::error_message(error)};
    if (root.get(object)) return {Code::kInvalid, "not a JSON object"};
    return {};
  }

  // Sorts entries_[first..] and drops all but the last of each name. Stable: the later one of two
  // was added later.
  void settle_names(std::size_t first) {
    const auto begin = entries.begin() + static_cast<std::ptrdiff_t>(first);
    std::stable_sort(begin, entries.end(),
                     [](const Entry& a, const Entry& b) { return utf16_less(a.name, b.name); });
    std::size_t kept = first;
    for (std::size_t i = first; i < entries.size(); ++i) {
      if (i + 1 < entries.size() && entries[i + 1].name == entries[i].name) continue;
      entries[kept++] = entries[i];
    }
    entries.resize(kept);
  }

  void write_members(std::size_t first, std::string& out) {
    settle_names(first);
    const std::size_t end = entries.size();
    out += '{';
    for (std::size_t i = first; i < end; ++i) {
      if (i != first) out += ',';
      // By value: entries grows while the member's own members are written.
      const Entry entry = entries[i];
      append_canonical_string(entry.name, out);
      out += ':';
      if (entry.canonical.empty()) {
        write(entry.value, out);
      } else {
        out += entry.canonical;
      }
    }
    out += '}';
    entries.resize(first);
  }

  void add(dom::object object) {
    for (const dom::key_value_pair member : object) {
      entries.push_back({member.key, {}, member.value});
    }
  }

  // The depth is the parser's, so this recursion is bounded.
  void write(dom::element value, std::string& out) {  // NOLINT(misc-no-recursion)
    switch (value.type()) {
      case dom::element_type::OBJECT: {
        const std::size_t first = entries.size();
        add(dom::object(value));
        write_members(first, out);
        break;
      }
      case dom::element_type::ARRAY: {
        out += '[';
        bool more = false;
        for (const dom::element item : dom::array(value)) {
          if (more) out += ',';
          more = true;
          write(item, out);
        }
        out += ']';
        break;
      }
      case dom::element_type::STRING:
        append_canonical_string(std::string_view(value), out);
        break;
      case dom::element_type::INT64: {
        const auto integer = std::int64_t(value);
        if (integer >= -kExactIntegerMax && integer <= kExactIntegerMax) {
          std::array<char, 24> text{};
          out.append(text.data(),
                     std::to_chars(text.data(), text.data() + text.size(), integer).ptr);
        } else {
          append_canonical_number(static_cast<double>(integer), out);
        }
        break;
      }
      case dom::element_type::UINT64:
        append_canonical_number(static_cast<double>(std::uint64_t(value)), out);
        break;
      case dom::element_type::DOUBLE:
        append_canonical_number(double(value), out);
        break;
      case dom::element_type::BOOL:
        out += bool(value) ? "true" : "false";
        break;
      case dom::element_type::NULL_VALUE:
        out += "null";
        break;
    }
  }

  std::array<dom::parser, kLayersMax> parsers;
  std::vector<Entry> entries;  // of the objects being written, innermost last
};

CanonicalJson::CanonicalJson() : impl_(std::make_unique<Impl>()) {}
CanonicalJson::~CanonicalJson() = default;

Status CanonicalJson::append_object(std::string_view text, std::string& out) {
  const std::array<Layer, 1> layers{{{text, {}}}};
  if (text.empty()) return {Code::kInvalid, "not JSON: no text"};
  return append_merged(layers, out);
}

Status CanonicalJson::append_merged(std::span<const Layer> layers, std::string& out) {
  if (layers.size() > kLayersMax) return {Code::kInvalid, "too many layers"};
  impl_->entries.clear();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (!layers[i].object.empty()) {
      dom::object object;
      if (Status status = impl_->parse(layers[i].object, i, object); !status.ok()) return status;
      impl_->add(object);
    }
    for (const Member& member : layers[i].members) {
      impl_->entries.push_back({member.name, member.canonical_value, {}});
    }
  }
  impl_->write_members(0, out);
  return {};
}

}  // namespace xased
