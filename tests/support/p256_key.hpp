// A P-256 key in memory, as a hardware module would hold one.
#pragma once

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "daemon/ledger/tree/signer.hpp"

namespace xased::test {

class P256Key final : public Signer {
 public:
  explicit P256Key(const std::string& name) : key_(EVP_EC_gen("P-256")) {
    unsigned char* der = nullptr;
    const int size = key_ == nullptr ? -1 : i2d_PUBKEY(key_.get(), &der);
    if (size <= 0) std::abort();
    verifier_key_.name = name;
    verifier_key_.algorithm = xase::proto::KeyAlgorithm::kEcdsaP256;
    const auto* bytes = reinterpret_cast<const std::byte*>(der);
    verifier_key_.key.assign(bytes, bytes + size);
    OPENSSL_free(der);
  }

  const xase::proto::VerifierKey& verifier_key() const override { return verifier_key_; }
  Result<std::vector<std::byte>> sign(xase::proto::Bytes message) override {
    if (is_gone) return Status(Code::kIo, "the module does not answer");
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          EVP_MD_CTX_free);
    const auto* from = reinterpret_cast<const unsigned char*>(message.data());
    std::size_t size = 0;
    if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
        EVP_DigestSign(context.get(), nullptr, &size, from, message.size()) != 1) {
      std::abort();
    }
    std::vector<std::byte> signature(size);
    if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                       from, message.size()) != 1) {
      std::abort();
    }
    signature.resize(size);
    return signature;
  }

  bool is_gone = false;

 private:
  struct FreeKey {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  std::unique_ptr<EVP_PKEY, FreeKey> key_;
  xase::proto::VerifierKey verifier_key_;
};

}  // namespace xased::test
