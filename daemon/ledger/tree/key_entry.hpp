// The bodies of KEY entries: which keys sign the ledger from there on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/key_change.hpp"
#include "proto/verifier_key.hpp"

namespace xased {

using KeySet = std::vector<xase::proto::VerifierKey>;

bool contains(const KeySet& keys, const xase::proto::VerifierKey& key);
// In whatever order.
bool same_keys(const KeySet& a, const KeySet& b);

enum class KeyEvent : std::uint8_t {
  kInUse,    // these keys are in force, and all of them sign
  kAway,     // of those in force these alone sign: the others' module does not answer
  kChanged,  // these come into force; the note is signed by them and by those before them
};

struct KeyEntry {
  KeyEvent event = KeyEvent::kInUse;
  KeySet keys;       // 1 to kLedgerKeysMax, each once
  std::string note;  // of kChanged: a signed note over a key_change_text()
};

// JSON, as FORMATS.md has it.
std::string format_key_entry(const KeyEntry& entry);

enum class KeyEntryFault : std::uint8_t {
  kNone,
  kMalformed,
  kNewer,  // an event or an algorithm that this version does not know
};
struct KeyEntryResult {
  KeyEntryFault fault = KeyEntryFault::kMalformed;
  KeyEntry entry;
};
KeyEntryResult parse_key_entry(xase::proto::Bytes body);

// As format_verifier_key() writes them.
std::vector<std::string> key_texts(const KeySet& keys);

}  // namespace xased
