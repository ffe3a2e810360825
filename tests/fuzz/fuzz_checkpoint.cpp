// A signed note, the checkpoint in it, verifier keys and cosignatures: what parses has one
// spelling, and nothing is signed by a key that did not sign it.
#include <string>

#include "daemon/evidence/signed_head.hpp"
#include "daemon/ledger/tree/verify_signature.hpp"
#include "daemon/platform/sha256.hpp"
#include "proto/cosignature.hpp"
#include "tests/fuzz/fuzz.hpp"

using xase::fuzz::require;

namespace {

void check_keys(std::string_view text) {
  xased::Sha256 sha;
  const auto key = xase::proto::parse_verifier_key(sha, text);
  const auto witness = xase::proto::parse_witness_key(sha, text);
  if (key.ok()) require(format_verifier_key(sha, *key) == text, "a key has one spelling");
  if (witness.ok()) require(format_verifier_key(sha, *witness) == text, "a key has one spelling");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_keys(text.substr(0, text.find('\n')));
  const auto note = xase::proto::parse_note(text);
  require(note.ok() || !xase::proto::note_fault_text(note.fault).empty(), "a fault has a name");
  if (!note.ok()) return 0;
  require(xase::proto::format_note(*note) == text, "a note has one spelling");
  for (const xase::proto::NoteSignature& line : note->signatures) {
    const auto split = xase::proto::split_cosignature(line.signature);
    require(split.has_value() <= (line.signature.size() == xase::proto::kCosignatureBytes),
            "a cosignature has its size");
  }
  const auto checkpoint = xase::proto::parse_checkpoint(note->text);
  if (checkpoint.ok()) {
    require(xase::proto::format_checkpoint(*checkpoint) == note->text,
            "a checkpoint has one spelling");
  }
  auto head = xased::SignedHead::open(text);
  require(head.ok() == checkpoint.ok(), "a head is a checkpoint");
  if (!head.ok()) return 0;
  xased::Sha256 sha;
  const auto other = xase::proto::parse_verifier_key(
      sha, "host-1/loans/8d5b8a7e+7c386215+AT1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYM");
  require(other.ok(), "the key is one");
  const auto finding = head->check_signer({*other});
  bool signed_by_it = false;
  for (const xase::proto::NoteSignature& line : note->signatures) {
    signed_by_it |=
        line.name == other->name && line.key_id == key_id(sha, *other) &&
        xased::verify_signature(*other, xase::proto::as_bytes(note->text), line.signature).ok();
  }
  require(signed_by_it || finding.verdict != xased::VerifyVerdict::kProven,
          "what is signed was signed by that key");
  return 0;
}
