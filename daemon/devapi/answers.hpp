// Answers in the service's JSON.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "daemon/devapi/http_server.hpp"
#include "daemon/devapi/js_value.hpp"
#include "daemon/devapi/log_line.hpp"

namespace xased::devapi {

template <class Number>
JsValue js_number(Number value) {
  return JsValue(static_cast<double>(value));
}

inline HttpAnswer json_answer(int status, const JsValue& body) {
  HttpAnswer answer;
  answer.status = status;
  answer.body = stringify(body);
  return answer;
}

// {"error": text, "code": code} and what `more` adds.
inline HttpAnswer error_answer(int status, const char* code, std::string text,
                               JsValue::Object more = {}) {
  JsValue::Object body{{"error", JsValue(std::move(text))}, {"code", JsValue(code)}};
  for (JsValue::Member& member : more) body.push_back(std::move(member));
  return json_answer(status, JsValue(std::move(body)));
}

// The service's body for a 201.
std::string receipt_body(const StoredRecord& record);

}  // namespace xased::devapi
