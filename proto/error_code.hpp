// The codes that callers see, from the library and from the daemon alike.
//
// Numbers are part of the ABI and of the ring's result frames: they are never given a new meaning.
// The names up to kUnknownError are those of the published SDKs.
#pragma once

#include <cstdint>
#include <string_view>

namespace xase::proto {

enum class ErrorCode : std::uint32_t {
  kOk = 0,
  // What is wrong with a record, told before it is taken.
  kMissingPolicy = 1,
  kInvalidInput = 2,
  kInvalidOutput = 3,
  kInvalidConfidence = 4,
  kInvalidIdempotencyKey = 5,
  kMissingApiKey = 6,
  kInvalidContext = 7,
  kInvalidExplanation = 8,
  kInvalidProcessingTime = 9,
  kInvalidText = 10,  // a text field is not UTF-8
  kRecordTooLarge = 11,
  kReservedContextName = 12,  // the caller's context holds "xase_ledger"
  // The queue and the client.
  kQueueFull = 32,
  kQueueClosed = 33,
  kFlushTimeout = 34,
  kRunDirUnavailable = 35,
  kOutOfMemory = 36,
  kInvalidArgument = 37,
  kTimeout = 38,      // it was taken, but what the caller waited for did not come in time
  kSystemError = 39,  // the operating system refused something; the message says what
  // What became of a record later.
  kRejected = 64,       // the daemon refused it; the entry says why
  kRequestFailed = 65,  // the API refused it: set aside as a dead letter
  kMaxRetries = 66,
  kQueueError = 67,
  kUnknownError = 68,
};

constexpr std::string_view error_name(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kOk:
      return "OK";
    case ErrorCode::kMissingPolicy:
      return "MISSING_POLICY";
    case ErrorCode::kInvalidInput:
      return "INVALID_INPUT";
    case ErrorCode::kInvalidOutput:
      return "INVALID_OUTPUT";
    case ErrorCode::kInvalidConfidence:
      return "INVALID_CONFIDENCE";
    case ErrorCode::kInvalidIdempotencyKey:
      return "INVALID_IDEMPOTENCY_KEY";
    case ErrorCode::kMissingApiKey:
      return "MISSING_API_KEY";
    case ErrorCode::kInvalidContext:
      return "INVALID_CONTEXT";
    case ErrorCode::kInvalidExplanation:
      return "INVALID_EXPLANATION";
    case ErrorCode::kInvalidProcessingTime:
      return "INVALID_PROCESSING_TIME";
    case ErrorCode::kInvalidText:
      return "INVALID_TEXT";
    case ErrorCode::kRecordTooLarge:
      return "RECORD_TOO_LARGE";
    case ErrorCode::kReservedContextName:
      return "RESERVED_CONTEXT_NAME";
    case ErrorCode::kQueueFull:
      return "QUEUE_FULL";
    case ErrorCode::kQueueClosed:
      return "QUEUE_CLOSED";
    case ErrorCode::kFlushTimeout:
      return "FLUSH_TIMEOUT";
    case ErrorCode::kRunDirUnavailable:
      return "RUN_DIR_UNAVAILABLE";
    case ErrorCode::kOutOfMemory:
      return "OUT_OF_MEMORY";
    case ErrorCode::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case ErrorCode::kTimeout:
      return "TIMEOUT";
    case ErrorCode::kSystemError:
      return "SYSTEM_ERROR";
    case ErrorCode::kRejected:
      return "REJECTED";
    case ErrorCode::kRequestFailed:
      return "REQUEST_FAILED";
    case ErrorCode::kMaxRetries:
      return "MAX_RETRIES";
    case ErrorCode::kQueueError:
      return "QUEUE_ERROR";
    case ErrorCode::kUnknownError:
      return "UNKNOWN_ERROR";
  }
  return "UNKNOWN_ERROR";
}

}  // namespace xase::proto
