// SHA-256 by OpenSSL, with a context that is reused: several times faster than the one-shot call
// for what the ledger hashes.
#pragma once

#include <openssl/evp.h>

#include <memory>

#include "proto/hashing.hpp"

namespace xased {

// A xase::proto::Sha256Hasher. One thread. Ends the process where OpenSSL fails, which for a digest
// means that its library is broken.
class Sha256 {
 public:
  Sha256();
  void start();
  void add(xase::proto::Bytes bytes);
  xase::proto::Hash finish();

  // The hash of one piece.
  xase::proto::Hash of(xase::proto::Bytes bytes) {
    start();
    add(bytes);
    return finish();
  }

 private:
  struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, FreeContext> context_;
};
static_assert(xase::proto::Sha256Hasher<Sha256>);

}  // namespace xased
