#include "daemon/devapi/log_line.hpp"

#include <simdjson.h>

#include "daemon/devapi/digest.hpp"
#include "daemon/devapi/js_value.hpp"

namespace xased::devapi {
namespace {

constexpr std::string_view kHead = "{\"check\":\"";
constexpr std::size_t kCheckDigits = 16;
constexpr std::string_view kAfterCheck = "\",";
constexpr std::size_t kCheckedFrom = kHead.size() + kCheckDigits + kAfterCheck.size();

class LineWriter {
 public:
  explicit LineWriter(std::string_view kind, std::size_t size_hint) {
    line_.reserve(size_hint);
    line_ += kHead;
    line_.append(kCheckDigits, '0');
    line_ += kAfterCheck;
    line_ += "\"kind\":";
    append_json_string(kind, line_);
  }
  void text(std::string_view name, std::string_view value) {
    begin(name);
    append_json_string(value, line_);
  }
  void number(std::string_view name, std::int64_t value) {
    begin(name);
    line_ += std::to_string(value);
  }
  std::string finish() {
    line_ += '}';
    const std::string check = sha256_hex(std::string_view(line_).substr(kCheckedFrom));
    line_.replace(kHead.size(), kCheckDigits, check, 0, kCheckDigits);
    line_ += '\n';
    return std::move(line_);
  }

 private:
  void begin(std::string_view name) {
    line_ += ",\"";
    line_ += name;
    line_ += "\":";
  }
  std::string line_;
};

class LineReader {
 public:
  explicit LineReader(simdjson::dom::element root) : root_(root) {}
  void text(const char* name, std::string& value) {
    std::string_view view;
    if (root_[name].get(view) != simdjson::SUCCESS) {
      ok_ = false;
    } else {
      value = view;
    }
  }
  void number(const char* name, std::int64_t& value) {
    if (root_[name].get(value) != simdjson::SUCCESS) ok_ = false;
  }
  bool ok() const { return ok_; }

 private:
  simdjson::dom::element root_;
  bool ok_ = true;
};

bool check_fits(std::string_view line) {
  if (line.size() < kCheckedFrom || line.substr(0, kHead.size()) != kHead) return false;
  const std::string check = sha256_hex(line.substr(kCheckedFrom));
  return line.substr(kHead.size(), kCheckDigits) == std::string_view(check).substr(0, kCheckDigits);
}

}  // namespace

std::string encode(const StoredRecord& record) {
  LineWriter line("record", record.body.size() + record.body.size() / 4 + 1024);
  line.text("transaction_id", record.transaction_id);
  line.number("timestamp_unix_ms", record.timestamp_unix_ms);
  line.text("tenant", record.tenant);
  line.text("idempotency_key", record.idempotency_key);
  line.text("input_hash", record.input_hash);
  line.text("output_hash", record.output_hash);
  line.text("context_hash", record.context_hash);
  line.text("previous_hash", record.previous_hash);
  line.text("record_hash", record.record_hash);
  line.text("receipt_url", record.receipt_url);
  line.text("body", record.body);
  return line.finish();
}

std::string encode(const StoredIntervention& intervention) {
  LineWriter line("intervention", intervention.body.size() + intervention.body.size() / 4 + 512);
  line.text("intervention_id", intervention.intervention_id);
  line.text("transaction_id", intervention.transaction_id);
  line.number("timestamp_unix_ms", intervention.timestamp_unix_ms);
  line.text("tenant", intervention.tenant);
  line.text("body", intervention.body);
  return line.finish();
}

Result<LogLine> decode(std::string_view text) {
  const Status corrupt(Code::kCorrupt, "the line does not fit its check");
  if (!check_fits(text)) return corrupt;
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view kind;
  if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS ||
      root["kind"].get(kind) != simdjson::SUCCESS) {
    return corrupt;
  }
  LineReader line(root);
  if (kind == "record") {
    StoredRecord record;
    line.text("transaction_id", record.transaction_id);
    line.number("timestamp_unix_ms", record.timestamp_unix_ms);
    line.text("tenant", record.tenant);
    line.text("idempotency_key", record.idempotency_key);
    line.text("input_hash", record.input_hash);
    line.text("output_hash", record.output_hash);
    line.text("context_hash", record.context_hash);
    line.text("previous_hash", record.previous_hash);
    line.text("record_hash", record.record_hash);
    line.text("receipt_url", record.receipt_url);
    line.text("body", record.body);
    if (!line.ok()) return corrupt;
    return LogLine(std::move(record));
  }
  if (kind == "intervention") {
    StoredIntervention intervention;
    line.text("intervention_id", intervention.intervention_id);
    line.text("transaction_id", intervention.transaction_id);
    line.number("timestamp_unix_ms", intervention.timestamp_unix_ms);
    line.text("tenant", intervention.tenant);
    line.text("body", intervention.body);
    if (!line.ok()) return corrupt;
    return LogLine(std::move(intervention));
  }
  return Status(Code::kUnsupported, "a line of the unknown kind \"" + std::string(kind) +
                                        "\": it was written by a newer version");
}

}  // namespace xased::devapi
