#include "daemon/devapi/js_value.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>
#include <utility>

namespace xased::devapi {
namespace {

// An array index is the canonical decimal text of 0 to 2^32 - 2.
std::optional<std::uint32_t> array_index(std::string_view key) {
  if (key.empty() || key.size() > 10 || (key.size() > 1 && key[0] == '0')) return std::nullopt;
  std::uint64_t index = 0;
  for (const char c : key) {
    if (c < '0' || c > '9') return std::nullopt;
    index = index * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (index > 0xFFFF'FFFEU) return std::nullopt;
  return static_cast<std::uint32_t>(index);
}

// UTF-16 code unit order on UTF-8 text. It differs from byte order in one case: a supplementary
// character (lead byte F0 and up) is a pair of surrogates, which sort below U+E000..U+FFFF (EE,
// EF).
bool utf16_less(std::string_view a, std::string_view b) {
  const auto [at, bt] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (bt == b.end()) return false;
  if (at == a.end()) return true;
  const auto x = static_cast<unsigned char>(*at);
  const auto y = static_cast<unsigned char>(*bt);
  if (x >= 0xF0 && (y == 0xEE || y == 0xEF)) return true;
  if (y >= 0xF0 && (x == 0xEE || x == 0xEF)) return false;
  return x < y;
}

// A repeated key keeps its first place and takes its last value.
void merge_repeated_keys(JsValue::Object& members) {
  if (members.size() < 2) return;
  std::unordered_map<std::string_view, std::size_t> seen;
  seen.reserve(members.size());
  std::vector<bool> repeated(members.size(), false);
  bool any = false;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto [place, is_new] = seen.emplace(members[i].key, i);
    if (is_new) continue;
    members[place->second].value = std::move(members[i].value);
    repeated[i] = true;
    any = true;
  }
  if (!any) return;
  seen.clear();
  JsValue::Object kept;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (!repeated[i]) kept.push_back(std::move(members[i]));
  }
  members = std::move(kept);
}

void array_indices_first(JsValue::Object& members) {
  const auto is_index = [](const JsValue::Member& member) {
    return array_index(member.key).has_value();
  };
  if (std::none_of(members.begin(), members.end(), is_index)) return;
  const auto rest = std::stable_partition(members.begin(), members.end(), is_index);
  std::sort(members.begin(), rest, [](const JsValue::Member& a, const JsValue::Member& b) {
    return *array_index(a.key) < *array_index(b.key);
  });
}

// Builds a JsValue from the parser's events, without recursion.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return add(JsValue()); }
  bool boolean(bool value) override { return add(JsValue(value)); }
  bool number_integer(number_integer_t value) override {
    return add(JsValue(static_cast<double>(value)));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return add(JsValue(static_cast<double>(value)));
  }
  bool number_float(number_float_t value, const string_t& /*text*/) override {
    return add(JsValue(value));
  }
  bool string(string_t& value) override { return add(JsValue(std::move(value))); }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*count*/) override { return open(true); }
  bool start_array(std::size_t /*count*/) override { return open(false); }
  bool key(string_t& value) override {
    stack_.back().members.push_back({std::move(value), JsValue()});
    return true;
  }
  bool end_object() override {
    JsValue value(std::move(stack_.back().members));
    stack_.pop_back();
    return add(std::move(value));
  }
  bool end_array() override {
    JsValue value(std::move(stack_.back().items));
    stack_.pop_back();
    return add(std::move(value));
  }
  // The library's message quotes the text it met; ours only says where.
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    error_ = error.id == 406 ? "a number is too large at byte " : "invalid JSON at byte ";
    error_ += std::to_string(position);
    return false;
  }

  JsValue root;
  const std::string& error() const { return error_; }

 private:
  struct Open {
    bool is_object = false;
    JsValue::Object members;
    JsValue::Array items;
  };

  bool open(bool is_object) {
    if (stack_.size() >= kJsonDepthMax) {
      error_ = "nested deeper than " + std::to_string(kJsonDepthMax) + " levels";
      return false;
    }
    stack_.push_back({is_object, {}, {}});
    return true;
  }

  bool add(JsValue value) {
    if (stack_.empty()) {
      root = std::move(value);
    } else if (stack_.back().is_object) {
      stack_.back().members.back().value = std::move(value);
    } else {
      stack_.back().items.push_back(std::move(value));
    }
    return true;
  }

  std::vector<Open> stack_;
  std::string error_;
};

void write_object(const std::vector<const JsValue::Member*>& members, std::string& out);

// Recursion is bounded by kJsonDepthMax, which the parser enforces.
void write(const JsValue& value, std::string& out) {
  if (const auto* object = value.object()) {
    std::vector<const JsValue::Member*> members;
    members.reserve(object->size());
    for (const JsValue::Member& member : *object) members.push_back(&member);
    write_object(members, out);
  } else if (const auto* array = value.array()) {
    out.push_back('[');
    for (const JsValue& item : *array) {
      if (&item != array->data()) out.push_back(',');
      write(item, out);
    }
    out.push_back(']');
  } else if (const auto* text = value.string()) {
    append_json_string(*text, out);
  } else if (const auto* number = value.number()) {
    out += number_text(*number);
  } else if (const auto* boolean = value.boolean()) {
    out += *boolean ? "true" : "false";
  } else {
    out += "null";
  }
}

void write_object(const std::vector<const JsValue::Member*>& members, std::string& out) {
  out.push_back('{');
  bool first = true;
  for (const JsValue::Member* member : members) {
    if (!first) out.push_back(',');
    first = false;
    append_json_string(member->key, out);
    out.push_back(':');
    write(member->value, out);
  }
  out.push_back('}');
}

}  // namespace

JsValue::JsValue(Object value) {
  merge_repeated_keys(value);
  array_indices_first(value);
  value_ = std::move(value);
}

const JsValue* JsValue::find(std::string_view key) const {
  const Object* members = object();
  if (members == nullptr) return nullptr;
  for (const Member& member : *members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

const char* JsValue::type_name() const {
  constexpr std::array<const char*, 6> kNames = {"null",   "boolean", "number",
                                                 "string", "array",   "object"};
  return kNames[value_.index()];
}

Result<JsValue> parse_json(std::string_view text) {
  Builder builder;
  try {
    if (nlohmann::json::sax_parse(text, &builder)) return std::move(builder.root);
  } catch (const std::exception&) {
    return Status(Code::kInvalid, "invalid JSON");
  }
  return Status(Code::kInvalid, builder.error().empty() ? "invalid JSON" : builder.error());
}

std::string stringify(const JsValue& value) {
  std::string out;
  write(value, out);
  return out;
}

std::string stringify_sorted(const JsValue& value) {
  const JsValue::Object* object = value.object();
  if (object == nullptr) return stringify(value);
  std::vector<const JsValue::Member*> members;
  members.reserve(object->size());
  for (const JsValue::Member& member : *object) members.push_back(&member);
  // Array indices already lead, in their order.
  const auto names = std::find_if(members.begin(), members.end(), [](const JsValue::Member* m) {
    return !array_index(m->key).has_value();
  });
  std::sort(names, members.end(), [](const JsValue::Member* a, const JsValue::Member* b) {
    return utf16_less(a->key, b->key);
  });
  std::string out;
  write_object(members, out);
  return out;
}

void append_json_string(std::string_view text, std::string& out) {
  constexpr char kDigits[] = "0123456789abcdef";
  out.push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte >= 0x20) {
      out.push_back(c);
    } else {
      out.push_back('\\');
      switch (c) {
        case '\b':
          out.push_back('b');
          break;
        case '\f':
          out.push_back('f');
          break;
        case '\n':
          out.push_back('n');
          break;
        case '\r':
          out.push_back('r');
          break;
        case '\t':
          out.push_back('t');
          break;
        default:
          out.append("u00");
          out.push_back(kDigits[byte >> 4U]);
          out.push_back(kDigits[byte & 0xFU]);
      }
    }
  }
  out.push_back('"');
}

std::string number_text(double value) {
  if (!std::isfinite(value)) return "null";
  if (value == 0) return "0";  // also for -0
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::fabs(value),
                                 std::chars_format::scientific)
                       .ptr;
  // "d.ddde±xx" into the digits and n, where the value is 0.digits * 10^n.
  const std::string_view shortest(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  const std::size_t e = shortest.find('e');
  std::string digits(1, shortest[0]);
  if (e > 2) digits.append(shortest.substr(2, e - 2));
  int exponent = 0;
  const std::size_t skip = shortest[e + 1] == '+' ? 2 : 1;
  std::from_chars(shortest.data() + e + skip, shortest.data() + shortest.size(), exponent);
  const int n = exponent + 1;
  const int k = static_cast<int>(digits.size());

  std::string out = value < 0 ? "-" : "";
  if (k <= n && n <= 21) return out + digits + std::string(static_cast<std::size_t>(n - k), '0');
  if (0 < n && n <= 21) {
    const auto whole = static_cast<std::size_t>(n);
    return out + digits.substr(0, whole) + "." + digits.substr(whole);
  }
  if (-6 < n && n <= 0) return out + "0." + std::string(static_cast<std::size_t>(-n), '0') + digits;
  out += digits[0];
  if (k > 1) out += "." + digits.substr(1);
  return out + "e" + (exponent < 0 ? "-" : "+") + std::to_string(std::abs(exponent));
}

}  // namespace xased::devapi
