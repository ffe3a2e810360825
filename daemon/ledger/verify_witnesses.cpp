#include "daemon/ledger/verify_witnesses.hpp"

#include <algorithm>
#include <ctime>
#include <functional>
#include <string_view>
#include <unordered_map>

#include "daemon/ledger/tree/verify_signature.hpp"
#include "daemon/platform/sha256.hpp"
#include "proto/cosignature.hpp"

namespace xased {

using xase::proto::KeyAlgorithm;

namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

// "2026-11-24T19:00:00Z"; empty for a time that no calendar has.
std::string time_text(std::uint64_t unix_seconds) {
  const auto seconds = static_cast<std::time_t>(unix_seconds);
  std::tm parts{};
  if (gmtime_r(&seconds, &parts) == nullptr) return {};
  std::string text(32, '\0');
  text.resize(std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts));
  return text;
}

struct Line {
  bool is_good = false;
  std::uint64_t unix_seconds = 0;
};

Line check_line(const xase::proto::VerifierKey& key, const xase::proto::Note& head,
                const xase::proto::NoteSignature& line) {
  if (key.algorithm != KeyAlgorithm::kCosignatureV1) {
    return {verify_signature(key, xase::proto::as_bytes(head.text), line.signature).ok(), 0};
  }
  const auto cosignature = xase::proto::split_cosignature(line.signature);
  if (!cosignature) return {};
  const std::string message = xase::proto::cosigned_message(cosignature->unix_seconds, head.text);
  return {verify_signature(key, xase::proto::as_bytes(message), cosignature->signature).ok(),
          cosignature->unix_seconds};
}

}  // namespace

void WitnessSightings::take(const xase::proto::Note& head, std::uint64_t size) {
  Sha256 sha;
  for (std::size_t i = 0; i < seen_.size(); ++i) {
    const xase::proto::VerifierKey& key = policy_.witnesses[i].key;
    const xase::proto::KeyId id = key_id(sha, key);
    for (const xase::proto::NoteSignature& line : head.signatures) {
      if (line.name != key.name || line.key_id != id) continue;
      const Line checked = check_line(key, head, line);
      if (!checked.is_good) {
        seen_[i].has_false_line = true;
      } else if (size > seen_[i].size) {
        seen_[i].size = size;
        seen_[i].unix_seconds = checked.unix_seconds;
      }
    }
  }
}

std::uint64_t WitnessSightings::quorum_size() const {
  // In the order of the policy, in which members come before their group: each is looked at once,
  // however groups share members.
  std::unordered_map<std::string_view, std::uint64_t> sizes;
  for (std::size_t i = 0; i < seen_.size(); ++i) {
    sizes.emplace(policy_.witnesses[i].name, seen_[i].size);
  }
  for (const WitnessGroup& group : policy_.groups) {
    std::vector<std::uint64_t> members;
    for (const std::string& member : group.members) members.push_back(sizes[member]);
    std::sort(members.begin(), members.end(), std::greater<>());
    const bool can_hold = group.threshold != 0 && group.threshold <= members.size();
    sizes.emplace(group.name, can_hold ? members[group.threshold - 1] : 0);
  }
  return policy_.asks() ? sizes[policy_.quorum] : 0;
}

std::string WitnessSightings::who(bool saw) const {
  std::string names;
  for (std::size_t i = 0; i < seen_.size(); ++i) {
    if ((seen_[i].size != 0) != saw) continue;
    names += (names.empty() ? "" : ", ") + policy_.witnesses[i].name;
    if (saw) {
      const std::string time =
          seen_[i].unix_seconds == 0 ? std::string() : time_text(seen_[i].unix_seconds);
      names += " (" + number(seen_[i].size) + (time.empty() ? "" : ", at " + time) + ")";
    } else if (seen_[i].has_false_line) {
      names += " (a line of its key does not verify)";
    }
  }
  return names;
}

std::string WitnessSightings::text(std::uint64_t entries) const {
  if (!policy_.asks()) return "no witness is asked for: that takes --policy";
  const std::uint64_t size = quorum_size();
  const std::string saw = who(true);
  if (size != 0) {
    std::string text =
        "the quorum " + policy_.quorum + " saw the first " + number(size) + " entries: " + saw;
    if (entries > size) text += "; " + number(entries - size) + " after them are not covered";
    return text;
  }
  const std::string others = who(false);
  return "the quorum " + policy_.quorum + " is not met. " + (saw.empty() ? "None" : "Only " + saw) +
         " cosigned a head that is shown to be this ledger's" +
         (others.empty() ? "" : "; missing: " + others);
}

}  // namespace xased
