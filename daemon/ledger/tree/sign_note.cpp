#include "daemon/ledger/tree/sign_note.hpp"

#include <utility>

#include "daemon/platform/sha256.hpp"

namespace xased {

Result<std::string> sign_note(std::string text, Signer& signer) {
  auto signature = signer.sign(xase::proto::as_bytes(text));
  if (!signature.ok()) return signature.status();
  Sha256 sha;
  xase::proto::Note note;
  note.text = std::move(text);
  const xase::proto::VerifierKey& key = signer.verifier_key();
  note.signatures.push_back({key.name, key_id(sha, key), std::move(*signature)});
  return format_note(note);
}

}  // namespace xased
