#include "daemon/ledger/tree/key_entry.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "daemon/platform/sha256.hpp"

namespace xased {

using nlohmann::json;
using xase::proto::NoteFault;
using xase::proto::VerifierKey;

namespace {

constexpr std::string_view kInUseName = "in_use";
constexpr std::string_view kAwayName = "away";
constexpr std::string_view kChangedName = "changed";

std::string_view name_of(KeyEvent event) {
  switch (event) {
    case KeyEvent::kInUse:
      return kInUseName;
    case KeyEvent::kAway:
      return kAwayName;
    case KeyEvent::kChanged:
      break;
  }
  return kChangedName;
}

std::optional<KeyEvent> event_of(std::string_view name) {
  for (const KeyEvent event : {KeyEvent::kInUse, KeyEvent::kAway, KeyEvent::kChanged}) {
    if (name == name_of(event)) return event;
  }
  return std::nullopt;
}

KeyEntryFault take_key(const json& text, KeySet& keys) {
  if (!text.is_string()) return KeyEntryFault::kMalformed;
  Sha256 sha;
  const auto key = xase::proto::parse_verifier_key(sha, text.get_ref<const std::string&>());
  if (key.fault == NoteFault::kAlgorithm) return KeyEntryFault::kNewer;
  if (!key.ok() || contains(keys, *key)) return KeyEntryFault::kMalformed;
  keys.push_back(*key);
  return KeyEntryFault::kNone;
}

// One key in `verifier_key`, or several in `verifier_keys`.
KeyEntryFault take_keys(const json& entry, KeySet& keys) {
  const auto one = entry.find("verifier_key");
  const auto several = entry.find("verifier_keys");
  if ((one == entry.end()) == (several == entry.end())) return KeyEntryFault::kMalformed;
  if (one != entry.end()) return take_key(*one, keys);
  if (!several->is_array() || several->size() < 2 ||
      several->size() > xase::proto::kLedgerKeysMax) {
    return KeyEntryFault::kMalformed;
  }
  for (const json& text : *several) {
    if (const KeyEntryFault fault = take_key(text, keys); fault != KeyEntryFault::kNone) {
      return fault;
    }
  }
  return KeyEntryFault::kNone;
}

}  // namespace

bool contains(const KeySet& keys, const VerifierKey& key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

bool same_keys(const KeySet& a, const KeySet& b) {
  return a.size() == b.size() &&
         std::all_of(a.begin(), a.end(), [&](const VerifierKey& key) { return contains(b, key); });
}

std::vector<std::string> key_texts(const KeySet& keys) {
  Sha256 sha;
  std::vector<std::string> texts;
  for (const VerifierKey& key : keys) {
    texts.push_back(xase::proto::format_verifier_key(sha, key));
  }
  return texts;
}

std::string format_key_entry(const KeyEntry& entry) {
  const std::vector<std::string> texts = key_texts(entry.keys);
  json body{{"event", name_of(entry.event)}};
  if (texts.size() == 1) {
    body["verifier_key"] = texts.front();
  } else {
    body["verifier_keys"] = texts;
  }
  if (entry.event == KeyEvent::kChanged) body["note"] = entry.note;
  return body.dump();
}

KeyEntryResult parse_key_entry(xase::proto::Bytes body) {
  KeyEntryResult result;
  const json entry = json::parse(xase::proto::as_text(body), nullptr, /*allow_exceptions=*/false);
  if (!entry.is_object()) return result;
  const auto event = entry.find("event");
  if (event == entry.end() || !event->is_string()) return result;
  result.fault = take_keys(entry, result.entry.keys);
  if (result.fault != KeyEntryFault::kNone) return result;
  const auto known = event_of(event->get_ref<const std::string&>());
  if (!known) {
    result.fault = KeyEntryFault::kNewer;
    return result;
  }
  result.entry.event = *known;
  if (*known != KeyEvent::kChanged) return result;
  const auto note = entry.find("note");
  if (note == entry.end() || !note->is_string()) {
    result.fault = KeyEntryFault::kMalformed;
  } else {
    result.entry.note = note->get<std::string>();
  }
  return result;
}

}  // namespace xased
