#include "src/payload.hpp"

namespace xase::python {
namespace {

struct TextField {
  std::string_view name;
  xase_text xase_record_fields::*text;
  Flaw flaw;  // where it is no text
};

constexpr std::array<TextField, 8> kTextFields{{
    {"policy", &xase_record_fields::policy, {XASE_MISSING_POLICY, "policy must be a str"}},
    {"policy_version",
     &xase_record_fields::policy_version,
     {XASE_INVALID_TEXT, "policy_version must be a str"}},
    {"transaction_id",
     &xase_record_fields::transaction_id,
     {XASE_INVALID_TEXT, "transaction_id must be a str"}},
    {"decision_type",
     &xase_record_fields::decision_type,
     {XASE_INVALID_TEXT, "decision_type must be a str"}},
    {"model_id", &xase_record_fields::model_id, {XASE_INVALID_TEXT, "model_id must be a str"}},
    {"model_version",
     &xase_record_fields::model_version,
     {XASE_INVALID_TEXT, "model_version must be a str"}},
    {"model_hash",
     &xase_record_fields::model_hash,
     {XASE_INVALID_TEXT, "model_hash must be a str"}},
    {"feature_schema_hash",
     &xase_record_fields::feature_schema_hash,
     {XASE_INVALID_TEXT, "feature_schema_hash must be a str"}},
}};

Extracted flawed(bool fast, Flaw& flaw, const Flaw& what) noexcept {
  if (fast) {
    PyErr_Clear();
    return Extracted::kSlow;
  }
  flaw = what;
  return Extracted::kFlaw;
}

Extracted set_text(PyObject* value, bool fast, Payload& payload, const TextField& field,
                   Flaw& flaw) noexcept {
  std::string_view utf8;
  if (!PyUnicode_Check(value)) return flawed(fast, flaw, field.flaw);
  if (!utf8_of(value, utf8)) {
    return flawed(fast, flaw, {XASE_INVALID_TEXT, "a text holds a lone surrogate"});
  }
  payload.record.*field.text = {utf8.data(), utf8.size()};
  payload.text_bytes += utf8.size();
  return Extracted::kOk;
}

Extracted set_number(PyObject* value, bool fast, double& number, uint8_t& has, Flaw& flaw,
                     const Flaw& what) noexcept {
  const bool is_plain = PyFloat_Check(value) || PyLong_Check(value);
  if (fast && !is_plain) return Extracted::kSlow;
  // A text is a number to float(), but not to us.
  if (PyUnicode_Check(value)) return flawed(fast, flaw, what);
  number = PyFloat_AsDouble(value);
  if (number == -1.0 && PyErr_Occurred() != nullptr) return flawed(fast, flaw, what);
  has = 1;
  return Extracted::kOk;
}

Extracted set_store_payload(PyObject* value, bool fast, Payload& payload, Flaw& flaw) noexcept {
  if (value != Py_True && value != Py_False) {
    return flawed(fast, flaw, {XASE_INVALID_ARGUMENT, "store_payload must be a bool"});
  }
  payload.record.store_payload = value == Py_True ? XASE_STORE_YES : XASE_STORE_NO;
  return Extracted::kOk;
}

Extracted set_field(std::string_view name, PyObject* value, bool fast, Payload& payload,
                    Flaw& flaw) noexcept {
  for (std::size_t i = 0; i < kObjectNames.size(); ++i) {
    if (name != kObjectNames[i]) continue;
    payload.objects[i] = value == Py_None ? nullptr : value;
    return Extracted::kOk;
  }
  const auto* field = kTextFields.begin();
  while (field != kTextFields.end() && field->name != name) ++field;
  const bool is_confidence = name == "confidence";
  const bool is_time = name == "processing_time";
  const bool is_store = name == "store_payload";
  if (field == kTextFields.end() && !is_confidence && !is_time && !is_store) {
    ++payload.unknown_names;
    return Extracted::kOk;
  }
  if (value == Py_None) return Extracted::kOk;
  if (is_confidence) {
    return set_number(value, fast, payload.record.confidence, payload.record.has_confidence, flaw,
                      {XASE_INVALID_CONFIDENCE, "confidence must be a number from 0 to 1"});
  }
  if (is_time) {
    return set_number(
        value, fast, payload.record.processing_time_ms, payload.record.has_processing_time, flaw,
        {XASE_INVALID_PROCESSING_TIME, "processing_time must be a number of milliseconds"});
  }
  if (is_store) return set_store_payload(value, fast, payload, flaw);
  return set_text(value, fast, payload, *field, flaw);
}

}  // namespace

Extracted extract(PyObject* dict, bool fast, Payload& payload, Flaw& flaw) noexcept {
  PyObject* key = nullptr;
  PyObject* value = nullptr;
  Py_ssize_t position = 0;
  while (PyDict_Next(dict, &position, &key, &value)) {
    std::string_view name;
    if (!PyUnicode_Check(key) || !utf8_of(key, name)) {
      PyErr_Clear();
      ++payload.unknown_names;
      continue;
    }
    const Extracted set = set_field(name, value, fast, payload, flaw);
    if (set != Extracted::kOk) return set;
  }
  // In the SDKs' order.
  if (payload.record.policy.size == 0) {
    return flawed(fast, flaw, {XASE_MISSING_POLICY, "policy is required"});
  }
  if (payload.objects[0] == nullptr) {
    return flawed(fast, flaw, {XASE_INVALID_INPUT, "input is required and must be an object"});
  }
  if (payload.objects[1] == nullptr) {
    return flawed(fast, flaw, {XASE_INVALID_OUTPUT, "output is required and must be an object"});
  }
  return Extracted::kOk;
}

Extracted set_idempotency_key(PyObject* key, bool fast, Payload& payload, Flaw& flaw) noexcept {
  if (key == nullptr || key == Py_None) return Extracted::kOk;
  static constexpr TextField kField{
      "idempotency_key",
      &xase_record_fields::idempotency_key,
      {XASE_INVALID_IDEMPOTENCY_KEY, "idempotency_key must be a str"}};
  const Extracted set = set_text(key, fast, payload, kField, flaw);
  if (set != Extracted::kOk || payload.record.idempotency_key.size != 0) return set;
  return flawed(fast, flaw, {XASE_INVALID_IDEMPOTENCY_KEY, "idempotency_key is empty"});
}

}  // namespace xase::python
