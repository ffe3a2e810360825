#include "daemon/ctl/proof_view.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "daemon/ctl/evidence_view.hpp"
#include "proto/base64.hpp"
#include "proto/entry_body.hpp"
#include "proto/record.hpp"
#include "proto/run_dir.hpp"

namespace xased::ctl {

using Json = nlohmann::ordered_json;
using xase::proto::kRestPart;
using xase::proto::Leaf;
using xase::proto::Span;

namespace {

constexpr std::array<std::pair<const char*, Span>, 10> kRestFields{{
    {"policy", Span::kPolicy},
    {"policy_version", Span::kPolicyVersion},
    {"transaction_id", Span::kTransactionId},
    {"decision_type", Span::kDecisionType},
    {"idempotency_key", Span::kIdempotencyKey},
    {"model_id", Span::kModelId},
    {"model_version", Span::kModelVersion},
    {"model_hash", Span::kModelHash},
    {"feature_schema_hash", Span::kFeatureSchemaHash},
    {"explanation", Span::kExplanation},
}};

bool is_shown(const ProofReport& report, std::size_t part) {
  return report.property(part_name(part)).verdict == VerifyVerdict::kProven;
}

const DisclosedPart* body_of(const ProvenEntry& entry) {
  for (const DisclosedPart& part : entry.disclosed) {
    if (part.part == kRestPart) return &part;
  }
  return nullptr;
}

// Name and text of what a proven part holds.
using Fields = std::vector<std::pair<std::string, std::string>>;

Fields rest_fields(const Leaf& leaf, const DisclosedPart& rest) {
  const auto record = leaf.type == xase::proto::EntryType::kRecord
                          ? xase::proto::decode_record(rest.bytes)
                          : std::nullopt;
  if (!record) return {{"rest", std::string(xase::proto::as_text(rest.bytes))}};
  Fields fields;
  for (const auto& [name, span] : kRestFields) {
    if (!record->span(span).empty()) fields.emplace_back(name, record->span(span));
  }
  if (record->has(xase::proto::kRecordHasConfidence)) {
    fields.emplace_back("confidence", Json(record->confidence).dump());
  }
  if (record->has(xase::proto::kRecordHasProcessingTime)) {
    fields.emplace_back("processing_time", Json(record->processing_time_ms).dump());
  }
  if (record->has(xase::proto::kRecordHasStorePayload)) {
    fields.emplace_back("store_payload",
                        record->has(xase::proto::kRecordStorePayload) ? "true" : "false");
  }
  return fields;
}

Fields shown_fields(const Proof& proof, const ProofReport& report) {
  Fields fields;
  for (const DisclosedPart& part : proof.entry.disclosed) {
    if (!is_shown(report, part.part)) continue;
    if (part.part != kRestPart) {
      fields.emplace_back(part_name(part.part), xase::proto::as_text(part.bytes));
      continue;
    }
    for (auto& field : rest_fields(report.leaf, part)) fields.push_back(std::move(field));
  }
  return fields;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    if (!xase::proto::take_utf8(text)) return false;
  }
  return true;
}

Json text_json(const std::string& text) {
  if (is_utf8(text)) return text;
  return {{"base64", xase::proto::encode_base64(xase::proto::as_bytes(text))}};
}

Json leaf_json(const Leaf& leaf) {
  Json json{{"sequence", leaf.sequence},
            {"type", entry_type_name(leaf.type)},
            {"log_id", xase::proto::to_hex(leaf.log_id)},
            {"wall_ns", leaf.wall_ns}};
  if (leaf.ring_sequence != 0) {
    json["ring_id"] = xase::proto::to_hex(leaf.ring_id);
    json["ring_sequence"] = leaf.ring_sequence;
    json["stamp_ns"] = leaf.stamp_ns;
    json["uid"] = leaf.uid;
    json["pid"] = leaf.pid;
  }
  return json;
}

// The answer, where it is proven to be this record's.
std::optional<xase::proto::ReceiptBody> answer_of(const Proof& proof, const ProofReport& report) {
  if (!proof.receipt || report.property("receipt").verdict != VerifyVerdict::kProven) {
    return std::nullopt;
  }
  return xase::proto::decode_receipt_body(body_of(*proof.receipt)->bytes);
}

class Page {
 public:
  Page(const Proof& proof, const ProofReport& report, const Style& style)
      : proof_(proof), report_(report), style_(style) {}

  std::string take() {
    head();
    for (const auto& [name, text] : shown_fields(proof_, report_)) labelled(name, printable(text));
    answer();
    line("");
    return text_ + property_lines(report_.properties,
                                  "this entry is in the ledger that a pinned key signed", style_);
  }

 private:
  void line(const std::string& text) { text_ += text + "\n"; }
  void labelled(std::string_view label, const std::string& text) {
    line(paint(style_, Ink::kDim, left(label, 21)) + text);
  }

  // Of the leaf, which the proof is about, whether or not it is proven.
  void head() {
    const Leaf& leaf = report_.leaf;
    labelled("ledger", printable(report_.origin));
    labelled("entry", with_commas(leaf.sequence) + ", a " +
                          std::string(entry_type_name(leaf.type)) + ", under a head over " +
                          with_commas(report_.size) + " entries");
    labelled("made", local_time(leaf.wall_ns) + " by the host's clock");
    if (leaf.ring_sequence != 0) {
      labelled("by", "uid " + std::to_string(leaf.uid) + ", producer " +
                         xase::proto::to_hex(leaf.ring_id).substr(0, 8) + ", its record " +
                         with_commas(leaf.ring_sequence));
    }
  }

  void answer() {
    const auto body = answer_of(proof_, report_);
    if (!body) return;
    labelled("answered", local_time(body->answered_wall_ns) + " with status " +
                             std::to_string(body->http_status) + ", after " +
                             std::to_string(body->attempts) + " attempts");
    if ((body->flags & xase::proto::kReceiptReplayed) != 0) {
      labelled("", "it is the answer to an earlier request with the same idempotency key");
    }
    if ((body->flags & xase::proto::kReceiptPossibleDuplicate) != 0) {
      labelled("", "the service may hold this record twice");
    }
    labelled("answer", printable(body->answer));
  }

  const Proof& proof_;
  const ProofReport& report_;
  const Style& style_;
  std::string text_;
};

}  // namespace

std::string proof_page(const Proof& proof, const ProofReport& report, const Style& style) {
  return Page(proof, report, style).take();
}

std::string proof_json(const Proof& proof, const ProofReport& report) {
  Json json{{"verdict", evidence_verdict(report.properties)},
            {"origin", report.origin},
            {"size", report.size},
            {"root", report.root},
            {"signed_by", report.signed_by},
            {"leaf_hash", report.leaf_hash},
            {"entry", leaf_json(report.leaf)}};
  json["properties"] = properties_json(report.properties);
  Json& disclosed = json["disclosed"] = Json::object();
  for (const auto& [name, text] : shown_fields(proof, report)) disclosed[name] = text_json(text);
  json["receipt"] = Json();
  if (const auto body = answer_of(proof, report)) {
    json["receipt"] = {
        {"entry", leaf_json(*report.receipt)},
        {"http_status", body->http_status},
        {"replayed", (body->flags & xase::proto::kReceiptReplayed) != 0},
        {"possible_duplicate", (body->flags & xase::proto::kReceiptPossibleDuplicate) != 0},
        {"attempts", body->attempts},
        {"first_attempt_wall_ns", body->first_attempt_wall_ns},
        {"answered_wall_ns", body->answered_wall_ns},
        {"answer", text_json(std::string(body->answer))}};
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace xased::ctl
