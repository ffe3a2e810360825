#include "daemon/ctl/pinned_key.hpp"

#include "daemon/ledger/verify_keys.hpp"

namespace xased::ctl {

Result<xase::proto::VerifierKey> pinned_key(const std::string& text) {
  Sha256 sha;
  const auto key = xase::proto::parse_verifier_key(sha, text);
  if (key.ok()) return *key;
  auto from_file = read_verifier_key(system_file_system(), text);
  if (from_file.ok() || from_file.status().code() != Code::kNotFound) return from_file;
  return Status(Code::kInvalid, "--key " + text + " is neither a verifier key (" +
                                    std::string(note_fault_text(key.fault)) +
                                    ") nor a file; on the ledger's host: xasectl keys show");
}

}  // namespace xased::ctl
