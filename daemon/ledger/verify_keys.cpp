#include "daemon/ledger/verify_keys.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "daemon/ledger/tree/verify_signature.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::KeyId;
using xase::proto::NoteFault;
using xase::proto::VerifierKey;

namespace {

constexpr std::size_t kKeyFileBytesMax = 4096;
// Keys with one and the same id: more than one is somebody's trick, and they are few.
constexpr std::size_t kNamedMax = 64;

bool contains(const std::vector<VerifierKey>& keys, const VerifierKey& key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

void add_once(std::vector<VerifierKey>& keys, const VerifierKey& key) {
  if (!contains(keys, key)) keys.push_back(key);
}

}  // namespace

std::string verifier_key_path(const std::string& state_dir) { return state_dir + "/keys/log.vkey"; }

Result<VerifierKey> read_verifier_key(FileSystem& fs, const std::string& path) {
  const auto bytes = read_file(fs, path, kKeyFileBytesMax);
  if (!bytes.ok()) return bytes.status();
  std::string_view text = xase::proto::as_text(*bytes);
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  Sha256 sha;
  const auto key = xase::proto::parse_verifier_key(sha, text);
  if (!key.ok()) {
    return Status(Code::kInvalid,
                  path + " holds no verifier key: " + std::string(note_fault_text(key.fault)));
  }
  return *key;
}

bool NoteSigners::has(const VerifierKey& key) const { return contains(good, key); }

void VerifyKeys::look_for(const xase::proto::Note& note) {
  for (const auto& line : note.signatures) wanted_.emplace_back(line.name, line.key_id);
}

bool VerifyKeys::take_entry(Bytes body) {
  const nlohmann::json entry =
      nlohmann::json::parse(xase::proto::as_text(body), nullptr, /*allow_exceptions=*/false);
  if (!entry.is_object()) return false;
  const auto event = entry.find("event");
  const auto text = entry.find("verifier_key");
  if (event == entry.end() || !event->is_string() || text == entry.end() || !text->is_string()) {
    return false;
  }
  const auto key = xase::proto::parse_verifier_key(sha_, text->get_ref<const std::string&>());
  if (key.fault == NoteFault::kAlgorithm) {
    has_unknown_ = true;
    return true;
  }
  if (!key.ok()) return false;
  ++entries_;
  in_force_ = *key;
  if (!is_wanted(*key) || contains(named_, *key)) return true;
  if (named_.size() == kNamedMax) {
    has_unknown_ = true;
  } else {
    named_.push_back(*key);
  }
  return true;
}

void VerifyKeys::take_epoch_key(const VerifierKey& key) {
  if (is_wanted(key) && epochs_.size() < kNamedMax) add_once(epochs_, key);
}

// Whether a note that is looked for bears its id.
bool VerifyKeys::is_wanted(const VerifierKey& key) {
  const KeyId id = key_id(sha_, key);
  return std::any_of(wanted_.begin(), wanted_.end(), [&](const auto& wanted) {
    return wanted.first == key.name && wanted.second == id;
  });
}

bool VerifyKeys::is_pinned(const VerifierKey& key) const { return contains(pinned_, key); }

bool VerifyKeys::is_named(const VerifierKey& key) const { return contains(named_, key); }

bool VerifyKeys::is_epochs(const VerifierKey& key) const { return contains(epochs_, key); }

std::vector<VerifierKey> VerifyKeys::with_id(const std::string& name, const KeyId& id,
                                             bool is_certificate) {
  std::vector<VerifierKey> found;
  const auto consider = [&](const VerifierKey& key) {
    if (key.name == name && key_id(sha_, key) == id) add_once(found, key);
  };
  for (const VerifierKey& key : pinned_) consider(key);
  if (is_certificate) {
    if (in_force_) consider(*in_force_);
    return found;
  }
  if (beside_) consider(*beside_);
  for (const VerifierKey& key : named_) consider(key);
  for (const VerifierKey& key : epochs_) consider(key);
  return found;
}

NoteSigners VerifyKeys::signers_of(const xase::proto::Note& note, bool is_certificate) {
  NoteSigners signers;
  for (const auto& line : note.signatures) {
    for (const VerifierKey& key : with_id(line.name, line.key_id, is_certificate)) {
      const bool is_good =
          verify_signature(key, xase::proto::as_bytes(note.text), line.signature).ok();
      add_once(is_good ? signers.good : signers.bad, key);
    }
  }
  // An id has 4 bytes only: the line is that of whichever of its keys it verifies with, but a
  // pinned key answers for itself.
  std::erase_if(signers.bad, [&](const VerifierKey& bad) {
    return !is_pinned(bad) && !signers.has(bad) &&
           std::any_of(signers.good.begin(), signers.good.end(), [&](const VerifierKey& good) {
             return good.name == bad.name && key_id(sha_, good) == key_id(sha_, bad);
           });
  });
  return signers;
}

std::string VerifyKeys::short_text(const VerifierKey& key) {
  return key.name + " (" + xase::proto::key_id_text(key_id(sha_, key)) + ")";
}

std::string VerifyKeys::text(const VerifierKey& key) {
  return xase::proto::format_verifier_key(sha_, key);
}

}  // namespace xased
