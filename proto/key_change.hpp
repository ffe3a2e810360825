// What the old and the new keys of a ledger sign when the ones take over from the others: the text
// of the note in a KEY entry of the event "changed". Each line with a newline:
//
//   xase.keys/1
//   <origin>
//   <log id, hex>
//   <sequence of the KEY entry before this one>
//   <hash of the leaf before that one, base64>
//   <verifier keys in force so far, with a space between>
//   <those in force from here on, the same way>
//
// The hash binds it to a history, the sequence to a place in it: a note is of no use elsewhere. The
// first line can be no ledger's origin, which has two slashes: no signature over this text is one
// over a checkpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base64.hpp"
#include "proto/bytes.hpp"
#include "proto/run_dir.hpp"

namespace xase::proto {

// Keys that sign one ledger at the same time.
inline constexpr std::size_t kLedgerKeysMax = 4;

struct KeyChange {
  std::string origin;
  Hash log_id{};
  std::uint64_t before_sequence = 0;
  Hash before_previous{};
  // As format_verifier_key() writes them; neither is empty.
  std::vector<std::string> old_keys;
  std::vector<std::string> new_keys;
};

inline std::string key_change_text(const KeyChange& change) {
  const auto join = [](const std::vector<std::string>& keys) {
    std::string line;
    for (const std::string& key : keys) line += (line.empty() ? "" : " ") + key;
    return line + "\n";
  };
  return "xase.keys/1\n" + change.origin + "\n" + to_hex(change.log_id) + "\n" +
         std::to_string(change.before_sequence) + "\n" + encode_base64(change.before_previous) +
         "\n" + join(change.old_keys) + join(change.new_keys);
}

// The keys that the text says were in force: what stands in its last line but one. The reader makes
// the text again of what it knows, and compares.
inline std::vector<std::string> old_keys_in(std::string_view text) {
  std::vector<std::string> keys;
  if (!text.ends_with('\n')) return keys;
  text.remove_suffix(1);
  const std::size_t last = text.rfind('\n');
  if (last == std::string_view::npos) return keys;
  text = text.substr(0, last);
  text.remove_prefix(text.rfind('\n') + 1);
  while (!text.empty() && keys.size() <= kLedgerKeysMax) {
    const std::size_t space = text.find(' ');
    keys.emplace_back(text.substr(0, space));
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
  }
  return keys;
}

}  // namespace xase::proto
