// The ledger's Ed25519 key (RFC 8032), kept as unencrypted PKCS#8 in PEM (RFC 5958, RFC 7468) in a
// file that only its owner may read.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <vector>

#include "daemon/ledger/tree/signer.hpp"
#include "daemon/platform/file_system.hpp"

namespace xased {

// sign() from several threads at once. The private bytes lie in OpenSSL's memory, which it
// cleanses; copies that pass through here are cleansed before they are let go.
class Ed25519Key final : public Signer {
 public:
  // `name`: of its signature lines, the ledger's origin. A new key from OpenSSL's generator.
  static Result<std::unique_ptr<Ed25519Key>> generate(const std::string& name);
  // `pem` stays the caller's to cleanse. kInvalid where it is not an Ed25519 private key.
  static Result<std::unique_ptr<Ed25519Key>> from_pem(xase::proto::Bytes pem,
                                                      const std::string& name);
  // kNotFound where there is no file; kDenied where others than this process's user may read or
  // change it, or own it: then the key may be known to others, and the message says what to do.
  static Result<std::unique_ptr<Ed25519Key>> load(const std::string& path, const std::string& name);

  // Writes the file, mode 0600; after success it survives power loss. kExists, and nothing is
  // changed, where `path` is there already: a key that signed is never written over.
  Status store(FileSystem& fs, const std::string& path) const;

  const xase::proto::VerifierKey& verifier_key() const override { return verifier_key_; }
  Result<std::vector<std::byte>> sign(xase::proto::Bytes message) override;

 private:
  struct FreeKey {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

  Ed25519Key(Key key, xase::proto::VerifierKey verifier_key)
      : key_(std::move(key)), verifier_key_(std::move(verifier_key)) {}
  static Result<std::unique_ptr<Ed25519Key>> make(Key key, const std::string& name);

  Key key_;
  xase::proto::VerifierKey verifier_key_;
};

}  // namespace xased
