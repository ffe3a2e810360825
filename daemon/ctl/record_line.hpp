// One line of `xasectl record`: a JSON object in the SDKs' field names, taken apart.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace xased::ctl {

// A field that the line leaves out, or gives as null, is empty. The JSON texts of `input`,
// `output`, `context` and `explanation` are the line's own bytes; all views live until the parser's
// next line.
struct RecordLine {
  std::string_view policy;
  std::string_view input;
  std::string_view output;
  std::string_view context;
  std::string_view explanation;
  std::string_view policy_version;
  std::string_view transaction_id;
  std::string_view decision_type;
  std::string_view idempotency_key;
  std::string_view model_id;
  std::string_view model_version;
  std::string_view model_hash;
  std::string_view feature_schema_hash;
  std::optional<double> confidence;
  std::optional<double> processing_time_ms;
  std::optional<bool> store_payload;
};

// Why a line is no record: a code as the SDKs have them, or INVALID_JSON, UNKNOWN_FIELD,
// DUPLICATE_FIELD; and a sentence without payload in it. An empty code: all is well.
struct LineProblem {
  std::string code;
  std::string message;
  bool ok() const { return code.empty(); }
};

// Owns the memory that lines are taken apart in. One thread.
class RecordLineParser {
 public:
  // Bytes after a line that must be readable, whatever they hold.
  static constexpr std::size_t kPaddingBytes = 64;
  static constexpr std::size_t kLineBytesMax = std::size_t{16} << 20;

  RecordLineParser();
  ~RecordLineParser();
  RecordLineParser(const RecordLineParser&) = delete;
  RecordLineParser& operator=(const RecordLineParser&) = delete;

  // `line`: without its newline, at most kLineBytesMax, kPaddingBytes readable behind it. What
  // values mean is the client library's to check; here they have their JSON type.
  LineProblem parse(std::string_view line, RecordLine& record);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace xased::ctl
