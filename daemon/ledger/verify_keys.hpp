// Which keys a verification knows, where it has them from, and what they signed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/ledger/tree/key_entry.hpp"
#include "daemon/ledger/verify_key_line.hpp"
#include "daemon/platform/file_system.hpp"
#include "daemon/platform/sha256.hpp"
#include "proto/note.hpp"
#include "proto/verifier_key.hpp"

namespace xased {

// The file in STATE_DIR that says which keys sign the ledger.
std::string verifier_key_path(const std::string& state_dir);

// The verifier keys that `path` holds, at least one, each on a line of its own. kInvalid where it
// holds something else.
Result<KeySet> read_verifier_keys(FileSystem& fs, const std::string& path);

// Who signed a note, as far as the keys that are known tell.
struct NoteSigners {
  std::vector<xase::proto::VerifierKey> good;  // signed it
  std::vector<xase::proto::VerifierKey> bad;   // a line bears their id, and does not verify
  bool has(const xase::proto::VerifierKey& key) const;
};

// One thread. Of the keys that the ledger names, those alone are kept that a note bears the id of.
class VerifyKeys {
 public:
  // `pinned`: from outside, trusted. Outlives this.
  explicit VerifyKeys(const KeySet& pinned) : pinned_(pinned), line_(pinned) {}

  // Before the walk: keys with the ids of the lines of this note, a head over so many entries,
  // matter.
  void look_for(const xase::proto::Note& note, std::uint64_t size);
  // What lies beside the ledger: says who signed, and vouches for nothing.
  void find_beside(KeySet keys) { beside_ = std::move(keys); }
  struct Taken {
    bool is_malformed = false;  // the body is not what a KEY entry holds
    std::string problem;        // why the entry is no honest one; empty: it is
  };
  // A KEY entry with its body.
  Taken take_entry(const xase::proto::Leaf& leaf, xase::proto::Bytes body);
  // One of before the journal's first entry, in order, and that those were all: others may lack.
  void take_kept_entry(const xase::proto::Leaf& leaf, xase::proto::Bytes body);
  void end_kept_entries() { line_.may_lack(); }
  // The key of an epoch, where its certificate is sound.
  void take_epoch_key(const xase::proto::VerifierKey& key);
  // Which keys are in force.
  const VerifyKeyLine& line() const { return line_; }
  // Who signed an epoch's certificate, of those keys and those that are pinned.
  NoteSigners certifiers_of(const xase::proto::Note& note) { return signers_of(note, true); }
  // A KEY entry without its body.
  void miss_entry(std::uint64_t sequence) {
    has_unknown_ = true;
    line_.lose(sequence);
  }
  // Entries from here on cannot be read.
  void lose(std::uint64_t sequence) { line_.lose(sequence); }

  bool has_pinned() const { return !pinned_.empty(); }
  bool is_pinned(const xase::proto::VerifierKey& key) const;
  // Of the pinned keys of this name, those that are not on the line: nothing shows that what signs
  // follows from them.
  KeySet pinned_off(std::uint64_t line, const std::string& name) const;
  // Whether a KEY entry named it.
  bool is_named(const xase::proto::VerifierKey& key) const;
  // Whether it is an epoch's.
  bool is_epochs(const xase::proto::VerifierKey& key) const;
  std::uint64_t entries() const { return entries_; }
  // Whether there may be KEY entries whose key is not known here.
  bool has_unknown_entries() const { return has_unknown_; }

  NoteSigners signers_of(const xase::proto::Note& note) { return signers_of(note, false); }
  // For people: name and key id.
  std::string short_text(const xase::proto::VerifierKey& key);
  std::string text(const xase::proto::VerifierKey& key);

 private:
  using VerifierKey = xase::proto::VerifierKey;
  bool is_wanted(const VerifierKey& key);
  NoteSigners signers_of(const xase::proto::Note& note, bool is_certificate);
  std::vector<VerifierKey> with_id(const std::string& name, const xase::proto::KeyId& id,
                                   bool is_certificate);

  const KeySet& pinned_;
  VerifyKeyLine line_;
  KeySet beside_;
  std::vector<std::pair<std::string, xase::proto::KeyId>> wanted_;
  KeySet named_;
  KeySet epochs_;
  std::uint64_t entries_ = 0;
  bool has_unknown_ = false;
  Sha256 sha_;
};

}  // namespace xased
