// Errors off the hot path, and the text of a thread's last one.
#pragma once

#include <string>
#include <string_view>

#include "proto/error_code.hpp"

namespace xase::client {

using proto::ErrorCode;

// A code and what to do about it; kOk has no text.
struct [[nodiscard]] Failure {
  ErrorCode code = ErrorCode::kOk;
  std::string message;

  bool ok() const noexcept { return code == ErrorCode::kOk; }
};

// Remembers `text` as what this thread's last failed call has to say, and returns `code`. The first
// keeps the pointer (a literal); the second copies, cut at 1,023 bytes.
ErrorCode fail(ErrorCode code, const char* text) noexcept;
ErrorCode fail_copy(ErrorCode code, std::string_view text) noexcept;

inline ErrorCode fail(const Failure& failure) noexcept {
  return failure.ok() ? ErrorCode::kOk : fail_copy(failure.code, failure.message);
}

// "what: why", with the system's text for `error`.
std::string system_text(std::string_view what, int error);

}  // namespace xase::client
