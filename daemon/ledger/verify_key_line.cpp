#include "daemon/ledger/verify_key_line.hpp"

#include <algorithm>

#include "daemon/ledger/tree/verify_signature.hpp"
#include "proto/note.hpp"

namespace xased {

using xase::proto::Leaf;
using xase::proto::Note;
using xase::proto::VerifierKey;

namespace {

// For people.
std::string short_texts(const KeySet& keys) {
  Sha256 sha;
  std::string texts;
  for (const VerifierKey& key : keys) {
    texts += (texts.empty() ? "" : ", ") + key.name + " (" +
             xase::proto::key_id_text(key_id(sha, key)) + ")";
  }
  return texts;
}

KeySet keys_of(const std::vector<std::string>& texts) {
  Sha256 sha;
  KeySet keys;
  for (const std::string& text : texts) {
    const auto key = xase::proto::parse_verifier_key(sha, text);
    if (!key.ok()) return {};
    keys.push_back(*key);
  }
  return keys;
}

// Behind a hole nobody knows which KEY entry came before it: then all lines but those two count.
bool is_text_of(const std::string& text, const xase::proto::KeyChange& change) {
  const std::string whole = key_change_text(change);
  if (change.before_sequence != 0) return text == whole;
  const std::string begin = whole.substr(0, whole.find("\n0\n") + 1);
  std::size_t keys = whole.rfind('\n', whole.size() - 2);
  keys = whole.rfind('\n', keys - 1);
  return text.starts_with(begin) && text.ends_with(whole.substr(keys));
}

bool has_signed(const Note& note, const VerifierKey& key) {
  Sha256 sha;
  return std::any_of(note.signatures.begin(), note.signatures.end(), [&](const auto& line) {
    return line.name == key.name && line.key_id == key_id(sha, key) &&
           verify_signature(key, xase::proto::as_bytes(note.text), line.signature).ok();
  });
}

}  // namespace

const VerifyKeyLine::State& VerifyKeyLine::at(std::uint64_t sequence) const {
  const auto found = asked_.find(sequence);
  return found != asked_.end() && found->second ? *found->second : now_;
}

const KeySet& VerifyKeyLine::pinned_on(std::uint64_t line) const {
  static const KeySet kNone;
  const auto found = pinned_on_.find(line);
  return found == pinned_on_.end() ? kNone : found->second;
}

// Places before this entry keep what holds now.
void VerifyKeyLine::settle_asked(std::uint64_t sequence) {
  for (auto& [place, state] : asked_) {
    if (place < sequence && !state) state = now_;
  }
}

void VerifyKeyLine::break_line() { ++now_.line; }

void VerifyKeyLine::find_pinned(const KeySet& keys) {
  for (const VerifierKey& key : keys) {
    if (!contains(pinned_, key)) continue;
    KeySet& found = pinned_on_[now_.line];
    if (!contains(found, key)) found.push_back(key);
  }
}

void VerifyKeyLine::lose(std::uint64_t sequence) {
  settle_asked(sequence);
  now_.is_known = false;
  last_sequence_ = 0;
}

// Whether the entry is an honest one right behind the last that is known.
bool VerifyKeyLine::follows(const Leaf& leaf, const KeyEntry& entry) const {
  switch (entry.event) {
    case KeyEvent::kInUse:
      return same_keys(entry.keys, now_.in_force);
    case KeyEvent::kAway:
      return std::all_of(entry.keys.begin(), entry.keys.end(),
                         [&](const auto& key) { return contains(now_.in_force, key); });
    case KeyEvent::kChanged:
      break;
  }
  return check_change(leaf, entry, now_.in_force).empty();
}

std::string VerifyKeyLine::take(const Leaf& leaf, const KeyEntry& entry) {
  settle_asked(leaf.sequence);
  if (may_lack_ && now_.is_known && !follows(leaf, entry)) lose(leaf.sequence);
  // That some of the keys are away says nothing of the others.
  if (entry.event != KeyEvent::kAway) may_lack_ = false;
  std::string problem;
  const bool was_known = now_.is_known;
  const bool is_first = !was_known && now_.in_force.empty();
  if (entry.event == KeyEvent::kAway) {
    const bool is_part = std::all_of(entry.keys.begin(), entry.keys.end(),
                                     [&](const auto& key) { return contains(now_.in_force, key); });
    if (was_known && is_part) {
      now_.signing = entry.keys;
    } else if (was_known) {
      problem = "KEY entry " + std::to_string(leaf.sequence) + " lets " + short_texts(entry.keys) +
                " sign alone, which is not in force";
    }
  } else {
    KeySet old_keys = now_.in_force;
    if (entry.event == KeyEvent::kChanged) {
      const auto note = xase::proto::parse_note(entry.note);
      if (!was_known && note.ok()) old_keys = keys_of(xase::proto::old_keys_in(note->text));
      problem = check_change(leaf, entry, old_keys);
      if (!was_known && !same_keys(old_keys, now_.in_force)) break_line();
      if (!was_known && problem.empty()) find_pinned(old_keys);
    } else if (!same_keys(entry.keys, now_.in_force)) {
      if (was_known) {
        problem = "KEY entry " + std::to_string(leaf.sequence) + " brings " +
                  short_texts(entry.keys) + " into force, and " + short_texts(now_.in_force) +
                  ", in force before it, did not sign that: the key was replaced by someone "
                  "without it, or it was lost";
      }
      if (!is_first) break_line();
    }
    if (!problem.empty() && entry.event == KeyEvent::kChanged) break_line();
    now_.is_known = true;
    now_.in_force = entry.keys;
    now_.signing = entry.keys;
    find_pinned(entry.keys);
  }
  now_.since = leaf.sequence;
  last_sequence_ = leaf.sequence;
  last_previous_ = leaf.previous;
  return problem;
}

std::string VerifyKeyLine::check_change(const Leaf& leaf, const KeyEntry& entry,
                                        const KeySet& old_keys) const {
  const std::string start = "KEY entry " + std::to_string(leaf.sequence) + " brings " +
                            short_texts(entry.keys) + " into force, and ";
  const auto note = xase::proto::parse_note(entry.note);
  if (!note.ok()) return start + "its note is malformed";
  xase::proto::KeyChange change;
  change.origin = entry.keys.front().name;
  change.log_id = leaf.log_id;
  change.before_sequence = last_sequence_;
  change.before_previous = last_previous_;
  change.old_keys = key_texts(old_keys);
  change.new_keys = key_texts(entry.keys);
  if (!is_text_of(note->text, change)) {
    return start + "its note was signed for another place, or for other keys";
  }
  for (const KeySet* keys : {&old_keys, &entry.keys}) {
    for (const VerifierKey& key : *keys) {
      if (!has_signed(*note, key)) {
        return start + short_texts({key}) + " did not sign that: the key was replaced by someone " +
               "without it";
      }
    }
  }
  return {};
}

}  // namespace xased
