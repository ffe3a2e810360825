#include "daemon/ledger/verify_anchors.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "daemon/ledger/tree/tile_reader.hpp"
#include "daemon/ledger/verify.hpp"
#include "daemon/ledger/verify_findings.hpp"
#include "proto/note.hpp"
#include "proto/service_id.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::Checkpoint;
using xase::proto::Leaf;

namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

// Empty: none that can be asked for. Whoever wrote the ledger wrote this.
std::string transaction_of(std::string_view answer) {
  const auto parsed = nlohmann::json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return {};
  const auto member = parsed.find("transaction_id");
  if (member == parsed.end() || !member->is_string()) return {};
  const auto& id = member->get_ref<const std::string&>();
  return xase::proto::is_service_id(id) ? id : std::string();
}

std::optional<Checkpoint> head_of(const std::string& note) {
  const auto parsed = xase::proto::parse_note(note);
  if (!parsed.ok()) return std::nullopt;
  const auto head = xase::proto::parse_checkpoint(parsed->text);
  return head.ok() ? std::optional(*head) : std::nullopt;
}

// The files say nothing, which is no failure to read them.
bool is_of_content(Code code) {
  return code == Code::kNotFound || code == Code::kCorrupt || code == Code::kInvalid;
}

}  // namespace

bool VerifyAnchors::take(const Leaf& leaf, Bytes body_bytes) {
  const auto body = xase::proto::decode_anchor_body(body_bytes);
  if (!body) return false;
  const std::string note(body->note);
  const auto head = head_of(note);
  if (!head || head->size != body->size || head->root != body->root) return false;
  const std::string transaction = transaction_of(body->answer);
  ++count_;
  if (!transaction.empty() && body->size >= last_size_) {
    last_size_ = body->size;
    last_transaction_ = transaction;
  }
  const bool is_pinned = std::any_of(pinned_.begin(), pinned_.end(), [&](const auto& pinned) {
    return pinned.transaction_id == transaction;
  });
  // Of a transaction the first entry counts: a later one is an answer to the same request.
  if (is_pinned) {
    met_.try_emplace(transaction, Met{leaf.sequence, body->size, body->root, leaf.log_id, note});
  }
  return true;
}

void VerifyAnchors::doubt(const PinnedAnchor& pinned, const std::string& why) {
  if (doubts_.empty()) doubts_ = pinned.transaction_id + ": " + why;
}

Status VerifyAnchors::settle(FileSystem& fs, const std::string& directory,
                             const std::optional<Checkpoint>& head) {
  if (pinned_.empty()) return {};
  std::optional<TileReader> tiles;
  if (head) tiles.emplace(fs, directory, head->size, head->root);
  for (const PinnedAnchor& pinned : pinned_) {
    const auto met = met_.find(pinned.transaction_id);
    if (met == met_.end()) {
      doubt(pinned, "no ANCHOR entry that is here tells of it");
    } else if (!tiles) {
      doubt(pinned,
            "what it covers is told by the tree of the ledger's own head, which shows nothing");
    } else if (Status status = settle_one(pinned, met->second, *tiles); !status.ok()) {
      return status;
    }
  }
  return {};
}

Status VerifyAnchors::settle_one(const PinnedAnchor& pinned, const Met& met, TileReader& tiles) {
  const auto refute = [&](std::uint64_t sequence, const std::string& what) {
    findings_.move_to_segment("");
    findings_.move_to(0);
    findings_.refute(VerifyProperty::kAnchors, sequence, pinned.transaction_id + ": " + what);
  };
  const auto consistency = tiles.prove_consistency(met.size);
  const auto last = consistency.ok() ? tiles.leaf(met.size) : consistency.status();
  if (!last.ok()) {
    if (!is_of_content(last.status().code())) return last.status();
    doubt(pinned, "the tree's files do not tell the root of the first " + number(met.size) +
                      " entries: " + last.status().message());
    return {};
  }
  if (consistency->first_root != met.root) {
    refute(met.size, "the service took a head over " + number(met.size) +
                         " entries, and these have another root now");
    return {};
  }
  const auto hash = record_hash_
                        ? record_hash_(met.note, met.log_id, last->leaf_hash, pinned.previous)
                        : std::nullopt;
  if (!hash) {
    doubt(pinned, "what the service must have hashed cannot be told");
  } else if (*hash != pinned.record_hash) {
    refute(met.sequence, "the service stands by another record than ANCHOR entry " +
                             number(met.sequence) + " tells of");
  } else {
    ++shown_;
    shown_size_ = std::max(shown_size_, met.size);
  }
  return {};
}

void VerifyAnchors::judge(VerifyPropertyReport& report) const {
  if (pinned_.empty()) {
    report.text = "no anchor is asked for";
    if (last_transaction_.empty()) {
      report.text += ", and the ledger names none that the service could be asked for";
    } else {
      report.text += "; the service took " + number(count_) + (count_ == 1 ? " head" : " heads") +
                     ", the last over " + number(last_size_) + " entries as " + last_transaction_ +
                     ". Ask it, GET /verify/" + last_transaction_ +
                     ", and give what it says as a line of --policy";
    }
    return;
  }
  if (shown_ != pinned_.size()) {
    report.text = doubts_;
    return;
  }
  report.verdict = VerifyVerdict::kProven;
  report.text = "the service took the head over the first " + number(shown_size_) +
                " entries, and they are what it was made over";
}

}  // namespace xased
