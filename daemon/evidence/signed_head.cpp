#include "daemon/evidence/signed_head.hpp"

#include <algorithm>

#include "daemon/ledger/tree/ledger_key.hpp"

namespace xased {

using xase::proto::Checkpoint;

const EvidenceProperty& property_of(const std::vector<EvidenceProperty>& properties,
                                    std::string_view name) {
  return *std::find_if(properties.begin(), properties.end(),
                       [&](const EvidenceProperty& one) { return one.name == name; });
}

std::vector<std::string> property_names() {
  std::vector<std::string> names{"leaf",  "leaves", "inclusion", "ledger", "disclosed", "answers",
                                 "input", "output", "context",   "rest",   "receipt"};
  for (std::size_t i = 0; i < kVerifyProperties; ++i) {
    names.emplace_back(verify_property_name(static_cast<VerifyProperty>(i)));
  }
  return names;
}

void ask_for(std::vector<EvidenceProperty>& properties, const std::vector<std::string>& required,
             std::string_view kind) {
  for (const std::string& name : required) {
    const auto found = std::find_if(properties.begin(), properties.end(),
                                    [&](const EvidenceProperty& one) { return one.name == name; });
    if (found != properties.end()) {
      found->required = true;
    } else {
      properties.push_back(
          {name, VerifyVerdict::kNotEstablished, true,
           "the policy asks for it, and " + std::string(kind) + " does not tell of it"});
    }
  }
}

int exit_code_of(const std::vector<EvidenceProperty>& properties) {
  bool is_enough = true;
  for (const EvidenceProperty& property : properties) {
    if (property.verdict == VerifyVerdict::kRefuted) return 1;
    if (property.required && property.verdict != VerifyVerdict::kProven) is_enough = false;
  }
  return is_enough ? 0 : 2;
}

Result<SignedHead> SignedHead::open(std::string_view text) {
  auto note = xase::proto::parse_note(text);
  auto checkpoint = note.ok() ? xase::proto::parse_checkpoint(note->text)
                              : xase::proto::Parsed<Checkpoint>(note.fault);
  if (!checkpoint.ok()) {
    return Status(Code::kInvalid,
                  "its checkpoint is malformed: " + std::string(note_fault_text(checkpoint.fault)));
  }
  SignedHead head;
  head.note_ = std::move(note.value);
  head.checkpoint_ = std::move(checkpoint.value);
  return head;
}

EvidenceFinding SignedHead::check_ledger(const xase::proto::Hash& log_id) const {
  if (!checkpoint_.origin.ends_with(checkpoint_origin("", log_id))) {
    return refuted("the leaf is of another ledger than the signed head, that of " +
                   checkpoint_.origin);
  }
  return proven("leaf and signed head are of one ledger");
}

EvidenceFinding SignedHead::check_signer(const std::vector<xase::proto::VerifierKey>& pinned) {
  VerifyKeys keys(pinned);
  if (!keys.has_pinned()) {
    return not_established("no key was given to check the signature with: --key");
  }
  const NoteSigners signers = keys.signers_of(note_);
  for (const auto& key : signers.bad) {
    if (keys.is_pinned(key)) {
      return refuted("the signature of " + keys.short_text(key) + " does not verify");
    }
  }
  std::string names;
  for (const auto& key : signers.good) {
    if (!keys.is_pinned(key)) continue;
    signed_by_.push_back(keys.text(key));
    names += (names.empty() ? "" : ", ") + keys.short_text(key);
  }
  if (names.empty()) return not_established("none of the pinned keys has signed it");
  return proven("signed by " + names + ", which is pinned");
}

EvidenceFinding SignedHead::check_witnesses(const WitnessPolicy& policy) const {
  WitnessSightings sightings(policy);
  sightings.take(note_, checkpoint_.size);
  std::string text = sightings.text(checkpoint_.size);
  return sightings.quorum_size() != 0 ? proven(std::move(text)) : not_established(std::move(text));
}

}  // namespace xased
