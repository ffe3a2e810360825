// Whether a record is one that the ledger takes as a record.
#pragma once

#include <memory>
#include <string>

#include "proto/error_code.hpp"
#include "proto/record.hpp"

namespace xased {

// How deep JSON may be nested. Whoever parses what was taken here must allow as much.
inline constexpr std::size_t kJsonDepthMax = 512;
// Bytes behind each checked span that must be readable, whatever they hold.
inline constexpr std::size_t kJsonPaddingBytes = 64;

struct RecordVerdict {
  xase::proto::ErrorCode code = xase::proto::ErrorCode::kOk;
  // What is wrong and where; without any of the record's text.
  std::string message;

  bool ok() const { return code == xase::proto::ErrorCode::kOk; }
};

// Checks everything that the client library checks and all that it leaves out: that the JSON parts
// are JSON objects in UTF-8, whole, and of numbers that a double can hold. One thread; memory for
// the largest record met is kept.
class RecordCheck {
 public:
  RecordCheck();
  ~RecordCheck();
  RecordCheck(const RecordCheck&) = delete;
  RecordCheck& operator=(const RecordCheck&) = delete;

  // `fields` are views into memory that nobody else changes, with kJsonPaddingBytes readable
  // behind.
  RecordVerdict check(const xase::proto::RecordFields& fields);
  // Whether `text` is one JSON object within the same limits; no padding needed.
  bool is_json_object(std::string_view text);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

// A UUID of version 4, or 16 to 64 of [A-Za-z0-9_-]: what the API takes.
bool is_idempotency_key(std::string_view key);

}  // namespace xased
