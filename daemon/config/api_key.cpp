#include "daemon/config/api_key.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <ostream>

#include "daemon/config/small_file.hpp"
#include "proto/run_dir.hpp"

namespace xased {
namespace {

// A key is 56 bytes; anything larger is some other file.
constexpr std::size_t kFileBytesMax = 4096;
constexpr std::size_t kMaskedDigits = 4;
constexpr std::size_t kFingerprintBytes = 8;

bool is_lower_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

// What is wrong with the key, without any of it; empty when nothing is.
std::string flaw(std::string_view text) {
  if (text.empty()) return "is empty";
  if (!text.starts_with(ApiKey::kPrefix)) return "does not begin with xase_pk_";
  const std::string_view digits = text.substr(ApiKey::kPrefix.size());
  if (digits.size() != ApiKey::kHexDigits) {
    return "has " + std::to_string(digits.size()) + " characters after xase_pk_ instead of 48";
  }
  if (!std::all_of(digits.begin(), digits.end(), is_lower_hex)) {
    return "has characters after xase_pk_ that are not lowercase hex digits";
  }
  return "";
}

Status prefixed(const std::string& what, const Status& status) {
  return {status.code(), what + ": " + status.message(), status.os_error()};
}

}  // namespace

Result<ApiKey> ApiKey::parse(std::string_view text) {
  if (text.ends_with('\n')) {
    text.remove_suffix(1);
    if (text.ends_with('\r')) text.remove_suffix(1);
  }
  const std::string problem = flaw(text);
  if (!problem.empty()) {
    return Status(Code::kInvalid, "the API key " + problem);
  }
  return ApiKey(std::string(text));
}

ApiKey::ApiKey(ApiKey&& other) noexcept
    : value_(std::move(other.value_)), warning_(std::move(other.warning_)) {
  other.wipe();
}

ApiKey& ApiKey::operator=(const ApiKey& other) {
  if (this != &other) {
    wipe();
    value_ = other.value_;
    warning_ = other.warning_;
  }
  return *this;
}

ApiKey& ApiKey::operator=(ApiKey&& other) noexcept {
  if (this != &other) {
    wipe();
    value_ = std::move(other.value_);
    warning_ = std::move(other.warning_);
    other.wipe();
  }
  return *this;
}

ApiKey::~ApiKey() { wipe(); }

void ApiKey::wipe() {
  OPENSSL_cleanse(value_.data(), value_.size());
  value_.clear();
}

std::string ApiKey::masked() const {
  return value_.substr(0, kPrefix.size() + kMaskedDigits) + "\u2026";
}

std::string ApiKey::fingerprint() const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(value_.data(), value_.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    return "";
  }
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < kFingerprintBytes; i++) {
    text += kDigits[digest[i] >> 4U];
    text += kDigits[digest[i] & 15U];
  }
  return text;
}

std::string ApiKey::check_value(const xase::proto::Id& salt) const {
  std::array<std::byte, xase::proto::kApiKeyCheckBytes> check{};
  if (PKCS5_PBKDF2_HMAC(value_.data(), static_cast<int>(value_.size()),
                        reinterpret_cast<const unsigned char*>(salt.data()),
                        static_cast<int>(salt.size()), xase::proto::kApiKeyCheckIterations,
                        EVP_sha256(), static_cast<int>(check.size()),
                        reinterpret_cast<unsigned char*>(check.data())) != 1) {
    return "";
  }
  return xase::proto::to_hex(salt) + ":" + xase::proto::to_hex(check);
}

std::ostream& operator<<(std::ostream& out, const ApiKey& key) { return out << key.masked(); }

Result<ApiKey> read_api_key(const ApiKeySource& source, const Getenv& getenv) {
  if (source.kind == ApiKeySource::Kind::kNone) {
    return Status(Code::kNotFound,
                  "no API key is configured: set api.key_file, or XASE_API_KEY in the environment");
  }
  if (source.kind == ApiKeySource::Kind::kEnvironment) {
    const char* text = getenv ? getenv(source.name.c_str()) : nullptr;
    if (text == nullptr) return Status(Code::kNotFound, source.name + " is no longer set");
    Result<ApiKey> key = ApiKey::parse(text);
    if (!key.ok()) return prefixed(source.name, key.status());
    return key;
  }

  Result<SmallFile> file = read_small_file(source.name, kFileBytesMax);
  if (!file.ok()) return prefixed("API key", file.status());
  Result<ApiKey> key = ApiKey::parse(file->bytes);
  OPENSSL_cleanse(file->bytes.data(), file->bytes.size());
  if (!key.ok()) return prefixed(source.name, key.status());
  // The service manager grants credentials through access lists, which show up as group bits.
  if (source.kind == ApiKeySource::Kind::kFile && (file->mode & (S_IRWXG | S_IRWXO)) != 0) {
    key->warning_ = "the API key file " + source.name +
                    " can be read or changed by others than its owner: chmod 600 " + source.name;
  }
  return key;
}

}  // namespace xased
