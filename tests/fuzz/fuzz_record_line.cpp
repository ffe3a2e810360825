// A line of `xasectl record`: what is taken is JSON to another reader too, field by field the same.
#include <string>

#include "daemon/ctl/record_line.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/json_model.hpp"

namespace {

using xase::fuzz::Json;
using xase::fuzz::require;
using xased::ctl::RecordLine;

const Json* member(const Json& line, const char* name) {
  const auto found = line.find(name);
  return found == line.end() || found->is_null() ? nullptr : &*found;
}

void check_object(const Json& line, const char* name, std::string_view raw, std::string_view text) {
  const Json* wanted = member(line, name);
  require((wanted != nullptr) == !raw.empty(), "an object is there where the line has it");
  if (wanted == nullptr) return;
  require(raw.data() >= text.data() && raw.data() + raw.size() <= text.data() + text.size(),
          "an object is the line's own bytes");
  const auto value = xase::fuzz::read_json(raw);
  require(value && *value == *wanted, "an object's bytes are the whole of it");
}

void check_text(const Json& line, const char* name, std::string_view got) {
  const Json* wanted = member(line, name);
  require(got == (wanted == nullptr ? std::string() : wanted->get<std::string>()),
          "a text is what the line says");
}

template <class T>
void check_value(const Json& line, const char* name, const std::optional<T>& got) {
  const Json* wanted = member(line, name);
  require((wanted != nullptr) == got.has_value(), "a value is there where the line has it");
  if (wanted != nullptr) require(wanted->get<T>() == *got, "a value is what the line says");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static xased::ctl::RecordLineParser parser;
  std::string line(reinterpret_cast<const char*>(data), size);
  // What lies behind the line must not count: here it would go on.
  line.append(xased::ctl::RecordLineParser::kPaddingBytes, '}');
  const std::string_view text = std::string_view(line).substr(0, size);
  RecordLine record;
  const auto problem = parser.parse(text, record);
  if (!problem.ok()) {
    require(!problem.message.empty() && problem.message.size() < 400, "a problem is told, briefly");
    for (const char c : problem.message) {
      require(static_cast<unsigned char>(c) >= 0x20, "a problem's message stays on its line");
    }
    return 0;
  }
  const auto json = xase::fuzz::read_json(text);
  require(json && json->is_object(), "another reader takes the line too");
  check_object(*json, "input", record.input, text);
  check_object(*json, "output", record.output, text);
  check_object(*json, "context", record.context, text);
  check_object(*json, "explanation", record.explanation, text);
  check_text(*json, "policy", record.policy);
  check_text(*json, "policy_version", record.policy_version);
  check_text(*json, "transaction_id", record.transaction_id);
  check_text(*json, "decision_type", record.decision_type);
  check_text(*json, "idempotency_key", record.idempotency_key);
  check_text(*json, "model_id", record.model_id);
  check_text(*json, "model_version", record.model_version);
  check_text(*json, "model_hash", record.model_hash);
  check_text(*json, "feature_schema_hash", record.feature_schema_hash);
  check_value(*json, "confidence", record.confidence);
  check_value(*json, "processing_time", record.processing_time_ms);
  check_value(*json, "store_payload", record.store_payload);
  return 0;
}
