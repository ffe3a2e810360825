#include "daemon/ledger/tree/verify_signature.hpp"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>

namespace xased {
namespace {

using xase::proto::Bytes;
using xase::proto::KeyAlgorithm;

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

const unsigned char* raw(Bytes bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// Null where the bytes are no key.
Key public_key(const xase::proto::VerifierKey& key) {
  if (!xase::proto::has_key_form(key)) return nullptr;
  if (key.algorithm != KeyAlgorithm::kEcdsaP256) {
    return Key(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw(key.key), key.key.size()));
  }
  const unsigned char* from = raw(key.key);
  return Key(d2i_PUBKEY(nullptr, &from, static_cast<long>(key.key.size())));
}

}  // namespace

Status verify_signature(const xase::proto::VerifierKey& key, Bytes message, Bytes signature) {
  const Key opened = public_key(key);
  if (opened == nullptr) {
    return {Code::kInvalid, "the verifier key of " + key.name + " is not a key of its algorithm"};
  }
  const EVP_MD* digest = key.algorithm == KeyAlgorithm::kEcdsaP256 ? EVP_sha256() : nullptr;
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  if (context == nullptr ||
      EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, opened.get()) != 1) {
    return {Code::kUnsupported, "OpenSSL cannot check signatures of " + key.name};
  }
  if (EVP_DigestVerify(context.get(), raw(signature), signature.size(), raw(message),
                       message.size()) != 1) {
    return {Code::kCorrupt, "a signature of " + key.name + " is not one over this text"};
  }
  return {};
}

}  // namespace xased
