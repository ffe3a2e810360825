// Errors as values, off the hot path.
//
// A function handles what its contract names; any other error travels up untouched and is logged
// once, where it is handled. The message says what happened and what to do about it; it never holds
// payloads or keys.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace xased {

enum class Code {
  kOk,
  kInvalid,      // the caller's or the peer's data is malformed
  kNotFound,     // there is no such thing
  kExists,       // there already is one, or another process holds it
  kNoSpace,      // ENOSPC or EDQUOT: may pass by itself
  kDenied,       // EACCES, EPERM, EROFS
  kIo,           // any other failure of the operating system
  kCorrupt,      // bytes that we wrote are no longer what we wrote
  kUnsupported,  // a version or an algorithm that this build does not know
  kTimeout,
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message, int os_error = 0)
      : code_(code), os_error_(os_error), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  // The errno behind it, or 0.
  int os_error() const { return os_error_; }
  const std::string& message() const { return message_; }

 private:
  Code code_ = Code::kOk;
  int os_error_ = 0;
  std::string message_;
};

// A value or the reason why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}        // NOLINT(google-explicit-constructor)
  Result(Status status) : state_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    assert(!std::get<Status>(state_).ok());
  }

  bool ok() const { return std::holds_alternative<T>(state_); }
  T& value() { return std::get<T>(state_); }
  const T& value() const { return std::get<T>(state_); }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  // The reason; only where !ok().
  const Status& status() const { return std::get<Status>(state_); }

 private:
  std::variant<T, Status> state_;
};

// The status of a failed system call: "<what>: <strerror>", with the code that `error` maps to.
Status os_status(const std::string& what, int error);

}  // namespace xased
