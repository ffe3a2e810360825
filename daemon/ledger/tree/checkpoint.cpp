#include "daemon/ledger/tree/checkpoint.hpp"

#include <algorithm>

#include "daemon/ledger/tree/verify_signature.hpp"
#include "daemon/platform/sha256.hpp"

namespace xased {
namespace {

using xase::proto::as_bytes;
using xase::proto::VerifierKey;

Status malformed(xase::proto::NoteFault fault) {
  return {Code::kInvalid, "malformed checkpoint: " + std::string(note_fault_text(fault))};
}

std::string path_in(const std::string& directory) {
  return directory + "/" + std::string(kCheckpointName);
}

}  // namespace

Result<std::string> sign_checkpoint(const xase::proto::Checkpoint& checkpoint,
                                    std::span<Signer* const> signers) {
  if (!xase::proto::is_note_name(checkpoint.origin) ||
      checkpoint.size > xase::proto::kTreeSizeMax) {
    return Status(Code::kInvalid, "\"" + checkpoint.origin + "\" cannot be a checkpoint's origin");
  }
  if (signers.empty() || signers.size() > xase::proto::kNoteSignaturesMax) {
    return Status(Code::kInvalid, "a checkpoint needs 1 to 16 signers");
  }
  Sha256 sha;
  xase::proto::Note note;
  note.text = format_checkpoint(checkpoint);
  for (Signer* signer : signers) {
    Result<std::vector<std::byte>> signature = signer->sign(as_bytes(note.text));
    if (!signature.ok()) return signature.status();
    const VerifierKey& key = signer->verifier_key();
    note.signatures.push_back({key.name, key_id(sha, key), std::move(*signature)});
  }
  return format_note(note);
}

Status write_checkpoint(FileSystem& fs, const std::string& directory, std::string_view note) {
  return write_file_atomically(fs, path_in(directory), as_bytes(note));
}

Result<OpenedCheckpoint> open_checkpoint(std::string_view note, std::span<const VerifierKey> keys) {
  const auto parsed = xase::proto::parse_note(note);
  if (!parsed.ok()) return malformed(parsed.fault);
  const auto checkpoint = xase::proto::parse_checkpoint(parsed->text);
  if (!checkpoint.ok()) return malformed(checkpoint.fault);

  OpenedCheckpoint opened;
  opened.checkpoint = *checkpoint;
  opened.note = note;
  Sha256 sha;
  for (const xase::proto::NoteSignature& line : parsed->signatures) {
    const auto key = std::find_if(keys.begin(), keys.end(), [&](const VerifierKey& candidate) {
      return candidate.name == line.name && key_id(sha, candidate) == line.key_id;
    });
    if (key == keys.end()) {
      ++opened.unknown_signatures;
      continue;
    }
    Status status = verify_signature(*key, as_bytes(parsed->text), line.signature);
    if (!status.ok()) return status;
    if (std::find(opened.signed_by.begin(), opened.signed_by.end(), *key) ==
        opened.signed_by.end()) {
      opened.signed_by.push_back(*key);
    }
  }
  if (opened.signed_by.empty()) {
    return Status(Code::kDenied, "the checkpoint of " + opened.checkpoint.origin +
                                     " is signed by none of the keys that are trusted");
  }
  return opened;
}

Result<OpenedCheckpoint> read_checkpoint(FileSystem& fs, const std::string& directory,
                                         std::span<const VerifierKey> keys) {
  const auto bytes = read_file(fs, path_in(directory), xase::proto::kNoteBytesMax);
  if (!bytes.ok()) return bytes.status();
  return open_checkpoint(xase::proto::as_text(*bytes), keys);
}

}  // namespace xased
