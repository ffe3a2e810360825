// Which keys are in force at each place of a ledger, as its KEY entries say, and whether those that
// follow one another are linked: each change signed by the keys before it and by those after it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/ledger/tree/key_entry.hpp"
#include "daemon/platform/sha256.hpp"
#include "proto/leaf.hpp"

namespace xased {

// One thread; fed with the KEY entries of a ledger, in order.
class VerifyKeyLine {
 public:
  struct State {
    bool is_known = false;    // else the rest says nothing but for `line`
    KeySet in_force;          //
    KeySet signing;           // of these: those that heads must bear the signatures of
    std::uint64_t since = 0;  // the KEY entry that says so
    std::uint64_t line = 0;   // keys on the same line follow from one another
  };

  // `pinned` outlives this.
  explicit VerifyKeyLine(const KeySet& pinned) : pinned_(pinned) {}

  // Before the walk: the state behind this entry matters.
  void ask(std::uint64_t sequence) { asked_.emplace(sequence, std::nullopt); }
  // Why the entry is no honest one; empty: it is.
  std::string take(const xase::proto::Leaf& leaf, const KeyEntry& entry);
  // Before the next entry there may be others that are not known: where it does not follow from
  // those that are, that refutes nothing.
  void may_lack() { may_lack_ = true; }
  bool lacks_perhaps() const { return may_lack_; }
  // What comes here cannot be read, or not understood, and may have changed the keys.
  void lose(std::uint64_t sequence);

  const State& now() const { return now_; }
  // Of a place that was asked for; at or behind the last KEY entry it is what is now.
  const State& at(std::uint64_t sequence) const;
  // Of the pinned keys, those on this line.
  const KeySet& pinned_on(std::uint64_t line) const;

 private:
  void settle_asked(std::uint64_t sequence);
  bool follows(const xase::proto::Leaf& leaf, const KeyEntry& entry) const;
  std::string check_change(const xase::proto::Leaf& leaf, const KeyEntry& entry,
                           const KeySet& old_keys) const;
  void break_line();
  void find_pinned(const KeySet& keys);

  const KeySet& pinned_;
  State now_;
  bool may_lack_ = false;
  std::uint64_t last_sequence_ = 0;  // of the last KEY entry; 0: there may be one that is not known
  xase::proto::Hash last_previous_{};
  std::map<std::uint64_t, std::optional<State>> asked_;
  std::map<std::uint64_t, KeySet> pinned_on_;  // lines without any are not here
};

}  // namespace xased
