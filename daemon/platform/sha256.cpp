#include "daemon/platform/sha256.hpp"

#include <cstdlib>

namespace xased {
namespace {

const EVP_MD* algorithm() {
  // Fetched once: each implicit fetch takes a lock and a search.
  static const EVP_MD* const kAlgorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return kAlgorithm;
}

void require(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  require(context_ != nullptr && algorithm() != nullptr);
  require(EVP_DigestInit_ex2(context_.get(), algorithm(), nullptr) == 1);
}

void Sha256::start() { require(EVP_DigestInit_ex2(context_.get(), nullptr, nullptr) == 1); }

void Sha256::add(xase::proto::Bytes bytes) {
  require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

xase::proto::Hash Sha256::finish() {
  xase::proto::Hash hash{};
  require(EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(hash.data()),
                             nullptr) == 1);
  return hash;
}

}  // namespace xased
