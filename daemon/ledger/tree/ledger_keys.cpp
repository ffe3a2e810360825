#include "daemon/ledger/tree/ledger_keys.hpp"

#include "daemon/platform/sha256.hpp"

namespace xased {

using xase::proto::VerifierKey;

void LedgerKeys::add(std::shared_ptr<Signer> signer) {
  const std::scoped_lock lock(mutex_);
  for (std::shared_ptr<Signer>& known : signers_) {
    if (known->verifier_key() == signer->verifier_key()) {
      known = std::move(signer);
      return;
    }
  }
  signers_.push_back(std::move(signer));
}

void LedgerKeys::remove(const VerifierKey& key) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(signers_, [&](const auto& signer) { return signer->verifier_key() == key; });
}

std::shared_ptr<Signer> LedgerKeys::find(const VerifierKey& key) const {
  const std::scoped_lock lock(mutex_);
  for (const auto& signer : signers_) {
    if (signer->verifier_key() == key) return signer;
  }
  return nullptr;
}

Result<SignerList> LedgerKeys::find_all(const KeySet& keys) const {
  if (keys.empty()) return Status(Code::kNotFound, "no key is in force yet");
  SignerList found;
  for (const VerifierKey& key : keys) {
    found.push_back(find(key));
    if (found.back() != nullptr) continue;
    Sha256 sha;
    return Status(Code::kNotFound, "the key " + xase::proto::key_id_text(key_id(sha, key)) +
                                       ", which is in force, is not at hand");
  }
  return found;
}

}  // namespace xased
