#include "daemon/ledger/tree/pkcs11_module.hpp"

#include <dlfcn.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include "daemon/config/small_file.hpp"
#include "daemon/ledger/tree/verify_signature.hpp"
#include "daemon/platform/sha256.hpp"
#include "proto/verifier_key.hpp"

namespace xased {
namespace {

using xase::proto::Bytes;

// 1.2.840.10045.3.1.7, as CKA_EC_PARAMS names it.
constexpr std::array<unsigned char, 10> kP256{0x06, 0x08, 0x2a, 0x86, 0x48,
                                              0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr std::size_t kPointBytes = 65;  // 0x04, x, y
constexpr std::size_t kScalarBytes = 32;
constexpr std::size_t kKeysMax = 256;
constexpr std::size_t kAttributeBytesMax = 4096;
constexpr CK_ULONG kSlotsMax = 1024;

struct ErrorName {
  CK_RV code;
  const char* name;
};
constexpr std::array kErrorNames{
    ErrorName{CKR_DEVICE_ERROR, "CKR_DEVICE_ERROR"},
    ErrorName{CKR_DEVICE_REMOVED, "CKR_DEVICE_REMOVED"},
    ErrorName{CKR_GENERAL_ERROR, "CKR_GENERAL_ERROR"},
    ErrorName{CKR_FUNCTION_FAILED, "CKR_FUNCTION_FAILED"},
    ErrorName{CKR_KEY_HANDLE_INVALID, "CKR_KEY_HANDLE_INVALID"},
    ErrorName{CKR_KEY_FUNCTION_NOT_PERMITTED, "CKR_KEY_FUNCTION_NOT_PERMITTED"},
    ErrorName{CKR_MECHANISM_INVALID, "CKR_MECHANISM_INVALID"},
    ErrorName{CKR_OBJECT_HANDLE_INVALID, "CKR_OBJECT_HANDLE_INVALID"},
    ErrorName{CKR_PIN_EXPIRED, "CKR_PIN_EXPIRED"},
    ErrorName{CKR_PIN_INCORRECT, "CKR_PIN_INCORRECT"},
    ErrorName{CKR_PIN_LOCKED, "CKR_PIN_LOCKED"},
    ErrorName{CKR_SESSION_CLOSED, "CKR_SESSION_CLOSED"},
    ErrorName{CKR_SESSION_HANDLE_INVALID, "CKR_SESSION_HANDLE_INVALID"},
    ErrorName{CKR_TOKEN_NOT_PRESENT, "CKR_TOKEN_NOT_PRESENT"},
    ErrorName{CKR_USER_NOT_LOGGED_IN, "CKR_USER_NOT_LOGGED_IN"},
    ErrorName{CKR_USER_PIN_NOT_INITIALIZED, "CKR_USER_PIN_NOT_INITIALIZED"},
};

std::string error_text(CK_RV code) {
  for (const ErrorName& known : kErrorNames) {
    if (known.code == code) return known.name;
  }
  std::array<char, 24> text{};
  (void)std::snprintf(text.data(), text.size(), "error 0x%lx", code);
  return text.data();
}

Status failed(const std::string& what, CK_RV code) {
  return {Code::kIo, "the PKCS#11 module cannot " + what + ": " + error_text(code)};
}

// Labels of tokens are padded with spaces to 32 bytes.
std::string_view token_label(const CK_TOKEN_INFO& info) {
  std::string_view label(reinterpret_cast<const char*>(info.label), sizeof(info.label));
  while (label.ends_with(' ') || label.ends_with('\0')) label.remove_suffix(1);
  return label;
}

// The point in CKA_EC_POINT: an OCTET STRING in DER, or in some modules bare. Empty: it is neither.
Bytes point_of(Bytes attribute) {
  if (attribute.size() == kPointBytes + 2 && attribute[0] == std::byte{0x04} &&
      attribute[1] == std::byte{kPointBytes}) {
    attribute = attribute.subspan(2);
  }
  const bool is_point = attribute.size() == kPointBytes && attribute[0] == std::byte{0x04};
  return is_point ? attribute : Bytes();
}

// r and s, 32 bytes each, as an Ecdsa-Sig-Value.
std::vector<std::byte> to_der(Bytes raw) {
  const auto* from = reinterpret_cast<const unsigned char*>(raw.data());
  const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature(ECDSA_SIG_new(),
                                                                        ECDSA_SIG_free);
  BIGNUM* r = BN_bin2bn(from, kScalarBytes, nullptr);
  BIGNUM* s = BN_bin2bn(from + kScalarBytes, kScalarBytes, nullptr);
  if (signature == nullptr || ECDSA_SIG_set0(signature.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return {};
  }
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  if (size <= 0) return {};
  const auto* bytes = reinterpret_cast<const std::byte*>(der);
  std::vector<std::byte> out(bytes, bytes + size);
  OPENSSL_free(der);
  return out;
}

class Module final : public Pkcs11Module {
 public:
  explicit Module(CK_FUNCTION_LIST* functions) : p11_(functions) {}
  ~Module() override { log_out(); }

  Status log_in(const std::string& label, const std::string& pin) override;
  Result<std::vector<Key>> find_keys() override;
  Result<std::vector<std::byte>> sign(const Key& key, Bytes message) override;
  void log_out() override;

 private:
  Status initialise();
  Result<CK_SLOT_ID> find_token(const std::string& label, CK_TOKEN_INFO& info);
  Result<std::vector<CK_OBJECT_HANDLE>> find_objects(std::vector<CK_ATTRIBUTE> wanted);
  std::vector<std::byte> attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
  std::vector<std::byte> public_point(Bytes id);

  CK_FUNCTION_LIST* p11_;
  bool is_initialised_ = false;
  bool has_session_ = false;
  CK_SESSION_HANDLE session_ = 0;
};

void Module::log_out() {
  if (has_session_) {
    (void)p11_->C_Logout(session_);
    (void)p11_->C_CloseSession(session_);
  }
  has_session_ = false;
  // Many see a token that was put back only after this.
  if (is_initialised_) (void)p11_->C_Finalize(nullptr);
  is_initialised_ = false;
}

Status Module::initialise() {
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  const CK_RV code = p11_->C_Initialize(&arguments);
  if (code != CKR_OK && code != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
    return failed("be initialised", code);
  }
  is_initialised_ = true;
  return {};
}

Result<CK_SLOT_ID> Module::find_token(const std::string& label, CK_TOKEN_INFO& info) {
  CK_ULONG count = 0;
  CK_RV code = p11_->C_GetSlotList(CK_TRUE, nullptr, &count);
  if (code != CKR_OK) return failed("list its tokens", code);
  std::vector<CK_SLOT_ID> slots(std::min(count, kSlotsMax));
  count = slots.size();
  code = p11_->C_GetSlotList(CK_TRUE, slots.data(), &count);
  if (code != CKR_OK) return failed("list its tokens", code);
  slots.resize(std::min<std::size_t>(slots.size(), count));
  for (const CK_SLOT_ID slot : slots) {
    if (p11_->C_GetTokenInfo(slot, &info) == CKR_OK && token_label(info) == label) return slot;
  }
  return Status(Code::kNotFound, "the PKCS#11 module shows no token labelled \"" + label + "\"");
}

Status Module::log_in(const std::string& label, const std::string& pin) {
  log_out();
  if (Status status = initialise(); !status.ok()) return status;
  CK_TOKEN_INFO info{};
  const auto slot = find_token(label, info);
  if (!slot.ok()) return slot.status();
  if ((info.flags & CKF_USER_PIN_LOCKED) != 0) {
    return {Code::kDenied, "the PIN of token \"" + label + "\" is locked"};
  }
  if ((info.flags & CKF_USER_PIN_FINAL_TRY) != 0) {
    return {Code::kDenied, "token \"" + label +
                               "\" would be locked by one more wrong PIN: log in to it by hand "
                               "once, and it takes this one again"};
  }
  CK_RV code = p11_->C_OpenSession(*slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session_);
  if (code != CKR_OK) return failed("open a session", code);
  has_session_ = true;
  std::vector<CK_UTF8CHAR> bytes(pin.begin(), pin.end());
  code = p11_->C_Login(session_, CKU_USER, bytes.data(), bytes.size());
  OPENSSL_cleanse(bytes.data(), bytes.size());
  if (code == CKR_OK || code == CKR_USER_ALREADY_LOGGED_IN) return {};
  if (code == CKR_PIN_INCORRECT || code == CKR_PIN_LOCKED || code == CKR_PIN_EXPIRED ||
      code == CKR_PIN_INVALID || code == CKR_PIN_LEN_RANGE ||
      code == CKR_USER_PIN_NOT_INITIALIZED) {
    return {Code::kDenied, "token \"" + label + "\" refuses the PIN: " + error_text(code)};
  }
  return failed("log in", code);
}

Result<std::vector<CK_OBJECT_HANDLE>> Module::find_objects(std::vector<CK_ATTRIBUTE> wanted) {
  CK_RV code = p11_->C_FindObjectsInit(session_, wanted.data(), wanted.size());
  if (code != CKR_OK) return failed("look for keys", code);
  std::vector<CK_OBJECT_HANDLE> found(kKeysMax);
  CK_ULONG count = 0;
  code = p11_->C_FindObjects(session_, found.data(), found.size(), &count);
  (void)p11_->C_FindObjectsFinal(session_);
  if (code != CKR_OK) return failed("look for keys", code);
  found.resize(std::min<std::size_t>(found.size(), count));
  return found;
}

// Empty where the object has none.
std::vector<std::byte> Module::attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  std::vector<std::byte> bytes(kAttributeBytesMax);
  CK_ATTRIBUTE wanted{type, bytes.data(), bytes.size()};
  const bool is_there = p11_->C_GetAttributeValue(session_, object, &wanted, 1) == CKR_OK &&
                        wanted.ulValueLen <= bytes.size();
  bytes.resize(is_there ? wanted.ulValueLen : 0);
  return bytes;
}

// Of the public key with this CKA_ID; empty where there is none.
std::vector<std::byte> Module::public_point(Bytes id) {
  CK_OBJECT_CLASS object_class = CKO_PUBLIC_KEY;
  std::vector<std::byte> kept(id.begin(), id.end());
  const auto objects = find_objects(
      {{CKA_CLASS, &object_class, sizeof(object_class)}, {CKA_ID, kept.data(), kept.size()}});
  if (!objects.ok() || objects->empty()) return {};
  const std::vector<std::byte> bytes = attribute(objects->front(), CKA_EC_POINT);
  const Bytes point = point_of(bytes);
  return {point.begin(), point.end()};
}

Result<std::vector<Pkcs11Module::Key>> Module::find_keys() {
  CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;
  CK_KEY_TYPE type = CKK_EC;
  const auto objects = find_objects(
      {{CKA_CLASS, &object_class, sizeof(object_class)}, {CKA_KEY_TYPE, &type, sizeof(type)}});
  if (!objects.ok()) return objects.status();
  std::vector<Key> keys;
  for (const CK_OBJECT_HANDLE object : *objects) {
    const auto curve = attribute(object, CKA_EC_PARAMS);
    const Bytes p256(reinterpret_cast<const std::byte*>(kP256.data()), kP256.size());
    if (!std::equal(curve.begin(), curve.end(), p256.begin(), p256.end())) continue;
    const auto point = public_point(attribute(object, CKA_ID));
    if (point.empty()) continue;
    Key key;
    key.handle = object;
    const auto label = attribute(object, CKA_LABEL);
    key.label = xase::proto::as_text(label);
    const Bytes start(reinterpret_cast<const std::byte*>(xase::proto::kEcdsaP256KeyStart.data()),
                      xase::proto::kEcdsaP256KeyStart.size());
    key.public_key.assign(start.begin(), start.end());
    key.public_key.insert(key.public_key.end(), point.begin() + 1, point.end());
    keys.push_back(std::move(key));
  }
  return keys;
}

Result<std::vector<std::byte>> Module::sign(const Key& key, Bytes message) {
  Sha256 sha;
  sha.start();
  sha.add(message);
  auto digest = sha.finish();
  CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
  CK_RV code = p11_->C_SignInit(session_, &mechanism, key.handle);
  if (code != CKR_OK) return failed("sign", code);
  std::array<std::byte, 2 * kScalarBytes> raw{};
  CK_ULONG size = raw.size();
  code = p11_->C_Sign(session_, reinterpret_cast<CK_BYTE*>(digest.data()), digest.size(),
                      reinterpret_cast<CK_BYTE*>(raw.data()), &size);
  if (code != CKR_OK) return failed("sign", code);
  if (size != raw.size()) return Status(Code::kIo, "the PKCS#11 module gave no P-256 signature");
  std::vector<std::byte> der = to_der(raw);
  xase::proto::VerifierKey public_half;
  public_half.algorithm = xase::proto::KeyAlgorithm::kEcdsaP256;
  public_half.key = key.public_key;
  if (!verify_signature(public_half, message, der).ok()) {
    return Status(Code::kIo, "the PKCS#11 module signed with another key than it shows as key \"" +
                                 key.label + "\"");
  }
  return der;
}

}  // namespace

Result<std::unique_ptr<Pkcs11Module>> Pkcs11Module::load(const std::string& path) {
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    return Status(Code::kNotFound, std::string("cannot load the PKCS#11 module: ") +
                                       (why == nullptr ? path : std::string(why)));
  }
  const auto get_list =
      reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
  CK_FUNCTION_LIST* functions = nullptr;
  if (get_list == nullptr || get_list(&functions) != CKR_OK || functions == nullptr) {
    (void)::dlclose(library);
    return Status(Code::kInvalid, path + " is no PKCS#11 module");
  }
  return std::unique_ptr<Pkcs11Module>(std::make_unique<Module>(functions));
}

Result<std::string> read_pin(const std::string& path) {
  constexpr std::size_t kPinBytesMax = 256;
  constexpr mode_t kOthers = 077;
  auto file = read_small_file(path, kPinBytesMax);
  if (!file.ok()) return file.status();
  std::string& pin = file->bytes;
  while (pin.ends_with('\n') || pin.ends_with('\r')) pin.pop_back();
  if ((file->mode & kOthers) != 0) {
    OPENSSL_cleanse(pin.data(), pin.size());
    return Status(Code::kDenied,
                  "the PIN file " + path +
                      " can be read or changed by others than its owner: chmod 600 " + path);
  }
  if (pin.empty()) return Status(Code::kInvalid, "the PIN file " + path + " is empty");
  return std::move(pin);
}

}  // namespace xased
