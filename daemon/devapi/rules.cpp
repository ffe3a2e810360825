#include "daemon/devapi/rules.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <initializer_list>
#include <span>

namespace xased::devapi {
namespace {

enum class Type { kString, kNumber, kBoolean, kObject };

struct Field {
  const char* name;
  Type type;
  bool required;
};

constexpr std::array kRecordFields = {
    Field{"input", Type::kObject, true},
    Field{"output", Type::kObject, true},
    Field{"context", Type::kObject, false},
    Field{"policyId", Type::kString, false},
    Field{"policyVersion", Type::kString, false},
    Field{"decisionType", Type::kString, false},
    Field{"confidence", Type::kNumber, false},
    Field{"processingTime", Type::kNumber, false},
    Field{"storePayload", Type::kBoolean, false},
    Field{"modelId", Type::kString, false},
    Field{"modelVersion", Type::kString, false},
    Field{"modelHash", Type::kString, false},
    Field{"featureSchemaHash", Type::kString, false},
    Field{"explanation", Type::kObject, false},
};

constexpr std::array kInterventionFields = {
    Field{"action", Type::kString, true},      Field{"actorName", Type::kString, true},
    Field{"actorEmail", Type::kString, true},  Field{"actorRole", Type::kString, false},
    Field{"reason", Type::kString, false},     Field{"notes", Type::kString, false},
    Field{"newOutcome", Type::kObject, false},
};

constexpr std::array kDecisionTypes = {"CLAIM", "UNDERWRITING", "FRAUD", "PRICING", "OTHER"};
constexpr std::array kActions = {"REVIEW_REQUESTED", "APPROVED", "REJECTED", "OVERRIDE",
                                 "ESCALATED"};

const char* type_text(Type type) {
  switch (type) {
    case Type::kString:
      return "string";
    case Type::kNumber:
      return "number";
    case Type::kBoolean:
      return "boolean";
    case Type::kObject:
      return "object";
  }
  return "";
}

bool is_of(const JsValue& value, Type type) {
  switch (type) {
    case Type::kString:
      return value.string() != nullptr;
    case Type::kNumber:
      return value.number() != nullptr;
    case Type::kBoolean:
      return value.boolean() != nullptr;
    case Type::kObject:
      return value.object() != nullptr;
  }
  return false;
}

// `null` is a value of the wrong type, also for an optional field: only leaving it out is optional.
void check_types(const JsValue& body, std::span<const Field> fields,
                 std::vector<Violation>& violations) {
  for (const Field& field : fields) {
    const JsValue* value = body.find(field.name);
    if (value == nullptr) {
      if (field.required) violations.push_back({field.name, "Required"});
    } else if (!is_of(*value, field.type)) {
      violations.push_back({field.name, std::string("Expected ") + type_text(field.type) +
                                            ", received " + value->type_name()});
    }
  }
}

void check_enum(const JsValue& body, const char* name, std::span<const char* const> choices,
                std::vector<Violation>& violations) {
  const JsValue* value = body.find(name);
  if (value == nullptr || value->string() == nullptr) return;
  std::string expected;
  for (const char* choice : choices) {
    if (*value->string() == choice) return;
    expected += (expected.empty() ? "'" : " | '") + std::string(choice) + "'";
  }
  violations.push_back({name, "Invalid enum value. Expected " + expected});
}

bool has_text(const JsValue& body, const char* name) {
  const JsValue* value = body.find(name);
  return value != nullptr && value->string() != nullptr && !value->string()->empty();
}

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool has_prefix_and_hex(std::string_view text, std::string_view prefix, std::size_t digits) {
  return text.size() == prefix.size() + digits && text.substr(0, prefix.size()) == prefix &&
         is_lower_hex(text.substr(prefix.size()));
}

bool is_uuid_v4(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (is_dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) {
      return false;
    }
  }
  return text[14] == '4' && std::string_view("89abAB").find(text[19]) != std::string_view::npos;
}

bool looks_like_email(std::string_view text) {
  const std::size_t at = text.find('@');
  const bool has_space = std::any_of(text.begin(), text.end(), [](char c) {
    return std::isspace(static_cast<unsigned char>(c)) != 0;
  });
  return at != std::string_view::npos && at > 0 && at + 1 < text.size() && !has_space &&
         text.find('@', at + 1) == std::string_view::npos;
}

}  // namespace

bool is_api_key(std::string_view text) { return has_prefix_and_hex(text, "xase_pk_", 48); }

bool is_transaction_id(std::string_view text) { return has_prefix_and_hex(text, "txn_", 32); }

bool is_idempotency_key(std::string_view text) {
  if (is_uuid_v4(text)) return true;
  return text.size() >= 16 && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '_' || c == '-';
         });
}

std::vector<Violation> check_record(const JsValue& body) {
  if (body.object() == nullptr) {
    return {{"", std::string("Expected object, received ") + body.type_name()}};
  }
  std::vector<Violation> violations;
  check_types(body, kRecordFields, violations);
  check_enum(body, "decisionType", kDecisionTypes, violations);
  const JsValue* confidence = body.find("confidence");
  if (confidence != nullptr && confidence->number() != nullptr) {
    if (*confidence->number() < 0) {
      violations.push_back({"confidence", "Number must be greater than or equal to 0"});
    } else if (*confidence->number() > 1) {
      violations.push_back({"confidence", "Number must be less than or equal to 1"});
    }
  }
  return violations;
}

std::vector<Violation> check_intervention(const JsValue& body) {
  if (body.object() == nullptr) {
    return {{"", std::string("Expected object, received ") + body.type_name()}};
  }
  std::vector<Violation> violations;
  check_types(body, kInterventionFields, violations);
  check_enum(body, "action", kActions, violations);
  const auto is_string = [&](const char* name) {
    const JsValue* value = body.find(name);
    return value != nullptr && value->string() != nullptr;
  };
  if (is_string("actorName") && !has_text(body, "actorName")) {
    violations.push_back({"actorName", "String must contain at least 1 character"});
  }
  if (is_string("actorEmail") && !looks_like_email(*body.find("actorEmail")->string())) {
    violations.push_back({"actorEmail", "Invalid email"});
  }
  const JsValue* action = body.find("action");
  if (action == nullptr || action->string() == nullptr) return violations;
  const bool overrides = *action->string() == "OVERRIDE";
  const JsValue* reason = body.find("reason");
  if ((overrides || *action->string() == "REJECTED") && !has_text(body, "reason") &&
      (reason == nullptr || reason->string() != nullptr)) {
    violations.push_back({"reason", "Required for " + *action->string()});
  }
  if (overrides && body.find("newOutcome") == nullptr) {
    violations.push_back({"newOutcome", "Required for OVERRIDE"});
  }
  return violations;
}

}  // namespace xased::devapi
