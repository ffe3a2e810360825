#include "daemon/devapi/faults.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace xased::devapi {
namespace {

constexpr std::array kNames = {
    "down",       "reset", "status", "commit_then_hang", "hang",   "not_json", "truncated",
    "slow_loris", "huge",  "fork",   "forget",           "tamper", "rewrite"};
constexpr std::size_t kStatusRulesMax = 32;

// Reads the members of one object and, at the end, complains about those it was not asked for.
class Members {
 public:
  Members(const JsValue& object, std::string where) : object_(object), where_(std::move(where)) {}

  template <class T>
  void whole(const char* name, std::int64_t least, std::int64_t most, T& value) {
    const JsValue* member = take(name);
    if (member == nullptr) return;
    const double* number = member->number();
    if (number == nullptr || std::floor(*number) != *number ||
        *number < static_cast<double>(least) || *number > static_cast<double>(most)) {
      fail(name, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    } else {
      value = static_cast<std::int64_t>(*number);
    }
  }
  void whole(const char* name, std::int64_t least, std::int64_t most,
             std::optional<std::uint64_t>& value) {
    std::optional<std::int64_t> read;
    whole(name, least, most, read);
    if (read) value = static_cast<std::uint64_t>(*read);
  }
  void fraction(const char* name, double& value) {
    const JsValue* member = take(name);
    if (member == nullptr) return;
    const double* number = member->number();
    if (number == nullptr || *number < 0 || *number > 1) {
      fail(name, "a number from 0 to 1");
    } else {
      value = *number;
    }
  }
  void boolean(const char* name, bool& value) {
    const JsValue* member = take(name);
    if (member == nullptr) return;
    if (member->boolean() == nullptr) {
      fail(name, "true or false");
    } else {
      value = *member->boolean();
    }
  }
  void text(const char* name, std::string& value) {
    const JsValue* member = take(name);
    if (member == nullptr) return;
    const std::string* read = member->string();
    const bool is_fit = read != nullptr && std::all_of(read->begin(), read->end(), [](char c) {
                          return c >= ' ' && c <= '~';  // it becomes part of a header
                        });
    if (!is_fit) {
      fail(name, "a printable text");
    } else {
      value = *read;
    }
  }
  const JsValue* take(const char* name) {
    taken_.emplace_back(name);
    return object_.find(name);
  }
  void fail(const std::string& name, const std::string& expected) {
    if (error_.empty()) error_ = where_ + name + ": expected " + expected;
  }
  void unknown(const std::string& name) {
    if (error_.empty())
      error_ = where_ + name + ": no such member; README.md names those there are";
  }
  Status finish() {
    for (const JsValue::Member& member : *object_.object()) {
      if (std::find(taken_.begin(), taken_.end(), member.key) == taken_.end()) {
        unknown(member.key);
      }
    }
    return error_.empty() ? Status() : Status(Code::kInvalid, error_);
  }

 private:
  const JsValue& object_;
  std::string where_;
  std::vector<std::string> taken_;
  std::string error_;
};

void parse_status_members(Members& members, FaultRule& rule) {
  std::int64_t status = 0;
  members.whole("status", 200, 599, status);
  if (status == 0) members.fail("status", "the status of the answer, 200 to 599");
  rule.status = static_cast<int>(status);
  members.whole("retry_after", 0, 1'000'000, rule.retry_after_s);
  members.whole("retry_after_date", -1'000'000, 1'000'000, rule.retry_after_date_s);
  rule.location = "http://127.0.0.1:9/elsewhere";
  members.text("location", rule.location);
  std::string body = "service";
  members.text("body", body);
  if (body == "html") {
    rule.body = FaultRule::Body::kHtml;
  } else if (body == "empty") {
    rule.body = FaultRule::Body::kEmpty;
  } else if (body != "service") {
    members.fail("body", "\"service\", \"html\" or \"empty\"");
  }
}

Result<FaultRule> parse_rule(FaultKind kind, const JsValue& value, const std::string& where) {
  static const JsValue kDefaults{JsValue::Object{}};
  const bool is_true = value.boolean() != nullptr && *value.boolean();
  if (value.object() == nullptr && !is_true) {
    return Status(Code::kInvalid, where + ": expected an object, or true for its defaults");
  }
  FaultRule rule;
  rule.kind = kind;
  Members members(is_true ? kDefaults : value, where + ".");
  members.fraction("rate", rule.rate);
  members.whole("count", 0, 1'000'000'000, rule.count);
  switch (kind) {
    case FaultKind::kDown:
    case FaultKind::kForget:
    case FaultKind::kTamper:
    case FaultKind::kRewrite:
    case FaultKind::kFork:
      break;
    case FaultKind::kReset:
      members.whole("answer_bytes", 0, 1'000'000, rule.answer_bytes);
      members.boolean("commit", rule.commit);
      break;
    case FaultKind::kStatus:
      parse_status_members(members, rule);
      members.boolean("commit", rule.commit);
      break;
    case FaultKind::kCommitThenHang:
      rule.commit = true;
      [[fallthrough]];
    case FaultKind::kHang:
      members.whole("hang_ms", 0, 3'600'000, rule.hang_ms);
      break;
    case FaultKind::kNotJson: {
      std::int64_t status = 200;
      members.whole("status", 200, 599, status);
      rule.status = static_cast<int>(status);
      members.boolean("commit", rule.commit);
      break;
    }
    case FaultKind::kTruncated:
      rule.commit = true;
      members.whole("answer_bytes", 0, 1'000'000, rule.answer_bytes);
      members.boolean("commit", rule.commit);
      break;
    case FaultKind::kSlowLoris:
      rule.commit = true;
      members.whole("byte_interval_ms", 0, 60'000, rule.byte_interval_ms);
      members.boolean("commit", rule.commit);
      break;
    case FaultKind::kHuge: {
      std::int64_t megabytes = static_cast<std::int64_t>(rule.megabytes);
      members.whole("megabytes", 1, 10'000, megabytes);
      rule.megabytes = static_cast<std::uint64_t>(megabytes);
      members.boolean("commit", rule.commit);
      break;
    }
  }
  if (Status status = members.finish(); !status.ok()) return status;
  return rule;
}

bool strikes_at(FaultKind kind, FaultRoute route) {
  switch (kind) {
    case FaultKind::kDown:
      return true;
    case FaultKind::kForget:
    case FaultKind::kTamper:
    case FaultKind::kRewrite:
      return route == FaultRoute::kVerify;
    default:
      return route == FaultRoute::kPostRecord;
  }
}

// The generator's own bits, because the standard's distributions differ between libraries.
double unit(std::mt19937_64& random) { return static_cast<double>(random() >> 11U) * 0x1.0p-53; }

}  // namespace

const char* fault_name(FaultKind kind) { return kNames.at(static_cast<std::size_t>(kind)); }

Result<FaultPlan::Plan> FaultPlan::parse(std::string_view json) {
  Result<JsValue> spec = parse_json(json);
  if (!spec.ok()) return Status(spec.status().code(), "faults: " + spec.status().message());
  if (spec->object() == nullptr) return Status(Code::kInvalid, "faults: expected an object");
  Plan plan;
  plan.spec = std::move(*spec);
  Members members(plan.spec, "faults: ");
  std::int64_t seed = 1;
  members.whole("seed", 0, std::int64_t{1} << 53U, seed);
  plan.random.seed(static_cast<std::uint64_t>(seed));
  members.whole("latency_ms", 0, 3'600'000, plan.latency_ms);
  members.whole("latency_jitter_ms", 0, 3'600'000, plan.latency_jitter_ms);
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    const JsValue* value = members.take(kNames.at(i));
    if (value == nullptr || (value->boolean() != nullptr && !*value->boolean())) continue;
    const auto kind = static_cast<FaultKind>(i);
    std::vector<const JsValue*> items;
    if (kind == FaultKind::kStatus && value->array() != nullptr) {
      for (const JsValue& item : *value->array()) items.push_back(&item);
    } else {
      items.push_back(value);
    }
    if (items.size() > kStatusRulesMax) return Status(Code::kInvalid, "faults: too many rules");
    for (const JsValue* item : items) {
      Result<FaultRule> rule = parse_rule(kind, *item, std::string("faults: ") + kNames.at(i));
      if (!rule.ok()) return rule.status();
      std::seed_seq seeds{static_cast<std::uint64_t>(seed), static_cast<std::uint64_t>(i),
                          static_cast<std::uint64_t>(plan.rules.size())};
      plan.rules.push_back({std::move(*rule), std::mt19937_64(seeds), 0});
    }
  }
  if (Status status = members.finish(); !status.ok()) return status;
  return plan;
}

Status FaultPlan::set(std::string_view json) {
  Result<Plan> plan = parse(json);
  if (!plan.ok()) return plan.status();
  const std::scoped_lock lock(mutex_);
  plan_ = std::move(*plan);
  return {};
}

void FaultPlan::clear() {
  const std::scoped_lock lock(mutex_);
  plan_ = Plan();
}

FaultPlan::Decision FaultPlan::draw(FaultRoute route) {
  const std::scoped_lock lock(mutex_);
  Decision decision;
  decision.latency_ms = plan_.latency_ms;
  if (plan_.latency_jitter_ms > 0) {
    decision.latency_ms +=
        std::llround(unit(plan_.random) * static_cast<double>(plan_.latency_jitter_ms));
  }
  for (Armed& armed : plan_.rules) {
    if (!strikes_at(armed.rule.kind, route)) continue;
    if (armed.rule.count && armed.struck >= *armed.rule.count) continue;
    // Drawn also when an earlier rule has struck: the rules do not disturb each other.
    const bool strikes = unit(armed.random) < armed.rule.rate;
    if (!strikes || decision.fault) continue;
    ++armed.struck;
    decision.fault = armed.rule;
  }
  return decision;
}

JsValue FaultPlan::describe() const {
  const std::scoped_lock lock(mutex_);
  JsValue::Array rules;
  for (const Armed& armed : plan_.rules) {
    JsValue::Object rule{{"fault", JsValue(fault_name(armed.rule.kind))}};
    if (armed.rule.status != 0) {
      rule.push_back({"status", JsValue(static_cast<double>(armed.rule.status))});
    }
    rule.push_back({"struck", JsValue(static_cast<double>(armed.struck))});
    if (armed.rule.count) {
      rule.push_back({"left", JsValue(static_cast<double>(*armed.rule.count - armed.struck))});
    }
    rules.emplace_back(std::move(rule));
  }
  return JsValue(JsValue::Object{{"spec", plan_.spec}, {"rules", JsValue(std::move(rules))}});
}

}  // namespace xased::devapi
