// The signed head that evidence leads to, held against keys from elsewhere.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/ledger/verify.hpp"
#include "daemon/ledger/verify_keys.hpp"
#include "proto/checkpoint.hpp"

namespace xased {

// One thing that evidence shows or does not.
struct EvidenceProperty {
  std::string name;  // stable, lower case
  VerifyVerdict verdict = VerifyVerdict::kNotEstablished;
  // Whether it must be PROVEN for the evidence to pass: all that it claims to show, and the signer.
  // What was left out is not required.
  bool required = false;
  std::string text;  // a sentence for people
};

// The one of that name, which is there.
const EvidenceProperty& property_of(const std::vector<EvidenceProperty>& properties,
                                    std::string_view name);
// Of proofs, bundles and ledgers.
std::vector<std::string> property_names();
// What a policy asks for beyond. What evidence of this kind ("a proof") does not tell of becomes a
// property that is not established: silence is no consent.
void ask_for(std::vector<EvidenceProperty>& properties, const std::vector<std::string>& required,
             std::string_view kind);
// 0 all that is required is proven, 1 something is refuted, 2 there is not enough to say.
int exit_code_of(const std::vector<EvidenceProperty>& properties);

struct EvidenceFinding {
  VerifyVerdict verdict = VerifyVerdict::kNotEstablished;
  std::string text;
};
inline EvidenceFinding proven(std::string text) {
  return {VerifyVerdict::kProven, std::move(text)};
}
inline EvidenceFinding refuted(std::string text) {
  return {VerifyVerdict::kRefuted, std::move(text)};
}
inline EvidenceFinding not_established(std::string text) {
  return {VerifyVerdict::kNotEstablished, std::move(text)};
}

// One thread.
class SignedHead {
 public:
  // `note` is not believed. kInvalid where it is no checkpoint.
  static Result<SignedHead> open(std::string_view note);

  const xase::proto::Checkpoint& checkpoint() const { return checkpoint_; }
  // Whether it is the head of the ledger that a leaf with this log id is of.
  EvidenceFinding check_ledger(const xase::proto::Hash& log_id) const;
  // Whether one of `pinned` signed it, and none of them falsely. Fills signed_by().
  EvidenceFinding check_signer(const std::vector<xase::proto::VerifierKey>& pinned);
  // Whether the quorum cosigned it.
  EvidenceFinding check_witnesses(const WitnessPolicy& policy) const;
  // The pinned keys that did, as text.
  const std::vector<std::string>& signed_by() const { return signed_by_; }

 private:
  xase::proto::Note note_;
  xase::proto::Checkpoint checkpoint_;
  std::vector<std::string> signed_by_;
};

}  // namespace xased
