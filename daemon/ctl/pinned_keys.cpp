#include "daemon/ctl/pinned_keys.hpp"

#include "daemon/ledger/verify_keys.hpp"
#include "daemon/platform/file_system.hpp"
#include "daemon/platform/sha256.hpp"

namespace xased::ctl {

Result<std::vector<xase::proto::VerifierKey>> pinned_keys(const std::string& text) {
  Sha256 sha;
  const auto key = xase::proto::parse_verifier_key(sha, text);
  if (key.ok()) return std::vector{*key};
  auto from_file = read_verifier_keys(system_file_system(), text);
  if (from_file.ok() || from_file.status().code() != Code::kNotFound) return from_file;
  return Status(Code::kInvalid, "--key " + text + " is neither a verifier key (" +
                                    std::string(note_fault_text(key.fault)) +
                                    ") nor a file; on the ledger's host: xasectl keys show");
}

Result<Policy> read_policy(const std::vector<std::string>& keys, const std::string& path) {
  Policy policy;
  if (!path.empty()) {
    const auto bytes = read_file(system_file_system(), path, kPolicyBytesMax);
    if (!bytes.ok()) return bytes.status();
    auto parsed = parse_policy(xase::proto::as_text(*bytes), path);
    if (!parsed.ok()) return parsed.status();
    policy = std::move(*parsed);
  }
  for (const std::string& text : keys) {
    const auto given = pinned_keys(text);
    if (!given.ok()) return given.status();
    policy.logs.insert(policy.logs.end(), given->begin(), given->end());
  }
  return policy;
}

}  // namespace xased::ctl
