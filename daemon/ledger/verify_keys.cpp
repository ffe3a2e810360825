#include "daemon/ledger/verify_keys.hpp"

#include <algorithm>

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

void add_once(KeySet& keys, const VerifierKey& key) {
  if (!contains(keys, key)) keys.push_back(key);
}

}  // namespace

std::string verifier_key_path(const std::string& state_dir) { return state_dir + "/keys/log.vkey"; }

Result<KeySet> read_verifier_keys(FileSystem& fs, const std::string& path) {
  const auto bytes = read_file(fs, path, kKeyFileBytesMax);
  if (!bytes.ok()) return bytes.status();
  std::string_view text = xase::proto::as_text(*bytes);
  Sha256 sha;
  KeySet keys;
  do {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    while (line.ends_with('\r')) line.remove_suffix(1);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() && !keys.empty()) continue;
    const auto key = xase::proto::parse_verifier_key(sha, line);
    if (!key.ok()) {
      return Status(Code::kInvalid,
                    path + " holds no verifier key: " + std::string(note_fault_text(key.fault)));
    }
    add_once(keys, *key);
  } while (!text.empty());
  return keys;
}

bool NoteSigners::has(const VerifierKey& key) const { return contains(good, key); }

void VerifyKeys::look_for(const xase::proto::Note& note, std::uint64_t size) {
  for (const auto& line : note.signatures) wanted_.emplace_back(line.name, line.key_id);
  line_.ask(size);
}

VerifyKeys::Taken VerifyKeys::take_entry(const xase::proto::Leaf& leaf, Bytes body) {
  Taken taken;
  const KeyEntryResult result = parse_key_entry(body);
  taken.is_malformed = result.fault == KeyEntryFault::kMalformed;
  if (result.fault != KeyEntryFault::kNone) {
    miss_entry(leaf.sequence);
    return taken;
  }
  ++entries_;
  for (const VerifierKey& key : result.entry.keys) {
    if (!is_wanted(key) || contains(named_, key)) continue;
    if (named_.size() == kNamedMax) {
      has_unknown_ = true;
    } else {
      named_.push_back(key);
    }
  }
  taken.problem = line_.take(leaf, result.entry);
  return taken;
}

void VerifyKeys::take_kept_entry(const xase::proto::Leaf& leaf, Bytes body) {
  line_.may_lack();
  if (!take_entry(leaf, body).problem.empty()) line_.lose(leaf.sequence);
}

KeySet VerifyKeys::pinned_off(std::uint64_t line, const std::string& name) const {
  KeySet off;
  for (const VerifierKey& key : pinned_) {
    if (key.name == name && !contains(line_.pinned_on(line), key)) off.push_back(key);
  }
  return off;
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
    if (line_.now().is_known) {
      for (const VerifierKey& key : line_.now().in_force) consider(key);
    }
    return found;
  }
  for (const VerifierKey& key : beside_) consider(key);
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
