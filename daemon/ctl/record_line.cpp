#include "daemon/ctl/record_line.hpp"

#include <simdjson.h>

#include <array>
#include <string>
#include <utility>
#include <variant>

#include "daemon/config/suggest.hpp"
#include "daemon/ctl/terminal.hpp"

namespace xased::ctl {
namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::error_code;

static_assert(RecordLineParser::kPaddingBytes >= simdjson::SIMDJSON_PADDING);

// What a field holds, and where it goes. `code` is that of a value of another type.
struct ObjectTo {
  std::string_view RecordLine::*member;
};
struct TextTo {
  std::string_view RecordLine::*member;
};
struct NumberTo {
  std::optional<double> RecordLine::*member;
};
struct BoolTo {
  std::optional<bool> RecordLine::*member;
};
struct Field {
  const char* name;
  const char* code;
  std::variant<ObjectTo, TextTo, NumberTo, BoolTo> to;
};

constexpr std::array<Field, 16> kFields{{
    {"policy", "MISSING_POLICY", TextTo{&RecordLine::policy}},
    {"input", "INVALID_INPUT", ObjectTo{&RecordLine::input}},
    {"output", "INVALID_OUTPUT", ObjectTo{&RecordLine::output}},
    {"context", "INVALID_CONTEXT", ObjectTo{&RecordLine::context}},
    {"explanation", "INVALID_EXPLANATION", ObjectTo{&RecordLine::explanation}},
    {"policy_version", "INVALID_TEXT", TextTo{&RecordLine::policy_version}},
    {"transaction_id", "INVALID_TEXT", TextTo{&RecordLine::transaction_id}},
    {"decision_type", "INVALID_TEXT", TextTo{&RecordLine::decision_type}},
    {"idempotency_key", "INVALID_IDEMPOTENCY_KEY", TextTo{&RecordLine::idempotency_key}},
    {"model_id", "INVALID_TEXT", TextTo{&RecordLine::model_id}},
    {"model_version", "INVALID_TEXT", TextTo{&RecordLine::model_version}},
    {"model_hash", "INVALID_TEXT", TextTo{&RecordLine::model_hash}},
    {"feature_schema_hash", "INVALID_TEXT", TextTo{&RecordLine::feature_schema_hash}},
    {"confidence", "INVALID_CONFIDENCE", NumberTo{&RecordLine::confidence}},
    {"processing_time", "INVALID_PROCESSING_TIME", NumberTo{&RecordLine::processing_time_ms}},
    {"store_payload", "INVALID_ARGUMENT", BoolTo{&RecordLine::store_payload}},
}};

LineProblem wrong_type(const Field& field, const char* wanted) {
  return {field.code, std::string("\"") + field.name + "\" must be " + wanted};
}

LineProblem invalid_json(error_code error) {
  return {"INVALID_JSON", std::string("not a JSON object: ") + simdjson::error_message(error)};
}

LineProblem unknown_field(std::string_view name) {
  std::vector<std::string> names;
  names.reserve(kFields.size());
  for (const Field& field : kFields) names.emplace_back(field.name);
  std::string message = "there is no field \"" + printable(clipped(name, 64)) + "\"";
  if (const std::optional<std::string> near = nearest(name, names)) {
    message += ", did you mean \"" + *near + "\"?";
  } else {
    message += "; see: xasectl record --help";
  }
  return {"UNKNOWN_FIELD", message};
}

// The value's bytes as they stand in the line.
bool raw_object(ondemand::value value, std::string_view& to) {
  ondemand::json_type type{};
  if (value.type().get(type) != simdjson::SUCCESS || type != ondemand::json_type::object) {
    return false;
  }
  ondemand::object object;
  std::string_view raw;
  if (value.get_object().get(object) != simdjson::SUCCESS ||
      object.raw_json().get(raw) != simdjson::SUCCESS) {
    return false;
  }
  // It reaches to the next token: what stands between is not the value's.
  raw.remove_suffix(raw.size() - (raw.find_last_of('}') + 1));
  to = raw;
  return true;
}

// The number as written: a whole number is a double's value here as well. Out of the parsed line:
// simdjson 3.0 reads more than 19 digits wrong where it walks.
bool number(const simdjson::dom::element& line, const Field& field, std::optional<double>& to) {
  double parsed = 0;
  if (line.at_key(field.name).get_double().get(parsed) != simdjson::SUCCESS) return false;
  to = parsed;
  return true;
}

bool boolean(ondemand::value value, std::optional<bool>& to) {
  bool parsed = false;
  if (value.get_bool().get(parsed) != simdjson::SUCCESS) return false;
  to = parsed;
  return true;
}

LineProblem take(const Field& field, ondemand::value value, const simdjson::dom::element& line,
                 RecordLine& record) {
  bool is_null = false;
  if (value.is_null().get(is_null) == simdjson::SUCCESS && is_null) return {};
  if (const auto* object = std::get_if<ObjectTo>(&field.to)) {
    if (!raw_object(value, record.*object->member)) return wrong_type(field, "a JSON object");
  } else if (const auto* text = std::get_if<TextTo>(&field.to)) {
    if (value.get_string().get(record.*text->member) != simdjson::SUCCESS) {
      return wrong_type(field, "a string");
    }
  } else if (const auto* real = std::get_if<NumberTo>(&field.to)) {
    if (!number(line, field, record.*real->member)) return wrong_type(field, "a number");
  } else if (!boolean(value, record.*std::get<BoolTo>(field.to).member)) {
    return wrong_type(field, "true or false");
  }
  return {};
}

}  // namespace

class RecordLineParser::Impl {
 public:
  LineProblem parse(std::string_view line, RecordLine& record) {
    record = {};
    // Walking alone would not look into what it skips: this checks every byte.
    simdjson::dom::element element;
    if (const error_code error = whole_.parse(line.data(), line.size(), false).get(element)) {
      return invalid_json(error);
    }
    if (!element.is_object()) return {"INVALID_JSON", "not a JSON object"};
    ondemand::document document;
    if (const error_code error =
            walk_.iterate(line.data(), line.size(), line.size() + kPaddingBytes).get(document)) {
      return invalid_json(error);
    }
    ondemand::object object;
    if (const error_code error = document.get_object().get(object)) return invalid_json(error);
    return fields(object, element, record);
  }

 private:
  static LineProblem fields(ondemand::object& object, const simdjson::dom::element& line,
                            RecordLine& record) {
    std::uint32_t seen = 0;
    for (auto item : object) {
      std::string_view name;
      ondemand::value value;
      if (const error_code error = item.unescaped_key().get(name)) return invalid_json(error);
      if (const error_code error = item.value().get(value)) return invalid_json(error);
      std::size_t index = 0;
      while (index < kFields.size() && name != kFields[index].name) ++index;
      if (index == kFields.size()) return unknown_field(name);
      if ((seen & (1U << index)) != 0) {
        return {"DUPLICATE_FIELD", std::string("\"") + kFields[index].name + "\" is there twice"};
      }
      seen |= 1U << index;
      if (LineProblem problem = take(kFields[index], value, line, record); !problem.ok()) {
        return problem;
      }
    }
    return {};
  }

  simdjson::dom::parser whole_{kLineBytesMax};
  ondemand::parser walk_{kLineBytesMax};
};

RecordLineParser::RecordLineParser() : impl_(std::make_unique<Impl>()) {}
RecordLineParser::~RecordLineParser() = default;

LineProblem RecordLineParser::parse(std::string_view line, RecordLine& record) {
  try {
    return impl_->parse(line, record);
  } catch (const simdjson::simdjson_error& error) {
    return invalid_json(error.error());
  }
}

}  // namespace xased::ctl
