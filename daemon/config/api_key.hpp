// The API key: where it comes from, and its text for as long as someone needs it.
//
// The key is a secret. It is in no Config, no message and no log; only value() gives it out, and
// its memory is wiped.
#pragma once

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/platform/status.hpp"
#include "proto/hex.hpp"

namespace xased {

// Like ::getenv: null when unset. May be empty, which is an environment without variables.
using Getenv = std::function<const char*(const char*)>;

struct ApiKeySource {
  enum class Kind {
    kNone,         // no key is configured
    kEnvironment,  // the variable `name`
    kFile,         // the file `name`, named by the configuration
    kCredential,   // the file `name`, put there by the service manager (LoadCredential=)
  };
  Kind kind = Kind::kNone;
  std::string name;
};

class ApiKey {
 public:
  static constexpr std::string_view kPrefix = "xase_pk_";
  static constexpr std::size_t kHexDigits = 48;

  // `text` must be xase_pk_ and 48 lowercase hex digits; one newline (or CR LF) after it is
  // tolerated. The message of a failure describes the flaw without repeating the text.
  static Result<ApiKey> parse(std::string_view text);

  ApiKey(const ApiKey& other) = default;
  ApiKey(ApiKey&& other) noexcept;
  ApiKey& operator=(const ApiKey& other);
  ApiKey& operator=(ApiKey&& other) noexcept;
  ~ApiKey();

  // The key, for the request's header and nothing else.
  const std::string& value() const { return value_; }
  // "xase_pk_12ab…": enough to tell keys apart, useless to an attacker.
  std::string masked() const;
  // First 16 hex digits of the key's SHA-256.
  std::string fingerprint() const;
  // The value of `api_key_check` in the settings of RUN_DIR: proto/run_dir.hpp.
  std::string check_value(const xase::proto::Id& salt) const;
  // What the operator should hear about how the key is kept; empty when there is nothing.
  const std::string& warning() const { return warning_; }

  friend bool operator==(const ApiKey& a, const ApiKey& b) { return a.value_ == b.value_; }

 private:
  friend Result<ApiKey> read_api_key(const ApiKeySource& source, const Getenv& getenv);
  explicit ApiKey(std::string value) : value_(std::move(value)) {}
  void wipe();

  std::string value_;
  std::string warning_;
};

// Writes masked(): a key that ends up in a stream by mistake is not given away.
std::ostream& operator<<(std::ostream& out, const ApiKey& key);

// Reads the key from its source, anew at each call: the delivery calls it at start, and again when
// the file changed or the service refused the key. A file that others than its owner may read is
// used, with a warning(). kNotFound: no key is configured, or the file is missing; kDenied: it may
// not be read; kInvalid: it does not hold a key.
Result<ApiKey> read_api_key(const ApiKeySource& source, const Getenv& getenv);

}  // namespace xased
