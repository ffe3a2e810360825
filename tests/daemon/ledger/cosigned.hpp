// A witness, which cosigns heads.
#pragma once

#include <memory>
#include <string>

#include "daemon/ledger/tree/signing_key.hpp"
#include "daemon/ledger/verify_witnesses.hpp"
#include "proto/cosignature.hpp"
#include "tests/daemon/ledger/signed_ledger.hpp"

namespace xased::test {

class TestWitness {
 public:
  explicit TestWitness(const std::string& name, xase::proto::KeyAlgorithm algorithm =
                                                    xase::proto::KeyAlgorithm::kCosignatureV1)
      : key_(new_key(name + ".example/witness")), verifier_key_(key_->verifier_key()) {
    verifier_key_.algorithm = algorithm;
    witness_ = {name, verifier_key_};
  }

  const Witness& witness() const { return witness_; }
  std::string key_text() const {
    Sha256 sha;
    return xase::proto::format_verifier_key(sha, verifier_key_);
  }

  // The head with a line more.
  std::string cosign(const std::string& head, std::uint64_t unix_seconds = 1'790'000'000) const {
    auto note = xase::proto::parse_note(head);
    if (!note.ok()) std::abort();
    Sha256 sha;
    xase::proto::NoteSignature line{verifier_key_.name, key_id(sha, verifier_key_), {}};
    std::string message = note->text;
    if (verifier_key_.algorithm == xase::proto::KeyAlgorithm::kCosignatureV1) {
      message = xase::proto::cosigned_message(unix_seconds, note->text);
      for (int shift = 56; shift >= 0; shift -= 8) {
        line.signature.push_back(static_cast<std::byte>(unix_seconds >> shift));
      }
    }
    const auto signature = key_->sign(xase::proto::as_bytes(message));
    if (!signature.ok()) std::abort();
    line.signature.insert(line.signature.end(), signature->begin(), signature->end());
    note.value.signatures.push_back(line);
    return xase::proto::format_note(*note);
  }

 private:
  std::unique_ptr<Ed25519Key> key_;
  xase::proto::VerifierKey verifier_key_;
  Witness witness_;
};

// `threshold` of `of` must have seen it.
inline WitnessPolicy quorum_of(std::size_t threshold, const std::vector<const TestWitness*>& of) {
  WitnessPolicy policy;
  policy.groups.push_back({"quorum", threshold, {}});
  for (const TestWitness* one : of) {
    policy.witnesses.push_back(one->witness());
    policy.groups[0].members.push_back(one->witness().name);
  }
  policy.quorum = "quorum";
  return policy;
}

}  // namespace xased::test
