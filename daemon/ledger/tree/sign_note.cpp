#include "daemon/ledger/tree/sign_note.hpp"

#include <array>
#include <utility>

#include "daemon/platform/sha256.hpp"

namespace xased {

Result<std::string> sign_note(std::string text, std::span<Signer* const> signers) {
  Sha256 sha;
  xase::proto::Note note;
  note.text = std::move(text);
  for (Signer* signer : signers) {
    auto signature = signer->sign(xase::proto::as_bytes(note.text));
    if (!signature.ok()) return signature.status();
    const xase::proto::VerifierKey& key = signer->verifier_key();
    note.signatures.push_back({key.name, key_id(sha, key), std::move(*signature)});
  }
  return format_note(note);
}

Result<std::string> sign_note(std::string text, Signer& signer) {
  const std::array<Signer*, 1> signers{&signer};
  return sign_note(std::move(text), signers);
}

}  // namespace xased
