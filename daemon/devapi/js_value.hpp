// JSON as the service's runtime sees it: what JSON.parse makes of a text and what JSON.stringify
// makes of that again (ECMA-262, sections 25.5 and 6.1.6.1.20). The service hashes the latter, so
// every character matters: numbers are doubles in their shortest form (1.0 is 1, 1e22 is 1e+22),
// a repeated key keeps its first place and its last value, and keys that are array indices come
// first, in numeric order.
//
// Stricter than the service in three cases, so that what passes here passes there: invalid UTF-8,
// lone surrogates, and numbers too large for a double are refused.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/platform/status.hpp"

namespace xased::devapi {

class JsValue {
 public:
  struct Member;
  using Array = std::vector<JsValue>;
  using Object = std::vector<Member>;  // in the order of JavaScript's own property keys

  // Defined below Member: a vector of what is not complete yet can be neither made nor destroyed.
  JsValue();
  explicit JsValue(bool value);
  explicit JsValue(double value);
  explicit JsValue(std::string value);
  // Without this, text in quotes would become a boolean.
  explicit JsValue(const char* value);
  explicit JsValue(Array value);
  explicit JsValue(Object value);
  JsValue(const JsValue& other);
  JsValue(JsValue&& other) noexcept;
  JsValue& operator=(const JsValue& other);
  JsValue& operator=(JsValue&& other) noexcept;
  ~JsValue();

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  // Null when the value is of another type.
  const bool* boolean() const { return std::get_if<bool>(&value_); }
  const double* number() const { return std::get_if<double>(&value_); }
  const std::string* string() const { return std::get_if<std::string>(&value_); }
  const Array* array() const { return std::get_if<Array>(&value_); }
  const Object* object() const { return std::get_if<Object>(&value_); }

  // The member of an object, null when there is none (also when this is no object).
  const JsValue* find(std::string_view key) const;
  // "object", "array", "string", "number", "boolean" or "null".
  const char* type_name() const;

 private:
  std::variant<std::monostate, bool, double, std::string, Array, Object> value_;
};

struct JsValue::Member {
  std::string key;
  JsValue value;
};

inline JsValue::JsValue() = default;
inline JsValue::JsValue(bool value) : value_(value) {}
inline JsValue::JsValue(double value) : value_(value) {}
inline JsValue::JsValue(std::string value) : value_(std::move(value)) {}
inline JsValue::JsValue(const char* value) : value_(std::string(value)) {}
inline JsValue::JsValue(Array value) : value_(std::move(value)) {}
inline JsValue::JsValue(const JsValue& other) = default;
inline JsValue::JsValue(JsValue&& other) noexcept = default;
inline JsValue& JsValue::operator=(const JsValue& other) = default;
inline JsValue& JsValue::operator=(JsValue&& other) noexcept = default;
inline JsValue::~JsValue() = default;

inline constexpr std::size_t kJsonDepthMax = 512;

// kInvalid with a one-line reason that holds none of the text.
Result<JsValue> parse_json(std::string_view text);

// JSON.stringify(value).
std::string stringify(const JsValue& value);

// JSON.stringify of the object rebuilt with its own keys sorted (UTF-16 order) and everything below
// left as it is: the text that the service hashes. Array-index keys still come first, because a
// JavaScript object cannot be built otherwise.
std::string stringify_sorted(const JsValue& value);

// Appends text as a JSON string, quotes included.
void append_json_string(std::string_view text, std::string& out);

// Number::toString(value); "null" for what is not finite, as JSON.stringify writes it.
std::string number_text(double value);

}  // namespace xased::devapi
